//! The life of an alert: what becomes of it when its condition holds, does not, or is not known.
//!
//! ```text
//! inactive ─true─▶ pending ─`for` is over─▶ firing ─false─▶ recovering ─`keep_firing_for` is over─▶ cooldown ─▶ inactive
//!                     └─false─▶ inactive      ▲                 └─true─▶ firing                       │
//!                                             └───────────────true, without a word──────────────────┘
//! ```
//! All times are those of the data. What keeps people from being told (silences, schedules) and what they say
//! (acknowledgements) is no part of it: see `notice`.

use std::time::Duration;

use model::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

/// More changes between firing and resolved than these within [`FLAP_WITHIN`] are called flapping.
///
/// *Source*: prometheus/alertmanager#3048 asks for it; the figures are ours.
const FLAP_CHANGES: usize = 4;
const FLAP_WITHIN: Duration = Duration::from_secs(15 * 60);
/// A flapping alert fires until its condition has not held for so long.
const FLAP_QUIET: Duration = Duration::from_secs(10 * 60);
/// An evaluation that is so much older than the last one means that the time was set back.
const SET_BACK: Duration = Duration::from_secs(3600);

/// Where in its life an alert is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) enum Phase {
    #[default]
    Inactive,
    Pending,
    Firing,
    /// Fires although its condition does not hold any more.
    Recovering,
    /// Was resolved lately: when it fires again, nobody is told at once.
    Cooldown,
}

/// What is done when there is nothing to evaluate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnNoData {
    /// The last state stays: a series that vanishes resolves nothing.
    #[default]
    Keep,
    /// As if the condition did not hold.
    Resolve,
    /// As if the condition held.
    Alert,
}

/// How an alert is treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Policy {
    /// How long the condition must hold.
    pub(super) hold: Duration,
    pub(super) keep_firing_for: Duration,
    pub(super) cooldown: Duration,
    pub(super) on_no_data: OnNoData,
    /// Fires and resolves as often as its condition does: it is not held as one that flaps.
    pub(super) is_undamped: bool,
}

/// What an evaluation said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    True,
    False,
    NoData,
}

/// What an evaluation changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Change {
    Pending,
    /// Was pending, and its condition does not hold any more.
    Dropped,
    Firing,
    /// Fires again soon after it was resolved: nobody is told.
    FiringSilently,
    /// Has fired silently for long enough to be told.
    NoLongerSilent,
    SeverityRose,
    Recovering,
    /// Was recovering, and its condition holds again.
    Relapsed,
    /// Fires again and again: it is held until it is quiet.
    Held,
    Resolved,
}

/// The state of one alert.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Machine {
    pub(super) phase: Phase,
    /// When the phase began.
    pub(super) since: Timestamp,
    /// When the condition began to hold: Prometheus's `ActiveAt`.
    pub(super) active_at: Timestamp,
    /// When it began to fire, now or last.
    pub(super) starts_at: Timestamp,
    /// When it was resolved last.
    pub(super) ends_at: Timestamp,
    /// The last evaluation.
    pub(super) evaluated_at: Timestamp,
    /// Whoever was told that it is resolved is not told again before that.
    pub(super) cooldown_until: Timestamp,
    /// Grows with every change that can be told. It is the time of the change in milliseconds, so that a replica that
    /// started later numbers as the others do.
    pub(super) sequence: u64,
    /// The greatest since it began to fire, now or last.
    pub(super) severity: Severity,
    pub(super) is_silent: bool,
    pub(super) is_held: bool,
    /// Whether it was restored and not evaluated since.
    pub(super) is_restored: bool,
    /// When it last began to fire or was resolved, the oldest first.
    pub(super) flips: Vec<Timestamp>,
}

impl Machine {
    /// Whether it fires, as far as others are concerned.
    pub(super) const fn is_firing(&self) -> bool {
        matches!(self.phase, Phase::Firing | Phase::Recovering)
    }

    /// Takes an evaluation. One that is not after the last changes nothing: what comes out of order never ends an
    /// alert.
    pub(super) fn step(
        &mut self,
        at: Timestamp,
        verdict: Verdict,
        severity: Severity,
        policy: &Policy,
        changes: &mut Vec<Change>,
    ) {
        if at <= self.evaluated_at {
            if self.evaluated_at.since(at) < SET_BACK {
                return;
            }
            self.set_back_to(at);
        }
        self.forget_pending(at, policy);
        if policy.is_undamped {
            self.forget_flapping();
        }
        self.evaluated_at = at;
        if self.phase == Phase::Cooldown && at >= self.cooldown_until {
            self.enter(Phase::Inactive, at);
        }
        match (verdict, policy.on_no_data) {
            (Verdict::True, _) | (Verdict::NoData, OnNoData::Alert) => {
                self.hold_true(at, severity, policy, changes);
            }
            (Verdict::False, _) | (Verdict::NoData, OnNoData::Resolve) => {
                self.hold_false(at, policy, changes);
            }
            // What was last known stays so: an alert that recovers goes on to recover.
            (Verdict::NoData, OnNoData::Keep) if self.phase == Phase::Recovering => {
                self.hold_false(at, policy, changes);
            }
            (Verdict::NoData, OnNoData::Keep) => {}
        }
    }

    /// Ends the alert, whatever its condition: what it was about is gone.
    pub(super) fn end(&mut self, at: Timestamp, changes: &mut Vec<Change>) {
        let at = at.max(self.evaluated_at);
        match self.phase {
            Phase::Pending => {
                self.enter(Phase::Inactive, at);
                changes.push(Change::Dropped);
            }
            Phase::Firing | Phase::Recovering => self.resolve(at, Duration::ZERO, changes),
            Phase::Inactive | Phase::Cooldown => {}
        }
    }

    fn forget_flapping(&mut self) {
        self.flips.clear();
        self.is_held = false;
    }

    fn hold_true(&mut self, at: Timestamp, severity: Severity, policy: &Policy, changes: &mut Vec<Change>) {
        match self.phase {
            Phase::Inactive => {
                self.active_at = at;
                if policy.hold.is_zero() {
                    self.fire(at, severity, changes);
                } else {
                    self.enter(Phase::Pending, at);
                    self.severity = severity;
                    self.count(at);
                    changes.push(Change::Pending);
                }
            }
            Phase::Pending if at.since(self.active_at) >= policy.hold => self.fire(at, severity, changes),
            Phase::Pending => {}
            Phase::Firing => self.go_on(at, severity, policy, changes),
            Phase::Recovering => {
                self.enter(Phase::Firing, at);
                changes.push(Change::Relapsed);
                self.go_on(at, severity, policy, changes);
            }
            Phase::Cooldown => {
                self.active_at = at;
                self.fire_again(at, severity, changes);
            }
        }
    }

    fn hold_false(&mut self, at: Timestamp, policy: &Policy, changes: &mut Vec<Change>) {
        match self.phase {
            Phase::Inactive | Phase::Cooldown => return,
            Phase::Pending => {
                self.enter(Phase::Inactive, at);
                changes.push(Change::Dropped);
                return;
            }
            Phase::Firing if policy.keep_firing_for.is_zero() && !self.is_held => {}
            Phase::Firing => {
                self.enter(Phase::Recovering, at);
                changes.push(Change::Recovering);
                return;
            }
            Phase::Recovering => {}
        }
        let quiet = if self.is_held { FLAP_QUIET } else { Duration::ZERO };
        if self.phase == Phase::Firing || at.since(self.since) >= policy.keep_firing_for.max(quiet) {
            self.resolve(at, policy.cooldown, changes);
        }
    }

    /// Goes on firing.
    fn go_on(&mut self, at: Timestamp, severity: Severity, policy: &Policy, changes: &mut Vec<Change>) {
        if severity > self.severity {
            self.severity = severity;
            self.is_silent = false;
            self.count(at);
            changes.push(Change::SeverityRose);
        } else if self.is_silent && at >= self.cooldown_until && at.since(self.active_at) >= policy.hold {
            self.is_silent = false;
            changes.push(Change::NoLongerSilent);
        }
    }

    fn fire(&mut self, at: Timestamp, severity: Severity, changes: &mut Vec<Change>) {
        self.severity = severity;
        self.is_silent = false;
        self.begin_firing(at);
        changes.push(Change::Firing);
        self.judge_flapping(at, changes);
    }

    fn fire_again(&mut self, at: Timestamp, severity: Severity, changes: &mut Vec<Change>) {
        self.is_silent = severity <= self.severity;
        self.severity = self.severity.max(severity);
        self.begin_firing(at);
        changes.push(if self.is_silent { Change::FiringSilently } else { Change::Firing });
        self.judge_flapping(at, changes);
    }

    fn begin_firing(&mut self, at: Timestamp) {
        self.enter(Phase::Firing, at);
        self.starts_at = at;
        self.count(at);
        self.flips.push(at);
    }

    fn judge_flapping(&mut self, at: Timestamp, changes: &mut Vec<Change>) {
        self.flips.retain(|flip| at.since(*flip) <= FLAP_WITHIN);
        if self.flips.len() > FLAP_CHANGES && !self.is_held {
            self.is_held = true;
            changes.push(Change::Held);
        }
    }

    fn resolve(&mut self, at: Timestamp, cooldown: Duration, changes: &mut Vec<Change>) {
        // Who was not told that it fires is not told that it is resolved: his rest is not made longer.
        if !self.is_silent {
            self.cooldown_until = at + cooldown;
        }
        let next = if at < self.cooldown_until { Phase::Cooldown } else { Phase::Inactive };
        self.enter(next, at);
        self.ends_at = at;
        self.is_held = false;
        self.count(at);
        self.flips.push(at);
        self.flips.retain(|flip| at.since(*flip) <= FLAP_WITHIN);
        changes.push(Change::Resolved);
    }

    fn enter(&mut self, phase: Phase, at: Timestamp) {
        self.phase = phase;
        self.since = at;
    }

    fn count(&mut self, at: Timestamp) {
        self.sequence = (self.sequence + 1).max(at.as_millis());
    }

    /// Nothing is known of the time between: who was pending before a restart begins anew when that was longer than
    /// the condition must hold.
    fn forget_pending(&mut self, at: Timestamp, policy: &Policy) {
        let is_restored = std::mem::take(&mut self.is_restored);
        if is_restored && self.phase == Phase::Pending && at.since(self.evaluated_at) >= policy.hold {
            self.enter(Phase::Inactive, at);
        }
    }

    /// No time of the state may lie ahead, or it would wait for it.
    fn set_back_to(&mut self, at: Timestamp) {
        for time in [&mut self.since, &mut self.active_at, &mut self.starts_at, &mut self.cooldown_until] {
            *time = (*time).min(at);
        }
        self.flips.clear();
    }
}
