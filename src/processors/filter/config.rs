//! The collector's keys: conditions by context, and lists of conditions that tell by their paths what they are for.

use component::{Checks, Config};
use config::{Either, NotSupported, NotSupportedKeys};
use model::Signal;
use serde::{Deserialize, Deserializer};

use crate::ottl::{Context, ErrorMode, Faults, Sieve, error_mode};

const WITHOUT_OTTL: &str = "it is the older way to say what stays, without conditions";
const SPANS_INSTEAD: &str =
    "write conditions for what goes, such as `traces: {span: ['span.name == \"x\"']}`";
const METRICS_INSTEAD: &str =
    "write conditions for what goes, such as `metrics: {metric: ['IsMatch(metric.name, \"^x\")']}`";
const LOGS_INSTEAD: &str = "write conditions for what goes, such as `logs: {log_record: ['log.severity_number < SEVERITY_NUMBER_INFO']}`";

/// Settings of `filter`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FilterConfig {
    /// What happens when a condition fails; `ignore` when it is not set.
    pub(crate) error_mode: Option<String>,
    pub(crate) traces: TraceConditions,
    pub(crate) metrics: MetricConditions,
    pub(crate) logs: LogConditions,
    pub(crate) trace_conditions: Vec<Entry>,
    pub(crate) metric_conditions: Vec<Entry>,
    pub(crate) log_conditions: Vec<Entry>,
}

/// Conditions on traces by context.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TraceConditions {
    resource: Vec<String>,
    span: Vec<String>,
    spanevent: Vec<String>,
}

/// Conditions on metrics by context.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MetricConditions {
    resource: Vec<String>,
    metric: Vec<String>,
    datapoint: Vec<String>,
}

/// Conditions on logs by context.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LogConditions {
    resource: Vec<String>,
    log_record: Vec<String>,
}

/// A condition, or several with what is common to them.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Entry {
    Condition(String),
    Conditions(ConditionGroup),
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ConditionGroup {
    context: Option<String>,
    conditions: Vec<String>,
    error_mode: Option<String>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Either::deserialize(deserializer).map(|entry| match entry {
            Either::Short(text) => Self::Condition(text),
            Either::Long(group) => Self::Conditions(group),
        })
    }
}

impl Config for FilterConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        (
            "",
            &[
                NotSupported::new("spans", WITHOUT_OTTL, SPANS_INSTEAD),
                NotSupported::new("profiles", "profiles are not carried", "remove it"),
                NotSupported::new("profile_conditions", "profiles are not carried", "remove it"),
            ],
        ),
        (
            "metrics",
            &[
                NotSupported::new("include", WITHOUT_OTTL, METRICS_INSTEAD),
                NotSupported::new("exclude", WITHOUT_OTTL, METRICS_INSTEAD),
                NotSupported::new("regexp", WITHOUT_OTTL, "remove it"),
            ],
        ),
        (
            "logs",
            &[
                NotSupported::new("include", WITHOUT_OTTL, LOGS_INSTEAD),
                NotSupported::new("exclude", WITHOUT_OTTL, LOGS_INSTEAD),
            ],
        ),
    ];

    fn validate(&self, checks: &mut Checks) {
        error_mode("error_mode", self.error_mode.as_deref(), ErrorMode::Ignore, checks);
        for signal in Signal::ALL {
            self.sieves(signal, checks);
        }
        let lists = [
            ("traces", "trace_conditions", self.of_contexts(Signal::Traces), &self.trace_conditions),
            ("metrics", "metric_conditions", self.of_contexts(Signal::Metrics), &self.metric_conditions),
            ("logs", "log_conditions", self.of_contexts(Signal::Logs), &self.log_conditions),
        ];
        let mut is_empty = true;
        for (by_context, list, conditions, entries) in lists {
            let has_conditions = conditions.iter().any(|(_, _, conditions)| !conditions.is_empty());
            is_empty &= !has_conditions && entries.is_empty();
            if has_conditions && !entries.is_empty() {
                let message =
                    format!("{list} and {by_context} are both set, move all conditions to one of them");
                checks.error(list, message);
            }
            let is_plain = |entry: &&Entry| matches!(entry, Entry::Condition(_));
            let n_plain = entries.iter().filter(is_plain).count();
            if n_plain > 0 && n_plain < entries.len() {
                checks.error(
                    list,
                    format!("{list} mixes conditions and groups of them, write all of them in one way"),
                );
            }
        }
        if is_empty {
            checks.warn("", "there is no condition, so that nothing is dropped");
        }
    }
}

impl FilterConfig {
    /// Returns the conditions of a signal that stand under the name of their context, with the key.
    fn of_contexts(&self, signal: Signal) -> Vec<(Context, &'static str, &[String])> {
        match signal {
            Signal::Traces => vec![
                (Context::Resource, "traces.resource", &self.traces.resource),
                (Context::Span, "traces.span", &self.traces.span),
                (Context::SpanEvent, "traces.spanevent", &self.traces.spanevent),
            ],
            Signal::Metrics => vec![
                (Context::Resource, "metrics.resource", &self.metrics.resource),
                (Context::Metric, "metrics.metric", &self.metrics.metric),
                (Context::DataPoint, "metrics.datapoint", &self.metrics.datapoint),
            ],
            Signal::Logs => vec![
                (Context::Resource, "logs.resource", &self.logs.resource),
                (Context::Log, "logs.log_record", &self.logs.log_record),
            ],
        }
    }

    fn entries(&self, signal: Signal) -> (&'static str, &[Entry]) {
        match signal {
            Signal::Traces => ("trace_conditions", &self.trace_conditions),
            Signal::Metrics => ("metric_conditions", &self.metric_conditions),
            Signal::Logs => ("log_conditions", &self.log_conditions),
        }
    }

    /// Whether anything is said of a signal.
    pub(super) fn concerns(&self, signal: Signal) -> bool {
        !self.entries(signal).1.is_empty()
            || self.of_contexts(signal).iter().any(|(_, _, conditions)| !conditions.is_empty())
    }

    /// Builds what the conditions of a signal say, in the order in which it is done; tells what is wrong with them.
    pub(super) fn sieves(&self, signal: Signal, checks: &mut Checks) -> Vec<Sieve> {
        let mode = |own: Option<&str>, path: &str, checks: &mut Checks| {
            let common = self.error_mode.as_deref().and_then(ErrorMode::named).unwrap_or(ErrorMode::Ignore);
            error_mode(path, own, common, checks)
        };
        let mut by_context = Sieve::new(signal, mode(None, "error_mode", checks));
        for (context, path, conditions) in self.of_contexts(signal) {
            tell(path, by_context.add(conditions, Some(context)), checks);
        }
        let mut sieves = vec![by_context];
        let (list, entries) = self.entries(signal);
        let mut inferred = Sieve::new(signal, mode(None, "error_mode", checks));
        for (index, entry) in entries.iter().enumerate() {
            let path = format!("{list}.{index}");
            match entry {
                Entry::Condition(text) => {
                    let (faults, doubts) = inferred.add(std::slice::from_ref(text), None);
                    faults.into_iter().for_each(|(_, message)| checks.error(&path, message));
                    doubts.into_iter().for_each(|(_, message)| checks.warn(&path, message));
                }
                Entry::Conditions(group) => {
                    let key = format!("{path}.error_mode");
                    let mut sieve = Sieve::new(signal, mode(group.error_mode.as_deref(), &key, checks));
                    let context = group.context.as_deref().map(|name| Context::of_key(name, signal));
                    match context.transpose() {
                        Ok(context) => {
                            tell(
                                &format!("{path}.conditions"),
                                sieve.add(&group.conditions, context),
                                checks,
                            );
                        }
                        Err(message) => checks.error(&format!("{path}.context"), message),
                    }
                    if group.conditions.is_empty() {
                        let message = format!("the group of {signal} has no conditions");
                        checks.warn(&path, message);
                    }
                    sieves.push(sieve);
                }
            }
        }
        sieves.push(inferred);
        sieves.retain(|sieve| !sieve.is_empty());
        sieves
    }
}

fn tell(path: &str, (faults, doubts): (Faults, Faults), checks: &mut Checks) {
    faults.into_iter().for_each(|(index, message)| checks.error(&format!("{path}.{index}"), message));
    doubts.into_iter().for_each(|(index, message)| checks.warn(&format!("{path}.{index}"), message));
}
