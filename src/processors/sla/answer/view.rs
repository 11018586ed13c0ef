//! Objectives as JSON.

use std::time::Duration;

use model::Timestamp;
use serde_json::{Value, json};

use crate::sla::{
    calendar::{duration_text, time_text},
    judged::{Judged, WHOLE_COVERAGE},
    output::Told,
    plan::Objective,
    processor::AnalysisHalf,
    report::{Report, Standing},
    state::Record,
};

/// The wanted objectives, in short.
pub(super) fn list(half: &AnalysisHalf, is_wanted: impl Fn(usize) -> bool) -> Value {
    let told = half.told().into_iter().enumerate();
    let told: Vec<_> = told.filter(|(place, _)| is_wanted(*place)).map(|(_, told)| told).collect();
    let n_of = |standing| told.iter().filter(|told| told.report.standing == standing).count();
    json!({
        "objectives": told.iter().map(short).collect::<Vec<_>>(),
        "met": n_of(Standing::Met),
        "breached": n_of(Standing::Breached),
        "insufficient_data": n_of(Standing::InsufficientData),
    })
}

fn short(told: &Told<'_>) -> Value {
    let Told { objective, report, .. } = told;
    json!({
        "id": objective.id,
        "name": objective.name,
        "service": objective.service,
        "type": objective.sli_type.name(),
        "target": objective.target,
        "window": objective.window.text(),
        "state": report.standing.name(),
        "sli": report.error_ratio.map(|errors| 1.0 - errors),
        "error_budget_remaining": report.remaining(objective),
        "burn_rate_1h": report.burn_rate(objective, Duration::from_secs(3600)),
        "score": report.score(objective),
        "coverage_ratio": report.coverage,
        "is_partial": report.coverage < WHOLE_COVERAGE,
        "trend": (!objective.is_composite()).then(|| report.trend.name()),
        "labels": objective.labels,
    })
}

/// One objective, in full.
pub(super) fn one(half: &AnalysisHalf, place: usize) -> Value {
    let all = half.told();
    let Some(told) = all.get(place) else { return not_yet(&half.plan.objectives[place]) };
    let Told { objective, report, record, taken, running, .. } = told;
    let mut value = short(told);
    let more = json!({
        "description": objective.description,
        "at": time_text(report.at),
        "period": { "from": time_text(report.period.from), "until": time_text(report.period.until) },
        "events": { "good": report.count.good, "bad": report.count.bad(), "total": report.count.total, "min": objective.min_events },
        "windows": windows(objective, report),
        "alerts": alerts(objective, report),
        "worst": worst(record),
        "downtime": (!objective.is_composite()).then(|| downtime(objective, report, record)),
        "exclusions": exclusions(objective, report, record),
        "cost": cost(objective, report),
        "recommendations": Judged::recommendations(objective, report, record),
        "latency": objective.percentile.as_ref().map(|percentile| json!({
            "percentile": percentile.name,
            "promised_seconds": percentile.most.as_secs_f64(),
            "observed_seconds": taken.percentile(percentile.share),
            "observed_over": "1h",
        })),
        "workflows": json!({
            "open": running.n_open,
            "overdue": running.n_overdue,
            "escalated": running.n_escalated,
            "oldest_seconds": running.oldest.as_secs_f64(),
            "oldest_traces": traces(&running.traces),
        }),
        "past_periods": past(objective, record),
        "late_events": record.n_late,
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

/// Before the first evaluation there is nothing to tell.
fn not_yet(objective: &Objective) -> Value {
    json!({ "id": objective.id, "state": Standing::InsufficientData.name() })
}

fn windows(objective: &Objective, report: &Report) -> Vec<Value> {
    let row = |(width, reading): &(Duration, crate::sla::report::Reading)| {
        json!({
            "window": duration_text(*width),
            "events": reading.total,
            "error_ratio": reading.error_ratio,
            "burn_rate": reading.error_ratio.map(|errors| errors / objective.budget()),
        })
    };
    report.windows.iter().map(row).collect()
}

fn alerts(objective: &Objective, report: &Report) -> Vec<Value> {
    let row = |(alert, burning): (&crate::sla::plan::BurnAlert, &Option<bool>)| {
        let pairs = alert.pairs.iter().map(|pair| {
            json!({ "long": duration_text(pair.long), "short": duration_text(pair.short), "factor": pair.factor })
        });
        json!({ "severity": alert.severity.name(), "is_true": burning, "any_of": pairs.collect::<Vec<_>>() })
    };
    objective.burn.iter().zip(&report.burning).map(row).collect()
}

fn worst(record: &Record) -> Value {
    json!({
        "five_minutes": record.worst.map(|worst| json!({ "at": time_text(worst.at), "error_ratio": worst.error_ratio })),
        "event_last_hour": record.bad_traces.worst_value(),
        "traces": traces(&record.bad_traces.ids()),
    })
}

fn traces(ids: &[model::TraceId]) -> Vec<String> {
    ids.iter().map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()).collect()
}

fn downtime(objective: &Objective, report: &Report, record: &Record) -> Value {
    let sum = &report.downtime;
    let outages = record.outages.all.iter().filter(|outage| outage.until > report.period.from).map(|outage| {
        json!({ "from": time_text(outage.from), "until": time_text(outage.until), "is_planned": outage.is_planned })
    });
    json!({
        "planned_seconds": sum.planned.as_secs(),
        "unplanned_seconds": sum.unplanned.as_secs(),
        "outages": sum.n_outages,
        "longest_seconds": sum.longest.as_secs(),
        "rto_seconds": objective.rto.map(|rto| rto.as_secs()),
        "over_rto": sum.n_over_rto,
        "list": outages.collect::<Vec<_>>(),
    })
}

fn exclusions(objective: &Objective, report: &Report, record: &Record) -> Vec<Value> {
    let row = |exclusion: &crate::sla::plan::Exclusion| {
        let count = record.excluded.within(&exclusion.name, report.period);
        json!({ "name": exclusion.name, "good": count.good, "bad": count.bad() })
    };
    objective.exclusions.iter().map(row).collect()
}

fn cost(objective: &Objective, report: &Report) -> Value {
    match &objective.cost {
        None => json!("not configured"),
        Some(cost) => json!({
            "total": Judged::cost(objective, report),
            "credit": Judged::credit(objective, report),
            "currency": cost.currency,
        }),
    }
}

fn past(objective: &Objective, record: &Record) -> Vec<Value> {
    let row = |it: &crate::sla::state::PeriodCount| {
        let errors = it.count.error_ratio();
        json!({
            "from": time_text(it.period.from),
            "until": time_text(it.period.until),
            "total": it.count.total,
            "sli": errors.map(|errors| 1.0 - errors),
            "is_met": errors.map(|errors| errors <= objective.budget() + 1e-9),
        })
    };
    record.past.iter().map(row).collect()
}

/// How the budget went, as a line of at most so many points.
const MAX_POINTS: u32 = 120;

/// The budget over the period: what was left at each point, of the whole period's events up to then.
pub(super) fn budget(half: &AnalysisHalf, place: usize, now: Timestamp) -> Value {
    let (objective, record) = (&half.plan.objectives[place], &half.memory.records[place]);
    let period = objective.window.at(now);
    let until = period.until.min(now);
    let hours = until.since(period.from).as_secs().div_ceil(3600);
    let step = Duration::from_secs(hours.div_ceil(u64::from(MAX_POINTS)).max(1) * 3600);
    let (_, whole) = record.of_period(objective, now);
    let mut points = Vec::new();
    let mut at = period.from;
    while at < until {
        let end = (at + step).min(until);
        let count = record.ring.between(period.from, end);
        let spent = (whole.total > 0).then(|| count.bad() as f64 / (objective.budget() * whole.total as f64));
        points.push(json!({ "at": time_text(end), "bad": count.bad(), "total": count.total, "remaining": spent.map(|spent| 1.0 - spent) }));
        at = end;
    }
    let allowed = objective.budget() * whole.total as f64;
    json!({
        "id": objective.id,
        "target": objective.target,
        "period": { "from": time_text(period.from), "until": time_text(period.until) },
        "allowed_bad_events": allowed,
        "bad_events": whole.bad(),
        "remaining": whole.error_ratio().map(|errors| 1.0 - errors / objective.budget()),
        "coverage_ratio": record.coverage.ratio(period, now),
        "points": points,
    })
}
