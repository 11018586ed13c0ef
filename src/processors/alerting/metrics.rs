//! Alerts as series: Prometheus's `ALERTS` and `ALERTS_FOR_STATE`, and figures of alerting itself.

use std::collections::BTreeMap;

use model::{Severity, Timestamp};
use serde::Deserialize;
use wire::{
    build::{Attributes, HistogramPoint, MetricHead, MetricsWriter, NumberPoint},
    view::{Number, Temporality},
};

use super::{ALERTNAME, ALERTSTATE, SCOPE, alert::Alert, output::all_labels};

/// *Units*: seconds. From a minute to three days, as people work.
const BOUNDS: [f64; 9] = [60.0, 300.0, 900.0, 1800.0, 3600.0, 10_800.0, 21_600.0, 86_400.0, 259_200.0];

/// The series of alerts that were told last, so that their end can be told.
#[derive(Clone, Debug, Default)]
pub(super) struct Published {
    /// By fingerprint, state and severity.
    alerts: BTreeMap<(u64, &'static str, Severity), Attributes>,
    for_state: BTreeMap<(u64, Severity), Attributes>,
}

/// Times that things took, counted since the state began.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Times {
    pub(super) counts: [u64; BOUNDS.len() + 1],
    pub(super) sum: f64,
}

impl Times {
    pub(super) fn add(&mut self, seconds: f64) {
        let place = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.counts[place] += 1;
        self.sum += seconds;
    }

    fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// What people said of the alerts of a rule: of each firing the last word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Feedback {
    pub(super) noise: u64,
    pub(super) useful: u64,
}

/// What a person thinks of an alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Opinion {
    Noise,
    Useful,
}

impl Opinion {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Useful => "useful",
        }
    }
}

impl Feedback {
    /// Counts a word about a firing in place of the one before.
    pub(super) fn count(&mut self, before: Option<Opinion>, now: Opinion) {
        if let Some(before) = before {
            let count = self.of(before);
            *count = count.saturating_sub(1);
        }
        *self.of(now) += 1;
    }

    const fn of(&mut self, opinion: Opinion) -> &mut u64 {
        match opinion {
            Opinion::Noise => &mut self.noise,
            Opinion::Useful => &mut self.useful,
        }
    }
}

/// Figures that outlive the process.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Figures {
    /// When they began.
    pub(super) since: Timestamp,
    pub(super) to_acknowledge: Times,
    pub(super) to_resolve: Times,
    /// By rule.
    pub(super) feedback: BTreeMap<String, Feedback>,
}

/// Writes all series. Returns the request and its points.
pub(super) fn write(
    alerts: &[&Alert],
    published: &mut Published,
    figures: &Figures,
    at: Timestamp,
) -> (Vec<u8>, u64) {
    let mut metrics = Metrics { writer: MetricsWriter::new(), at, n_points: 0 };
    metrics.writer.resource(&Attributes::new());
    metrics.writer.scope(SCOPE, "");
    let now = Published::of(alerts);
    metrics.alerts(&now, published);
    metrics.for_state(alerts, &now, published);
    metrics.counts(alerts);
    metrics.times(figures);
    metrics.feedback(figures);
    *published = now;
    (metrics.writer.take(), metrics.n_points)
}

impl Published {
    fn of(alerts: &[&Alert]) -> Self {
        let mut published = Self::default();
        for alert in alerts {
            let Some(state) = alert.alert_state() else { continue };
            let severity = alert.notice.fired_severity;
            let labels = labels_of(alert);
            let mut attributes = labels.clone();
            attributes.push_str(ALERTSTATE, state);
            published.alerts.insert((alert.fingerprint, state, severity), attributes);
            published.for_state.insert((alert.fingerprint, severity), labels);
        }
        published
    }
}

/// Labels as attributes of a point.
fn labels_of(alert: &Alert) -> Attributes {
    let mut attributes = Attributes::new();
    for (key, value) in all_labels(alert) {
        attributes.push_str(key, &value);
    }
    attributes
}

struct Metrics {
    writer: MetricsWriter,
    at: Timestamp,
    n_points: u64,
}

impl Metrics {
    fn alerts(&mut self, now: &Published, before: &Published) {
        let present = now.alerts.values().map(|attributes| (attributes.clone(), Some(Number::Double(1.0))));
        let ended = before.alerts.iter().filter(|(key, _)| !now.alerts.contains_key(key));
        let ended = ended.map(|(_, attributes)| (attributes.clone(), None));
        let head = MetricHead { name: "ALERTS", description: "Alerts that fire or will", unit: "" };
        self.gauge(&head, present.chain(ended).collect());
    }

    /// Prometheus's own series, by which a restart is bridged: since when the condition holds.
    fn for_state(&mut self, alerts: &[&Alert], now: &Published, before: &Published) {
        let since = |alert: &Alert| alert.machine.active_at.as_nanos() as f64 / 1e9;
        let present = alerts.iter().filter(|alert| alert.alert_state().is_some());
        let present = present.map(|alert| (labels_of(alert), Some(Number::Double(since(alert).floor()))));
        let ended = before.for_state.iter().filter(|(key, _)| !now.for_state.contains_key(key));
        let ended = ended.map(|(_, attributes)| (attributes.clone(), None));
        let description = "Since when the condition of an alert holds, in seconds since the epoch";
        let head = MetricHead { name: "ALERTS_FOR_STATE", description, unit: "" };
        self.gauge(&head, present.chain(ended).collect());
    }

    fn counts(&mut self, alerts: &[&Alert]) {
        let mut points = Vec::new();
        for state in ["pending", "firing", "suppressed", "acknowledged"] {
            for severity in Severity::ALL {
                let is_counted = |alert: &&&Alert| is_in(alert, state) && alert.severity() == severity;
                let count = alerts.iter().filter(is_counted).count();
                let mut attributes = Attributes::new();
                attributes.push_str("state", state);
                attributes.push_str("severity", severity.name());
                points.push((attributes, Some(Number::Int(count as i64))));
            }
        }
        let head = MetricHead {
            name: "trueline.alerts",
            description: "Alerts by state; one that is suppressed or acknowledged fires too",
            unit: "{alert}",
        };
        self.gauge(&head, points);
    }

    fn times(&mut self, figures: &Figures) {
        let all = [
            (
                "trueline.alert.time_to_acknowledge",
                "From firing to an acknowledgement",
                &figures.to_acknowledge,
            ),
            ("trueline.alert.time_to_resolve", "From firing to resolved", &figures.to_resolve),
        ];
        for (name, description, times) in all {
            let head = MetricHead { name, description, unit: "s" };
            self.writer.histogram(&head, Temporality::Cumulative).point(&HistogramPoint {
                attributes: &Attributes::new(),
                start: figures.since.as_nanos(),
                time: self.at.as_nanos(),
                count: times.count(),
                sum: Some(times.sum),
                min: None,
                max: None,
                bucket_counts: &times.counts,
                explicit_bounds: &BOUNDS,
                exemplars: &[],
                flags: 0,
            });
            self.n_points += 1;
        }
    }

    fn feedback(&mut self, figures: &Figures) {
        let points = figures.feedback.iter().map(|(rule, Feedback { noise, useful })| {
            let mut attributes = Attributes::new();
            attributes.push_str(ALERTNAME, rule);
            (attributes, Some(Number::Double(*noise as f64 / (noise + useful).max(1) as f64)))
        });
        let head = MetricHead {
            name: "trueline.alert.false_alarm_ratio",
            description: "Share of the alerts of a rule that people called noise, of those they said anything of",
            unit: "",
        };
        self.gauge(&head, points.collect());
    }

    fn gauge(&mut self, head: &MetricHead<'_>, points: Vec<(Attributes, Option<Number>)>) {
        if points.is_empty() {
            return;
        }
        let mut gauge = self.writer.gauge(head);
        for (attributes, value) in &points {
            gauge.point(&NumberPoint::of_gauge(attributes, self.at.as_nanos(), *value));
        }
        self.n_points += points.len() as u64;
    }
}

fn is_in(alert: &Alert, state: &str) -> bool {
    let is_firing = alert.machine.is_firing();
    match state {
        "suppressed" => is_firing && !alert.notice.suppressed_by.is_empty(),
        "acknowledged" => is_firing && alert.notice.acknowledgement.is_some(),
        _ => alert.alert_state() == Some(state),
    }
}
