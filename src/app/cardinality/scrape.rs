//! The page of a running instance, as Prometheus reads it.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use super::{census::Census, refused::Refused};
use crate::http_client::{HttpClient, Server, TlsFiles, base_of};

const PATIENCE: Duration = Duration::from_secs(30);
/// A larger page is refused.
const MAX_PAGE_BYTES: usize = 512 << 20;

/// Fetches a page.
///
/// # Errors
/// [`crate::http_client::Unreached`], or what was answered in its place.
pub(super) fn page(url: &str) -> anyhow::Result<String> {
    let uri = base_of("--scrape", url)?;
    let files = TlsFiles::of_options(None, None, None);
    let http = HttpClient::new(&Server { base: &uri, files }, Vec::new(), PATIENCE, MAX_PAGE_BYTES)?;
    let (status, body) = http.send(Request::get(&uri).body(Full::new(Bytes::new()))?)?;
    if status != 200 {
        bail!(
            "{uri} answers with status {status}; name the page of the exporter `prometheus`, with its path"
        );
    }
    String::from_utf8(body.to_vec()).with_context(|| format!("{uri} answers with something that is no text"))
}

/// Counts the samples of a page in Prometheus's text format or in OpenMetrics. Returns what full tables of the instance
/// say, where the page is that of its own metrics.
///
/// # Errors
/// When a line is neither a comment nor a sample.
pub(super) fn count(page: &str, census: &mut Census) -> anyhow::Result<Vec<Refused>> {
    let mut refused = Vec::new();
    let mut kinds: BTreeMap<&str, &str> = BTreeMap::new();
    for (index, line) in page.lines().enumerate() {
        if let Some(told) = line.strip_prefix("# TYPE ") {
            kinds.extend(told.trim().split_once(' '));
        }
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let number = index + 1;
        let sample = Sample::of(line)
            .with_context(|| format!("line {number} of the page is no sample: {line:.100}"))?;
        refused.extend(sample.refused());
        sample.count(&kinds, census);
    }
    Ok(Refused::sorted(refused))
}

/// A line of a page.
struct Sample<'p> {
    name: &'p str,
    labels: Vec<(&'p str, String)>,
    value: f64,
}

impl<'p> Sample<'p> {
    fn of(line: &'p str) -> Option<Self> {
        let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
        let (name, mut rest) = line.split_at_checked(end)?;
        let mut labels = Vec::new();
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            loop {
                rest = rest.trim_start_matches([',', ' ']);
                if let Some(after) = rest.strip_prefix('}') {
                    rest = after;
                    break;
                }
                let (label, after) = rest.split_once("=\"")?;
                let (value, after) = text(after)?;
                labels.push((label.trim(), value));
                rest = after;
            }
        }
        // What follows is the value, and perhaps a time and an exemplar.
        let value = rest.split_whitespace().next()?;
        let value = value.parse().ok()?;
        (!name.is_empty()).then_some(Self { name, labels, value })
    }

    fn refused(&self) -> Option<Refused> {
        let label = |name: &str| {
            self.labels.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
        };
        Refused::of(self.name, label, self.value as u64)
    }

    /// Counts the sample with the others of its histogram: they are one series of the instrument.
    fn count(self, kinds: &BTreeMap<&str, &str>, census: &mut Census) {
        const PARTS: [&str; 4] = ["_bucket", "_sum", "_count", "_created"];
        let family = PARTS.iter().find_map(|part| {
            let family = self.name.strip_suffix(part)?;
            matches!(kinds.get(family), Some(&("histogram" | "summary"))).then_some(family)
        });
        let is_part = family.is_some();
        let family = family.unwrap_or(self.name);
        let is_quantile = kinds.get(family) == Some(&"summary");
        let is_of_part = |label: &str| (is_part && label == "le") || (is_quantile && label == "quantile");
        let find = |wanted: &str| {
            self.labels.iter().find(|(label, _)| *label == wanted).map(|(_, value)| value.clone())
        };
        let service = ["service_name", "service", "job"].into_iter().find_map(find).unwrap_or_default();
        let labels = self.labels.iter().filter(|(label, _)| !is_of_part(label));
        let labels: Vec<(&[u8], &[u8])> =
            labels.map(|(label, value)| (label.as_bytes(), value.as_bytes())).collect();
        census.take_sample(&service, family, &labels);
    }
}

/// Reads a quoted text after its first quote. Returns what follows the last.
fn text(from: &str) -> Option<(String, &str)> {
    let (mut value, mut letters) = (String::new(), from.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, from.get(at + 1..)?)),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            letter => value.push(letter),
        }
    }
    None
}
