//! Policies as an operator writes them, and what is made of them: conditions that shards look for in spans, and rules
//! that decide by what was found in a trace.

use component::Checks;
use serde::Deserialize;

use super::{
    conditions::{Condition, SLO_SEPARATOR},
    ottl_condition::OttlConditionConfig,
    rules::{Allocation, Rule, TokenBucket, probability_threshold},
};
use crate::ottl::regexes::compile_set;

/// A policy, or one within another.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PolicyConfig {
    pub(crate) name: String,
    pub(crate) r#type: String,
    pub(crate) latency: LatencyConfig,
    pub(crate) numeric_attribute: NumericAttributeConfig,
    pub(crate) probabilistic: ProbabilisticConfig,
    pub(crate) status_code: StatusCodeConfig,
    pub(crate) string_attribute: StringAttributeConfig,
    pub(crate) rate_limiting: RateLimitingConfig,
    pub(crate) bytes_limiting: BytesLimitingConfig,
    pub(crate) span_count: SpanCountConfig,
    pub(crate) trace_state: TraceStateConfig,
    pub(crate) boolean_attribute: BooleanAttributeConfig,
    pub(crate) ottl_condition: OttlConditionConfig,
    pub(crate) anomalous: AnomalousConfig,
    pub(crate) slo_breach: SloBreachConfig,
    pub(crate) and: AndConfig,
    pub(crate) not: NotConfig,
    pub(crate) drop: DropConfig,
    pub(crate) composite: CompositeConfig,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LatencyConfig {
    pub(crate) threshold_ms: i64,
    pub(crate) upper_threshold_ms: i64,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NumericAttributeConfig {
    pub(crate) key: String,
    pub(crate) min_value: i64,
    pub(crate) max_value: i64,
    pub(crate) invert_match: bool,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ProbabilisticConfig {
    pub(crate) hash_salt: String,
    pub(crate) sampling_percentage: f64,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatusCodeConfig {
    pub(crate) status_codes: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StringAttributeConfig {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
    pub(crate) enabled_regex_matching: bool,
    pub(crate) cache_max_size: u64,
    pub(crate) invert_match: bool,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RateLimitingConfig {
    pub(crate) spans_per_second: u64,
    pub(crate) burst_capacity: u64,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BytesLimitingConfig {
    pub(crate) bytes_per_second: u64,
    pub(crate) burst_capacity: u64,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SpanCountConfig {
    pub(crate) min_spans: u64,
    pub(crate) max_spans: u64,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TraceStateConfig {
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BooleanAttributeConfig {
    pub(crate) key: String,
    pub(crate) value: bool,
    pub(crate) invert_match: bool,
}

/// Ours: traces with a span that `enrichment` has marked as unusual.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AnomalousConfig {
    /// Marks with a lower score do not count.
    pub(crate) min_score: f64,
}

/// Ours: traces with a span of which `enrichment` says that an objective is at risk.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SloBreachConfig {
    /// Ids of objectives that count; all when empty.
    pub(crate) objectives: Vec<String>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AndConfig {
    pub(crate) and_sub_policy: Vec<PolicyConfig>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NotConfig {
    pub(crate) not_sub_policy: Option<Box<PolicyConfig>>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DropConfig {
    pub(crate) drop_sub_policy: Vec<PolicyConfig>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CompositeConfig {
    pub(crate) max_total_spans_per_second: u64,
    pub(crate) policy_order: Vec<String>,
    pub(crate) composite_sub_policy: Vec<PolicyConfig>,
    pub(crate) rate_allocation: Vec<RateAllocationConfig>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RateAllocationConfig {
    pub(crate) policy: String,
    pub(crate) percent: i64,
}

/// Where a policy stands, which says what it may be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Top,
    /// Within `and` or `drop`.
    And,
    Not,
    Composite,
}

/// Policies that hold no others.
const PLAIN: [&str; 15] = [
    "always_sample",
    "latency",
    "numeric_attribute",
    "probabilistic",
    "status_code",
    "string_attribute",
    "rate_limiting",
    "bytes_limiting",
    "span_count",
    "trace_state",
    "trace_flags",
    "boolean_attribute",
    "ottl_condition",
    "anomalous",
    "slo_breach",
];

const STATUS_CODES: [&str; 3] = ["UNSET", "OK", "ERROR"];
/// Keys and values of a tracestate together; longer ones are never there.
const MAX_STATE_BYTES: usize = 256;

impl Place {
    fn holds(self) -> &'static [&'static str] {
        match self {
            Self::Top => &["and", "not", "drop", "composite"],
            Self::And => &["not"],
            Self::Not => &[],
            Self::Composite => &["and"],
        }
    }
}

impl PolicyConfig {
    /// Reports what is wrong with a policy at a path, and with those within.
    pub(super) fn validate(&self, path: &str, place: Place, checks: &mut Checks) {
        let at = |key: &str| format!("{path}.{key}");
        let known: Vec<&str> = PLAIN.iter().chain(place.holds()).copied().collect();
        match &*self.r#type {
            "" => checks.error(&at("type"), format!("type is missing, use one of {}", known.join(", "))),
            kind if !known.contains(&kind) => match Place::Top.holds().contains(&kind) {
                true => checks.error(
                    &at("type"),
                    format!("a policy of type {kind} can not stand here, use one of {}", known.join(", ")),
                ),
                false => checks.unknown(&at("type"), "type of policy", kind, &known),
            },
            _ => self.validate_kind(path, checks),
        }
    }

    fn validate_kind(&self, path: &str, checks: &mut Checks) {
        let at = |key: &str| format!("{path}.{key}");
        let keyed = |section: &str, key: &str, checks: &mut Checks| {
            if key.is_empty() {
                checks.error(&at(&format!("{section}.key")), "key is missing, name the attribute");
            }
        };
        match &*self.r#type {
            "latency" => self.validate_latency(path, checks),
            "numeric_attribute" => {
                let it = &self.numeric_attribute;
                keyed("numeric_attribute", &it.key, checks);
                let (least, most) = (it.min_value, it.max_value);
                if least == 0 && most == 0 {
                    let message =
                        "min_value and max_value are not set, set at least one; 0 counts as not set";
                    checks.error(&at("numeric_attribute"), message);
                } else if least > most && most != 0 {
                    let message =
                        format!("min_value is {least}, must not be above max_value, which is {most}");
                    checks.error(&at("numeric_attribute.min_value"), message);
                }
            }
            "probabilistic" => {
                let percentage = self.probabilistic.sampling_percentage;
                if !percentage.is_finite() || percentage < 0.0 {
                    let message = format!("sampling_percentage is {percentage}, must be from 0 to 100");
                    checks.error(&at("probabilistic.sampling_percentage"), message);
                }
            }
            "status_code" => {
                let codes = &self.status_code.status_codes;
                if codes.is_empty() {
                    let message = format!("status_codes is empty, use some of {}", STATUS_CODES.join(", "));
                    checks.error(&at("status_code.status_codes"), message);
                }
                for (index, code) in
                    codes.iter().enumerate().filter(|(_, it)| !STATUS_CODES.contains(&&***it))
                {
                    checks.unknown(
                        &at(&format!("status_code.status_codes.{index}")),
                        "status code",
                        code,
                        &STATUS_CODES,
                    );
                }
            }
            "string_attribute" => {
                let it = &self.string_attribute;
                keyed("string_attribute", &it.key, checks);
                for (index, pattern) in it.values.iter().enumerate().filter(|_| it.enabled_regex_matching) {
                    if let Err(problem) = compile_set(std::slice::from_ref(pattern)) {
                        checks.error(&at(&format!("string_attribute.values.{index}")), problem);
                    }
                }
            }
            "boolean_attribute" => keyed("boolean_attribute", &self.boolean_attribute.key, checks),
            "trace_state" => keyed("trace_state", &self.trace_state.key, checks),
            "ottl_condition" => self.ottl_condition.validate(&at("ottl_condition"), checks),
            "rate_limiting" if self.rate_limiting.spans_per_second == 0 => {
                checks.warn(
                    &at("rate_limiting.spans_per_second"),
                    "spans_per_second is 0, so nothing is sampled",
                );
            }
            "bytes_limiting" if self.bytes_limiting.bytes_per_second == 0 => {
                checks.warn(
                    &at("bytes_limiting.bytes_per_second"),
                    "bytes_per_second is 0, so nothing is sampled",
                );
            }
            "span_count" => {
                let (least, most) = (self.span_count.min_spans, self.span_count.max_spans);
                if least > most && most != 0 {
                    let message =
                        format!("min_spans is {least}, must not be above max_spans, which is {most}");
                    checks.error(&at("span_count.min_spans"), message);
                }
            }
            "anomalous" => {
                let score = self.anomalous.min_score;
                if !score.is_finite() || score < 0.0 {
                    let message = format!("min_score is {score}, must be a number from 0 up");
                    checks.error(&at("anomalous.min_score"), message);
                }
            }
            "and" => within(&self.and.and_sub_policy, &at("and.and_sub_policy"), Place::And, checks),
            "drop" => within(&self.drop.drop_sub_policy, &at("drop.drop_sub_policy"), Place::And, checks),
            "not" => match &self.not.not_sub_policy {
                Some(policy) => policy.validate(&at("not.not_sub_policy"), Place::Not, checks),
                None => checks.error(&at("not"), "not_sub_policy is missing, write the policy to turn round"),
            },
            "composite" => self.validate_composite(path, checks),
            _ => {}
        }
    }

    fn validate_latency(&self, path: &str, checks: &mut Checks) {
        let LatencyConfig { threshold_ms, upper_threshold_ms } = self.latency;
        for (key, value) in [("threshold_ms", threshold_ms), ("upper_threshold_ms", upper_threshold_ms)] {
            if value < 0 {
                checks.error(
                    &format!("{path}.latency.{key}"),
                    format!("{key} is {value}, must not be negative"),
                );
            }
        }
        if upper_threshold_ms > 0 && upper_threshold_ms <= threshold_ms {
            let message = format!(
                "upper_threshold_ms is {upper_threshold_ms}, must be above threshold_ms, which is {threshold_ms}"
            );
            checks.error(&format!("{path}.latency.upper_threshold_ms"), message);
        }
    }

    fn validate_composite(&self, path: &str, checks: &mut Checks) {
        let at = |key: &str| format!("{path}.composite.{key}");
        let it = &self.composite;
        within(&it.composite_sub_policy, &at("composite_sub_policy"), Place::Composite, checks);
        if it.max_total_spans_per_second == 0 {
            checks.warn(
                &at("max_total_spans_per_second"),
                "max_total_spans_per_second is 0, so nothing is sampled",
            );
        }
        let names: Vec<&str> = it.composite_sub_policy.iter().map(|policy| &*policy.name).collect();
        for (index, allocation) in it.rate_allocation.iter().enumerate() {
            if !names.contains(&&*allocation.policy) {
                checks.unknown(
                    &at(&format!("rate_allocation.{index}.policy")),
                    "policy here",
                    &allocation.policy,
                    &names,
                );
            }
        }
        for (index, name) in names.iter().enumerate() {
            if !it.rate_allocation.iter().any(|allocation| allocation.policy == *name) {
                let message = format!(
                    "rate_allocation gives {name:?} no share, so it samples nothing, as in the collector"
                );
                checks.warn(&at(&format!("composite_sub_policy.{index}")), message);
            }
        }
        if !it.policy_order.is_empty() && it.policy_order != names {
            let message = "policy_order differs from the order of composite_sub_policy, which is the one that counts, \
                           as in the collector; write them in one order";
            checks.warn(&at("policy_order"), message);
        }
    }
}

fn within(policies: &[PolicyConfig], path: &str, place: Place, checks: &mut Checks) {
    if policies.is_empty() {
        checks.error(path, "there are no policies here, write at least one");
    }
    for (index, policy) in policies.iter().enumerate() {
        policy.validate(&format!("{path}.{index}"), place, checks);
    }
}

/// What policies come to.
pub(super) struct Compiled {
    /// What is looked for in spans; a rule names its condition by the place.
    pub(super) conditions: Vec<Condition>,
    /// In the order in which they are asked: those that drop first.
    pub(super) policies: Vec<Policy>,
}

pub(super) struct Policy {
    pub(super) name: String,
    pub(super) rule: Rule,
}

/// Compiles checked policies; the same ones always get the same places.
pub(super) fn compile(policies: &[PolicyConfig]) -> Compiled {
    let mut conditions = Vec::new();
    let mut compiled: Vec<Policy> = policies
        .iter()
        .map(|policy| Policy { name: policy.name.clone(), rule: rule(policy, &mut conditions) })
        .collect();
    compiled.sort_by_key(|policy| !matches!(policy.rule, Rule::Drop(_)));
    Compiled { conditions, policies: compiled }
}

fn rule(config: &PolicyConfig, conditions: &mut Vec<Condition>) -> Rule {
    let mut found = |condition: Condition, is_inverted: bool| {
        conditions.push(condition);
        let place = conditions.len() - 1;
        if is_inverted { Rule::Nowhere(place) } else { Rule::Somewhere(place) }
    };
    match &*config.r#type {
        "always_sample" => Rule::Always,
        "latency" => {
            Rule::Latency { from: config.latency.threshold_ms, to: config.latency.upper_threshold_ms }
        }
        "numeric_attribute" => {
            let it = &config.numeric_attribute;
            let least = if it.min_value == 0 { i64::MIN } else { it.min_value };
            let most = if it.max_value == 0 { i64::MAX } else { it.max_value };
            found(Condition::Number { key: it.key.clone(), least, most }, it.invert_match)
        }
        "probabilistic" => Rule::Probabilistic {
            threshold: probability_threshold(config.probabilistic.sampling_percentage / 100.0),
            salt: match &*config.probabilistic.hash_salt {
                "" => "default-hash-seed".to_owned(),
                salt => salt.to_owned(),
            },
        },
        "status_code" => {
            let codes = &config.status_code.status_codes;
            found(Condition::Status(STATUS_CODES.map(|known| codes.iter().any(|code| code == known))), false)
        }
        "string_attribute" => {
            let it = &config.string_attribute;
            let key = it.key.clone();
            let condition = match it.enabled_regex_matching {
                true => Condition::Pattern {
                    key,
                    patterns: compile_set(&it.values).unwrap_or_else(|_| regex::bytes::RegexSet::empty()),
                    remembered: if it.cache_max_size == 0 { 128 } else { it.cache_max_size as usize },
                },
                false => Condition::Text { key, values: texts(&it.values) },
            };
            found(condition, it.invert_match)
        }
        "boolean_attribute" => {
            let it = &config.boolean_attribute;
            found(Condition::Flag { key: it.key.clone(), value: it.value }, it.invert_match)
        }
        "trace_state" => {
            let it = &config.trace_state;
            let mut values = texts(&it.values);
            values.retain(|value| it.key.len() + value.len() < MAX_STATE_BYTES);
            found(Condition::TraceState { key: it.key.clone().into_bytes(), values }, false)
        }
        "ottl_condition" => found(Condition::Ottl(config.ottl_condition.clone()), false),
        "trace_flags" => found(Condition::SampledFlag, false),
        "anomalous" => found(Condition::Anomalous { min_score: config.anomalous.min_score }, false),
        "slo_breach" => {
            let objectives = config.slo_breach.objectives.iter().flat_map(|it| it.split(SLO_SEPARATOR));
            found(
                Condition::AtRisk { objectives: objectives.map(|it| it.trim().to_owned()).collect() },
                false,
            )
        }
        "rate_limiting" => {
            let RateLimitingConfig { spans_per_second, burst_capacity } = config.rate_limiting;
            Rule::SpanRate(TokenBucket::new(spans_per_second, burst_capacity))
        }
        "bytes_limiting" => {
            let BytesLimitingConfig { bytes_per_second, burst_capacity } = config.bytes_limiting;
            Rule::ByteRate(TokenBucket::new(bytes_per_second, burst_capacity))
        }
        "span_count" => {
            Rule::SpanCount { least: config.span_count.min_spans, most: config.span_count.max_spans }
        }
        "and" => Rule::And(rules(&config.and.and_sub_policy, conditions)),
        "drop" => Rule::Drop(rules(&config.drop.drop_sub_policy, conditions)),
        "not" => match &config.not.not_sub_policy {
            Some(policy) => Rule::Not(Box::new(rule(policy, conditions))),
            None => Rule::Never,
        },
        "composite" => {
            let it = &config.composite;
            let allocations = it.composite_sub_policy.iter().map(|policy| Allocation {
                rule: rule(policy, conditions),
                spans_per_second: share_of(it, &policy.name),
                sampled: 0,
            });
            Rule::Composite {
                most: it.max_total_spans_per_second,
                second: u64::MAX,
                allocations: allocations.collect(),
            }
        }
        // Refused by the check.
        _ => Rule::Never,
    }
}

fn rules(configs: &[PolicyConfig], conditions: &mut Vec<Condition>) -> Vec<Rule> {
    configs.iter().map(|config| rule(config, conditions)).collect()
}

fn texts(values: &[String]) -> Vec<Vec<u8>> {
    values.iter().filter(|value| !value.is_empty()).map(|value| value.clone().into_bytes()).collect()
}

/// Returns the spans that a policy of a composite may sample in a second: of several shares the last counts, one that is
/// not positive is an equal one.
fn share_of(config: &CompositeConfig, name: &str) -> u64 {
    let most = config.max_total_spans_per_second as f64;
    let last = config.rate_allocation.iter().rev().find(|allocation| allocation.policy == name);
    match last {
        Some(allocation) if allocation.percent > 0 => (allocation.percent as f64 / 100.0 * most) as u64,
        Some(_) => (most / config.composite_sub_policy.len() as f64) as u64,
        None => 0,
    }
}
