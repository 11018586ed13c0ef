//! Mathematics that knows nothing of telemetry.
//!
//! # Layout
//! Summaries:
//! * [`ExponentialHistogram`]: OpenTelemetry's histogram of logarithmic buckets, mergeable in any order.
//! * [`ExactSum`]: a sum of doubles whose result does not depend on the order of its terms.
//! * [`Moments`]: count, sum, mean, deviation, minimum and maximum, mergeable in any order.
//! * [`Distinct`]: how many different values came, mergeable in any order.
//! * [`quantile_of_buckets`]: quantiles of a histogram with explicit bounds.
//!
//! States of a few bytes that learn from one value at a time. Their costs are those of a state in the
//! cache (least of 400 batches, one core of an AMD EPYC, 2026-11-21); for a state in memory, what it
//! takes to fetch it comes on top:
//! * [`decay_gain`], [`Decay`]: forgetting over steps of unequal length.
//! * [`Ewma`], [`EwVariance`]: mean and variance that forget.
//! * [`EwCovariance`], [`correlation_change`]: whether two series follow each other as before.
//! * [`EwRegression`]: slope, level and fit of a line.
//! * [`Conformal`]: intervals of forecasts from their recent errors.
//! * [`Half`], [`Bfloat`]: numbers in two bytes.
//! * [`PageHinkley`]: lasting shifts of a mean.
//! * [`Tail`]: how improbable a value is, from the tail of those before it.
//! * [`ValueCells`]: whether a value has been seen lately.
//!
//! * [`Quantum`]: the step of a series that only takes multiples of one.
//! * [`increase`]: by how much a counter grew.
//! * [`TokenBucket`]: so many per day.
//!
//! Estimates and tests of what is at hand:
//! * [`median`], [`huber_clip`] and others: location and scale that outliers do not move.
//! * [`normal_cdf`], [`beta_cdf`], [`student_t_cdf`] and their inverses: distributions.
//! * [`binomial_tail`]: whether so many of so many is more than chance.
//! * [`simes`], [`benjamini_hochberg`], [`holm`]: many tests at once.
//! * [`mann_kendall`], [`theil_sen`]: trends that outliers do not make or hide.
//! * [`mann_whitney`]: whether one histogram's values are greater than another's.
//! * [`autocorrelation`], [`period_strength`]: whether a series repeats itself.
//! * [`Isotonic`]: what a score is worth as a probability.

mod autocorrelation;
mod average;
mod bfloat;
mod binomial;
mod cells;
mod conformal;
mod correlation;
mod decay;
mod distinct;
mod distribution;
mod exact_sum;
mod exponential;
mod half;
mod huber;
mod increase;
mod isotonic;
mod mann_whitney;
mod moments;
mod multiple;
mod narrow;
mod page_hinkley;
mod quantile;
mod quantum;
mod regression;
mod tail;
#[cfg(test)]
mod testing;
mod token_bucket;
mod trend;

pub use autocorrelation::{autocorrelation, period_strength};
pub use average::{EwVariance, Ewma};
pub use bfloat::Bfloat;
pub use binomial::binomial_tail;
pub use cells::ValueCells;
pub use conformal::Conformal;
pub use correlation::{EwCovariance, correlation_change, fisher_z};
pub use decay::{Decay, decay_gain};
pub use distinct::Distinct;
pub use distribution::{
    beta_cdf, beta_quantile, normal_cdf, normal_quantile, normal_two_sided, student_t_cdf,
    student_t_quantile, student_t_two_sided,
};
pub use exact_sum::ExactSum;
pub use exponential::{Buckets, ExponentialHistogram, MAX_SCALE, MIN_SCALE, bucket_index, index_at_scale_3};
pub use half::Half;
pub use huber::{
    MAD_TO_DEVIATION, departure_score, huber_clip, median, median_absolute_deviation, weighted_median,
};
pub use increase::{Increase, Reading, increase};
pub use isotonic::{Isotonic, Observation};
pub use mann_whitney::{MannWhitney, mann_whitney};
pub use moments::Moments;
pub use multiple::{Rejected, benjamini_hochberg, holm, simes};
pub use page_hinkley::{PageHinkley, Shift};
pub use quantile::quantile_of_buckets;
pub use quantum::Quantum;
pub use regression::{EwRegression, Line};
pub use tail::Tail;
pub use token_bucket::{TokenBucket, TokenRate};
pub use trend::{MOST_POINTS, MannKendall, RobustLine, mann_kendall, theil_sen};
