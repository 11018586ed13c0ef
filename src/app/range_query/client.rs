//! The HTTP API of a Prometheus.

use std::time::Duration;

use anyhow::bail;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, header::CONTENT_TYPE};
use http_body_util::Full;
use model::Timestamp;

use super::{
    Range,
    answer::{self, Answered},
};
use crate::http_client::{HttpClient, Server, TlsFiles, Unreached, base_of, encoded};

/// A larger answer is refused: it and what is made of it are held in memory.
const MAX_ANSWER_BYTES: usize = 512 << 20;
/// So much of an answer that is no answer is shown.
const SHOWN_BYTES: usize = 300;

pub(crate) struct Client {
    http: HttpClient,
    place: String,
}

impl Client {
    /// Makes a client that waits so long for an answer. `option` says where the URL is from.
    ///
    /// # Errors
    /// When the URL is none.
    pub(crate) fn new(
        option: &str,
        url: &str,
        headers: Vec<(HeaderName, HeaderValue)>,
        files: TlsFiles<'_>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let base = base_of(option, url)?;
        let server = Server { base: &base, files };
        let http = HttpClient::new(&server, headers, patience, MAX_ANSWER_BYTES)?;
        Ok(Self { http, place: format!("{base}/api/v1/query_range") })
    }

    /// Where answers come from, for people.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Asks for the points of a range.
    ///
    /// # Errors
    /// [`crate::http_client::Unreached`], or what was answered, with the query and the range.
    pub(crate) fn query_range(&self, query: &str, range: Range) -> anyhow::Result<Answered> {
        let asked = || {
            let (from, to) = (seconds(range.start), seconds(range.end));
            format!("`{query}` from {from} to {to}")
        };
        // Prometheus refuses what would take too many samples, or works on it for too long.
        let too_much = || format!("{} (when it is too much, ask for fewer series)", asked());
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.place)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form(query, range))))?;
        let (status, body) = self.http.send(request).map_err(|problem| {
            let is_reached = !problem.is::<Unreached>();
            problem.context(if is_reached { too_much() } else { asked() })
        })?;
        match answer::read(&body) {
            Ok(answered) => Ok(answered),
            // A refusal of Prometheus says why; whatever else answers is shown.
            Err(problem) if status == 200 || problem.root_cause().is::<answer::Refused>() => {
                Err(problem.context(too_much()))
            }
            Err(_) => {
                let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]).into_owned();
                bail!("{}: {} answers with status {status}: {shown}", asked(), self.place)
            }
        }
    }
}

fn form(query: &str, range: Range) -> String {
    let step = range.step.as_secs_f64();
    format!("query={}&start={}&end={}&step={step}", encoded(query), seconds(range.start), seconds(range.end))
}

/// Seconds since the epoch, with milliseconds.
fn seconds(at: Timestamp) -> String {
    format!("{}.{:03}", at.as_millis() / 1000, at.as_millis() % 1000)
}
