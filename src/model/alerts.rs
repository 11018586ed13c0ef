//! What may deserve an alarm, and what is told of it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{Timestamp, TraceId};

/// One evaluation of all conditions of a stage, for the stage that alerts.
///
/// A condition that is missing has gone from the stage's configuration: its alert ends.
#[derive(Clone, PartialEq, Debug)]
pub struct Conditions {
    /// The component that evaluates: `sla`, `sla/checkout`.
    pub source: Arc<str>,
    /// The time up to which the evaluation saw everything.
    pub at: Timestamp,
    /// How often the stage evaluates.
    pub every: Duration,
    /// In the order of their subjects.
    pub all: Vec<Condition>,
    /// How the budgets of objectives stand, for the stage that says what an incident costs.
    pub budgets: Vec<Budget>,
}

/// What is counted of an objective, so that two evaluations tell what was lost between them.
#[derive(Clone, PartialEq, Debug)]
pub struct Budget {
    /// As in [`AlertSubject::slo_id`].
    pub slo_id: Arc<str>,
    /// Events since the objective was first judged, and those of them that were bad; both 0 for one that has no events
    /// of its own. They go back when counts were lost.
    pub events: u64,
    pub bad_events: u64,
    /// The share of events that may be bad.
    pub allowed: f64,
    /// The share of the whole budget that one bad event takes; none without events, and where events are not what
    /// is summed.
    pub share_of_event: Option<f64>,
    /// 1 untouched, 0 spent, below 0 overspent; none with too little data to tell.
    pub remaining: Option<f64>,
    /// None where no rates are given.
    pub spending: Option<Spending>,
}

/// Money that an objective has cost.
#[derive(Clone, PartialEq, Debug)]
pub struct Spending {
    /// Since the objective was first judged, with the credit that is owed at this time.
    pub amount: f64,
    pub currency: Arc<str>,
}

/// Whether something that deserves an alarm is so right now.
#[derive(Clone, PartialEq, Debug)]
pub struct Condition {
    /// The same at every evaluation, as long as the configuration is.
    pub subject: Arc<AlertSubject>,
    /// None when there is too little data to tell.
    pub is_true: Option<bool>,
    /// What was compared with the threshold; NaN when there is none.
    pub value: f64,
    /// Traces that show it, the worst first.
    pub exemplars: Vec<TraceId>,
}

/// What an alert is about: its identity and how it is to be treated.
///
/// Ordered by name and labels, which are the identity.
#[derive(Clone, PartialEq, Debug)]
pub struct AlertSubject {
    /// The label `alertname`.
    pub name: String,
    /// All other labels. They are part of the identity, so nothing that changes belongs here.
    pub labels: BTreeMap<String, String>,
    /// Text for people, templates already filled.
    pub annotations: BTreeMap<String, String>,
    pub severity: Severity,
    /// How long the condition must be true before the alert fires.
    pub hold: Duration,
    /// How long the alert goes on firing after the condition was last true.
    pub keep_firing_for: Duration,
    /// What `value` is compared with.
    pub threshold: f64,
    /// What kind of rule it is: `gt`, `burn_rate`, `anomaly`.
    pub rule_type: &'static str,
    /// The objective that it guards, empty for none: the label `sloth_id` has the same.
    pub slo_id: String,
}

/// How much an alert matters; later is more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Severity {
    Info,
    #[default]
    Warning,
    Critical,
    Emergency,
}

impl Severity {
    pub const ALL: [Self; 4] = [Self::Info, Self::Warning, Self::Critical, Self::Emergency];

    /// Returns the value of the label `severity`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Emergency => "emergency",
        }
    }

    /// Returns the severity of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }

    /// Returns OTLP's severity number of a log record.
    pub const fn number(self) -> u8 {
        match self {
            Self::Info => 9,
            Self::Warning => 13,
            Self::Critical => 17,
            Self::Emergency => 21,
        }
    }
}

/// What a log record tells of an alert: the word after [`alert_event::PREFIX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum AlertState {
    Pending,
    Firing,
    Resolved,
    Suppressed,
    Escalated,
    Acknowledged,
}

impl AlertState {
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Firing, Self::Resolved, Self::Suppressed, Self::Escalated, Self::Acknowledged];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Suppressed => "suppressed",
            Self::Escalated => "escalated",
            Self::Acknowledged => "acknowledged",
        }
    }

    /// Returns the state of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Names in the log records that tell of incidents: one writes them, exporters read them.
pub mod incident_event {
    /// The prefix of every `EventName`; the word after it says what is new.
    pub const PREFIX: &str = "trueline.incident.";
    /// What is new when another incident turned out to be this one.
    pub const MERGED: &str = "merged";
    /// What is new when somebody said what to think of it.
    pub const FEEDBACK: &str = "feedback";
    /// Values of [`STATE`].
    pub const OPEN: &str = "open";
    pub const MITIGATING: &str = "mitigating";
    pub const RESOLVED: &str = "resolved";
    pub const CLOSED: &str = "closed";
    /// Text: the same for its whole life.
    pub const ID: &str = "trueline.incident.id";
    /// Text: one of [`OPEN`], [`MITIGATING`], [`RESOLVED`], [`CLOSED`].
    pub const STATE: &str = "trueline.incident.state";
    /// Text: `info`, `warning`, `critical`, `emergency`.
    pub const SEVERITY: &str = "trueline.incident.severity";
    /// Text, a line.
    pub const TITLE: &str = "trueline.incident.title";
    /// Text, a few lines.
    pub const DESCRIPTION: &str = "trueline.incident.description";
    /// A list of texts: the cause, then who suffers.
    pub const SERVICES: &str = "trueline.incident.services";
    /// A list of texts: incidents that it took over.
    pub const MERGED_IDS: &str = "trueline.incident.merged";
    /// Whole number: grows with whatever people would want to know.
    pub const REVISION: &str = "trueline.incident.revision";
    /// Number, 0 to 100.
    pub const SCORE: &str = "trueline.incident.score";
    /// Whole number: nanoseconds since the epoch.
    pub const START: &str = "trueline.incident.start";
    /// Whole number: nanoseconds since the epoch; absent while something is active.
    pub const END: &str = "trueline.incident.end";
}

/// Names in the log records that tell of alerts: one writes them, exporters read them.
pub mod alert_event {
    /// The prefix of every `EventName`; the word after it is the [`STATE`].
    pub const PREFIX: &str = "trueline.alert.";
    /// Text: the name of an [`AlertState`](super::AlertState).
    pub const STATE: &str = "trueline.alert.state";
    /// Text: names this transition; the same when it is told again, also by another replica.
    pub const ID: &str = "trueline.alert.id";
    /// Text, 16 hexadecimal digits: names the alert, whatever its state.
    pub const FINGERPRINT: &str = "trueline.alert.fingerprint";
    /// Whole number: grows with every transition of this alert.
    pub const SEQUENCE: &str = "trueline.alert.sequence";
    /// Truth: told again, so that a destination that has lost it learns of it.
    pub const IS_REMINDER: &str = "trueline.alert.is_reminder";
    /// Whole number: while it fires, and nothing suppresses it, it is told again each time that so many milliseconds have passed.
    pub const RESEND_INTERVAL_MS: &str = "trueline.alert.resend_interval_ms";
    /// Text: the rule's name, which is the label `alertname`.
    pub const RULE_NAME: &str = "trueline.alert.rule.name";
    /// Text: `gt`, `burn_rate`, ….
    pub const RULE_TYPE: &str = "trueline.alert.rule.type";
    /// Text: `info`, `warning`, `critical`, `emergency`.
    pub const SEVERITY: &str = "trueline.alert.severity";
    /// A map of texts, with `alertname`.
    pub const LABELS: &str = "trueline.alert.labels";
    /// A map of texts.
    pub const ANNOTATIONS: &str = "trueline.alert.annotations";
    /// Number: what was compared; absent when there is none.
    pub const VALUE: &str = "trueline.alert.value";
    /// Number: with what it was compared.
    pub const THRESHOLD: &str = "trueline.alert.threshold";
    /// Whole number: since when it fires, in nanoseconds since the epoch.
    pub const STARTS_AT: &str = "trueline.alert.starts_at";
    /// Whole number: since when it does not fire any more, in nanoseconds since the epoch; absent before.
    pub const ENDS_AT: &str = "trueline.alert.ends_at";
    /// A list of texts: which silences and schedules keep it from being notified; absent when none does.
    pub const SUPPRESSED_BY: &str = "trueline.alert.suppressed_by";
    /// Text: the only destination that shall get it, as `alert_webhook` names it; absent for all.
    pub const DESTINATION: &str = "trueline.alert.destination";
    /// Text: the incident that the alert belongs to; absent when no stage has said so.
    pub const INCIDENT_ID: &str = "trueline.incident.id";
    /// Text, a line: what is wrong, of the cause where one is known; absent where nobody is told of the alert.
    pub const INCIDENT_TITLE: &str = "trueline.incident.title";
    /// Text, a few lines: the cause with its evidence, and who suffers; absent as the title is.
    pub const INCIDENT_DESCRIPTION: &str = "trueline.incident.description";
    /// Text: the objective that the alert guards; absent when none.
    pub const SLO_ID: &str = "trueline.slo.id";
}
