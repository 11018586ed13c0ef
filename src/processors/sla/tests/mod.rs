//! Scenarios in words, and properties against slow references.

mod backfill;
mod calendars;
mod changes;
mod kinds;
mod laws;
mod memory;
mod openslo;
mod prometheus;
mod rings;
mod settings;
mod spans;
mod told;

use std::collections::BTreeMap;

use component::{Config, testing::Harness};
use model::{Budget, Condition, Payload, Timestamp};
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, trace::v1::ExportTraceServiceRequest},
    common::v1::any_value::Value,
    metrics::v1::{metric::Data, number_data_point},
    trace::v1::Span,
};
use prost::Message;

use crate::{
    sla::{Sla, SlaConfig},
    testing::{decoded, of_service, push, span},
};

/// A time that is a multiple of every interval.
const T0: Timestamp = Timestamp::from_secs(1_700_006_400);

fn at(seconds: u64) -> Timestamp {
    Timestamp(T0.0 + seconds * 1_000_000_000)
}

/// Reads settings as an operator writes them; problems are `path: message`, warnings marked.
fn read(yaml: &str) -> (Option<SlaConfig>, Vec<String>) {
    let source = config::Source::new("test.yaml", yaml);
    let mut problems = config::Problems::default();
    let node = config::parse(&source).expect("the text is YAML");
    let config = config::decode::<SlaConfig>(&node, "", &mut problems);
    let mut found: Vec<String> = problems.iter().map(|problem| problem.title()).collect();
    if let Some(config) = &config {
        let mut checks = component::Checks::default();
        config.validate(&mut checks);
        found.extend(checks.into_findings().into_iter().map(|finding| {
            let warning = if finding.is_warning { "warning: " } else { "" };
            format!("{warning}{}: {}", finding.path, finding.message)
        }));
    }
    (config, found)
}

/// Reads settings that are right.
fn settings(yaml: &str) -> SlaConfig {
    let (config, problems) = read(yaml);
    let errors: Vec<_> = problems.iter().filter(|problem| !problem.starts_with("warning: ")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    config.expect("the settings are read")
}

/// A stage under a virtual clock, and what it last told.
struct Stage {
    harness: Harness,
    /// Seconds since [`T0`].
    now: u64,
    /// By metric and labels, as `name{a=b,c=d}`, the last value.
    metrics: BTreeMap<String, f64>,
    conditions: Vec<Condition>,
    budgets: Vec<Budget>,
    events: Vec<String>,
}

impl Stage {
    fn new(yaml: &str, shards: usize) -> Self {
        let harness = Harness::new::<Sla>(&settings(yaml), shards, T0);
        let (metrics, conditions, events) = (BTreeMap::new(), Vec::new(), Vec::new());
        let mut stage = Self { harness, now: 0, metrics, conditions, budgets: Vec::new(), events };
        stage.until(0);
        stage
    }

    /// Sends a request to a shard.
    fn send(&mut self, shard: usize, request: &ExportTraceServiceRequest) {
        push(&mut self.harness, shard, request);
    }

    /// Sends spans of a service that end now.
    fn spans(&mut self, service: &str, spans: Vec<Span>) {
        self.send(0, &of_service(service, spans));
    }

    /// Ticks every second up to a time.
    fn until(&mut self, seconds: u64) {
        for second in self.now..=seconds {
            let told = self.harness.tick(at(second));
            self.note(&told);
        }
        self.now = seconds;
    }

    fn note(&mut self, told: &[Payload]) {
        for payload in told {
            match payload {
                Payload::Conditions(conditions) => {
                    self.conditions.clone_from(&conditions.all);
                    self.budgets.clone_from(&conditions.budgets);
                }
                Payload::Logs(bytes) => {
                    let request = ExportLogsServiceRequest::decode(&bytes[..]).unwrap();
                    let scopes = request.resource_logs.iter().flat_map(|it| &it.scope_logs);
                    self.events.extend(scopes.flat_map(|it| &it.log_records).map(|it| it.event_name.clone()));
                }
                _ => {}
            }
        }
        let metrics: Vec<_> =
            told.iter().filter(|payload| matches!(payload, Payload::Metrics(_))).cloned().collect();
        if !metrics.is_empty() {
            self.metrics = points(&metrics);
        }
    }

    fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.get(name).copied()
    }

    /// Returns whether the conditions are true, by `name{severity}`.
    fn truths(&self) -> BTreeMap<String, Option<bool>> {
        let key = |condition: &Condition| {
            let severity = condition.subject.labels.get("sloth_severity").map_or("", String::as_str);
            format!("{} {severity}", condition.subject.name)
        };
        self.conditions.iter().map(|condition| (key(condition), condition.is_true)).collect()
    }
}

/// A span of `millis` that ends so many seconds after [`T0`].
fn ended(name: &str, seconds: u64, millis: u64) -> Span {
    let end = at(seconds).0 + 1_000_000;
    Span {
        start_time_unix_nano: end - millis * 1_000_000,
        end_time_unix_nano: end,
        ..span(name, 2, 0, 0, vec![])
    }
}

fn points(payloads: &[Payload]) -> BTreeMap<String, f64> {
    let mut points = BTreeMap::new();
    let requests = decoded(payloads);
    let scopes = requests.iter().flat_map(|it| &it.resource_metrics).flat_map(|it| &it.scope_metrics);
    for metric in scopes.flat_map(|it| &it.metrics) {
        assert!(metric.unit.is_empty() || metric.unit.starts_with('{'), "{} would be renamed", metric.name);
        let data = match metric.data.as_ref().unwrap() {
            Data::Gauge(gauge) => &gauge.data_points,
            Data::Sum(sum) => &sum.data_points,
            other => panic!("{other:?}"),
        };
        for point in data {
            let labels = point.attributes.iter().map(|it| {
                let Some(Value::StringValue(text)) = &it.value.as_ref().unwrap().value else {
                    panic!("{it:?}")
                };
                format!("{}={text}", it.key)
            });
            let labels: Vec<_> = labels.collect();
            let value = match point.value.unwrap() {
                number_data_point::Value::AsDouble(value) => value,
                number_data_point::Value::AsInt(value) => value as f64,
            };
            let known = points.insert(format!("{}{{{}}}", metric.name, labels.join(",")), value);
            assert_eq!(known, None, "one value for each series: {} {labels:?}", metric.name);
        }
    }
    points
}
