//! What others are told of an alert, and what keeps them from being told.
//!
//! It goes by levels, not by changes: whatever was lost, what is told next is right again.

use std::time::Duration;

use model::{AlertState, Severity, Timestamp};

use super::{
    machine::{Machine, Phase},
    metrics::Opinion,
};

/// What others know, what lies over the state, and what people said.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Notice {
    pub(super) told: Told,
    /// When that was told last, also as a reminder.
    pub(super) told_at: Timestamp,
    /// The label `severity`: that with which it began to fire, as labels are an identity for those who are told.
    pub(super) fired_severity: Severity,
    /// Silences and schedules that keep it from being told.
    pub(super) suppressed_by: Vec<String>,
    /// The firing of which it was told that it is suppressed.
    pub(super) suppression_told: u64,
    /// Apart, as few have one.
    pub(super) acknowledgement: Option<Box<Acknowledgement>>,
    /// What was said last of the firing that began then.
    pub(super) opinion: Option<(Timestamp, Opinion)>,
    /// Steps of the escalation that were taken in this firing, a bit for each.
    pub(super) steps: u16,
    pub(super) escalated: Option<Severity>,
}

/// What others know of an alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Told {
    #[default]
    Nothing,
    Pending {
        sequence: u64,
    },
    Firing {
        sequence: u64,
        starts_at: Timestamp,
    },
    Resolved {
        sequence: u64,
        starts_at: Timestamp,
        ends_at: Timestamp,
    },
}

/// Somebody takes care of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Acknowledgement {
    pub(super) author: String,
    pub(super) comment: String,
    pub(super) at: Timestamp,
}

/// Something to tell.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Telling {
    pub(super) state: AlertState,
    pub(super) sequence: u64,
    /// Tells overlays of one sequence apart; 0 for changes of the state.
    pub(super) ordinal: u64,
    pub(super) starts_at: Timestamp,
    pub(super) ends_at: Option<Timestamp>,
    pub(super) is_reminder: bool,
    pub(super) destination: Option<String>,
}

/// How often things are told again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cadence {
    pub(super) every: Duration,
    pub(super) resolved_for: Duration,
}

impl Notice {
    /// Forgets what belonged to the firing before.
    pub(super) fn begin_firing(&mut self, severity: Severity) {
        self.fired_severity = severity;
        self.acknowledgement = None;
        self.steps = 0;
        self.escalated = None;
    }

    /// Compares what others know with what is so, and says what they must be told. What keeps an alert from being
    /// told has been noted before.
    pub(super) fn review(
        &mut self,
        machine: &Machine,
        now: Timestamp,
        cadence: &Cadence,
        out: &mut Vec<Telling>,
    ) {
        let is_suppressed = !self.suppressed_by.is_empty();
        let (sequence, starts_at) = (machine.sequence, machine.starts_at);
        match machine.phase {
            Phase::Pending if !is_suppressed && self.told != (Told::Pending { sequence }) => {
                self.resolve(machine, now, out);
                self.tell(Told::Pending { sequence }, now, false, out);
            }
            Phase::Firing | Phase::Recovering if is_suppressed => self.tell_suppression(machine, out),
            Phase::Firing | Phase::Recovering => {
                let firing = Told::Firing { sequence, starts_at };
                if self.told != firing && !machine.is_silent {
                    self.tell(firing, now, false, out);
                }
            }
            Phase::Pending => {}
            Phase::Inactive | Phase::Cooldown => self.resolve(machine, now, out),
        }
        self.remind(machine, now, cadence, out);
    }

    /// Who was told that it fires is told that it does not any more, whatever lies over it.
    fn resolve(&mut self, machine: &Machine, now: Timestamp, out: &mut Vec<Telling>) {
        match self.told {
            Told::Firing { starts_at, .. } => {
                let (sequence, ends_at) = (machine.sequence, machine.ends_at);
                self.tell(Told::Resolved { sequence, starts_at, ends_at }, now, false, out);
            }
            Told::Pending { .. } => self.told = Told::Nothing,
            Told::Nothing | Told::Resolved { .. } => {}
        }
    }

    fn tell_suppression(&mut self, machine: &Machine, out: &mut Vec<Telling>) {
        if self.suppression_told == machine.sequence || machine.is_silent {
            return;
        }
        self.suppression_told = machine.sequence;
        out.push(Telling {
            state: AlertState::Suppressed,
            sequence: machine.sequence,
            ordinal: 0,
            starts_at: machine.starts_at,
            ends_at: None,
            is_reminder: false,
            destination: None,
        });
    }

    fn remind(&mut self, machine: &Machine, now: Timestamp, cadence: &Cadence, out: &mut Vec<Telling>) {
        let is_due = now.since(self.told_at) >= cadence.every;
        let is_worth_it = match self.told {
            Told::Firing { .. } => machine.is_firing() && self.suppressed_by.is_empty(),
            Told::Resolved { ends_at, .. } => now.since(ends_at) <= cadence.resolved_for,
            Told::Nothing | Told::Pending { .. } => false,
        };
        if is_due && is_worth_it {
            self.tell(self.told, now, true, out);
        }
    }

    fn tell(&mut self, told: Told, now: Timestamp, is_reminder: bool, out: &mut Vec<Telling>) {
        let (state, sequence, starts_at, ends_at) = match told {
            Told::Nothing => return,
            Told::Pending { sequence } => (AlertState::Pending, sequence, Timestamp::default(), None),
            Told::Firing { sequence, starts_at } => (AlertState::Firing, sequence, starts_at, None),
            Told::Resolved { sequence, starts_at, ends_at } => {
                (AlertState::Resolved, sequence, starts_at, Some(ends_at))
            }
        };
        (self.told, self.told_at) = (told, now);
        out.push(Telling { state, sequence, ordinal: 0, starts_at, ends_at, is_reminder, destination: None });
    }

    /// Takes a step of the escalation, once in a firing that others know of.
    pub(super) fn escalate(
        &mut self,
        machine: &Machine,
        step: usize,
        severity: Option<Severity>,
        destination: Option<&str>,
        out: &mut Vec<Telling>,
    ) -> bool {
        let bit = 1_u16 << step;
        if self.steps & bit != 0 {
            return false;
        }
        self.steps |= bit;
        self.escalated = self.escalated.max(severity);
        out.push(Telling {
            state: AlertState::Escalated,
            sequence: machine.sequence,
            ordinal: step as u64 + 1,
            starts_at: machine.starts_at,
            ends_at: None,
            is_reminder: false,
            destination: destination.map(str::to_owned),
        });
        true
    }

    /// Takes note that somebody takes care of it.
    pub(super) fn acknowledge(&mut self, machine: &Machine, by: Acknowledgement, out: &mut Vec<Telling>) {
        out.push(Telling {
            state: AlertState::Acknowledged,
            sequence: machine.sequence,
            ordinal: by.at.as_nanos(),
            starts_at: machine.starts_at,
            ends_at: None,
            is_reminder: false,
            destination: None,
        });
        self.acknowledgement = Some(Box::new(by));
    }

    /// Whether others know that it fires, and nothing keeps them from being told more.
    pub(super) fn is_open(&self, machine: &Machine) -> bool {
        matches!(self.told, Told::Firing { .. }) && machine.is_firing() && self.suppressed_by.is_empty()
    }

    /// Whether others are still to be told of it.
    pub(super) fn is_told(&self, resolved_for: Duration, machine: &Machine, now: Timestamp) -> bool {
        match self.told {
            Told::Nothing => false,
            Told::Pending { .. } | Told::Firing { .. } => true,
            Told::Resolved { ends_at, .. } => {
                now.since(ends_at) <= resolved_for || machine.phase == Phase::Cooldown
            }
        }
    }
}
