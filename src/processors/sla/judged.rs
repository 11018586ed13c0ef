//! What follows from a report for people: cost and advice.

use std::time::Duration;

use super::{
    calendar::duration_text,
    plan::{Indicator, Objective},
    report::{Report, Standing, Trend},
    state::Record,
};

/// Groups what is concluded.
pub(super) struct Judged;

/// Below this share of observed time figures of a period are called partial.
pub(super) const WHOLE_COVERAGE: f64 = 0.99;

impl Judged {
    /// Returns what the period has cost at the rates that the operator gave; none without rates.
    pub(super) fn cost(objective: &Objective, report: &Report) -> Option<f64> {
        let cost = objective.cost.as_ref()?;
        let minutes = report.downtime.unplanned.as_secs_f64() / 60.0;
        let events = cost.per_bad_event * report.count.bad() as f64;
        Some(events + cost.per_down_minute * minutes + Self::credit(objective, report))
    }

    /// Returns what is owed for the share that was reached: the first tier that it falls below.
    pub(super) fn credit(objective: &Objective, report: &Report) -> f64 {
        let Some(cost) = &objective.cost else { return 0.0 };
        let reached = report
            .error_ratio
            .filter(|_| report.standing != Standing::InsufficientData)
            .map(|errors| 1.0 - errors);
        let tier = reached.and_then(|reached| cost.credits.iter().find(|credit| reached < credit.below));
        tier.map_or(0.0, |credit| credit.amount)
    }

    /// Returns what an operator could do now, the most urgent first.
    pub(super) fn recommendations(objective: &Objective, report: &Report, record: &Record) -> Vec<String> {
        let mut advice = Vec::new();
        let hour = report.burn_rate(objective, Duration::from_secs(3600));
        if report.standing == Standing::InsufficientData {
            advice.push(format!(
                "{} of {} needed events came: check `match` and that {} sends, or lower min_events",
                report.count.total, objective.min_events, objective.service
            ));
        }
        if let (Some(remaining), Some(rate)) = (report.remaining(objective), hour)
            && report.standing == Standing::Met
            && rate > 1.0
            && remaining > 0.0
        {
            let left = objective.window.nominal().mul_f64((remaining / rate).min(1.0));
            let left = Duration::from_secs(left.as_secs() / 60 * 60);
            advice.push(format!(
                "the budget is spent in {} at the rate of the last hour: roll back what changed last",
                duration_text(left)
            ));
        }
        if report.standing == Standing::Breached {
            advice.push(
                "the budget is spent: hold back changes that are not repairs until the window has moved on"
                    .to_owned(),
            );
        }
        if report.trend == Trend::Worsening && report.standing == Standing::Met {
            advice.push("failures grew in the last quarter of the window: look at the traces before the budget is spent".to_owned());
        }
        if report.downtime.n_over_rto > 0 {
            advice.push(format!(
                "{} outages took longer than was promised, the longest {} s: rehearse the recovery",
                report.downtime.n_over_rto,
                report.downtime.longest.as_secs()
            ));
        }
        if report.coverage < WHOLE_COVERAGE {
            advice.push(format!(
                "only {:.1} % of the period was observed: fill the gap by backfill, or read the figures as partial",
                report.coverage * 100.0
            ));
        }
        if record.n_late > 0 {
            advice.push(format!(
                "{} events came after their slice was judged: make slices wider, or senders faster",
                record.n_late
            ));
        }
        if report.remaining(objective).is_some_and(|left| left > 0.9)
            && report.coverage >= WHOLE_COVERAGE
            && !matches!(objective.indicator, Indicator::Composite(_))
            && report.standing == Standing::Met
        {
            advice.push(
                "over 90 % of the budget is left: changes may come faster, or the promise may be stricter"
                    .to_owned(),
            );
        }
        advice
    }
}
