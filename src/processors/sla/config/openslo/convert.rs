//! From OpenSLO's terms to those of `sla`.

use std::collections::BTreeMap;

use super::{
    alerts::{self, Known},
    document::{Document, IndicatorSpec, Metric, Objective, RatioMetric, Spec},
};
use crate::{
    promql,
    sla::config::{
        Budgeting, CounterConfig, Days, MetricConfig, ObjectiveAlerts, ObjectiveConfig, SliConfig, SliType,
        SlicesConfig, WindowConfig,
    },
};

/// Converts an objective, one for each of its `objectives`. Returns with them what was left out.
pub(super) fn objectives(
    document: &Document,
    indicators: &BTreeMap<String, IndicatorSpec>,
    known: &Known,
) -> Result<(Vec<ObjectiveConfig>, Vec<String>), String> {
    let Spec { service, description, alert_policies, .. } = &document.spec;
    let alerts = alerts::convert(alert_policies.as_deref().unwrap_or_default(), known);
    let indicator = indicator(&document.spec, indicators)?;
    let window = window(&document.spec)?;
    let mut made = Vec::new();
    for (at, objective) in document.spec.objectives.iter().enumerate() {
        let many = document.spec.objectives.len() > 1;
        let name = &document.metadata.name;
        let target = objective.target.or(objective.target_percent.map(|percent| percent / 100.0));
        made.push(ObjectiveConfig {
            name: if many { format!("{name}-{}", at + 1) } else { name.clone() },
            service: service.clone(),
            description: description.clone(),
            sli: sli(indicator, objective)?,
            target,
            window: window.clone(),
            budgeting: budgeting(document.spec.budgeting_method.as_deref(), objective)?,
            burn_alerts: alerts.burn_alerts(),
            alerting: ObjectiveAlerts {
                insufficient_data: alerts.insufficient_data,
                ..ObjectiveAlerts::default()
            },
            ..ObjectiveConfig::of(SliConfig::default())
        });
    }
    if made.is_empty() {
        return Err("spec.objectives is empty, write at least one with a target".to_owned());
    }
    Ok((made, alerts.left_out))
}

fn indicator<'a>(
    spec: &'a Spec,
    known: &'a BTreeMap<String, IndicatorSpec>,
) -> Result<&'a IndicatorSpec, String> {
    match (&spec.indicator, &spec.indicator_ref) {
        (Some(indicator), None) => Ok(&indicator.spec),
        (None, Some(name)) => known.get(name).ok_or_else(|| {
            format!("there is no SLI `{name}` in openslo_files, to which indicatorRef refers")
        }),
        _ => Err("write one of spec.indicator and spec.indicatorRef".to_owned()),
    }
}

fn window(spec: &Spec) -> Result<WindowConfig, String> {
    let [window] = &spec.time_window[..] else {
        return Err(format!("spec.timeWindow has {} entries, must have one", spec.time_window.len()));
    };
    if window.is_rolling {
        let days = Days::parse(&window.duration);
        let problem = || {
            format!(
                "the duration `{}` of a rolling window must be written as 30d, 4w or 12h",
                window.duration
            )
        };
        return Ok(WindowConfig { rolling: Some(days.ok_or_else(problem)?), ..WindowConfig::default() });
    }
    let timezone =
        window.calendar.as_ref().map(|calendar| calendar.time_zone.clone()).filter(|zone| !zone.is_empty());
    Ok(WindowConfig { rolling: None, calendar: Some(window.duration.clone()), timezone })
}

fn sli(indicator: &IndicatorSpec, objective: &Objective) -> Result<SliConfig, String> {
    match (&indicator.ratio_metric, &indicator.threshold_metric) {
        (Some(ratio), None) => {
            let counters = Some(counters(ratio)?);
            Ok(SliConfig { r#type: SliType::SuccessRate, counters, ..SliConfig::default() })
        }
        (None, Some(metric)) => threshold(metric, objective),
        _ => Err("an indicator has one of ratioMetric and thresholdMetric".to_owned()),
    }
}

fn counters(ratio: &RatioMetric) -> Result<CounterConfig, String> {
    let total = ratio.total.as_ref().ok_or("ratioMetric has no total, which is needed; raw is not read")?;
    let part = |metric: &Option<Metric>| metric.as_ref().map(series).transpose();
    Ok(CounterConfig { total: series(total)?, good: part(&ratio.good)?, bad: part(&ratio.bad)? })
}

fn threshold(metric: &Metric, objective: &Objective) -> Result<SliConfig, String> {
    let made = SliConfig { r#type: SliType::Metric, metric: Some(series(metric)?), ..SliConfig::default() };
    let value = objective.value.ok_or("an objective on a thresholdMetric needs a value")?;
    Ok(match objective.op.as_deref() {
        Some("lt") => SliConfig { lt: Some(value), ..made },
        Some("gt") => SliConfig { gt: Some(value), ..made },
        Some("lte") => SliConfig { between: Some([f64::MIN, value]), ..made },
        Some("gte") => SliConfig { between: Some([value, f64::MAX]), ..made },
        other => return Err(format!("op is {other:?}, must be lt, lte, gt or gte")),
    })
}

fn series(metric: &Metric) -> Result<MetricConfig, String> {
    let source = &metric.metric_source;
    match (&source.spec.metric, &source.spec.query) {
        (Some(series), None) => Ok(series.clone()),
        (None, Some(query)) => {
            let prometheus = Some(promql::counter(query)?.to_string());
            let name = String::new();
            Ok(MetricConfig { name, prometheus, statistic: None, attributes: BTreeMap::new(), window: None })
        }
        _ => Err(format!("the metricSource of type `{}` has no spec.query and no spec.metric", source.kind)),
    }
}

fn budgeting(method: Option<&str>, objective: &Objective) -> Result<Budgeting, String> {
    match method {
        None | Some("Occurrences") => Ok(Budgeting::Occurrences),
        Some("Timeslices") => {
            let slice = objective.time_slice_window.ok_or("Timeslices need timeSliceWindow")?;
            let target = objective.time_slice_target.ok_or("Timeslices need timeSliceTarget")?;
            Ok(Budgeting::Timeslices(SlicesConfig { slice, target, count_empty: false }))
        }
        Some(other) => Err(format!("budgetingMethod is `{other}`, Occurrences and Timeslices are read")),
    }
}
