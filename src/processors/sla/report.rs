//! What an evaluation says of an objective.

use std::time::Duration;

use model::Timestamp;

use super::{
    calendar::Period,
    config::CombineConfig,
    plan::{BurnAlert, Composite, Indicator, Objective, Pair, Plan},
    ring::Count,
    state::{Downtime, Record},
};

/// One objective at one instant.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Report {
    pub(super) at: Timestamp,
    pub(super) period: Period,
    /// Events of the period; of a composite those of its parts.
    pub(super) count: Count,
    pub(super) error_ratio: Option<f64>,
    /// Ascending by width.
    pub(super) windows: Vec<(Duration, Reading)>,
    /// The last thirty days, whatever the period is.
    pub(super) thirty_days: Reading,
    pub(super) standing: Standing,
    /// The share of the time of the period, up to now, that was observed.
    pub(super) coverage: f64,
    pub(super) downtime: Downtime,
    /// By alert; none when there are too few events to tell.
    pub(super) burning: Vec<Option<bool>>,
    pub(super) trend: Trend,
}

/// Events of a window.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Reading {
    /// None without events.
    pub(super) error_ratio: Option<f64>,
    pub(super) total: u64,
}

/// Whether a promise is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    Met,
    Breached,
    /// Fewer events than are needed to tell: neither good nor bad.
    InsufficientData,
}

impl Standing {
    pub(super) const ALL: [Self; 3] = [Self::Met, Self::Breached, Self::InsufficientData];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Breached => "breached",
            Self::InsufficientData => "insufficient_data",
        }
    }
}

/// Where the error ratio is heading: the last quarter of the window against the three before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trend {
    Improving,
    Steady,
    Worsening,
    Unknown,
}

impl Trend {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Improving => "improving",
            Self::Steady => "steady",
            Self::Worsening => "worsening",
            Self::Unknown => "unknown",
        }
    }
}

/// A ratio that is so much greater or less is a change.
const CHANGE: f64 = 1.25;
/// Shares of a double are not exact: 1 - 0.999 is a little more than 0.001.
const ROUNDING: f64 = 1e-9;

impl Reading {
    fn of(count: Count) -> Self {
        Self { error_ratio: count.error_ratio(), total: count.total }
    }
}

impl Report {
    pub(super) fn window(&self, width: Duration) -> Reading {
        self.windows
            .iter()
            .find(|(known, _)| *known == width)
            .map(|(_, reading)| *reading)
            .unwrap_or_default()
    }

    /// Returns how many times as fast as it lasts the budget burns over a window.
    pub(super) fn burn_rate(&self, objective: &Objective, width: Duration) -> Option<f64> {
        Some(self.window(width).error_ratio? / objective.budget())
    }

    /// Returns the share of the budget that is spent; above 1 it is overspent.
    pub(super) fn consumed(&self, objective: &Objective) -> Option<f64> {
        Some(self.error_ratio? / objective.budget())
    }

    /// Returns what is left of the budget; below 0 it is overspent.
    pub(super) fn remaining(&self, objective: &Objective) -> Option<f64> {
        Some(1.0 - self.consumed(objective)?)
    }

    /// Returns 100 when the budget is untouched, 50 when it is just spent, 25 when it is spent twice.
    pub(super) fn score(&self, objective: &Objective) -> Option<f64> {
        let consumed = self.consumed(objective).filter(|_| self.standing != Standing::InsufficientData)?;
        Some(if consumed <= 1.0 { 100.0 - 50.0 * consumed } else { 50.0 / consumed })
    }

    /// Returns how many thresholds of the budget are passed.
    pub(super) fn n_budgets(&self, objective: &Objective) -> usize {
        let consumed = self.consumed(objective).filter(|_| self.standing != Standing::InsufficientData);
        let is_passed =
            |consumed: f64| objective.escalation.iter().take_while(|it| consumed >= it.consumed).count();
        consumed.map_or(0, is_passed)
    }
}

/// Judges all objectives. Records are by objective.
///
/// *Cost*: per objective a sum over the slots of each window, 2,900 of them with Google's alerts.
pub(super) fn evaluate(plan: &Plan, records: &[Record], at: Timestamp) -> Vec<Report> {
    let mut reports: Vec<Option<Report>> = plan
        .objectives
        .iter()
        .zip(records)
        .map(|(objective, record)| match &objective.indicator {
            Indicator::Composite(_) => None,
            _ => Some(of_events(objective, record, at)),
        })
        .collect();
    for (place, objective) in plan.objectives.iter().enumerate() {
        if let Indicator::Composite(composite) = &objective.indicator {
            reports[place] = Some(of_parts(objective, composite, plan, &reports, at));
        }
    }
    reports.into_iter().map(|report| report.expect("every objective has one kind or the other")).collect()
}

fn of_events(objective: &Objective, record: &Record, at: Timestamp) -> Report {
    let (period, count) = record.of_period(objective, at);
    let read = |width| Reading::of(record.ring.sum(at, width));
    let windows = objective.windows().into_iter().map(|width| (width, read(width))).collect();
    let mut report = Report {
        at,
        period,
        count,
        error_ratio: count.error_ratio(),
        windows,
        thirty_days: read(THIRTY_DAYS),
        standing: Standing::InsufficientData,
        coverage: record.coverage.ratio(period, at),
        downtime: record.outages.within(period, objective.rto),
        burning: Vec::new(),
        trend: trend(record, period, objective, at),
    };
    judge(objective, &mut report);
    report
}

const THIRTY_DAYS: Duration = Duration::from_secs(30 * 86_400);

fn judge(objective: &Objective, report: &mut Report) {
    report.standing = match report.error_ratio {
        Some(errors) if report.count.total >= objective.min_events => {
            if errors <= objective.budget() + ROUNDING { Standing::Met } else { Standing::Breached }
        }
        _ => Standing::InsufficientData,
    };
    report.burning = objective.burn.iter().map(|alert| is_burning(objective, alert, report)).collect();
}

/// Whether any pair burns. Too few events in the long window of every pair means that it can not be told.
fn is_burning(objective: &Objective, alert: &BurnAlert, report: &Report) -> Option<bool> {
    let told = alert.pairs.iter().filter_map(|pair| is_pair_burning(objective, pair, report));
    told.reduce(|any, one| any || one)
}

fn is_pair_burning(objective: &Objective, pair: &Pair, report: &Report) -> Option<bool> {
    let (long, short) = (report.window(pair.long), report.window(pair.short));
    if long.total < objective.min_events.max(1) {
        return None;
    }
    let most = pair.factor * objective.budget();
    let exceeds = |reading: Reading| reading.error_ratio.is_some_and(|ratio| ratio > most);
    Some(exceeds(short) && exceeds(long))
}

fn trend(record: &Record, period: Period, objective: &Objective, at: Timestamp) -> Trend {
    let quarter = at.since(period.from) / 4;
    let turn = at - quarter;
    let (before, lately) = (record.ring.between(period.from, turn), record.ring.between(turn, at));
    let enough = |count: Count| count.total >= objective.min_events.max(1);
    let (Some(before), Some(lately)) =
        (before.error_ratio().filter(|_| enough(before)), lately.error_ratio().filter(|_| enough(lately)))
    else {
        return Trend::Unknown;
    };
    // A change that is nothing against the budget is none.
    let least = objective.budget() / 20.0;
    if lately > before * CHANGE && lately - before > least {
        Trend::Worsening
    } else if lately * CHANGE < before && before - lately > least {
        Trend::Improving
    } else {
        Trend::Steady
    }
}

/// Combines the error ratios of other objectives, window by window.
fn of_parts(
    objective: &Objective,
    composite: &Composite,
    plan: &Plan,
    reports: &[Option<Report>],
    at: Timestamp,
) -> Report {
    let parts: Vec<(f64, &Report)> = composite
        .parts
        .iter()
        .filter_map(|part| Some((part.weight, reports[plan.find(&part.id)?].as_ref()?)))
        .collect();
    let combined = |read: &dyn Fn(&Report) -> Reading| {
        let readings = parts.iter().map(|(weight, report)| (*weight, read(report)));
        combine(composite.combine, readings)
    };
    let whole = |report: &Report| Reading { error_ratio: report.error_ratio, total: report.count.total };
    let of_period = combined(&whole);
    let good = parts.iter().map(|(_, report)| report.count.good).sum();
    let coverage = parts.iter().map(|(_, report)| report.coverage).fold(1.0, f64::min);
    let mut report = Report {
        at,
        period: objective.window.at(at),
        count: Count { good, total: of_period.total },
        error_ratio: of_period.error_ratio,
        windows: objective
            .windows()
            .into_iter()
            .map(|width| (width, combined(&|report: &Report| report.window(width))))
            .collect(),
        thirty_days: combined(&|report: &Report| report.thirty_days),
        standing: Standing::InsufficientData,
        coverage,
        downtime: Downtime::default(),
        burning: Vec::new(),
        trend: Trend::Unknown,
    };
    judge(objective, &mut report);
    report
}

/// Parts without events say nothing.
fn combine(how: CombineConfig, readings: impl Iterator<Item = (f64, Reading)>) -> Reading {
    let (mut sum, mut weights, mut worst, mut total) = (0.0, 0.0, 0.0_f64, 0);
    for (weight, reading) in readings {
        let Some(errors) = reading.error_ratio else { continue };
        sum += weight * errors;
        weights += weight;
        worst = worst.max(errors);
        total += reading.total;
    }
    let error_ratio = match how {
        _ if weights == 0.0 => None,
        CombineConfig::Weighted => Some(sum / weights),
        CombineConfig::Min => Some(worst),
    };
    Reading { error_ratio, total }
}
