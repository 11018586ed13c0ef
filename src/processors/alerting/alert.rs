//! Alerts: what they are about, their state, and what is remembered for their rules.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use model::{Severity, Timestamp, TraceId};

use super::{
    history::{Event, History, What},
    judge::{Measured, Memory},
    labels::Labels,
    machine::{Change, Machine, Phase, Policy, Verdict},
    notice::Notice,
    rule::Aggregate,
    tape::Tape,
};

/// Whose condition an alert follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// A rule, by its place.
    Rule(u32),
    /// A stage before this one, by its id.
    Stage(Arc<str>),
    Watchdog,
    /// It was restored, and nothing follows it any more, or not yet.
    Nobody,
}

/// An alert, whatever its state.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Alert {
    pub(super) owner: Owner,
    /// The label `alertname`, which is the rule's name.
    pub(super) name: Arc<str>,
    /// All other labels but `severity`.
    pub(super) labels: Labels,
    pub(super) fingerprint: u64,
    pub(super) rule_type: Arc<str>,
    pub(super) slo_id: String,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) threshold: f64,
    /// What was compared last; NaN for nothing.
    pub(super) value: f64,
    pub(super) exemplars: Vec<TraceId>,
    pub(super) machine: Machine,
    pub(super) notice: Notice,
    pub(super) history: History,
    pub(super) memory: Memory,
    pub(super) tally: Tally,
    pub(super) tape: Option<Box<Tape>>,
    /// The last window with data.
    pub(super) seen_at: Timestamp,
    /// What the last evaluation said.
    pub(super) has_data: bool,
    pub(super) is_true: bool,
}

/// What the series of a group have said since the last evaluation.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Tally {
    /// Of the open window.
    sum: f64,
    weight: f64,
    /// Of closed windows.
    total: f64,
    n_windows: u32,
    score: f64,
    episode: u64,
    confidence: f64,
    is_degraded: bool,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            sum: f64::NAN,
            weight: 0.0,
            total: f64::NAN,
            n_windows: 0,
            score: f64::NAN,
            episode: 0,
            confidence: 0.0,
            is_degraded: false,
        }
    }
}

impl Tally {
    /// Adds a row of the open window.
    pub(super) fn add(&mut self, aggregate: Aggregate, value: f64, support: u64) {
        if !value.is_finite() {
            return;
        }
        let is_first = self.sum.is_nan();
        // Observations weigh, but a level has none and counts all the same.
        let weight = if aggregate == Aggregate::Mean { support.max(1) as f64 } else { 1.0 };
        self.sum = match aggregate {
            _ if is_first => value * weight,
            Aggregate::Sum | Aggregate::Mean => self.sum + value * weight,
            Aggregate::Max => self.sum.max(value),
            Aggregate::Min => self.sum.min(value),
        };
        self.weight += weight;
    }

    pub(super) fn add_score(&mut self, score: f64, episode: u64, confidence: f64) {
        self.confidence = self.confidence.max(confidence);
        if self.score.is_nan() || score > self.score {
            self.score = score;
        }
        self.episode = self.episode.max(episode);
    }

    /// Notes whether a series was worse than expected.
    pub(super) fn add_degraded(&mut self, is_degraded: bool) {
        self.is_degraded |= is_degraded;
    }

    pub(super) fn has_score(&self) -> bool {
        !self.score.is_nan() || self.episode != 0
    }

    /// Closes a window and returns its value, NaN for none.
    pub(super) fn close_window(&mut self, aggregate: Aggregate, takes_worst: bool) -> f64 {
        let value = if aggregate == Aggregate::Mean { self.sum / self.weight } else { self.sum };
        (self.sum, self.weight) = (f64::NAN, 0.0);
        if !value.is_finite() {
            return f64::NAN;
        }
        self.n_windows += 1;
        self.total = match self.n_windows {
            1 => value,
            _ if takes_worst => self.total.max(value),
            _ => self.total + value,
        };
        value
    }

    /// Returns what the windows since the last evaluation said: their mean, or the worst.
    pub(super) fn take(&mut self, takes_worst: bool) -> Measured {
        let n_windows = if takes_worst { 1 } else { self.n_windows.max(1) };
        let measured = Measured {
            value: self.total / f64::from(n_windows),
            score: self.score,
            episode: self.episode,
            confidence: self.confidence,
            is_degraded: self.is_degraded,
        };
        *self = Self::default();
        measured
    }
}

impl Alert {
    pub(super) fn new(owner: Owner, name: Arc<str>, labels: Labels) -> Self {
        Self {
            owner,
            fingerprint: fingerprint(&name, &labels),
            name,
            labels,
            rule_type: "".into(),
            slo_id: String::new(),
            annotations: BTreeMap::new(),
            threshold: f64::NAN,
            value: f64::NAN,
            exemplars: Vec::new(),
            machine: Machine::default(),
            notice: Notice::default(),
            history: History::default(),
            memory: Memory::default(),
            tally: Tally::default(),
            tape: None,
            seen_at: Timestamp::default(),
            has_data: false,
            is_true: false,
        }
    }

    /// Says how much it will matter, before it ever fires.
    pub(super) fn will_be(&mut self, severity: Severity) {
        (self.machine.severity, self.notice.fired_severity) = (severity, severity);
    }

    /// Takes an evaluation, and remembers what it changed. Returns whether anything did.
    pub(super) fn step(
        &mut self,
        at: Timestamp,
        verdict: Verdict,
        severity: Severity,
        policy: &Policy,
        changes: &mut Vec<Change>,
    ) -> bool {
        changes.clear();
        if self.has_data != (verdict != Verdict::NoData) {
            self.has_data = verdict != Verdict::NoData;
            // That there is data is worth telling only after there was none.
            if !self.has_data || !self.history.is_empty() {
                self.remember(at, if self.has_data { What::Data } else { What::NoData }, String::new());
            }
        }
        self.machine.step(at, verdict, severity, policy, changes);
        self.note_changes(at, changes)
    }

    /// Ends it, whatever its condition.
    pub(super) fn end(&mut self, at: Timestamp, why: &str, changes: &mut Vec<Change>) -> bool {
        changes.clear();
        self.machine.end(at, changes);
        let is_changed = self.note_changes(at, changes);
        if is_changed {
            self.remember(at, What::NoData, why.to_owned());
        }
        is_changed
    }

    fn note_changes(&mut self, at: Timestamp, changes: &[Change]) -> bool {
        for change in changes {
            if matches!(change, Change::Pending | Change::Firing | Change::FiringSilently) {
                self.notice.begin_firing(self.machine.severity);
            }
            self.remember(at, What::from(*change), String::new());
        }
        !changes.is_empty()
    }

    pub(super) fn remember(&mut self, at: Timestamp, what: What, detail: String) {
        let severity = self.severity();
        self.history.note(Event { at, what, value: self.value, severity, detail });
    }

    /// Takes note of the threshold from now on, and of the one until now when that was another.
    pub(super) fn compare_with(&mut self, at: Timestamp, threshold: f64) {
        let before = std::mem::replace(&mut self.threshold, threshold);
        if before.is_nan() || before == threshold {
            return;
        }
        let (severity, detail) = (self.severity(), format!("{before} until now, then {threshold}"));
        self.history.note(Event { at, what: What::Tuned, value: before, severity, detail });
    }

    /// Returns the threshold then: the first change since says what it was.
    pub(super) fn threshold_at(&self, at: Timestamp) -> f64 {
        let tuned = self.history.events().find(|event| event.at > at && event.what == What::Tuned);
        tuned.map_or(self.threshold, |tuned| tuned.value)
    }

    /// Returns how much it matters now, after what escalation made of it.
    pub(super) fn severity(&self) -> Severity {
        self.machine.severity.max(self.notice.escalated.unwrap_or(Severity::Info))
    }

    /// Returns the value of the label `alertstate`; none when it neither fires nor will.
    pub(super) fn alert_state(&self) -> Option<&'static str> {
        match self.machine.phase {
            Phase::Pending => Some("pending"),
            Phase::Firing | Phase::Recovering => Some("firing"),
            Phase::Inactive | Phase::Cooldown => None,
        }
    }

    /// Whether there is something to do for it although nothing is evaluated.
    pub(super) fn is_active(&self, resolved_for: Duration, now: Timestamp) -> bool {
        self.alert_state().is_some() || self.notice.is_told(resolved_for, &self.machine, now)
    }
}

/// Names an alert: the same for the same name and labels in every process and release.
pub(super) fn fingerprint(name: &str, labels: &Labels) -> u64 {
    let mut bytes = Vec::new();
    for part in [name].into_iter().chain(labels.iter().flat_map(|(key, value)| [key, value])) {
        bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    rapidhash::v3::rapidhash_v3(&bytes)
}

/// All alerts by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Alerts {
    places: Vec<Option<Box<Alert>>>,
    free: Vec<u32>,
    by_fingerprint: HashMap<u64, u32>,
}

impl Alerts {
    /// Adds an alert that is not there yet.
    pub(super) fn insert(&mut self, alert: Alert) -> u32 {
        let fingerprint = alert.fingerprint;
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).expect("alerts are bounded")
        });
        self.places[place as usize] = Some(Box::new(alert));
        self.by_fingerprint.insert(fingerprint, place);
        place
    }

    pub(super) fn remove(&mut self, place: u32) -> Option<Box<Alert>> {
        let alert = self.places.get_mut(place as usize)?.take()?;
        self.by_fingerprint.remove(&alert.fingerprint);
        self.free.push(place);
        Some(alert)
    }

    pub(super) fn get(&self, place: u32) -> Option<&Alert> {
        self.places.get(place as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut Alert> {
        self.places.get_mut(place as usize)?.as_deref_mut()
    }

    pub(super) fn place_of(&self, fingerprint: u64) -> Option<u32> {
        self.by_fingerprint.get(&fingerprint).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.by_fingerprint.len()
    }

    /// All alerts with their places, in the order of these.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Alert)> {
        self.places.iter().enumerate().filter_map(|(place, alert)| Some((place as u32, alert.as_deref()?)))
    }

    /// Alerts that fire or will, in the order of their names and labels.
    pub(super) fn active_sorted(&self) -> Vec<&Alert> {
        self.sorted(|alert| alert.alert_state().is_some())
    }

    /// Some alerts, in the order of their names and labels.
    pub(super) fn sorted(&self, is_wanted: impl Fn(&Alert) -> bool) -> Vec<&Alert> {
        let mut all: Vec<_> = self.iter().map(|(_, alert)| alert).filter(|alert| is_wanted(alert)).collect();
        all.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
        all
    }
}
