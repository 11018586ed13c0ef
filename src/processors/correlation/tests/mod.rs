//! Synthetic services in trouble, and what is made of it.

mod alerts;
mod asked;
mod causes;
mod concerned;
mod departures;
mod feedback;
mod flags;
mod grouping;
mod impact;
mod lost;
mod sampled;
mod stored;
mod written;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use component::{Answer, Cx, Question, testing::Harness};
use model::{
    Calls, Edge, EdgeKind, OpenIncidents, Payload, Rollups, Series, Spread, Step, Timestamp, alert_event,
};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest as MetricsRequest,
    metrics::v1::{NumberDataPoint, metric::Data, number_data_point},
};
use prost::Message;
use serde_json::Value;
use wire::{
    build::{Attributes, LogRecord, LogsWriter, Tree},
    view::{AnyValue, LogRecord as Seen, groups},
};

use super::{
    Correlation, CorrelationConfig,
    events::{self, Event},
};
use crate::testing::labels;

/// A Monday at noon.
pub(super) const BEGIN: Timestamp = Timestamp::from_secs(1_704_110_400);
pub(super) const WINDOW: Duration = Duration::from_secs(10);

pub(super) fn at(seconds: u64) -> Timestamp {
    BEGIN + Duration::from_secs(seconds)
}

/// Reads settings as an operator writes them.
pub(super) fn config(yaml: &str) -> CorrelationConfig {
    let node = config::parse(&config::Source::new("test.yaml", yaml)).expect("the text is YAML");
    let mut problems = config::Problems::default();
    let read = config::decode(&node, "", &mut problems).expect("the settings are read");
    assert_eq!(problems.error_count(), 0, "{:?}", problems.sorted());
    read
}

/// What a record of an incident or of an alert tells.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) body: String,
    pub(super) attributes: BTreeMap<String, Value>,
}

impl Told {
    /// What is told of an incident under this key.
    pub(super) fn incident(&self, key: &str) -> &Value {
        self.attributes.get(&format!("trueline.incident.{key}")).unwrap_or(&Value::Null)
    }

    pub(super) fn causes(&self) -> Vec<&str> {
        let causes = self.incident("causes").as_array().into_iter().flatten();
        causes.filter_map(|cause| cause["service"].as_str()).collect()
    }
}

/// A shop whose calls are known, and the stage that watches it.
pub(super) struct Shop {
    pub(super) harness: Harness,
    pub(super) told: Vec<Told>,
    pub(super) metrics: Vec<Bytes>,
    /// What stages behind it were told, whenever it changed.
    pub(super) open: Vec<OpenIncidents>,
}

/// What a service does in a window, changed by a test.
pub(super) type Twist<'a> = &'a dyn Fn(&mut Calls);

impl Shop {
    pub(super) fn new(yaml: &str) -> Self {
        Self::with(&config(yaml))
    }

    pub(super) fn with(config: &CorrelationConfig) -> Self {
        let harness = Harness::new::<Correlation>(config, 1, BEGIN);
        Self { harness, told: Vec::new(), metrics: Vec::new(), open: Vec::new() }
    }

    /// Lets windows pass, up to this second.
    pub(super) fn run_to(&mut self, seconds: u64, twist: Twist<'_>) {
        while self.harness.now < at(seconds) {
            let start = self.harness.now;
            let mut calls = usual((start.as_nanos() / WINDOW.as_nanos() as u64) % 7);
            twist(&mut calls);
            let rollups =
                Rollups { start, width: WINDOW, calls: Some(Arc::new(calls)), ..Rollups::default() };
            self.harness.now = start + WINDOW;
            let passed = self.harness.judge(rollups);
            assert!(matches!(passed[..], [Payload::Rollups(_)]), "windows go on to the next stage");
            self.tick();
        }
    }

    /// Lets one window of rows pass, up to this second.
    pub(super) fn rows_to(&mut self, seconds: u64, rows: Vec<(Series, f64)>) {
        let mut rollups = Rollups { start: at(seconds) - WINDOW, width: WINDOW, ..Rollups::default() };
        for (slot, (series, value)) in rows.into_iter().enumerate() {
            rollups.push(Arc::new(series), slot as u32, value, 100);
        }
        self.harness.now = at(seconds);
        self.harness.judge(rollups);
        self.tick();
    }

    pub(super) fn tick(&mut self) {
        let now = self.harness.now;
        for payload in self.harness.tick(now) {
            match payload {
                Payload::Logs(bytes) => self.told.extend(read(&bytes)),
                Payload::Metrics(bytes) => self.metrics.push(bytes),
                Payload::Incidents(open) => self.open.push(*open),
                other => panic!("{other:?} leaves the stage"),
            }
        }
    }

    /// Gives log records to a shard. Records of alerts must not come out before the next tick.
    pub(super) fn push(&mut self, request: &[u8]) {
        let passed = self.harness.push(0, Payload::Logs(Bytes::copy_from_slice(request)), 1);
        for payload in passed {
            let Payload::Logs(bytes) = payload else { panic!("{payload:?} leaves the stage") };
            assert_eq!(&bytes[..], request, "what is no alert passes as it came");
        }
    }

    /// An episode of a service.
    pub(super) fn episode(&mut self, service: &str, id: &str, start: u64, end: Option<u64>) {
        self.push(&episode(service, id, start, end));
    }

    pub(super) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Told> + 'a {
        self.told.iter().filter(move |told| told.name == name)
    }

    /// The latest that was told of each incident, by their ids, without those that turned out to be another.
    pub(super) fn incidents(&self) -> BTreeMap<String, &Told> {
        let told = self.told.iter().filter(|told| told.name.starts_with("trueline.incident."));
        let mut all: BTreeMap<_, _> =
            told.map(|told| (told.incident("id").as_str().unwrap().to_owned(), told)).collect();
        let merged = all.values().flat_map(|told| told.incident("merged").as_array().into_iter().flatten());
        let merged: Vec<_> = merged.filter_map(|id| id.as_str()).map(str::to_owned).collect();
        all.retain(|id, _| !merged.contains(id));
        all
    }

    /// The points of a gauge by their labels, from the metrics of the next ten seconds.
    pub(super) fn gauge(&mut self, name: &str) -> BTreeMap<String, f64> {
        self.metrics.clear();
        let next = self.harness.now.since(BEGIN).as_secs() + WINDOW.as_secs();
        self.run_to(next, &calm);
        let request = MetricsRequest::decode(&self.metrics.last().expect("metrics are told")[..]).unwrap();
        let scopes = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
        let metric = scopes.flat_map(|it| &it.metrics).find(|metric| metric.name == name);
        let Some(Data::Gauge(gauge)) = metric.and_then(|metric| metric.data.clone()) else {
            panic!("{name} is not told")
        };
        let value = |point: &NumberDataPoint| match point.value {
            Some(number_data_point::Value::AsInt(number)) => number as f64,
            Some(number_data_point::Value::AsDouble(number)) => number,
            None => f64::NAN,
        };
        gauge.data_points.iter().map(|point| (labels(&point.attributes), value(point))).collect()
    }

    pub(super) fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_with(method, path, &[], body)
    }

    pub(super) fn ask_with(
        &mut self,
        method: &str,
        path: &str,
        parameters: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let parameters = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let question = Question {
            parameters: parameters.collect(),
            method: method.to_owned(),
            path: path.split('/').map(str::to_owned).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            ..Question::default()
        };
        let now = self.harness.now;
        let mut bench = component::Workbench::default();
        self.harness.analysis().answer(&question, &mut Cx::new(now, &mut bench))
    }
}

/// frontend → checkout → payment → payment-db, frontend → cart, and ad on its own.
pub(super) fn usual(wobble: u64) -> Calls {
    let jitter = 1.0 + 0.01 * wobble as f64;
    let spread = |ms: f64| Spread { mean: 1.2 * ms * jitter, p50: ms * jitter, p95: 2.0 * ms * jitter };
    let edge = |client: &str, server: &str, kind, ms: f64| Edge {
        client: client.into(),
        server: server.into(),
        kind,
        calls: 100,
        failed: 0,
        lost: 0,
        lost_of_all: None,
        duration: spread(ms),
        gap: if kind == EdgeKind::Request { spread(1.0) } else { Spread::EMPTY },
        exemplar: None,
    };
    let step = |service: &str, operation: &str, ms: f64| Step {
        service: service.into(),
        operation: operation.into(),
        calls: 100,
        failed: 0,
        failed_here: 0,
        failed_here_of_all: None,
        failure: None,
        own: spread(ms),
        exemplar: Some([7; 16]),
    };
    Calls {
        coverage: 1.0,
        share: 1.0,
        edges: vec![
            edge("checkout", "payment", EdgeKind::Request, 12.0),
            edge("frontend", "cart", EdgeKind::Request, 3.0),
            edge("frontend", "checkout", EdgeKind::Request, 20.0),
            edge("payment", "payment-db", EdgeKind::Database, 4.0),
            edge("user", "frontend", EdgeKind::Request, 25.0),
        ],
        steps: vec![
            step("ad", "GetAds", 2.0),
            step("cart", "GetCart", 2.0),
            step("checkout", "PlaceOrder", 5.0),
            step("frontend", "POST /checkout", 3.0),
            step("payment", "Charge", 8.0),
        ],
    }
}

/// The step of a service.
pub(super) fn step<'a>(calls: &'a mut Calls, service: &str) -> &'a mut Step {
    calls.steps.iter_mut().find(|step| &*step.service == service).expect("the service is in the shop")
}

/// The edge between two services.
pub(super) fn edge<'a>(calls: &'a mut Calls, client: &str, server: &str) -> &'a mut Edge {
    let found = calls.edges.iter_mut().find(|edge| &*edge.client == client && &*edge.server == server);
    found.expect("the call is in the shop")
}

pub(super) fn calm(_: &mut Calls) {}

fn read(request: &[u8]) -> Vec<Told> {
    let records = groups(request).flat_map(|group| group.items().map(Seen::of).collect::<Vec<_>>());
    records
        .map(|record| Told {
            name: String::from_utf8(record.event_name.to_vec()).unwrap(),
            body: record.body.to_label_string(),
            attributes: record
                .attributes()
                .map(|it| (String::from_utf8(it.key.to_vec()).unwrap(), json(it.value())))
                .collect(),
        })
        .collect()
}

fn json(value: AnyValue<'_>) -> Value {
    match value {
        AnyValue::Empty | AnyValue::Bytes(_) => Value::Null,
        AnyValue::Str(text) => String::from_utf8(text.to_vec()).unwrap().into(),
        AnyValue::Bool(flag) => flag.into(),
        AnyValue::Int(number) => number.into(),
        AnyValue::Double(number) => number.into(),
        AnyValue::Array(values) => values.items().map(json).collect(),
        AnyValue::Map(values) => {
            let entries = values.entries();
            entries.map(|it| (String::from_utf8(it.key.to_vec()).unwrap(), json(it.value()))).collect()
        }
    }
}

pub(super) fn record(
    service: &str,
    scope: &str,
    name: &str,
    seconds: u64,
    body: &str,
    attributes: &Attributes,
) -> Vec<u8> {
    let mut writer = LogsWriter::new();
    let mut resource = Attributes::new();
    resource.push_str("service.name", service);
    writer.resource(&resource);
    writer.scope(scope, "");
    writer.record(&LogRecord {
        time: at(seconds).as_nanos(),
        observed_time: at(seconds).as_nanos(),
        severity_number: match body.split(' ').next() {
            Some("ERROR") => 17,
            Some("WARN") => 13,
            _ => 9,
        },
        severity_text: "",
        body: AnyValue::Str(body.as_bytes()),
        attributes,
        flags: 0,
        trace_id: Some([9; 16]),
        span_id: None,
        event_name: name,
    });
    writer.take()
}

/// A record of an episode as `anomaly` writes it.
pub(super) fn episode(service: &str, id: &str, start: u64, end: Option<u64>) -> Vec<u8> {
    let mut attributes = Attributes::new();
    attributes.push_str("trueline.anomaly.id", id);
    attributes.push_str("trueline.anomaly.state", if end.is_some() { "closed" } else { "opened" });
    attributes.push_str("trueline.anomaly.severity", "warning");
    attributes.push_int("trueline.anomaly.start", at(start).as_nanos() as i64);
    if let Some(end) = end {
        attributes.push_int("trueline.anomaly.end", at(end).as_nanos() as i64);
    }
    let body = format!("p95 of {service} is high");
    record(service, "anomaly", "trueline.anomaly", end.unwrap_or(start), &body, &attributes)
}

/// A record of a bottleneck that is no trouble, as `bottleneck` writes it.
pub(super) fn hint(service: &str, id: &str, start: u64) -> Vec<u8> {
    bottleneck(service, id, start, "info")
}

/// A record of a bottleneck, as `bottleneck` writes it.
pub(super) fn bottleneck(service: &str, id: &str, start: u64, severity: &str) -> Vec<u8> {
    let mut attributes = Attributes::new();
    attributes.push_str("trueline.bottleneck.id", id);
    attributes.push_str("trueline.bottleneck.severity", severity);
    attributes.push_int("trueline.bottleneck.start", at(start).as_nanos() as i64);
    let body = format!("{service} makes calls one after the other");
    record(service, "bottleneck", "trueline.bottleneck.detected", start, &body, &attributes)
}

/// A change as an application or a pipeline tells it.
pub(super) fn deployment(service: &str, seconds: u64, what: &str) -> Vec<u8> {
    record(service, "ci", "deployment.finished", seconds, what, &Attributes::new())
}

/// The event of a request with an alert.
pub(super) fn alert_event_of(request: &[u8]) -> Event {
    let group = groups(request).next().unwrap();
    events::read_alert(&Seen::of(group.items().next().unwrap())).unwrap().event
}

/// An alert as `alerting` writes it; of a service with its namespace it knows the label `job` alone.
#[derive(Clone, Copy)]
pub(super) struct Alert<'a> {
    pub(super) id: &'a str,
    pub(super) service: &'a str,
    pub(super) severity: &'a str,
    pub(super) slo: &'a str,
}

impl Alert<'_> {
    pub(super) fn fires(&self, seconds: u64) -> Vec<u8> {
        self.tells("firing", seconds, seconds, None)
    }

    pub(super) fn ends(&self, start: u64, end: u64) -> Vec<u8> {
        self.tells("resolved", end, start, Some(end))
    }

    /// An escalation for one destination alone.
    pub(super) fn calls(&self, destination: &str, seconds: u64) -> Vec<u8> {
        let mut attributes = Attributes::new();
        attributes.push_str(alert_event::DESTINATION, destination);
        self.tells_more("escalated", seconds, seconds, None, attributes)
    }

    /// Is told again to fire since a second, by who tells it again so often.
    pub(super) fn goes_on(&self, start: u64, now: u64, resend_ms: i64) -> Vec<u8> {
        let mut attributes = Attributes::new();
        attributes.push_int(alert_event::RESEND_INTERVAL_MS, resend_ms);
        self.tells_more("firing", now, start, None, attributes)
    }

    /// Fires by a rule of another type.
    pub(super) fn fires_by(&self, rule_type: &str, seconds: u64) -> Vec<u8> {
        let mut attributes = Attributes::new();
        attributes.push_str(alert_event::RULE_TYPE, rule_type);
        self.tells_more("firing", seconds, seconds, None, attributes)
    }

    fn tells(&self, state: &str, seconds: u64, start: u64, end: Option<u64>) -> Vec<u8> {
        self.tells_more(state, seconds, start, end, Attributes::new())
    }

    fn tells_more(
        &self,
        state: &str,
        seconds: u64,
        start: u64,
        end: Option<u64>,
        mut attributes: Attributes,
    ) -> Vec<u8> {
        attributes.push_str(alert_event::FINGERPRINT, self.id);
        attributes.push_str(alert_event::ID, &format!("{}-{state}", self.id));
        attributes.push_str(alert_event::SEVERITY, self.severity);
        attributes.push_str(alert_event::STATE, state);
        if attributes.iter().all(|one| one.key != alert_event::RULE_TYPE.as_bytes()) {
            let rule_type = if self.slo.is_empty() { "gt" } else { "burn_rate" };
            attributes.push_str(alert_event::RULE_TYPE, rule_type);
        }
        attributes.push_str(alert_event::SLO_ID, self.slo);
        let label = if self.service.contains('/') { "job" } else { "service.name" };
        let labels =
            Tree::map([("alertname", Some(Tree::text(self.id))), (label, Some(Tree::text(self.service)))]);
        attributes.push_encoded(alert_event::LABELS, &labels.encode());
        attributes.push_int(alert_event::STARTS_AT, at(start).as_nanos() as i64);
        if let Some(end) = end {
            attributes.push_int(alert_event::ENDS_AT, at(end).as_nanos() as i64);
        }
        let body = format!("{} of {} is {state}", self.id, self.service);
        record(self.service, "alerting", &format!("trueline.alert.{state}"), seconds, &body, &attributes)
    }
}
