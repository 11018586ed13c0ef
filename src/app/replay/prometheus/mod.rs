//! The past of series from a Prometheus, as gauges in the order of time.
//!
//! A stretch of the range is asked for at a time; `series` makes of a label set the resource and the attributes that
//! telemetry over OTLP would have.

mod series;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use anyhow::ensure;
use bytes::Bytes;
use model::{Signal, Timestamp};
use wire::{
    build::{MetricHead, MetricsWriter, NumberPoint},
    view::Number,
};

use super::{args::PrometheusArgs, console::Console, source::Recorded};
pub(super) use crate::http_client::Unreached;
use crate::{
    http_client::TlsFiles,
    range_query::{Answered, Client, Range},
};
use series::{Identity, Names};

/// As long as Prometheus works on a query by default.
const PATIENCE: Duration = Duration::from_secs(120);
const SCOPE: &str = "prometheus";

/// Returns the instants that are asked for.
///
/// # Errors
/// When there are none.
pub(super) fn range_of(args: &PrometheusArgs) -> anyhow::Result<Range> {
    let (start, end) = (args.start.unwrap_or_default(), args.end.unwrap_or_default());
    ensure!(end > start, "--end must be after --start");
    ensure!(args.step >= Duration::from_secs(1), "--step is {:?}, must be at least 1s", args.step);
    Ok(Range { start, end, step: args.step })
}

/// Asks for a range stretch by stretch, and gives out one request for each instant.
pub(super) struct History<'a> {
    client: Client,
    queries: Vec<String>,
    names: Names,
    left: Range,
    whole: Range,
    n_series: usize,
    ready: VecDeque<Recorded>,
    console: &'a Console,
    has_failed: bool,
}

impl<'a> History<'a> {
    /// # Errors
    /// When the URL can not be used.
    pub(super) fn new(
        url: &str,
        args: &PrometheusArgs,
        range: Range,
        console: &'a Console,
    ) -> anyhow::Result<Self> {
        let [ca, cert, key] = [&args.ca_file, &args.cert_file, &args.key_file].map(|file| file.as_deref());
        let files = TlsFiles::of_options(ca, cert, key);
        Ok(Self {
            client: Client::new("--prometheus", url, args.header.clone(), files, PATIENCE)?,
            queries: args.query.clone(),
            names: Names::new(&args.rename, &args.unit),
            left: range,
            whole: range,
            n_series: 0,
            ready: VecDeque::new(),
            console,
            has_failed: false,
        })
    }

    /// Asks for the next stretch. Returns whether there was one.
    fn ask(&mut self) -> anyhow::Result<bool> {
        let Some(stretch) = self.left.split_first() else {
            ensure!(self.n_series > 0, "the queries gave no series from --start to --end; check the labels");
            return Ok(false);
        };
        let mut all = Vec::new();
        for (index, query) in self.queries.iter().enumerate() {
            let answered = self.client.query_range(query, stretch)?;
            for warning in &answered.warnings {
                self.console.say(&format!("warning: Prometheus says of `{query}`: {warning}"));
            }
            all.extend(self.identified(answered, index));
        }
        self.n_series = self.n_series.max(all.len());
        let place = self.client.place();
        self.ready = requests(&mut all, place).into();
        let done = stretch.end.since(self.whole.start).as_nanos() / self.whole.step.as_nanos();
        self.console.set_position(done as u64 + 1);
        Ok(true)
    }

    fn identified(&self, answered: Answered, query: usize) -> impl Iterator<Item = Past> {
        let names = &self.names;
        answered
            .series
            .into_iter()
            .map(move |found| Past { identity: names.identify(&found.labels, query), points: found.points })
    }
}

impl Iterator for History<'_> {
    type Item = anyhow::Result<Recorded>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(request) = self.ready.pop_front() {
                return Some(Ok(request));
            }
            if self.has_failed {
                return None;
            }
            match self.ask() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(problem) => {
                    self.has_failed = true;
                    return Some(Err(problem));
                }
            }
        }
    }
}

/// The points of a series, and who it is.
struct Past {
    identity: Identity,
    points: Vec<(Timestamp, f64)>,
}

/// Makes a request of each instant, in the order of time; within it series stand in the order of their names.
fn requests(all: &mut [Past], place: &str) -> Vec<Recorded> {
    all.sort_by(|a, b| a.identity.cmp(&b.identity));
    let mut instants: BTreeMap<Timestamp, Vec<(&Identity, f64)>> = BTreeMap::new();
    for past in all.iter() {
        for (at, value) in &past.points {
            instants.entry(*at).or_default().push((&past.identity, *value));
        }
    }
    let recorded = |(at, points): (Timestamp, Vec<_>)| Recorded {
        at,
        signal: Signal::Metrics,
        bytes: request(at, &points),
        place: place.to_owned(),
    };
    instants.into_iter().map(recorded).collect()
}

fn request(at: Timestamp, points: &[(&Identity, f64)]) -> Bytes {
    let mut writer = MetricsWriter::new();
    for of_resource in points.chunk_by(|(a, _), (b, _)| a.resource == b.resource) {
        let [(first, _), ..] = of_resource else { continue };
        writer.resource(&first.resource_attributes());
        writer.scope(SCOPE, "");
        for of_metric in of_resource.chunk_by(|(a, _), (b, _)| a.metric == b.metric) {
            let [(first, _), ..] = of_metric else { continue };
            let head = MetricHead { name: &first.metric, description: "", unit: &first.unit };
            let mut gauge = writer.gauge(&head);
            for (identity, value) in of_metric {
                let (attributes, value) = (identity.point_attributes(), Some(Number::Double(*value)));
                gauge.point(&NumberPoint::of_gauge(&attributes, at.as_nanos(), value));
            }
        }
    }
    writer.take().into()
}
