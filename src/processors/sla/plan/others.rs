//! Indicators that are not judged span by span: of series, of workflows, of other objectives.

use std::time::Duration;

use component::Checks;
use model::Statistic;

use super::{
    indicator::{
        Composite, Counters, Indicator, MetricIndicator, Part, SeriesSelector, Workflow, WorkflowSource,
        agreement, conditions, matching,
    },
    objective::Settings,
};
use crate::{
    promql::Selector,
    sla::{calendar::duration_text, config::MetricConfig, expression::Field},
};

fn series(
    settings: &Settings<'_>,
    path: &str,
    config: &MetricConfig,
    usual: Statistic,
    checks: &mut Checks,
) -> SeriesSelector {
    let statistic = config.statistic.as_deref().map_or(Some(usual), Statistic::of_name);
    if statistic.is_none() {
        let names = Statistic::ALL.map(Statistic::name).join(", ");
        let message = format!(
            "`{}` is no statistic; write one of {names}",
            config.statistic.as_deref().unwrap_or_default()
        );
        settings.error(checks, &format!("{path}.statistic"), message);
    }
    let window = config.width();
    if window < Duration::from_secs(1) || window > Duration::from_secs(3600) {
        settings.error(
            checks,
            &format!("{path}.window"),
            "window must be one of those of `aggregation`, from 1s to 1h",
        );
    }
    let mut selects = matching(settings, &format!("{path}.attributes"), &config.attributes, checks);
    selects.extend(matching(settings, "match", &settings.config.r#match, checks));
    SeriesSelector {
        metric: config.name.clone(),
        prometheus: prometheus(settings, path, config, checks),
        statistic: statistic.unwrap_or(usual),
        selects,
        window,
    }
}

/// Reads the selector that may stand in place of name and attributes.
fn prometheus(
    settings: &Settings<'_>,
    path: &str,
    config: &MetricConfig,
    checks: &mut Checks,
) -> Option<Selector> {
    let Some(text) = &config.prometheus else {
        if config.name.is_empty() {
            settings.error(
                checks,
                &format!("{path}.name"),
                "write the name of a metric, or prometheus, a selector",
            );
        }
        return None;
    };
    if !config.name.is_empty() || !config.attributes.is_empty() {
        let message = "a selector says which series are meant; leave name and attributes out";
        settings.error(checks, &format!("{path}.prometheus"), message);
    }
    match Selector::parse(text) {
        Ok(selector) => Some(selector),
        Err(problem) => {
            settings.error(checks, &format!("{path}.prometheus"), problem);
            None
        }
    }
}

pub(super) fn counters(settings: &Settings<'_>, checks: &mut Checks) -> Option<Indicator> {
    let config = settings.sli().counters.as_ref()?;
    let (path, part) = match (&config.good, &config.bad) {
        (Some(good), None) => ("sli.counters.good", good),
        (None, Some(bad)) => ("sli.counters.bad", bad),
        _ => {
            settings.error(checks, "sli.counters", "write total and one of good and bad");
            return None;
        }
    };
    let total = series(settings, "sli.counters.total", &config.total, Statistic::Rate, checks);
    let part = series(settings, path, part, Statistic::Rate, checks);
    if part.window != total.window {
        let message = format!(
            "window is {}, that of total is {}: a share is of one time; give both the same window",
            duration_text(part.window),
            duration_text(total.window)
        );
        settings.error(checks, &format!("{path}.window"), message);
    }
    Some(Indicator::Counters(Counters { total, part, part_is_good: config.good.is_some() }))
}

pub(super) fn metric(settings: &Settings<'_>, checks: &mut Checks) -> Option<Indicator> {
    let agreement = agreement(settings, checks);
    let Some(config) = &settings.sli().metric else {
        settings.error(checks, "sli.metric", "metric needs metric with the name of one");
        return None;
    };
    let series = series(settings, "sli.metric", config, Statistic::Mean, checks);
    Some(Indicator::Metric(MetricIndicator { series, agreement: agreement? }))
}

pub(super) fn workflow(settings: &Settings<'_>, checks: &mut Checks) -> Option<Indicator> {
    let sli = settings.sli();
    let has_events = sli.started_event.is_some() || sli.ended_event.is_some();
    if has_events && (sli.started.is_some() || sli.completed.is_some()) {
        let message = "counters tell of workflows already; write started and completed, or names of events";
        settings.error(checks, "sli.started_event", message);
    }
    let source = match (&sli.started, &sli.completed) {
        (Some(started), Some(completed)) => WorkflowSource::Counters {
            started: series(settings, "sli.started", started, Statistic::Rate, checks),
            completed: series(settings, "sli.completed", completed, Statistic::Rate, checks),
        },
        (None, None) => WorkflowSource::Spans {
            selects: matching(settings, "match", &settings.config.r#match, checks),
            excludes: conditions(settings, "sli.exclude", &sli.exclude, checks),
            start: conditions(settings, "sli.start", &sli.start, checks),
            end: conditions(settings, "sli.end", &sli.end, checks),
            started_event: sli.started_event.clone(),
            ended_event: sli.ended_event.clone(),
            key: sli.key.as_deref().filter(|key| *key != "trace_id").map(Field::of_name),
        },
        _ => {
            settings.error(
                checks,
                "sli.started",
                "write both started and completed, or neither to follow spans",
            );
            return None;
        }
    };
    let Some(within) = sli.within.map(config::Duration::get).filter(|within| !within.is_zero()) else {
        settings.error(checks, "sli.within", "workflow needs within, how long one may take, such as `10m`");
        return None;
    };
    let escalate_after = sli.escalate_after.map_or(within, config::Duration::get);
    let day = Duration::from_secs(86_400);
    let give_up_after = sli.give_up_after.map_or(day.max(within * 2), config::Duration::get);
    if escalate_after > give_up_after || within > give_up_after {
        settings.error(
            checks,
            "sli.give_up_after",
            "give_up_after must not be below within and escalate_after",
        );
    }
    Some(Indicator::Workflow(Workflow { source, within, escalate_after, give_up_after }))
}

pub(super) fn composite(settings: &Settings<'_>, checks: &mut Checks) -> Option<Indicator> {
    let sli = settings.sli();
    if sli.of.is_empty() {
        settings.error(checks, "sli.of", "composite needs of, the objectives that it is made of");
        return None;
    }
    refuse_idle(settings, checks);
    let mut parts = Vec::with_capacity(sli.of.len());
    for (at, part) in sli.of.iter().enumerate() {
        if !(part.weight > 0.0 && part.weight.is_finite()) {
            let message = format!("weight is {}, must be above 0", part.weight);
            settings.error(checks, &format!("sli.of.{at}.weight"), message);
        }
        parts.push(Part { name: part.slo.clone(), id: String::new(), weight: part.weight });
    }
    Some(Indicator::Composite(Composite { parts, combine: sli.combine }))
}

/// Reports what a composite, which has no events of its own, would not read.
fn refuse_idle(settings: &Settings<'_>, checks: &mut Checks) {
    let config = settings.config;
    let per_minute = config.cost.as_ref().is_some_and(|cost| cost.per_down_minute != 0.0);
    for (key, is_set) in [
        ("match", !config.r#match.is_empty()),
        ("maintenance", !config.maintenance.is_empty()),
        ("rto", config.rto.is_some()),
        ("cost.per_down_minute", per_minute),
    ] {
        if is_set {
            let message = format!(
                "a composite objective has no events and no downtime of its own; write {key} at those that it is made of"
            );
            settings.error(checks, key, message);
        }
    }
}
