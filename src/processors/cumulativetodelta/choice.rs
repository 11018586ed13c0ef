//! Which metrics are converted.

use wire::view::{Metric, MetricData, Temporality};

use super::config::{CumulativeToDeltaConfig, MatchConfig};
use crate::ottl::regexes::compile_set;

/// Kinds of metrics that can be converted, as the configuration spells them.
pub(super) const KINDS: [&str; 3] = ["sum", "histogram", "exponentialhistogram"];

pub(super) struct Choice {
    include: Match,
    exclude: Match,
}

#[derive(Default)]
struct Match {
    names: Option<Names>,
    /// By kind; none when any will do.
    kinds: Option<[bool; 3]>,
}

enum Names {
    Exact(Vec<String>),
    Patterns(regex::bytes::RegexSet),
}

impl Choice {
    pub(super) fn new(config: &CumulativeToDeltaConfig) -> Self {
        Self { include: Match::new(&config.include), exclude: Match::new(&config.exclude) }
    }

    /// Returns the number of a metric's kind when its points are to be converted.
    pub(super) fn kind_of(&self, metric: &Metric<'_>) -> Option<usize> {
        let kind = match metric.data {
            MetricData::Sum { temporality: Temporality::Cumulative, is_monotonic: true, .. } => 0,
            MetricData::Histogram { temporality: Temporality::Cumulative, .. } => 1,
            MetricData::ExponentialHistogram { temporality: Temporality::Cumulative, .. } => 2,
            _ => return None,
        };
        let holds = |names: &Names| names.holds(metric.name);
        let is_included = self.include.names.as_ref().is_none_or(holds)
            && self.include.kinds.is_none_or(|kinds| kinds[kind]);
        let is_excluded = self.exclude.names.as_ref().is_some_and(holds)
            || self.exclude.kinds.is_some_and(|kinds| kinds[kind]);
        (is_included && !is_excluded).then_some(kind)
    }
}

impl Match {
    fn new(config: &MatchConfig) -> Self {
        let names = match &*config.match_type {
            _ if config.metrics.is_empty() => None,
            "regexp" => {
                let patterns = compile_set(&config.metrics);
                Some(Names::Patterns(patterns.unwrap_or_else(|_| regex::bytes::RegexSet::empty())))
            }
            _ => Some(Names::Exact(config.metrics.clone())),
        };
        let is_named = |kind: &str| config.metric_types.iter().any(|named| named.to_lowercase() == kind);
        Self { names, kinds: (!config.metric_types.is_empty()).then(|| KINDS.map(is_named)) }
    }
}

impl Names {
    fn holds(&self, name: &[u8]) -> bool {
        match self {
            Self::Exact(names) => names.iter().any(|known| known.as_bytes() == name),
            Self::Patterns(patterns) => patterns.is_match(name),
        }
    }
}
