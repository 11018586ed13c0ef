//! The half that sees closed windows, and tells what they mean.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use component::{Cx, Processor};
use model::{
    AnomalyColumns, BaselineColumns, Batch, OpenIncidents, Payload, Rollups, Series, Statistic, Timestamp,
    alert_event,
};
use prost::Message;
use wire::{
    build::{encode_value, key_value},
    view::{AnyValue, attributes},
};

use super::{
    EnrichmentConfig,
    objectives::{AtRisk, Objectives},
    verdicts::{
        OpenIncident, SPANS, Subject, VERSION, Verdicts, kind_of, operation_key, point_key, resource_key,
    },
};

/// Publishes a verdict for each subject of the last window.
pub(super) struct Publisher {
    config: EnrichmentConfig,
    objectives: Objectives,
    incidents: OpenIncidents,
    /// Of the last window, as verdicts hold for some of them; none before the first.
    width: Option<Duration>,
    /// Whether the last verdicts said anything: that there is nothing to say is published once, all else in
    /// each window, as it holds for some windows only.
    said_something: bool,
    /// Of the last window, whose table may come in several parts.
    present: Part,
    /// Of series that are silent. Their rows come when the next window begins, and hold until it is judged.
    absent: Part,
}

/// What is found of one window.
#[derive(Default)]
struct Part {
    start: Timestamp,
    subjects: BTreeMap<Name, Findings>,
}

/// Everything that one window says of one subject.
#[derive(Clone, Default)]
struct Findings {
    /// The worst row's score and episode.
    worst: Option<(f32, u64)>,
    /// Whether an episode is open that was told.
    is_anomalous: bool,
    /// By name: what is expected, and where the usual ends.
    usual: BTreeMap<String, f64>,
}

/// What tells a subject from others; see [`Subject`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    service: String,
    metric: String,
    resource: u64,
    key: Vec<u8>,
}

impl Publisher {
    pub(super) fn new(config: &EnrichmentConfig) -> Self {
        // Before a restart something may have been said that is over now.
        let (present, absent) = (Part::default(), Part::default());
        let objectives = Objectives::default();
        Self {
            config: config.clone(),
            objectives,
            incidents: OpenIncidents::default(),
            width: None,
            said_something: true,
            present,
            absent,
        }
    }

    fn learn(&mut self, table: &Rollups, baseline: &BaselineColumns) {
        let is_before = |part: &Part| part.start + table.width == table.start;
        self.present.begin(table.start, self.present.start == table.start);
        self.absent.begin(table.start, self.absent.start == table.start || is_before(&self.absent));
        let tells_usual = self.config.tells_usual();
        for (row, series) in table.series.iter().enumerate() {
            let score = table.anomaly.as_ref().and_then(|columns| Score::of(columns, row));
            if !tells_usual && score.is_none_or(|score| !score.is_anomalous) {
                continue;
            }
            let is_absent = baseline.is_absent.get(row).is_some_and(|flag| *flag);
            let Part { start, subjects } = if is_absent { &mut self.absent } else { &mut self.present };
            *start = table.start;
            let of_series = subjects.entry(subject_of(series)).or_default();
            of_series.add(score);
            of_series.add_usual(series, baseline, row);
            let service = series.service.to_string();
            let of_service = Name { service, metric: String::new(), resource: 0, key: Vec::new() };
            subjects.entry(of_service).or_default().add(score);
        }
    }

    fn publish(&mut self, cx: &mut Cx<'_>) {
        // What is open before the first window is told with it.
        let Some(width) = self.width else { return };
        let mut findings = self.present.subjects.clone();
        for (name, of_absent) in &self.absent.subjects {
            findings.entry(name.clone()).or_default().merge(of_absent);
        }
        let subjects = findings.into_iter().map(|(name, findings)| {
            let at_risk = self.objectives.of_service(&name.service, cx.now());
            findings.into_subject(name, at_risk.as_ref())
        });
        let subjects: Vec<Subject> = subjects.filter(|subject| !subject.attributes.is_empty()).collect();
        let open = self.incidents.of_services.iter();
        let incidents: Vec<OpenIncident> =
            open.map(|(service, id)| OpenIncident { service: service.to_string(), id: id.clone() }).collect();
        let says_something = !subjects.is_empty() || !incidents.is_empty();
        if says_something || self.said_something {
            let valid_until_unix_nano = (cx.now() + self.config.validity(width)).as_nanos();
            let verdicts = Verdicts { version: VERSION, subjects, valid_until_unix_nano, incidents };
            cx.emit(Payload::Verdicts(Bytes::from(verdicts.encode_to_vec())), 0);
        }
        self.said_something = says_something;
    }
}

impl Part {
    /// Forgets what is known, unless it still holds in the window that begins at `start`.
    fn begin(&mut self, start: Timestamp, still_holds: bool) {
        if !still_holds {
            *self = Self { start, subjects: BTreeMap::new() };
        }
    }
}

impl Processor for Publisher {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        match &batch.payload {
            Payload::Conditions(conditions) => self.objectives.learn(conditions),
            Payload::Incidents(incidents) => {
                // An incident that has ended marks nothing any more, whenever the next window comes.
                self.incidents.clone_from(incidents);
                self.publish(cx);
            }
            Payload::Rollups(table) => {
                if let Some(baseline) = &table.baseline {
                    self.learn(table, baseline);
                    self.width = Some(table.width);
                    self.publish(cx);
                }
            }
            _ => {}
        }
        cx.pass(batch);
    }
}

#[derive(Clone, Copy)]
struct Score {
    value: f32,
    is_anomalous: bool,
    episode: u64,
}

impl Score {
    fn of(columns: &AnomalyColumns, row: usize) -> Option<Self> {
        let value = *columns.score.get(row)?;
        // What the budget of false alarms withheld is no alarm here either, though its score may be told.
        let is_anomalous = columns.is_told.get(row).is_some_and(|flag| *flag);
        let episode = columns.episode.get(row).copied().filter(|_| is_anomalous).unwrap_or(0);
        (!value.is_nan() || is_anomalous).then_some(Self { value, is_anomalous, episode })
    }
}

fn subject_of(series: &Series) -> Name {
    let list = || attributes(&series.attributes, 1);
    let (resource, key) = if &*series.metric == SPANS {
        let text = |name: &str| match list().find(|it| it.key == name.as_bytes()).map(|it| it.value()) {
            Some(AnyValue::Str(text)) => text,
            _ => &[],
        };
        let mut key = Vec::new();
        operation_key(kind_of(text("span.kind")), text("span.name"), &mut key);
        (0, key)
    } else {
        // Instances of a service have series of their own, each with a band of its own.
        (resource_key(&series.resource), point_key(list()))
    };
    Name { service: series.service.to_string(), metric: series.metric.to_string(), resource, key }
}

impl Findings {
    fn add(&mut self, score: Option<Score>) {
        let Some(Score { value, is_anomalous, episode }) = score else { return };
        self.is_anomalous |= is_anomalous;
        self.add_worst(value, episode);
    }

    fn add_worst(&mut self, value: f32, episode: u64) {
        // Of open episodes before what is merely unusual.
        let rank = |score: f32, episode: u64| (episode != 0, score);
        if self.worst.is_none_or(|(score, known)| rank(value, episode) > rank(score, known)) {
            self.worst = Some((value, episode));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.is_anomalous |= other.is_anomalous;
        if let Some((value, episode)) = other.worst {
            self.add_worst(value, episode);
        }
        self.usual.extend(other.usual.iter().map(|(name, value)| (name.clone(), *value)));
    }

    fn add_usual(&mut self, series: &Series, baseline: &BaselineColumns, row: usize) {
        let unit = if &*series.unit == "ms" && is_in_unit(series.statistic) { "_ms" } else { "" };
        let name = series.statistic.name();
        let columns = [("", &baseline.expected), ("_lower", &baseline.lower), ("_upper", &baseline.upper)];
        for (edge, column) in columns {
            if let Some(&value) = column.get(row).filter(|value| value.is_finite()) {
                self.usual.insert(format!("trueline.baseline.{name}{edge}{unit}"), value);
            }
        }
    }

    fn into_subject(self, name: Name, at_risk: Option<&AtRisk>) -> Subject {
        let mut attributes = Vec::new();
        let mut put = |name: &str, value: AnyValue<'_>| {
            let body = key_value(name.as_bytes(), &encode_value(value));
            prost::encoding::bytes::encode(1, &body, &mut attributes);
        };
        if let Some((score, episode)) = self.worst {
            put("trueline.anomaly.is_anomalous", AnyValue::Bool(self.is_anomalous));
            if score.is_finite() {
                put("trueline.anomaly.score", AnyValue::Double(f64::from(score)));
            }
            if episode != 0 {
                put("trueline.anomaly.id", AnyValue::Str(format!("{episode:016x}").as_bytes()));
            }
        }
        if let Some(AtRisk { ids, names }) = at_risk {
            put(alert_event::SLO_ID, AnyValue::Str(ids.as_bytes()));
            put("trueline.slo.name", AnyValue::Str(names.as_bytes()));
        }
        for (usual, value) in &self.usual {
            put(usual, AnyValue::Double(*value));
        }
        let Name { service, metric, resource, key } = name;
        Subject { service, metric, key, is_anomalous: self.is_anomalous, attributes, resource }
    }
}

/// Whether a statistic has the unit of its metric.
const fn is_in_unit(statistic: Statistic) -> bool {
    match statistic {
        Statistic::Rate | Statistic::ErrorRatio => false,
        Statistic::P50 | Statistic::P95 | Statistic::P99 | Statistic::Mean => true,
    }
}
