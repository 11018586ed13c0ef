//! What finding causes takes: at rest, and when something is wrong.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use model::{KeySet, Rollups, Series, SpanTable, Statistic, Timestamp, Traces};
use wire::Matcher;
use wire::build::{Attributes, LogRecord, LogsWriter};
use wire::view::{AnyValue, LogRecord as View, groups};

use super::{
    stage::Stage,
    traffic::{OPERATIONS, SERVICES, Traffic, service_name},
};

/// Of a rate of spans.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figures {
    pub(super) spans_per_second: u32,
    /// Shares of a core while nothing is wrong.
    pub(super) bottleneck_share: f64,
    pub(super) correlation_share: f64,
    /// Both halves of a second in which an incident was opened: its cause is looked for.
    pub(super) opening_seconds: f64,
    /// The dearest second of those that follow, in which that is done again.
    pub(super) dearest_seconds: f64,
}

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const SECOND: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(10);
/// How long a window is kept open, as `aggregation` does.
const LATENESS: Duration = Duration::from_secs(10);
/// Half an hour is remembered; the fault comes then.
pub(super) const MINUTES: u64 = 35;
const FAULT_FROM: u64 = 31 * 60;
/// What counts as rest.
const REST: std::ops::Range<u64> = 20 * 60..30 * 60;
const BROKEN: u32 = 77;
/// Rows of a service beside those of its operations.
const UTILIZATIONS: [&str; 2] = ["system.cpu.utilization", "system.memory.utilization"];
const STATISTICS: [Statistic; 5] =
    [Statistic::Rate, Statistic::ErrorRatio, Statistic::P50, Statistic::P95, Statistic::P99];

/// The stages with what came from them.
struct Scene {
    traffic: Traffic,
    matcher: Matcher,
    table: Box<SpanTable>,
    bottleneck: Stage,
    correlation: Stage,
    series: Vec<Arc<Series>>,
}

pub(super) fn measure(spans_per_second: u32) -> Result<Figures> {
    let mut keys = KeySet::default();
    let bottleneck = Stage::new("bottleneck", "{}", &mut keys, START)?;
    let correlation = Stage::new("correlation", "{}", &mut keys, START)?;
    let (traffic, matcher, series) = (Traffic::new(), Matcher::new(&keys), all_series());
    let mut scene = Scene { traffic, matcher, table: Box::default(), bottleneck, correlation, series };
    let (mut at_rest, mut opening, mut dearest) = ((Duration::ZERO, Duration::ZERO), None, Duration::ZERO);
    for second in 0..MINUTES * 60 {
        scene.traffic.broken = (second >= FAULT_FROM).then_some(BROKEN);
        if second == FAULT_FROM + 20 {
            let now = START + SECOND * second as u32;
            scene.correlation.hear(episode(now), now);
        }
        let before = (scene.bottleneck.analysing + scene.bottleneck.ingesting, scene.correlation.analysing);
        let told = scene.second(START + SECOND * second as u32, spans_per_second)?;
        let after = (scene.bottleneck.analysing + scene.bottleneck.ingesting, scene.correlation.analysing);
        let spent = (after.0 - before.0, after.1 - before.1);
        if REST.contains(&second) {
            at_rest = (at_rest.0 + spent.0, at_rest.1 + spent.1);
            ensure!(told.is_empty(), "while nothing is wrong, {}", sentences(&told).join("; "));
        }
        if second >= FAULT_FROM {
            match opening {
                None if !told.is_empty() => opening = Some(spent.1),
                _ => dearest = dearest.max(spent.1),
            }
        }
    }
    let seconds = (REST.end - REST.start) as f64;
    Ok(Figures {
        spans_per_second,
        bottleneck_share: at_rest.0.as_secs_f64() / seconds,
        correlation_share: at_rest.1.as_secs_f64() / seconds,
        opening_seconds: opening.context("no incident was opened, so nothing was judged")?.as_secs_f64(),
        dearest_seconds: dearest.as_secs_f64(),
    })
}

/// The bodies of all records.
fn sentences(requests: &[Vec<u8>]) -> Vec<String> {
    let mut sentences = Vec::new();
    for group in requests.iter().flat_map(|request| groups(request)) {
        sentences.extend(group.items().map(|message| View::of(message).body.to_label_string()));
    }
    sentences
}

impl Scene {
    /// Lets a second pass. Returns the requests of records that `correlation` told.
    fn second(&mut self, begin: Timestamp, spans_per_second: u32) -> Result<Vec<Vec<u8>>> {
        let (requests, _) = self.traffic.second(begin, spans_per_second);
        for request in requests {
            let mut table = std::mem::take(&mut self.table);
            table.clear();
            wire::scan_traces(&request, &self.matcher, &mut table).context("a request is malformed")?;
            self.table = self.bottleneck.pass(Traces { bytes: request, table }, begin)?.table;
        }
        let now = begin + SECOND;
        self.bottleneck.tell(now);
        if now.window_start(WINDOW) == now && now.since(START) >= WINDOW + LATENESS {
            let window = self.bottleneck.judge(self.window(now - LATENESS - WINDOW), now)?;
            self.correlation.judge(window, now)?;
        }
        for records in self.bottleneck.tick(now) {
            self.correlation.hear(records, now);
        }
        self.correlation.tell(now);
        let lost = self.bottleneck.rejected();
        ensure!(lost.is_empty(), "bottleneck drops {lost:?}");
        Ok(self.correlation.tick(now))
    }

    fn window(&self, start: Timestamp) -> Box<Rollups> {
        let mut window = Rollups { start, width: WINDOW, ..Rollups::default() };
        let wobble = (start.as_nanos() / WINDOW.as_nanos() as u64 % 7) as f64 / 100.0;
        for (slot, series) in (0..).zip(&self.series) {
            window.push(Arc::clone(series), slot, 0.3 + wobble, 100);
        }
        Box::new(window)
    }
}

fn all_series() -> Vec<Arc<Series>> {
    let [duration, ms, one] = ["span.duration", "ms", "1"].map(Arc::<str>::from);
    let mut series = Vec::new();
    for service in 0..SERVICES {
        let service: Arc<str> = service_name(service).into();
        let mut add = |metric: &Arc<str>, unit: &Arc<str>, statistic, attributes: String| {
            series.push(Arc::new(Series {
                resource: service.as_bytes().into(),
                metric: Arc::clone(metric),
                unit: Arc::clone(unit),
                // Read of utilisations alone, which have none here.
                attributes: attributes.into_bytes().into(),
                statistic,
                service: Arc::clone(&service),
                fingerprint: 0,
            }));
        };
        for operation in 0..OPERATIONS {
            for statistic in STATISTICS {
                add(&duration, &ms, statistic, format!("operation-{operation}"));
            }
        }
        for metric in UTILIZATIONS {
            add(&metric.into(), &one, Statistic::Mean, String::new());
        }
    }
    series
}

/// An episode as `anomaly` tells it.
fn episode(now: Timestamp) -> Vec<u8> {
    let (mut writer, mut resource, mut attributes) =
        (LogsWriter::new(), Attributes::new(), Attributes::new());
    resource.push_str("service.name", &service_name(BROKEN));
    attributes.push_str("trueline.anomaly.id", "1");
    attributes.push_str("trueline.anomaly.state", "opened");
    attributes.push_str("trueline.anomaly.severity", "warning");
    attributes.push_int("trueline.anomaly.start", now.as_nanos() as i64);
    writer.resource(&resource);
    writer.scope("anomaly", "");
    writer.record(&LogRecord {
        time: now.as_nanos(),
        observed_time: now.as_nanos(),
        severity_number: 13,
        severity_text: "WARN",
        body: AnyValue::Str(b"p95 is high"),
        attributes: &attributes,
        flags: 0,
        trace_id: None,
        span_id: None,
        event_name: "trueline.anomaly",
    });
    writer.take()
}
