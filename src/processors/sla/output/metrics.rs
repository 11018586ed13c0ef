//! Objectives as metrics, by the names of each dialect.

use std::{collections::BTreeMap, time::Duration};

use model::Timestamp;
use wire::{
    build::{Attributes, MetricHead, MetricsWriter, NumberPoint},
    view::{Number, Temporality},
};

use crate::sla::{
    calendar::duration_text,
    config::{Dialect, SliType},
    judged::Judged,
    plan::{Objective, SLOTH_WINDOWS},
    report::{Reading, Report, Standing},
    ring::Count,
    state::{Flows, Record},
    workflows::Running,
};

/// One objective with all that is known of it.
pub(in crate::sla) struct Told<'a> {
    pub(in crate::sla) objective: &'a Objective,
    pub(in crate::sla) report: &'a Report,
    pub(in crate::sla) record: &'a Record,
    /// Where the objective's percentiles are kept.
    pub(in crate::sla) taken: &'a Record,
    pub(in crate::sla) running: Running,
    pub(in crate::sla) stored: Option<Stored>,
}

/// What was counted since the objective was first judged, as the last snapshot holds it. It never goes back.
#[derive(Clone, Copy, Debug)]
pub(in crate::sla) struct Stored {
    pub(in crate::sla) since: Timestamp,
    pub(in crate::sla) events: Count,
    pub(in crate::sla) flows: Flows,
}

/// Points by metric, as a metric is written once with all its points.
#[derive(Default)]
struct Gauges(BTreeMap<String, Vec<(Attributes, f64)>>);

impl Gauges {
    fn add(&mut self, name: &str, attributes: &Attributes, value: Option<f64>) {
        // A ratio without events is not told at all: never NaN, and never good.
        if let Some(value) = value.filter(|value| value.is_finite()) {
            match self.0.get_mut(name) {
                Some(points) => points.push((attributes.clone(), value)),
                None => {
                    self.0.insert(name.to_owned(), vec![(attributes.clone(), value)]);
                }
            }
        }
    }
}

/// Writes metrics. Returns the request and its points.
///
/// Units are empty: Prometheus's translator would add `_ratio` to gauges of unit 1.
pub(in crate::sla) fn write(all: &[Told<'_>], dialects: &[Dialect], at: Timestamp) -> (Vec<u8>, u64) {
    let mut gauges = Gauges::default();
    for told in all {
        for dialect in dialects {
            match dialect {
                Dialect::Native => native(told, &mut gauges),
                Dialect::Sloth => sloth(told, &mut gauges),
                Dialect::Pyrra => pyrra(told, &mut gauges),
            }
        }
    }
    let mut writer = MetricsWriter::new();
    writer.resource(&Attributes::new());
    writer.scope("sla", "");
    let mut n_points = 0;
    for (name, points) in &gauges.0 {
        let mut gauge = writer.gauge(&MetricHead { name, description: "", unit: "" });
        for (attributes, value) in points {
            gauge.point(&NumberPoint::of_gauge(attributes, at.as_nanos(), Some(Number::Double(*value))));
        }
        n_points += points.len() as u64;
    }
    if dialects.contains(&Dialect::Native) {
        n_points += write_events(all, &mut writer, at);
    }
    (writer.take(), n_points)
}

fn point(attributes: &Attributes, start: u64, at: Timestamp, value: Number) -> NumberPoint<'_> {
    NumberPoint { attributes, start, time: at.as_nanos(), value: Some(value), exemplars: &[], flags: 0 }
}

/// Counters that add up over instances, from which every ratio can be made again.
fn write_events(all: &[Told<'_>], writer: &mut MetricsWriter, at: Timestamp) -> u64 {
    let counted: Vec<_> = all.iter().filter_map(|told| Some((told, told.stored?))).collect();
    if counted.is_empty() {
        return 0;
    }
    let head =
        MetricHead { name: "trueline.slo.events", description: "Events that were judged", unit: "{event}" };
    let mut sum = writer.sum(&head, Temporality::Cumulative, true);
    for (told, Stored { since, events, .. }) in &counted {
        for (outcome, value) in [("good", events.good), ("bad", events.bad())] {
            let mut attributes = native_labels(told.objective);
            attributes.push_str("slo.outcome", outcome);
            let value = Number::Int(i64::try_from(value).unwrap_or(i64::MAX));
            sum.point(&point(&attributes, since.as_nanos(), at, value));
        }
    }
    2 * counted.len() as u64 + write_flows(&counted, writer, at)
}

/// Counters of workflows; what runs is told by gauges.
fn write_flows(all: &[(&Told<'_>, Stored)], writer: &mut MetricsWriter, at: Timestamp) -> u64 {
    let flows: Vec<_> = all.iter().filter(|(told, _)| told.objective.sli_type == SliType::Workflow).collect();
    if flows.is_empty() {
        return 0;
    }
    let told = [
        ("started", "Workflows that began"),
        ("completed", "Workflows that ended, in time or not"),
        ("failed", "Workflows that took longer than was promised"),
    ];
    for (place, (name, description)) in told.into_iter().enumerate() {
        let name = format!("trueline.slo.workflows.{name}");
        let head = MetricHead { name: &name, description, unit: "{workflow}" };
        let mut sum = writer.sum(&head, Temporality::Cumulative, true);
        for (told, Stored { since, flows, .. }) in &flows {
            let counted = [flows.started, flows.completed, flows.failed][place];
            let value = Number::Int(i64::try_from(counted).unwrap_or(i64::MAX));
            sum.point(&point(&native_labels(told.objective), since.as_nanos(), at, value));
        }
    }
    3 * flows.len() as u64
}

fn native_labels(objective: &Objective) -> Attributes {
    let mut attributes = Attributes::new();
    attributes.push_str("service.name", &objective.service);
    attributes.push_str("trueline.slo.id", &objective.id);
    attributes.push_str("trueline.slo.name", &objective.name);
    for (name, value) in &objective.labels {
        attributes.push_str(name, value);
    }
    attributes
}

fn with(labels: &Attributes, name: &str, value: &str) -> Attributes {
    let mut attributes = labels.clone();
    attributes.push_str(name, value);
    attributes
}

fn native(told: &Told<'_>, gauges: &mut Gauges) {
    let Told { objective, report, .. } = told;
    let labels = native_labels(objective);
    let mut add =
        |name: &str, value: Option<f64>| gauges.add(&format!("trueline.slo.{name}"), &labels, value);
    let is_told = report.standing != Standing::InsufficientData;
    add("target", Some(objective.target));
    add("sli", report.error_ratio.filter(|_| is_told).map(|errors| 1.0 - errors));
    add("error_budget.remaining", report.remaining(objective).filter(|_| is_told));
    add("coverage_ratio", Some(report.coverage));
    add("score", report.score(objective));
    add("window_seconds", Some(objective.window.nominal().as_secs_f64()));
    if !objective.is_composite() {
        add("downtime.planned_seconds", Some(report.downtime.planned.as_secs_f64()));
        add("downtime.unplanned_seconds", Some(report.downtime.unplanned.as_secs_f64()));
    }
    if objective.rto.is_some() {
        add("outages_over_rto", Some(report.downtime.n_over_rto as f64));
    }
    if objective.sli_type == SliType::Workflow {
        add("workflows.open", Some(told.running.n_open as f64));
        add("workflows.overdue", Some(told.running.n_overdue as f64));
        add("workflows.oldest_seconds", Some(told.running.oldest.as_secs_f64()));
    }
    for standing in Standing::ALL {
        let value = if standing == report.standing { 1.0 } else { 0.0 };
        gauges.add("trueline.slo.state", &with(&labels, "state", standing.name()), Some(value));
    }
    for (width, _) in &report.windows {
        let labels = with(&labels, "window", &duration_text(*width));
        gauges.add("trueline.slo.burn_rate", &labels, report.burn_rate(objective, *width));
    }
    if let Some(percentile) = &objective.percentile {
        let labels = with(&labels, "percentile", &percentile.name);
        gauges.add("trueline.slo.latency.observed_seconds", &labels, told.taken.percentile(percentile.share));
        gauges.add("trueline.slo.latency.promised_seconds", &labels, Some(percentile.most.as_secs_f64()));
    }
    if let Some(cost) = &objective.cost {
        let labels = with(&labels, "currency", &cost.currency);
        gauges.add("trueline.slo.cost", &labels, Judged::cost(objective, report));
    }
}

/// `sloth_id`, `sloth_service` and `sloth_slo` with the operator's labels.
fn sloth_labels(objective: &Objective) -> Attributes {
    let mut labels = Attributes::new();
    labels.push_str("sloth_id", &objective.id);
    labels.push_str("sloth_service", &objective.service);
    labels.push_str("sloth_slo", &objective.name);
    for (name, value) in &objective.labels {
        labels.push_str(name, value);
    }
    labels
}

fn sloth(told: &Told<'_>, gauges: &mut Gauges) {
    let Told { objective, report, .. } = told;
    let labels = sloth_labels(objective);
    let budget = objective.budget();
    let mut error = |window: &str, ratio: Option<f64>| {
        let labels = with(&labels, "sloth_window", window);
        gauges.add(&format!("slo:sli_error:ratio_rate{window}"), &labels, ratio);
    };
    for width in SLOTH_WINDOWS {
        error(&prometheus_text(width), report.window(width).error_ratio);
    }
    let period = prometheus_text(objective.window.nominal());
    if !SLOTH_WINDOWS.contains(&objective.window.nominal()) {
        error(&period, report.error_ratio);
    }
    if period != "30d" {
        // Dashboards offer thirty days and no other period.
        let Reading { error_ratio, .. } = report.thirty_days;
        error("30d", error_ratio);
    }
    let days = objective.window.nominal().as_secs_f64() / 86_400.0;
    let burn = |ratio: Option<f64>| ratio.map(|ratio| ratio / budget);
    for (name, value) in [
        ("slo:objective:ratio", Some(objective.target)),
        ("slo:error_budget:ratio", Some(budget)),
        ("slo:time_period:days", Some(days)),
        ("slo:current_burn_rate:ratio", burn(report.window(Duration::from_secs(300)).error_ratio)),
        ("slo:period_burn_rate:ratio", burn(report.error_ratio)),
        ("slo:period_error_budget_remaining:ratio", burn(report.error_ratio).map(|burnt| 1.0 - burnt)),
    ] {
        gauges.add(name, &labels, value);
    }
    let mut info = labels;
    info.push_str("sloth_mode", "trueline");
    info.push_str("sloth_objective", &(objective.target * 100.0).to_string());
    info.push_str("sloth_spec", "trueline/v1");
    info.push_str("sloth_version", env!("CARGO_PKG_VERSION"));
    gauges.add("sloth_slo_info", &info, Some(1.0));
}

/// Pyrra's generic rules.
fn pyrra(told: &Told<'_>, gauges: &mut Gauges) {
    let Told { objective, report, .. } = told;
    let mut labels = Attributes::new();
    labels.push_str("slo", &objective.name);
    labels.push_str("service", &objective.service);
    for (name, value) in &objective.labels {
        labels.push_str(name, value);
    }
    let five = report.window(Duration::from_secs(300));
    let per_second = five.total as f64 / 300.0;
    for (name, value) in [
        ("pyrra_objective", Some(objective.target)),
        ("pyrra_window", Some(objective.window.nominal().as_secs_f64())),
        ("pyrra_availability", report.error_ratio.map(|errors| 1.0 - errors)),
        ("pyrra_requests:rate5m", Some(per_second)),
        ("pyrra_errors:rate5m", Some(per_second * five.error_ratio.unwrap_or(0.0))),
    ] {
        gauges.add(name, &labels, value);
    }
}

/// Writes a duration as Prometheus does, with weeks where they are whole: `28d` is `4w` there.
fn prometheus_text(width: Duration) -> String {
    const WEEK: u64 = 7 * 86_400;
    let seconds = width.as_secs();
    if seconds > 0 && seconds.is_multiple_of(WEEK) {
        format!("{}w", seconds / WEEK)
    } else {
        duration_text(width)
    }
}
