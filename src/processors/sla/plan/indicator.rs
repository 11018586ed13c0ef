//! What makes an event good, ready to be asked.

use std::{collections::BTreeMap, time::Duration};

use component::Checks;
use model::Statistic;

use super::{keys, objective::Settings, others};
use crate::{
    promql::Selector,
    sla::{
        calendar::duration_text,
        config::{Budgeting, CombineConfig, SliConfig, SliType},
        expression::{Condition, Field},
    },
};

/// Where the events of an objective come from.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) enum Indicator {
    Spans(SpanIndicator),
    Counters(Counters),
    Metric(MetricIndicator),
    Workflow(Workflow),
    Composite(Composite),
}

impl Indicator {
    pub(super) fn reads_windows(&self) -> bool {
        match self {
            Self::Counters(_) | Self::Metric(_) => true,
            Self::Workflow(workflow) => matches!(workflow.source, WorkflowSource::Counters { .. }),
            Self::Spans(_) | Self::Composite(_) => false,
        }
    }

    pub(super) fn reads_spans(&self) -> bool {
        match self {
            Self::Spans(_) => true,
            Self::Workflow(workflow) => matches!(workflow.source, WorkflowSource::Spans { .. }),
            Self::Counters(_) | Self::Metric(_) | Self::Composite(_) => false,
        }
    }

    pub(super) fn reads_logs(&self) -> bool {
        let Self::Workflow(Workflow { source, .. }) = self else { return false };
        let WorkflowSource::Spans { started_event, ended_event, .. } = source else { return false };
        started_event.is_some() || ended_event.is_some()
    }
}

/// Every span that is selected is an event.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct SpanIndicator {
    /// All must hold.
    pub(in crate::sla) selects: Vec<Condition>,
    /// None may hold.
    pub(in crate::sla) excludes: Vec<Condition>,
    pub(in crate::sla) verdict: Verdict,
}

/// When an event is good.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) enum Verdict {
    /// When none of these holds.
    Success(Vec<Condition>),
    /// When it took at most so many nanoseconds.
    Within(u64),
    /// When the number in the field agrees; without a number it is no event.
    Value(Field, Agreement),
    /// Always: only that it came counts.
    Came,
}

/// What a number must be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::sla) enum Agreement {
    Below(f64),
    Above(f64),
    Between(f64, f64),
}

impl Agreement {
    pub(in crate::sla) fn is_met(self, value: f64) -> bool {
        match self {
            Self::Below(bound) => value < bound,
            Self::Above(bound) => value > bound,
            Self::Between(least, most) => (least..=most).contains(&value),
        }
    }
}

/// Series of windows.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct SeriesSelector {
    pub(in crate::sla) metric: String,
    /// In place of the metric's name and the service.
    pub(in crate::sla) prometheus: Option<Selector>,
    pub(in crate::sla) statistic: Statistic,
    pub(in crate::sla) selects: Vec<Condition>,
    /// Width of the windows that are read.
    pub(in crate::sla) window: Duration,
}

/// Counters of all events and of the good or the bad.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct Counters {
    pub(in crate::sla) total: SeriesSelector,
    pub(in crate::sla) part: SeriesSelector,
    pub(in crate::sla) part_is_good: bool,
}

/// Every window of every series is an event.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct MetricIndicator {
    pub(in crate::sla) series: SeriesSelector,
    pub(in crate::sla) agreement: Agreement,
}

/// Every workflow is an event, good when it takes no longer than `within`.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct Workflow {
    pub(in crate::sla) source: WorkflowSource,
    pub(in crate::sla) within: Duration,
    pub(in crate::sla) escalate_after: Duration,
    pub(in crate::sla) give_up_after: Duration,
}

#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) enum WorkflowSource {
    Spans {
        selects: Vec<Condition>,
        excludes: Vec<Condition>,
        /// Any of these begins one; where nothing is said of what does, every span tells that one runs.
        start: Vec<Condition>,
        /// Any of these ends one; where nothing is said of what does, the root span does.
        end: Vec<Condition>,
        /// The attribute that names one; none for the trace.
        key: Option<Field>,
        /// Names of the log records that tell of a begin and of an end.
        started_event: Option<String>,
        ended_event: Option<String>,
    },
    Counters {
        started: SeriesSelector,
        completed: SeriesSelector,
    },
}

/// Other objectives.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct Composite {
    pub(in crate::sla) parts: Vec<Part>,
    pub(in crate::sla) combine: CombineConfig,
}

#[derive(Clone, PartialEq, Debug)]
pub(in crate::sla) struct Part {
    /// As written.
    pub(in crate::sla) name: String,
    pub(in crate::sla) id: String,
    pub(in crate::sla) weight: f64,
}

/// Slices of time are counted in place of events.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::sla) struct SliceRule {
    pub(in crate::sla) width: Duration,
    pub(in crate::sla) verdict: SliceVerdict,
}

/// When a slice is good.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(in crate::sla) enum SliceVerdict {
    /// When this share of its events was good; `empty` is the verdict on a slice without events, none to leave
    /// it out.
    Share { least: f64, empty: Option<bool> },
    /// When as many events came per second.
    Rate { least: f64, most: f64 },
    /// When the newest event is no older at its end.
    Age { most: Duration },
}

/// Compiles the indicator of an objective, and the rule of its slices when it counts those.
pub(super) fn compile(
    settings: &Settings<'_>,
    checks: &mut Checks,
) -> Option<(Indicator, Option<SliceRule>)> {
    let sli = settings.sli();
    keys::refuse_foreign(settings, checks);
    let mut slices = budget_slices(settings, checks);
    let indicator = match sli.r#type {
        SliType::SuccessRate if sli.counters.is_some() => others::counters(settings, checks)?,
        SliType::SuccessRate => spans(settings, Verdict::Success(bad(settings, checks)), checks),
        // The threshold is put in for each percentile.
        SliType::Latency => spans(settings, Verdict::Within(u64::MAX), checks),
        SliType::Value => value(settings, checks)?,
        SliType::Availability => {
            let least = sli.up_from.unwrap_or(0.95);
            settings.check_share("sli.up_from", least, checks);
            let verdict = SliceVerdict::Share { least, empty: sli.silence_is_down.then_some(false) };
            slices = Some(slice(settings, verdict, checks));
            spans(settings, Verdict::Success(bad(settings, checks)), checks)
        }
        SliType::Throughput => {
            slices = Some(slice(settings, throughput(settings, checks)?, checks));
            spans(settings, Verdict::Came, checks)
        }
        SliType::Freshness => {
            let Some(most) = sli.max_age.map(config::Duration::get) else {
                settings.error(
                    checks,
                    "sli.max_age",
                    "freshness needs max_age, how old the newest event may be",
                );
                return None;
            };
            slices = Some(slice(settings, SliceVerdict::Age { most }, checks));
            spans(settings, Verdict::Came, checks)
        }
        SliType::Metric => others::metric(settings, checks)?,
        SliType::Workflow => others::workflow(settings, checks)?,
        SliType::Composite => others::composite(settings, checks)?,
    };
    check_windows_of_slices(settings, &indicator, slices, checks);
    Some((indicator, slices))
}

fn budget_slices(settings: &Settings<'_>, checks: &mut Checks) -> Option<SliceRule> {
    let Budgeting::Timeslices(slices) = &settings.config.budgeting else { return None };
    if !matches!(
        settings.sli().r#type,
        SliType::SuccessRate | SliType::Latency | SliType::Value | SliType::Metric
    ) {
        let message = format!(
            "{} is not counted in timeslices by choice; leave budgeting out",
            settings.sli().r#type.name()
        );
        settings.error(checks, "budgeting", message);
    }
    settings.check_share("budgeting.timeslices.target", slices.target, checks);
    check_slice(settings, "budgeting.timeslices.slice", slices.slice.get(), checks);
    let verdict = SliceVerdict::Share { least: slices.target, empty: slices.count_empty.then_some(true) };
    Some(SliceRule { width: slices.slice.get(), verdict })
}

/// A window that is longer than a slice is known only after the slice was judged.
fn check_windows_of_slices(
    settings: &Settings<'_>,
    indicator: &Indicator,
    slices: Option<SliceRule>,
    checks: &mut Checks,
) {
    let width = match indicator {
        Indicator::Counters(counters) => counters.total.window,
        Indicator::Metric(metric) => metric.series.window,
        Indicator::Spans(_) | Indicator::Workflow(_) | Indicator::Composite(_) => return,
    };
    if let Some(rule) = slices.filter(|rule| width > rule.width) {
        let (slice, window) = (duration_text(rule.width), duration_text(width));
        let message = format!(
            "slice is {slice}, but windows of {window} are known only after it was judged, so every one would come too late; write at least {window}, or a shorter `window` for the series"
        );
        settings.error(checks, "budgeting.timeslices.slice", message);
    }
}

fn slice(settings: &Settings<'_>, verdict: SliceVerdict, checks: &mut Checks) -> SliceRule {
    let width = settings.sli().slice.map_or(Duration::from_secs(60), config::Duration::get);
    check_slice(settings, "sli.slice", width, checks);
    SliceRule { width, verdict }
}

/// Slices are made of the finest slots, and the shortest windows of alerts hold some of them.
fn check_slice(settings: &Settings<'_>, path: &str, width: Duration, checks: &mut Checks) {
    let seconds = width.as_secs();
    let divides = seconds > 0
        && width.subsec_nanos() == 0
        && seconds.is_multiple_of(10)
        && 3600_u64.is_multiple_of(seconds);
    if !divides {
        let message =
            format!("slice is {width:?}, must be a multiple of 10s that divides an hour, such as 1m");
        settings.error(checks, path, message);
    }
}

pub(super) fn conditions(
    settings: &Settings<'_>,
    path: &str,
    texts: &[String],
    checks: &mut Checks,
) -> Vec<Condition> {
    let mut compiled = Vec::with_capacity(texts.len());
    for (at, text) in texts.iter().enumerate() {
        match Condition::parse(text) {
            Ok(condition) => compiled.push(condition),
            Err(problem) => settings.error(checks, &format!("{path}.{at}"), problem),
        }
    }
    compiled
}

pub(super) fn matching(
    settings: &Settings<'_>,
    path: &str,
    map: &BTreeMap<String, String>,
    checks: &mut Checks,
) -> Vec<Condition> {
    let mut compiled = Vec::with_capacity(map.len());
    for (name, value) in map {
        match Condition::of_match(name, value) {
            Ok(condition) => compiled.push(condition),
            Err(problem) => settings.error(checks, &format!("{path}.{name}"), problem),
        }
    }
    compiled
}

fn bad(settings: &Settings<'_>, checks: &mut Checks) -> Vec<Condition> {
    let texts = &settings.sli().bad;
    if texts.is_empty() {
        return vec![Condition::parse("otel.status == error").expect("this is a condition")];
    }
    conditions(settings, "sli.bad", texts, checks)
}

fn spans(settings: &Settings<'_>, verdict: Verdict, checks: &mut Checks) -> Indicator {
    Indicator::Spans(SpanIndicator {
        selects: matching(settings, "match", &settings.config.r#match, checks),
        excludes: conditions(settings, "sli.exclude", &settings.sli().exclude, checks),
        verdict,
    })
}

pub(super) fn agreement(settings: &Settings<'_>, checks: &mut Checks) -> Option<Agreement> {
    let SliConfig { lt, gt, between, .. } = settings.sli();
    let found = match (lt, gt, between) {
        (Some(bound), None, None) => Agreement::Below(*bound),
        (None, Some(bound), None) => Agreement::Above(*bound),
        (None, None, Some([least, most])) if least <= most => Agreement::Between(*least, *most),
        (None, None, Some([least, most])) => {
            let message = format!("between is [{least}, {most}], the first must not be above the second");
            settings.error(checks, "sli.between", message);
            return None;
        }
        _ => {
            settings.error(checks, "sli", "write one of lt, gt and between, which a good value must be");
            return None;
        }
    };
    Some(found)
}

fn value(settings: &Settings<'_>, checks: &mut Checks) -> Option<Indicator> {
    let agreement = agreement(settings, checks);
    let Some(attribute) = &settings.sli().attribute else {
        settings.error(checks, "sli.attribute", "value needs attribute, which holds the number");
        return None;
    };
    Some(spans(settings, Verdict::Value(Field::of_name(attribute), agreement?), checks))
}

fn throughput(settings: &Settings<'_>, checks: &mut Checks) -> Option<SliceVerdict> {
    let (min, max) = (settings.sli().min, settings.sli().max);
    let least = min.map_or(0.0, |rate| rate.per_second);
    let most = max.map_or(f64::INFINITY, |rate| rate.per_second);
    let is_sound = (min.is_some() || max.is_some()) && least >= 0.0 && least.is_finite() && most >= least;
    if !is_sound {
        settings.error(
            checks,
            "sli.min",
            "throughput needs min or max, events in time such as `50/s`, min not above max",
        );
    }
    is_sound.then_some(SliceVerdict::Rate { least, most })
}
