//! Synthetic windows and conditions, and what is told of them.

mod answers;
mod conditions;
mod cost;
mod explanations;
mod notices;
mod operators;
mod prometheus;
mod rules;
mod series;
mod settings;
mod snapshots;
mod states;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use component::{Answer, Cx, Question, Snapshot, testing::Harness};
use model::{AnomalyColumns, Payload, Rollups, Series, Statistic, Timestamp};
use opentelemetry_proto::tonic::{
    collector::logs::v1::ExportLogsServiceRequest,
    common::v1::{KeyValue, any_value::Value},
};
use prost::Message;
use wire::build::Attributes;

use super::{Alerting, AlertingConfig};
use crate::testing::value_text;

/// A Monday at noon.
pub(super) const BEGIN: Timestamp = Timestamp::from_secs(1_704_110_400);

pub(super) fn at(seconds: u64) -> Timestamp {
    BEGIN + Duration::from_secs(seconds)
}

/// Reads settings as an operator writes them.
pub(super) fn config(yaml: &str) -> AlertingConfig {
    let node = config::parse(&config::Source::new("test.yaml", yaml)).expect("the text is YAML");
    let mut problems = config::Problems::default();
    let read = config::decode(&node, "", &mut problems).expect("the settings are read");
    assert_eq!(problems.error_count(), 0, "{:?}", problems.sorted());
    read
}

/// The error ratio of requests of a service.
pub(super) fn series(service: &str) -> Arc<Series> {
    of_statistic(service, Statistic::ErrorRatio)
}

pub(super) fn of_statistic(service: &str, statistic: Statistic) -> Arc<Series> {
    let name = format!("{service} {}", statistic.name());
    Arc::new(Series {
        service: service.into(),
        metric: "span.duration".into(),
        unit: "ms".into(),
        resource: list(&[("service.name", service), ("host.name", "a")]).into(),
        attributes: list(&[("span.kind", "SPAN_KIND_SERVER")]).into(),
        statistic,
        fingerprint: rapidhash::v3::rapidhash_v3(name.as_bytes()),
    })
}

/// Attributes, encoded as in a resource.
pub(super) fn list(attributes: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = wire::build::LogsWriter::new();
    let mut all = Attributes::new();
    attributes.iter().for_each(|(key, value)| all.push_str(key, value));
    writer.resource(&all);
    writer.scope("", "");
    let request = ExportLogsServiceRequest::decode(&*writer.take()).expect("it is sound");
    request.resource_logs[0].resource.clone().unwrap_or_default().encode_to_vec()
}

/// A window that ends so many seconds after [`BEGIN`].
pub(super) fn window(end: u64, width: u64, rows: &[(Arc<Series>, f64)]) -> Rollups {
    let mut rollups = Rollups {
        start: at(end) - Duration::from_secs(width),
        width: Duration::from_secs(width),
        ..Rollups::default()
    };
    for (slot, (series, value)) in rows.iter().enumerate() {
        rollups.push(Arc::clone(series), slot as u32, *value, 100);
    }
    rollups
}

/// A processor with a time that goes on in windows of ten seconds.
pub(super) struct Feed {
    pub(super) harness: Harness,
    pub(super) config: AlertingConfig,
    pub(super) now: u64,
}

/// Windows come so many seconds after their end.
const DELAY: u64 = 12;

impl Feed {
    pub(super) fn new(yaml: &str) -> Self {
        let config = config(yaml);
        let mut feed = Self { harness: Harness::new::<Alerting>(&config, 1, at(0)), config, now: 0 };
        feed.tick(DELAY);
        feed
    }

    /// Goes on to a second and returns what was told.
    pub(super) fn tick(&mut self, second: u64) -> Vec<Event> {
        events(&self.tick_all(second))
    }

    pub(super) fn tick_all(&mut self, second: u64) -> Vec<Payload> {
        self.now = second;
        self.harness.tick(at(second))
    }

    /// Gives a window that ended then, in time, and returns what was told of it.
    pub(super) fn give(&mut self, end: u64, rows: &[(Arc<Series>, f64)]) -> Vec<Event> {
        events(&self.give_table(end, window(end, 10, rows)))
    }

    pub(super) fn give_table(&mut self, end: u64, table: Rollups) -> Vec<Payload> {
        self.harness.now = at(end + DELAY);
        let mut out = self.harness.judge(table);
        assert!(matches!(out.pop(), Some(Payload::Rollups(_))), "the table passes on");
        assert!(out.is_empty(), "nothing is told before it is stored");
        out.extend(self.tick_all(end + DELAY));
        out.extend(self.tick_all(end + DELAY + 1));
        out
    }

    /// Gives the same value of a service in each window of a time, and returns what was told of it.
    pub(super) fn run(&mut self, from: u64, to: u64, service: &str, value: f64) -> Vec<Event> {
        let series = series(service);
        (from..=to).step_by(10).flat_map(|end| self.give(end, &[(Arc::clone(&series), value)])).collect()
    }

    pub(super) fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let question = Question {
            method: method.to_owned(),
            path: path.split('/').map(str::to_owned).collect(),
            parameters: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            body: body.to_owned().into(),
            author: "ann".to_owned(),
        };
        let now = at(self.now);
        let half = self.harness.analysis();
        let mut bench = component::Workbench::default();
        let answer = half.answer(&question, &mut Cx::new(now, &mut bench));
        assert!(bench.out.is_empty(), "nothing is told before it is stored");
        answer
    }

    /// Asks and returns the JSON of an answer that is no refusal.
    pub(super) fn get(&mut self, path: &str) -> serde_json::Value {
        let answer = self.ask("GET", path, "");
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        serde_json::from_slice(&answer.body).expect("answers are JSON")
    }

    pub(super) fn snapshot(&mut self) -> Snapshot {
        self.harness.analysis().snapshot().expect("the state survives a restart")
    }

    pub(super) fn archive(&mut self) -> Snapshot {
        self.harness.analysis().archive_pieces().expect("values survive a restart").whole()
    }

    /// Goes on in another process, with the state that was stored last.
    pub(super) fn restarted(mut self) -> Self {
        let (snapshot, archive) = (self.snapshot(), self.archive());
        let mut harness = Harness::new::<Alerting>(&self.config, 1, at(self.now));
        harness.analysis().restore(snapshot).expect("the snapshot is sound");
        harness.analysis().restore_archive(archive).expect("the archive is sound");
        Self { harness, ..self }
    }

    /// Sums an instrument over its labels.
    pub(super) fn metric(&self, name: &str) -> u64 {
        let name = format!("otelcol_processor_alerting_{name}");
        self.harness.telemetry.read().iter().filter(|it| it.name == name).map(|it| it.value).sum()
    }
}

/// A log record.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) time: Timestamp,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) body: String,
}

impl Event {
    pub(super) fn get(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    pub(super) fn state(&self) -> &str {
        self.get("trueline.alert.state")
    }

    pub(super) fn is_reminder(&self) -> bool {
        self.get("trueline.alert.is_reminder") == "true"
    }

    pub(super) fn number(&self, name: &str) -> u64 {
        self.get(name).parse().unwrap_or_else(|_| panic!("{name} is {:?}", self.get(name)))
    }
}

/// Reads all records, the watchdog's aside.
pub(super) fn events(payloads: &[Payload]) -> Vec<Event> {
    let mut all = all_events(payloads);
    all.retain(|event| event.get("trueline.alert.rule.name") != "Watchdog");
    all
}

pub(super) fn all_events(payloads: &[Payload]) -> Vec<Event> {
    let mut all = Vec::new();
    for payload in payloads {
        let Payload::Logs(bytes) = payload else { continue };
        let request = ExportLogsServiceRequest::decode(&bytes[..]).expect("records are sound");
        for of_resource in request.resource_logs {
            for record in of_resource.scope_logs.into_iter().flat_map(|scope| scope.log_records) {
                let nested =
                    |key| record.attributes.iter().find(|it| it.key == key).map(entries).unwrap_or_default();
                let texts = record.attributes.iter().map(|it| (it.key.clone(), value_text(it)));
                all.push(Event {
                    name: record.event_name.clone(),
                    time: Timestamp(record.time_unix_nano),
                    attributes: texts.collect(),
                    labels: nested("trueline.alert.labels"),
                    annotations: nested("trueline.alert.annotations"),
                    body: match record.body.as_ref().and_then(|body| body.value.as_ref()) {
                        Some(Value::StringValue(text)) => text.clone(),
                        _ => String::new(),
                    },
                });
            }
        }
    }
    all
}

fn entries(attribute: &KeyValue) -> BTreeMap<String, String> {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::KvlistValue(list)) => {
            list.values.iter().map(|it| (it.key.clone(), value_text(it))).collect()
        }
        other => panic!("{} is no map: {other:?}", attribute.key),
    }
}

/// States in the order in which they were told, reminders aside.
pub(super) fn states(events: &[Event]) -> Vec<&str> {
    events.iter().filter(|event| !event.is_reminder()).map(Event::state).collect()
}

/// A table with scores, as `anomaly` leaves it.
pub(super) fn scored(end: u64, series: &Arc<Series>, score: f32, episode: u64) -> Rollups {
    let mut table = window(end, 60, &[(Arc::clone(series), 1.0)]);
    table.anomaly = Some(AnomalyColumns {
        score: vec![score],
        is_anomalous: vec![episode != 0],
        is_told: vec![episode != 0],
        episode: vec![episode],
        confidence: vec![0.0],
    });
    table
}
