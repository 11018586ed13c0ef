//! The collector's keys.

use component::{Checks, Config};
use serde::Deserialize;

use crate::consistent::{DIGITS, LEAST_SHARE};

/// Settings of `probabilistic_sampler`.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub struct ProbabilisticSamplerConfig {
    /// Share that is kept, in percent; above 100 counts as 100. Single precision, as in the collector: the last of
    /// 2¹⁴ steps depends on it.
    pub(crate) sampling_percentage: f32,
    pub(crate) hash_seed: u32,
    /// `hash_seed`, `proportional` or `equalizing`; empty for the first.
    pub(crate) mode: String,
    /// Drop what can not be decided.
    pub(crate) fail_closed: bool,
    /// Digits of a threshold.
    pub(crate) sampling_precision: u32,
    /// Of log records: `traceID` or `record`.
    pub(crate) attribute_source: String,
    /// Of log records: an attribute that is hashed.
    pub(crate) from_attribute: String,
    /// Of log records: an attribute that says in percent how likely it is to be kept.
    pub(crate) sampling_priority: String,
}

pub(crate) const OF_TRACE_ID: &str = "traceID";
pub(crate) const OF_RECORD: &str = "record";
pub(crate) const HASH_SEED: &str = "hash_seed";
pub(crate) const PROPORTIONAL: &str = "proportional";
pub(crate) const EQUALIZING: &str = "equalizing";

impl Default for ProbabilisticSamplerConfig {
    fn default() -> Self {
        Self {
            sampling_percentage: 0.0,
            hash_seed: 0,
            mode: String::new(),
            fail_closed: true,
            sampling_precision: 4,
            attribute_source: OF_TRACE_ID.to_owned(),
            from_attribute: String::new(),
            sampling_priority: String::new(),
        }
    }
}

impl Config for ProbabilisticSamplerConfig {
    fn validate(&self, checks: &mut Checks) {
        let percentage = self.sampling_percentage;
        let is = |what: &str| format!("sampling_percentage is {percentage}, {what}");
        if !percentage.is_finite() {
            checks.error("sampling_percentage", is("must be a number from 0 to 100"));
        } else if percentage < 0.0 {
            checks.error("sampling_percentage", is("must not be negative"));
        } else if percentage > 0.0 && f64::from(percentage) / 100.0 < LEAST_SHARE {
            checks.error(
                "sampling_percentage",
                is("the least that can be kept is 1.4e-15; write 0 for nothing"),
            );
        } else if percentage == 0.0 {
            let message =
                "sampling_percentage is 0: nothing is kept but what has a priority; write the share to keep";
            checks.warn("sampling_percentage", message);
        } else if percentage < 100.0 / 16_384.0 && self.is_hashing() {
            let message =
                is("which hash_seed rounds to nothing; write at least 0.0062 or use mode: equalizing");
            checks.warn("sampling_percentage", message);
        }
        if !matches!(&*self.mode, "" | HASH_SEED | PROPORTIONAL | EQUALIZING) {
            checks.unknown("mode", "mode", &self.mode, &[HASH_SEED, PROPORTIONAL, EQUALIZING]);
        }
        if !(1..=DIGITS).contains(&self.sampling_precision) {
            let precision = self.sampling_precision;
            let message = format!("sampling_precision is {precision}, must be from 1 to {DIGITS} digits");
            checks.error("sampling_precision", message);
        }
        if !matches!(&*self.attribute_source, "" | OF_TRACE_ID | OF_RECORD) {
            let known = [OF_TRACE_ID, OF_RECORD];
            checks.unknown("attribute_source", "source", &self.attribute_source, &known);
        }
        if self.attribute_source == OF_RECORD && self.from_attribute.is_empty() {
            let message =
                "attribute_source is record, but no from_attribute is named: no log record can be decided";
            checks.warn("attribute_source", message);
        }
    }
}

impl ProbabilisticSamplerConfig {
    fn is_hashing(&self) -> bool {
        matches!(&*self.mode, "" | HASH_SEED)
    }
}
