//! How budgets stand, for the stage that says what an incident costs.

use std::sync::Arc;

use model::{Budget, Spending, Timestamp};

use super::metrics::Told;
use crate::sla::{calendar::Period, judged::Judged, report::Standing};

/// Returns a line for each objective, in their order.
pub(super) fn of(all: &[Told<'_>]) -> Vec<Budget> {
    all.iter().map(budget).collect()
}

fn budget(told: &Told<'_>) -> Budget {
    let Told { objective, report, record, .. } = told;
    let is_own = !objective.is_composite() && report.count.total > 0;
    let is_told = report.standing != Standing::InsufficientData;
    Budget {
        slo_id: Arc::from(&*objective.id),
        events: record.events.total,
        bad_events: record.events.bad(),
        allowed: objective.budget(),
        share_of_event: is_own.then(|| 1.0 / (objective.budget() * report.count.total as f64)),
        remaining: report.remaining(objective).filter(|_| is_told),
        spending: spending(told),
    }
}

/// What was spent since the objective was first judged; of one that has no events of its own in the present period.
fn spending(told: &Told<'_>) -> Option<Spending> {
    let Told { objective, report, record, .. } = told;
    let cost = objective.cost.as_ref()?;
    let currency = Arc::from(&*cost.currency);
    if objective.is_composite() {
        return Some(Spending { amount: Judged::cost(objective, report)?, currency });
    }
    let ever = Period { from: Timestamp::default(), until: report.at };
    let down_minutes = record.outages.within(ever, None).unplanned.as_secs_f64() / 60.0;
    let events = cost.per_bad_event * record.events.bad() as f64;
    let amount = events + cost.per_down_minute * down_minutes + Judged::credit(objective, report);
    Some(Spending { amount, currency })
}
