//! Which objectives are at risk, by service.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc, time::Duration};

use model::{Conditions, Severity, Timestamp};

use crate::glob::fits;

/// The label of a condition that names the service of its objective; it may be a pattern.
const SERVICE: &str = "sloth_service";
/// The label that names the objective as its owner does.
const NAME: &str = "sloth_slo";
/// Evaluations after which what a stage said is forgotten.
const FORGOTTEN_AFTER: u32 = 3;

/// Objectives of which some condition is true: a budget that burns too fast or is spent, a workflow that is overdue.
#[derive(Clone, Debug, Default)]
pub(super) struct Objectives {
    /// By the stage that evaluates.
    sources: BTreeMap<Arc<str>, Evaluation>,
}

#[derive(Clone, Debug)]
struct Evaluation {
    at: Timestamp,
    every: Duration,
    /// By the service and the id of an objective, how urgent it is, and its name.
    at_risk: BTreeMap<(String, String), (Severity, String)>,
}

/// Objectives of a service that are at risk, the most urgent first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct AtRisk {
    /// Parted by commas.
    pub(super) ids: String,
    /// As many, in the same order.
    pub(super) names: String,
}

impl Objectives {
    /// Takes an evaluation in place of the one before.
    pub(super) fn learn(&mut self, conditions: &Conditions) {
        let mut at_risk = BTreeMap::new();
        for condition in &conditions.all {
            let subject = &condition.subject;
            if condition.is_true != Some(true) || subject.slo_id.is_empty() {
                continue;
            }
            let Some(service) = subject.labels.get(SERVICE) else { continue };
            let name = subject.labels.get(NAME).unwrap_or(&subject.slo_id);
            let (severity, _) = at_risk
                .entry((service.clone(), subject.slo_id.clone()))
                .or_insert_with(|| (subject.severity, name.clone()));
            *severity = subject.severity.max(*severity);
        }
        let evaluation = Evaluation { at: conditions.at, every: conditions.every, at_risk };
        self.sources.insert(Arc::clone(&conditions.source), evaluation);
    }

    /// Returns a service's objectives that are at risk; none when there are none.
    pub(super) fn of_service(&self, service: &str, now: Timestamp) -> Option<AtRisk> {
        let is_fresh = |it: &&Evaluation| now.since(it.at) <= it.every.saturating_mul(FORGOTTEN_AFTER);
        let all = self.sources.values().filter(is_fresh).flat_map(|it| &it.at_risk);
        let own = all.filter(|((pattern, _), _)| fits(pattern, service));
        let mut all: Vec<_> =
            own.map(|((_, id), (severity, name))| (Reverse(*severity), id.as_str(), name.as_str())).collect();
        all.sort_unstable();
        all.dedup_by_key(|(_, id, _)| *id);
        let (ids, names): (Vec<_>, Vec<_>) = all.into_iter().map(|(_, id, name)| (id, name)).unzip();
        (!ids.is_empty()).then(|| AtRisk { ids: ids.join(","), names: names.join(",") })
    }
}
