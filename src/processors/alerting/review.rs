//! From states to what is told: what lies over an alert, who must know, who is called next.

use model::{AlertState, Severity, Timestamp};

use super::{
    alert::{Alert, Owner},
    config::EscalateIf,
    history::What,
    labels::Labels,
    machine::{Change, Policy, Verdict},
    matching::labels_fit,
    notice::{Notice, Told},
    processor::AnalysisHalf,
};

impl AnalysisHalf {
    /// Follows a change of an alert's state.
    pub(super) fn after_step(&mut self, place: u32, at: Timestamp, now: Timestamp) {
        let Some(alert) = self.alerts.get(place) else { return };
        if self.changes.contains(&Change::FiringSilently) {
            self.meters.silent.add(1);
        }
        if self.changes.contains(&Change::Resolved) && !alert.machine.is_silent {
            let seconds = alert.machine.ends_at.since(alert.machine.starts_at).as_secs_f64();
            self.figures.to_resolve.add(seconds);
        }
        self.review(place, at, now);
    }

    /// Looks at every alert of which others know or must know.
    pub(super) fn review_all(&mut self, now: Timestamp) {
        let resolved_for = self.config.resend_resolved_for.get();
        let active: Vec<u32> = self
            .alerts
            .iter()
            .filter(|(_, alert)| alert.is_active(resolved_for, now))
            .map(|(place, _)| place)
            .collect();
        for place in active {
            self.review(place, now, now);
        }
    }

    /// Tells what is to be told of an alert.
    pub(super) fn review(&mut self, place: u32, at: Timestamp, now: Timestamp) {
        let suppressed_by = self.suppressed_by(place, now);
        let Some(alert) = self.alerts.get_mut(place) else { return };
        let was_suppressed = !alert.notice.suppressed_by.is_empty();
        if alert.notice.suppressed_by != suppressed_by && alert.alert_state().is_some() {
            let what = if suppressed_by.is_empty() { What::Unsuppressed } else { What::Suppressed };
            self.meters.suppressed.add(u64::from(!was_suppressed));
            alert.remember(at, what, suppressed_by.join(", "));
        }
        alert.notice.suppressed_by = suppressed_by;
        self.tellings.clear();
        let Alert { notice, machine, .. } = alert;
        notice.review(machine, now, &self.cadence, &mut self.tellings);
        self.escalate(place, now);
        self.tell(place, now);
    }

    /// Returns what keeps an alert from being told then.
    fn suppressed_by(&self, place: u32, now: Timestamp) -> Vec<String> {
        let mut by = Vec::new();
        let Some(alert) = self.alerts.get(place).filter(|alert| alert.alert_state().is_some()) else {
            return by;
        };
        if alert.owner == Owner::Watchdog {
            return by;
        }
        if let Owner::Rule(number) = alert.owner
            && let Some(rule) = self.rules.get(number)
        {
            let holding = rule.schedules.iter().filter(|schedule| schedule.contains(now));
            by.extend(holding.map(|schedule| format!("schedule {schedule} of the rule")));
        }
        for (patterns, schedule) in &self.schedules {
            if schedule.contains(now) && labels_fit(patterns, &alert.name, &alert.labels) {
                by.push(format!("schedule {schedule}"));
            }
        }
        self.silences.of(alert, now, &mut by);
        by
    }

    fn escalate(&mut self, place: u32, now: Timestamp) {
        let Some(alert) = self.alerts.get_mut(place) else { return };
        if alert.owner == Owner::Watchdog {
            return;
        }
        for (step, escalation) in self.config.escalation.iter().enumerate() {
            let Alert { notice, machine, .. } = alert;
            let is_let_be = escalation.r#if == EscalateIf::Unacked && notice.acknowledgement.is_some();
            let is_due = now.since(machine.starts_at) >= escalation.after.get();
            if !notice.is_open(machine)
                || is_let_be
                || !is_due
                || !labels_fit(&escalation.r#match, &alert.name, &alert.labels)
            {
                continue;
            }
            let severity = escalation.severity.as_deref().and_then(Severity::of_name);
            let destination = escalation.to.as_deref();
            if notice.escalate(machine, step, severity, destination, &mut self.tellings) {
                let to = destination.unwrap_or("all destinations");
                alert.remember(now, What::Escalated, format!("after {}, to {to}", escalation.after));
            }
        }
    }

    /// Writes what is to be told.
    pub(super) fn tell(&mut self, place: u32, now: Timestamp) {
        let Some(alert) = self.alerts.get_mut(place) else { return };
        for telling in self.tellings.drain(..) {
            self.meters.told(telling.state, telling.is_reminder);
            self.outbox.tell(alert, &telling, now);
            if !telling.is_reminder && matches!(telling.state, AlertState::Firing | AlertState::Resolved) {
                alert.remember(now, What::Told, telling.state.name().to_owned());
            }
        }
    }

    /// Keeps the alert alive that always fires.
    pub(super) fn beat(&mut self, at: Timestamp, now: Timestamp) {
        let config = &self.config.watchdog;
        if !config.enabled {
            return;
        }
        let labels = Labels::with(&config.labels, &self.config.labels);
        let fingerprint = super::alert::fingerprint(&config.name, &labels);
        let place = self.alerts.place_of(fingerprint).unwrap_or_else(|| {
            let mut alert = Alert::new(Owner::Watchdog, config.name.as_str().into(), labels);
            alert.rule_type = "watchdog".into();
            self.alerts.insert(alert)
        });
        let severity = Severity::of_name(&config.severity).unwrap_or(Severity::Info);
        let Some(alert) = self.alerts.get_mut(place) else { return };
        alert.owner = Owner::Watchdog;
        alert.is_true = true;
        alert.seen_at = at;
        if alert.annotations.is_empty() {
            let summary = "Alerting works. When this stops, nobody is told of anything.";
            alert.annotations.insert("summary".to_owned(), summary.to_owned());
        }
        if alert.step(at, Verdict::True, severity, &Policy::default(), &mut self.changes) {
            self.after_step(place, at, now);
        }
    }
}

impl Notice {
    /// Whether it was told that it fires.
    pub(super) const fn is_known_to_fire(&self) -> bool {
        matches!(self.told, Told::Firing { .. })
    }
}
