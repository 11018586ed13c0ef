//! What happened, whoever tells it: alerts, episodes, bottlenecks, changes.

use std::{sync::Arc, time::Duration};

use model::{AlertState, Severity, Timestamp, TraceId, alert_event};
use wire::view::{AnyValue, Group, LogRecord};

use crate::{glob, text};

/// Something that began, lasts or ended.
///
/// Ordered by time, kind and id, so that what follows does not depend on the order of arrival.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Event {
    pub(super) start: Timestamp,
    pub(super) kind: Kind,
    /// Names it among its kind.
    pub(super) id: String,
    pub(super) service: Arc<str>,
    pub(super) severity: Severity,
    /// None while it lasts.
    pub(super) end: Option<Timestamp>,
    /// A sentence for people.
    pub(super) title: String,
    /// The objective that an alert guards; empty for none.
    pub(super) slo_id: String,
    pub(super) trace: Option<TraceId>,
    /// Of an alert, how often it is told again while it fires; none where that is not known.
    pub(super) resend: Option<Duration>,
    /// Whether it fell silent instead of being told to have ended.
    pub(super) is_lost: bool,
}

impl Event {
    /// A change: over as soon as it came.
    pub(super) fn change(service: Arc<str>, id: String, title: String, at: Timestamp) -> Self {
        Self {
            start: at,
            kind: Kind::Change,
            id,
            service,
            severity: Severity::Info,
            end: Some(at),
            title,
            slo_id: String::new(),
            trace: None,
            resend: None,
            is_lost: false,
        }
    }
}

/// Who tells it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Kind {
    /// An objective's budget burns.
    Burn,
    Alert,
    Anomaly,
    Bottleneck,
    /// A signal of a service left its usual range by so much that no baseline is needed to see it.
    Departure,
    /// Something was changed: no trouble by itself.
    Change,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Burn, Self::Alert, Self::Anomaly, Self::Bottleneck, Self::Departure, Self::Change];

    /// Those of which people may be told one by one.
    pub(super) const ALERTS: [Self; 2] = [Self::Burn, Self::Alert];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Burn => "burn",
            Self::Alert => "alert",
            Self::Anomaly => "anomaly",
            Self::Bottleneck => "bottleneck",
            Self::Departure => "departure",
            Self::Change => "change",
        }
    }

    pub(super) fn is_alert(self) -> bool {
        Self::ALERTS.contains(&self)
    }

    /// Returns the kind of that name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// The longest name or sentence that is kept; the rest is cut.
const MOST_TEXT: usize = 512;
const ANOMALY: &str = "trueline.anomaly";
const BOTTLENECK: &str = "trueline.bottleneck";
/// The type of the rule that says that alerts arrive.
const WATCHDOG: &str = "watchdog";

/// Whether a record is worth telling the analysis half.
pub(super) fn is_event(name: &[u8], changes: &[String]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    !name.is_empty()
        && (name == ANOMALY
            || name.starts_with(BOTTLENECK)
            || changes.iter().any(|pattern| glob::fits(pattern, name)))
}

/// Reads a record of an episode, a bottleneck or a change; none when it lacks what makes one.
pub(super) fn read(group: &Group<'_>, record: &LogRecord<'_>, changes: &[String]) -> Option<Event> {
    let name = std::str::from_utf8(record.event_name).ok()?;
    let event = Draft::of(group, record)?;
    if name == ANOMALY {
        return event.anomaly(record);
    }
    if name.starts_with(BOTTLENECK) {
        return event.bottleneck(record, name);
    }
    changes.iter().any(|pattern| glob::fits(pattern, name)).then(|| event.change(record, name))
}

/// What every record has.
struct Draft {
    at: Timestamp,
    service: Arc<str>,
    body: String,
    trace: Option<TraceId>,
}

impl Draft {
    fn of(group: &Group<'_>, record: &LogRecord<'_>) -> Option<Self> {
        let at = Timestamp(if record.time > 0 { record.time } else { record.observed_time });
        let service = group.resource.attribute("service.name")?;
        Some(Self {
            at,
            service: cut(service.to_label_string()).into(),
            body: cut(record.body.to_label_string()),
            trace: record.trace_id.try_into().ok(),
        })
    }

    fn anomaly(self, record: &LogRecord<'_>) -> Option<Event> {
        let found = Found::of(record, "trueline.anomaly.");
        let severity = Severity::of_name(&found.severity).unwrap_or_default();
        let start = found.start.unwrap_or(self.at);
        let is_over = matches!(&*found.state, "closed" | "expired");
        let end = is_over.then(|| found.end.unwrap_or(self.at));
        self.into_event(Kind::Anomaly, found.id, severity, start, end)
    }

    fn bottleneck(self, record: &LogRecord<'_>, name: &str) -> Option<Event> {
        let found = Found::of(record, "trueline.bottleneck.");
        let severity = Severity::of_name(&found.severity).unwrap_or_default();
        let start = found.start.unwrap_or(self.at);
        let end = name.ends_with(".cleared").then(|| found.end.unwrap_or(self.at));
        self.into_event(Kind::Bottleneck, found.id, severity, start, end)
    }

    fn change(self, record: &LogRecord<'_>, name: &str) -> Event {
        let title = if self.body.is_empty() { name.to_owned() } else { self.body };
        let id = format!("{}/{name}/{}", self.service, record.time);
        Event { trace: self.trace, ..Event::change(self.service, id, title, self.at) }
    }

    fn into_event(
        self,
        kind: Kind,
        id: String,
        severity: Severity,
        start: Timestamp,
        end: Option<Timestamp>,
    ) -> Option<Event> {
        let Self { service, body: title, trace, .. } = self;
        let (slo_id, resend, is_lost) = (String::new(), None, false);
        let event = Event { start, kind, id, service, severity, end, title, slo_id, trace, resend, is_lost };
        (!event.id.is_empty()).then_some(event)
    }
}

/// What our own stages write beside.
#[derive(Default)]
struct Found {
    id: String,
    state: String,
    severity: String,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Found {
    fn of(record: &LogRecord<'_>, prefix: &str) -> Self {
        let mut found = Self::default();
        for attribute in record.attributes() {
            let Some(key) = attribute.key.strip_prefix(prefix.as_bytes()) else { continue };
            match (key, attribute.value()) {
                (b"id", AnyValue::Str(text)) => found.id = cut(String::from_utf8_lossy(text).into_owned()),
                (b"state", AnyValue::Str(text)) => {
                    found.state = cut(String::from_utf8_lossy(text).into_owned())
                }
                (b"severity", AnyValue::Str(text)) => {
                    found.severity = cut(String::from_utf8_lossy(text).into_owned())
                }
                (b"start", value) => found.start = time(value),
                (b"end", value) => found.end = time(value),
                _ => {}
            }
        }
        found
    }
}

/// Returns the fingerprint of an alert that a record says to be silenced.
pub(super) fn read_silenced(record: &LogRecord<'_>) -> Option<String> {
    let state = record.event_name.strip_prefix(alert_event::PREFIX.as_bytes())?;
    let is_silenced = state == AlertState::Suppressed.name().as_bytes();
    let mut attributes = record.attributes().filter(|_| is_silenced);
    let found = attributes.find(|attribute| attribute.key == alert_event::FINGERPRINT.as_bytes());
    found.map(|attribute| cut(attribute.value().to_label_string()))
}

/// What a record tells of an alert.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Heard {
    pub(super) event: Event,
    /// Whether it is an escalation that calls for one destination alone.
    pub(super) is_call: bool,
}

/// Reads an alert that fires or has ended; none for what is only pending, suppressed or acknowledged, nor for the
/// watchdog, which fires always and must reach whoever waits for it.
pub(super) fn read_alert(record: &LogRecord<'_>) -> Option<Heard> {
    let state = record.event_name.strip_prefix(alert_event::PREFIX.as_bytes())?;
    let state = AlertState::of_name(std::str::from_utf8(state).ok()?)?;
    let end = match state {
        AlertState::Firing | AlertState::Escalated => None,
        AlertState::Resolved => Some(Timestamp(record.time)),
        AlertState::Pending | AlertState::Suppressed | AlertState::Acknowledged => return None,
    };
    let mut alert = Alert::default();
    record.attributes().for_each(|attribute| alert.take(attribute.key, attribute.value()));
    if alert.fingerprint.is_empty() || alert.rule_type == WATCHDOG {
        return None;
    }
    let event = Event {
        start: alert.starts_at.unwrap_or(Timestamp(record.time)),
        kind: if alert.rule_type == "burn_rate" { Kind::Burn } else { Kind::Alert },
        id: alert.fingerprint,
        service: alert.service.into(),
        severity: alert.severity,
        end: end.map(|at| alert.ends_at.unwrap_or(at)),
        title: cut(record.body.to_label_string()),
        slo_id: alert.slo_id,
        trace: record.trace_id.try_into().ok(),
        resend: alert.resend,
        is_lost: false,
    };
    Some(Heard { event, is_call: state == AlertState::Escalated && alert.has_destination })
}

#[derive(Default)]
struct Alert {
    fingerprint: String,
    rule_type: String,
    severity: Severity,
    service: String,
    slo_id: String,
    resend: Option<Duration>,
    has_destination: bool,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
}

/// The labels by which alerts name a service, the first that is there; without them it is in `job`.
const SERVICE_LABELS: [&str; 4] = ["service.name", "service_name", "service", "sloth_service"];

impl Alert {
    fn take(&mut self, key: &[u8], value: AnyValue<'_>) {
        let text = || cut(value.to_label_string());
        match std::str::from_utf8(key).unwrap_or_default() {
            alert_event::FINGERPRINT => self.fingerprint = text(),
            alert_event::RULE_TYPE => self.rule_type = text(),
            alert_event::SEVERITY => self.severity = Severity::of_name(&text()).unwrap_or_default(),
            alert_event::SLO_ID => self.slo_id = text(),
            alert_event::RESEND_INTERVAL_MS => self.resend = millis(value),
            alert_event::DESTINATION => self.has_destination = !text().is_empty(),
            alert_event::STARTS_AT => self.starts_at = time(value),
            alert_event::ENDS_AT => self.ends_at = time(value),
            alert_event::LABELS => {
                if let AnyValue::Map(labels) = value {
                    let named = |name: &str| {
                        let found = labels.entries().find(|entry| entry.key == name.as_bytes());
                        found.map(|it| cut(it.value().to_label_string())).filter(|text| !text.is_empty())
                    };
                    let service = SERVICE_LABELS.iter().find_map(|name| named(name));
                    self.service = service.or_else(|| named("job").map(service_of_job)).unwrap_or_default();
                }
            }
            _ => {}
        }
    }
}

/// In Prometheus the namespace of a service is in front of its name, before a slash.
fn service_of_job(job: String) -> String {
    job.rsplit('/').next().map(str::to_owned).unwrap_or(job)
}

fn millis(value: AnyValue<'_>) -> Option<Duration> {
    match value {
        AnyValue::Int(millis) => u64::try_from(millis).ok().map(Duration::from_millis),
        _ => None,
    }
}

fn time(value: AnyValue<'_>) -> Option<Timestamp> {
    match value {
        AnyValue::Int(nanos) => u64::try_from(nanos).ok().map(Timestamp),
        _ => None,
    }
}

/// Cuts foreign text at a whole character.
pub(super) fn cut(text: String) -> String {
    text::cut(text, MOST_TEXT)
}
