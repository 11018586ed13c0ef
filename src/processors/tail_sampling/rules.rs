//! What policies decide by the facts of a whole trace.

use std::time::Duration;

use model::Timestamp;

/// What is known of a trace when it is decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Facts {
    pub(super) id: u128,
    /// Which conditions hold somewhere in it, a bit each.
    pub(super) hits: u128,
    /// Of the span that begins first; 0 when none says. *Units*: nanoseconds since the epoch.
    pub(super) start: u64,
    /// Of the span that ends last; 0 when none says.
    pub(super) end: u64,
    pub(super) n_spans: u64,
    /// As it would be sent; 0 when no policy asks for it.
    pub(super) n_bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Decision {
    Sampled,
    NotSampled,
    Dropped,
}

/// A policy with its state.
#[derive(Debug)]
pub(super) enum Rule {
    Always,
    Never,
    /// The condition of that place holds for a span or a resource.
    Somewhere(usize),
    /// It holds for none.
    Nowhere(usize),
    /// *Units*: milliseconds; `to` is 0 for no upper limit.
    Latency {
        from: i64,
        to: i64,
    },
    Probabilistic {
        threshold: u64,
        salt: String,
    },
    SpanRate(TokenBucket),
    ByteRate(TokenBucket),
    /// `most` is 0 for no upper limit.
    SpanCount {
        least: u64,
        most: u64,
    },
    And(Vec<Rule>),
    Not(Box<Rule>),
    Drop(Vec<Rule>),
    Composite {
        most: u64,
        /// The second that the allocations count.
        second: u64,
        allocations: Vec<Allocation>,
    },
}

/// A policy of a composite and what it may sample.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) rule: Rule,
    pub(super) spans_per_second: u64,
    /// Spans in this second.
    pub(super) sampled: u64,
}

impl Rule {
    /// Whether it asks how large a trace is.
    pub(super) fn asks_for_bytes(&self) -> bool {
        match self {
            Self::ByteRate(_) => true,
            Self::And(rules) | Self::Drop(rules) => rules.iter().any(Self::asks_for_bytes),
            Self::Not(rule) => rule.asks_for_bytes(),
            Self::Composite { allocations, .. } => allocations.iter().any(|it| it.rule.asks_for_bytes()),
            _ => false,
        }
    }

    pub(super) fn decide(&mut self, facts: &Facts, now: Timestamp) -> Decision {
        let is_sampled = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Somewhere(place) => facts.hits >> *place & 1 == 1,
            Self::Nowhere(place) => facts.hits >> *place & 1 == 0,
            Self::Latency { from, to } => {
                let took = milliseconds(facts);
                if *to == 0 { took >= *from } else { *from < took && took <= *to }
            }
            Self::Probabilistic { threshold, salt } => hash(salt.as_bytes(), facts.id) <= *threshold,
            Self::SpanRate(bucket) => bucket.take(facts.n_spans, now),
            Self::ByteRate(bucket) => bucket.take(facts.n_bytes, now),
            Self::SpanCount { least, most } => {
                facts.n_spans >= *least && (*most == 0 || facts.n_spans <= *most)
            }
            Self::And(rules) => all(rules, facts, now),
            Self::Drop(rules) => {
                return if all(rules, facts, now) { Decision::Dropped } else { Decision::NotSampled };
            }
            Self::Not(rule) => {
                return match rule.decide(facts, now) {
                    Decision::Sampled => Decision::NotSampled,
                    Decision::NotSampled => Decision::Sampled,
                    Decision::Dropped => Decision::Dropped,
                };
            }
            Self::Composite { most, second, allocations } => {
                let this_second = now.as_nanos() / 1_000_000_000;
                if *second != this_second {
                    *second = this_second;
                    allocations.iter_mut().for_each(|allocation| allocation.sampled = 0);
                }
                let first = allocations
                    .iter_mut()
                    .find_map(|it| (it.rule.decide(facts, now) == Decision::Sampled).then_some(it));
                first.is_some_and(|allocation| {
                    let after = allocation.sampled.saturating_add(facts.n_spans);
                    let fits = after <= allocation.spans_per_second && after <= *most;
                    if fits {
                        allocation.sampled = after;
                    }
                    fits
                })
            }
        };
        if is_sampled { Decision::Sampled } else { Decision::NotSampled }
    }
}

/// Whether all sample; those behind one that does not are not asked.
fn all(rules: &mut [Rule], facts: &Facts, now: Timestamp) -> bool {
    rules.iter_mut().all(|rule| rule.decide(facts, now) != Decision::NotSampled)
}

/// How long a trace took, cut off.
fn milliseconds(facts: &Facts) -> i64 {
    let nanos = i128::from(facts.end) - i128::from(facts.start);
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}

/// FNV-1a, as the collector hashes.
fn hash(salt: &[u8], trace: u128) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    let salted = salt.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
    trace.to_be_bytes().iter().fold(salted, fnv)
}

/// Returns the highest hash that a share keeps: the share of 2⁶⁴ − 1, rounded to 64 significant bits and cut off, as the
/// collector does.
pub(super) fn probability_threshold(share: f64) -> u64 {
    if share.is_nan() || share <= 0.0 {
        return 0;
    }
    if share > 1.0 {
        return u64::MAX;
    }
    let bits = share.to_bits();
    let (exponent, fraction) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
    let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 52 };
    // The share is `mantissa` × 2^`shift`; so is the product, with another mantissa.
    let mut shift = exponent.max(1) - 1075;
    let mut product = u128::from(mantissa) * u128::from(u64::MAX);
    let excess = (128 - product.leading_zeros()) as i32 - 64;
    if excess > 0 {
        let (half, rest) = (1 << (excess - 1), product & ((1 << excess) - 1));
        product >>= excess;
        if rest > half || (rest == half && product & 1 == 1) {
            product += 1;
        }
        shift += excess;
    }
    match shift {
        0.. => u64::try_from(product << shift.min(63)).unwrap_or(u64::MAX),
        _ => u64::try_from(product.checked_shr(shift.unsigned_abs()).unwrap_or(0)).unwrap_or(u64::MAX),
    }
}

/// Lets so much through in a second, and a burst after a pause. Full at the start.
#[derive(Debug)]
pub(super) struct TokenBucket {
    per_second: f64,
    burst: f64,
    tokens: f64,
    last: Timestamp,
}

impl TokenBucket {
    /// Makes a bucket; a burst of 0 is that of two seconds.
    pub(super) fn new(per_second: u64, burst: u64) -> Self {
        let burst = if burst == 0 { per_second.saturating_mul(2) } else { burst } as f64;
        Self { per_second: per_second as f64, burst, tokens: burst, last: Timestamp::default() }
    }

    /// Takes all or nothing.
    fn take(&mut self, tokens: u64, now: Timestamp) -> bool {
        let passed = Duration::from_nanos(now.as_nanos().saturating_sub(self.last.as_nanos()));
        self.tokens = (self.tokens + passed.as_secs_f64() * self.per_second).min(self.burst);
        self.last = now;
        let left = self.tokens - tokens as f64;
        if left < 0.0 {
            return false;
        }
        self.tokens = left;
        true
    }
}
