//! Conditions of stages before this one, each of which is followed by an alert.

use std::{sync::Arc, time::Duration};

use model::{Condition, Conditions, Timestamp};

use super::{
    alert::{Alert, Owner, fingerprint},
    labels::Labels,
    machine::{OnNoData, Policy, Verdict},
    processor::AnalysisHalf,
};

/// A restored alert of a stage that has not told for so long is ended: the stage has gone from the configuration.
const SILENT_FOR: Duration = Duration::from_secs(15 * 60);

/// What is known of a stage that tells conditions.
#[derive(Clone, Debug, Default)]
pub(super) struct Stage {
    pub(super) alerts: Vec<u32>,
    /// The last evaluation.
    at: Timestamp,
    /// When it was heard, by the processor's time.
    heard_at: Timestamp,
}

impl AnalysisHalf {
    /// Takes an evaluation of a stage. An alert whose condition is missing ends.
    pub(super) fn take_conditions(&mut self, conditions: &Conditions, now: Timestamp) {
        let mut stage = self.stages.remove(&conditions.source).unwrap_or_default();
        for condition in &conditions.all {
            self.take_condition(conditions, condition, &mut stage, now);
        }
        if conditions.at > stage.at {
            stage.at = conditions.at;
            stage.heard_at = now;
            for place in std::mem::take(&mut stage.alerts) {
                let Some(alert) = self.alerts.get_mut(place) else { continue };
                if alert.seen_at == conditions.at {
                    stage.alerts.push(place);
                } else {
                    self.end_alert(
                        place,
                        conditions.at,
                        now,
                        "its condition has gone from the configuration",
                    );
                }
            }
        }
        self.stages.insert(Arc::clone(&conditions.source), stage);
    }

    fn take_condition(
        &mut self,
        conditions: &Conditions,
        condition: &Condition,
        stage: &mut Stage,
        now: Timestamp,
    ) {
        let Some(place) = self.alert_of_condition(conditions, condition, stage) else { return };
        let Some(alert) = self.alerts.get_mut(place) else { return };
        let subject = &condition.subject;
        let verdict = match condition.is_true {
            Some(true) => Verdict::True,
            Some(false) => Verdict::False,
            None => Verdict::NoData,
        };
        alert.seen_at = alert.seen_at.max(conditions.at);
        alert.value = condition.value;
        alert.is_true = verdict == Verdict::True;
        alert.compare_with(conditions.at, subject.threshold);
        if alert.alert_state().is_some() || alert.is_true {
            alert.annotations.clone_from(&subject.annotations);
        }
        if !condition.exemplars.is_empty() {
            alert.exemplars = condition.exemplars.iter().take(3).copied().collect();
        }
        // The stage says all that there is to say of time. It knows no cooldown, and short windows keep burn rates
        // from flapping: they fire and resolve when Prometheus's would.
        let policy = Policy {
            hold: subject.hold,
            keep_firing_for: subject.keep_firing_for,
            cooldown: Duration::ZERO,
            on_no_data: OnNoData::Keep,
            is_undamped: true,
        };
        if alert.step(conditions.at, verdict, subject.severity, &policy, &mut self.changes) {
            self.after_step(place, conditions.at, now);
        }
        self.note_evaluation(place, conditions.at, conditions.every.max(Duration::from_secs(1)));
    }

    fn alert_of_condition(
        &mut self,
        conditions: &Conditions,
        condition: &Condition,
        stage: &mut Stage,
    ) -> Option<u32> {
        let subject = &condition.subject;
        let labels = Labels::with(&subject.labels, &self.config.labels);
        let owner = Owner::Stage(Arc::clone(&conditions.source));
        if let Some(place) = self.alerts.place_of(fingerprint(&subject.name, &labels)) {
            let alert = self.alerts.get_mut(place)?;
            if alert.owner != owner && alert.owner != Owner::Nobody {
                self.meters.conflicts.add(1);
                return None;
            }
            if alert.owner == Owner::Nobody || !stage.alerts.contains(&place) {
                alert.owner = owner;
                stage.alerts.push(place);
            }
            return Some(place);
        }
        if self.alerts.len() as u64 >= self.config.max_alerts {
            self.meters.overflowed.add(1);
            return None;
        }
        let mut alert = Alert::new(owner, subject.name.as_str().into(), labels);
        alert.rule_type = subject.rule_type.into();
        alert.slo_id.clone_from(&subject.slo_id);
        alert.will_be(subject.severity);
        let place = self.alerts.insert(alert);
        stage.alerts.push(place);
        Some(place)
    }

    /// Ends an alert whose reason has gone, and lets nobody follow it.
    pub(super) fn end_alert(&mut self, place: u32, at: Timestamp, now: Timestamp, why: &str) {
        let Some(alert) = self.alerts.get_mut(place) else { return };
        alert.owner = Owner::Nobody;
        if alert.end(at, why, &mut self.changes) {
            self.after_step(place, at, now);
        }
    }

    /// Ends restored alerts that nothing follows, and those of stages that are silent since.
    pub(super) fn end_orphans(&mut self, now: Timestamp) {
        let has_waited = now.since(self.started_at) >= SILENT_FOR;
        let is_orphan = |alert: &Alert| match &alert.owner {
            Owner::Nobody => true,
            Owner::Stage(source) => has_waited && !self.stages.contains_key(source),
            Owner::Rule(_) | Owner::Watchdog => false,
        };
        let orphans: Vec<u32> =
            self.alerts.iter().filter(|(_, alert)| is_orphan(alert)).map(|(place, _)| place).collect();
        for place in orphans {
            self.end_alert(place, now, now, "nothing asks for it any more");
            self.forget_if_over(place, now, true);
        }
    }
}
