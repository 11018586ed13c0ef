//! A shop that behaves as usual, second by second, before all stages that judge.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context, Result};
use bytes::Bytes;
use component::Telemetry;
use config::{ConfigUri, MapEnvironment};
use engine::{Offline, Plan};
use model::{Export, Signal, Timestamp};
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest, common::v1::any_value::Value,
};
use prost::Message;
use wire::{
    build::{
        Attributes, ExponentialPoint, HistogramPoint, MetricHead, MetricsWriter, NumberPoint, Span,
        SpansWriter,
    },
    testing::Random,
    view::{Number, Temporality},
};

use crate::rig::registry;

/// The start of a day, so that windows of a minute begin with it.
pub(super) const START: Timestamp = Timestamp::from_secs(1_800_057_600);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// After a day levels are known, and all detectors may open episodes.
const LEARNED: u64 = 25 * 60;

/// Every stage that judges, with its default detectors, at windows of a minute.
pub(super) fn yaml(keys: Keys) -> String {
    let Keys { aggregation, baseline, anomaly } = keys;
    format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
processors:
  aggregation: {{windows: [1m], allowed_lateness: 5s{aggregation}}}
  baseline: {{window: 1m{baseline}}}
  anomaly: {{window: 1m{anomaly}}}
  forecast: {{window: 1m, emit: {{metrics: ['*']}}}}
  enrichment: {{spans: all, logs: all}}
exporters: {{file: {{path: /dev/null}}}}
service:
  pipelines:
    telemetry:
      receivers: [otlp]
      processors: [aggregation, baseline, anomaly, forecast, enrichment]
      exporters: [file]
"
    )
}

/// Keys to add to the settings of each stage, each with a comma before it.
#[derive(Clone, Copy, Default)]
pub(super) struct Keys {
    pub(super) aggregation: &'static str,
    pub(super) baseline: &'static str,
    pub(super) anomaly: &'static str,
}

pub(super) struct Scene {
    pub(super) offline: Offline,
    pub(super) telemetry: Telemetry,
    pub(super) shop: Shop,
    /// Event name and attributes of what was told.
    pub(super) told: Vec<String>,
    /// Values that were rolled up, by metric.
    pub(super) rolled_up: BTreeMap<String, f64>,
}

impl Scene {
    /// A shop that is known for a day and has been quiet.
    pub(super) fn learned(keys: Keys) -> Result<Self> {
        let mut scene = Self::new(keys)?;
        for _ in 0..LEARNED {
            scene.minute(|_| {})?;
        }
        scene.assert_quiet();
        assert!(scene.counted("otelcol_processor_anomaly_series") >= 7, "every series is judged");
        Ok(scene)
    }

    pub(super) fn new(keys: Keys) -> Result<Self> {
        let telemetry = Telemetry::default();
        let offline = Offline::new(plan(yaml(keys))?, &telemetry, START);
        Ok(Self { offline, telemetry, shop: Shop::new(), told: Vec::new(), rolled_up: BTreeMap::new() })
    }

    /// Lets a minute pass in which the shop sends what it would, changed by `change`.
    pub(super) fn minute(&mut self, change: impl FnOnce(&mut Minute)) -> Result<()> {
        let mut minute = self.shop.next(self.offline.now());
        change(&mut minute);
        self.offline.advance(minute.start + MINUTE / 2);
        for (signal, request) in minute.requests() {
            self.offline.take(signal, request)?;
        }
        self.offline.advance(minute.start + MINUTE);
        self.read()
    }

    pub(super) fn minutes(&mut self, n: u64, mut change: impl FnMut(u64, &mut Minute)) -> Result<()> {
        (0..n).try_for_each(|at| self.minute(|minute| change(at, minute)))
    }

    pub(super) fn read(&mut self) -> Result<()> {
        for Export { signal, bytes, .. } in self.offline.told().exports {
            match signal {
                Signal::Logs => self.read_logs(&bytes.whole())?,
                Signal::Metrics => self.read_rollups(&bytes.whole()),
                Signal::Traces => {}
            }
        }
        Ok(())
    }

    fn read_logs(&mut self, bytes: &Bytes) -> Result<()> {
        let request = ExportLogsServiceRequest::decode(&bytes[..])?;
        let records =
            request.resource_logs.iter().flat_map(|it| &it.scope_logs).flat_map(|it| &it.log_records);
        self.told.extend(records.map(|record| {
            let keys = ["state", "metric", "stat", "detectors", "direction"]
                .map(|key| format!("trueline.anomaly.{key}"));
            let name = "span.name".to_owned();
            let texts = keys.iter().chain([&name]).filter_map(|key| {
                let value =
                    record.attributes.iter().find(|it| it.key == *key)?.value.as_ref()?.value.as_ref()?;
                Some(match value {
                    Value::StringValue(text) => text.clone(),
                    other => format!("{other:?}"),
                })
            });
            format!("{} {}", record.event_name, texts.collect::<Vec<_>>().join(" "))
        }));
        Ok(())
    }

    /// Adds up `count` of every roll-up.
    fn read_rollups(&mut self, request: &[u8]) {
        for group in wire::view::groups(request) {
            for metric in group.items().map(wire::view::Metric::of) {
                let Some(name) = metric.name.strip_suffix(b".rollup") else { continue };
                let wire::view::MetricData::Gauge(points) = metric.data else { continue };
                for point in points.iter().map(wire::view::NumberPoint::of) {
                    let is_count = point
                        .attributes()
                        .any(|it| it.key == b"stat" && it.value() == wire::view::AnyValue::Str(b"count"));
                    if let Some(value) = point.value.filter(|_| is_count) {
                        let name = String::from_utf8_lossy(name).into_owned();
                        *self.rolled_up.entry(name).or_default() += value.as_f64();
                    }
                }
            }
        }
    }

    /// Adds up a self-metric over all its labels.
    pub(super) fn counted(&self, name: &str) -> u64 {
        self.telemetry.read().iter().filter(|row| row.name == name).map(|row| row.value).sum()
    }

    /// Adds up a self-metric over the labels of one reason.
    pub(super) fn counted_for(&self, name: &str, reason: &str) -> u64 {
        let rows = self.telemetry.read();
        let of_reason =
            rows.iter().filter(|row| row.name == name && format!("{:?}", row.labels).contains(reason));
        of_reason.map(|row| row.value).sum()
    }

    #[track_caller]
    pub(super) fn assert_quiet(&self) {
        assert_eq!(self.told, [""; 0], "nothing is an anomaly");
        assert_eq!(self.counted("otelcol_processor_anomaly_opened_episodes"), 0);
    }
}

fn plan(yaml: String) -> Result<Plan> {
    let loaded = engine::load(&[ConfigUri::Yaml(yaml)], &MapEnvironment::default(), &registry());
    loaded.plan.with_context(|| config::render(&loaded.problems.sorted()))
}

/// What the shop's counters hold.
pub(super) struct Shop {
    random: Random,
    orders: f64,
    payments: [u64; 3],
    sizes: [u64; 4],
}

/// What the shop sends in one minute. Times may be changed one by one, values too.
#[derive(Clone, Debug)]
pub(super) struct Minute {
    pub(super) start: Timestamp,
    /// The time of every data point, and that by which spans are off.
    pub(super) time: u64,
    pub(super) depth: f64,
    /// Start time and value of a counter.
    pub(super) orders: (u64, f64),
    /// Start time and counts of a histogram.
    pub(super) payments: (u64, [u64; 3]),
    /// Start time and counts of an exponential histogram.
    pub(super) sizes: (u64, [u64; 4]),
    /// End and duration of each request.
    pub(super) requests: Vec<(u64, u64)>,
    /// Whether each kind is sent: data points, spans.
    pub(super) is_sent: [bool; 2],
    /// More requests, after the shop's own.
    pub(super) beside: Vec<(Signal, Vec<u8>)>,
}

impl Shop {
    fn new() -> Self {
        Self { random: Random(0x5eed_0f5e_ed0f_5eed), orders: 1e6, payments: [0; 3], sizes: [0; 4] }
    }

    fn next(&mut self, now: Timestamp) -> Minute {
        let random = &mut self.random;
        let start = now.window_start(MINUTE);
        // The sum of several is nearly normal: calm noise without a rhythm.
        let mut about =
            |mean: u64, spread: u64| mean + (0..6).map(|_| random.below(spread)).sum::<u64>() - 3 * spread;
        self.orders += about(600, 20) as f64;
        for count in &mut self.payments {
            *count += about(200, 10);
        }
        for count in &mut self.sizes {
            *count += about(150, 10);
        }
        let depth = about(2000, 30) as f64 / 10.0;
        let requests = (0..about(40, 4)).map(|at| {
            let end = start + MINUTE / 2 - Duration::from_millis(100 * at);
            (end.as_nanos(), about(50_000_000, 4_000_000))
        });
        let since = START.as_nanos() - 1;
        Minute {
            start,
            time: (start + MINUTE / 2).as_nanos() - 1,
            depth,
            orders: (since, self.orders),
            payments: (since, self.payments),
            sizes: (since, self.sizes),
            requests: requests.collect(),
            is_sent: [true; 2],
            beside: Vec::new(),
        }
    }

    /// Lets every counter begin at zero, as a restart of the shop does.
    pub(super) fn restart(&mut self) {
        (self.orders, self.payments, self.sizes) = (0.0, [0; 3], [0; 4]);
    }
}

impl Minute {
    /// Moves every time that the shop writes by so much.
    pub(super) fn shift(&mut self, by: i128) {
        let moved =
            |time: u64| u64::try_from(i128::from(time) + by).expect("the test moves within the epoch");
        self.time = moved(self.time);
        for (end, _) in &mut self.requests {
            *end = moved(*end);
        }
    }

    fn requests(&self) -> Vec<(Signal, Bytes)> {
        let own = [(Signal::Metrics, self.metrics()), (Signal::Traces, self.spans())];
        let sent = own.into_iter().zip(self.is_sent).filter(|(_, is_sent)| *is_sent).map(|(own, _)| own);
        let all = sent.chain(self.beside.iter().cloned());
        all.map(|(signal, request)| (signal, Bytes::from(request))).collect()
    }

    fn metrics(&self) -> Vec<u8> {
        let mut writer = MetricsWriter::new();
        writer.resource(&shop());
        writer.scope("test", "");
        let none = Attributes::new();
        let number = |start, value| NumberPoint {
            attributes: &none,
            start,
            time: self.time,
            value: Some(Number::Double(value)),
            exemplars: &[],
            flags: 0,
        };
        writer.gauge(&head("queue.depth")).point(&number(0, self.depth));
        let (start, value) = self.orders;
        writer.sum(&head("orders"), Temporality::Cumulative, true).point(&number(start, value));
        let (start, counts) = self.payments;
        writer.histogram(&head("payment.duration"), Temporality::Cumulative).point(&HistogramPoint {
            attributes: &none,
            start,
            time: self.time,
            count: counts.iter().sum(),
            sum: Some(counts.iter().sum::<u64>() as f64),
            min: None,
            max: None,
            bucket_counts: &counts,
            explicit_bounds: &[10.0, 100.0],
            exemplars: &[],
            flags: 0,
        });
        let (start, counts) = self.sizes;
        writer.exponential_histogram(&head("request.size"), Temporality::Cumulative).point(
            &ExponentialPoint {
                attributes: &none,
                start,
                time: self.time,
                count: counts.iter().sum(),
                sum: Some(counts.iter().sum::<u64>() as f64),
                min: None,
                max: None,
                scale: 1,
                zero_count: 0,
                zero_threshold: 0.0,
                positive: wire::build::Buckets { offset: 3, counts: &counts },
                negative: wire::build::Buckets { offset: 0, counts: &[] },
                exemplars: &[],
                flags: 0,
            },
        );
        writer.take()
    }

    fn spans(&self) -> Vec<u8> {
        let mut writer = SpansWriter::new();
        writer.resource(&shop());
        writer.scope("test", "");
        for (at, &(end, duration)) in self.requests.iter().enumerate() {
            let mut id = [1; 16];
            id[..8].copy_from_slice(&end.to_be_bytes());
            id[15] = at as u8;
            writer.span(&Span {
                trace_id: id,
                span_id: [1; 8],
                trace_state: "",
                parent_id: None,
                name: "GET /cart",
                kind: 2,
                start: end.saturating_sub(duration),
                end,
                attributes: &Attributes::new(),
                events: &[],
                links: &[],
                status: 0,
                status_message: "",
                flags: 0x101,
            });
        }
        writer.take()
    }
}

pub(super) fn shop() -> Attributes {
    let mut attributes = Attributes::new();
    attributes.push_str("service.name", "shop");
    attributes
}

pub(super) fn head(name: &str) -> MetricHead<'_> {
    MetricHead { name, description: "", unit: "1" }
}
