//! Mathematics that knows nothing of telemetry.
//!
//! # Layout
//! Summaries:
//! * [`ExponentialHistogram`]: OpenTelemetry's histogram of logarithmic buckets, mergeable in any order.
//! * [`ExactSum`]: a sum of doubles whose result does not depend on the order of its terms.
//! * [`Moments`]: count, sum, mean, deviation, minimum and maximum, mergeable in any order.
//! * [`quantile_of_buckets`]: quantiles of a histogram with explicit bounds.
//!
//! States of a few bytes that learn from one value at a time:
//! * [`decay_gain`], [`Decay`]: forgetting over steps of unequal length.
//! * [`Ewma`], [`EwVariance`]: mean and variance that forget.
//! * [`EwCovariance`], [`correlation_change`]: whether two series follow each other as before.
//! * [`EwRegression`]: slope, level and fit of a line.
//! * [`Conformal`]: intervals of forecasts from their recent errors.
//! * [`Half`]: numbers in two bytes.
//! * [`PageHinkley`]: lasting shifts of a mean.
//! * [`Tail`]: how improbable a value is, from the tail of those before it.
//! * [`ValueCells`]: whether a value has been seen lately.
//!
//! Estimates and tests of what is at hand:
//! * [`median`], [`huber_clip`] and others: location and scale that outliers do not move.

mod average;
mod cells;
mod conformal;
mod correlation;
mod decay;
mod exact_sum;
mod exponential;
mod half;
mod huber;
mod moments;
mod narrow;
mod page_hinkley;
mod quantile;
mod regression;
mod tail;
#[cfg(test)]
mod testing;

pub use average::{EwVariance, Ewma};
pub use cells::ValueCells;
pub use conformal::{CONFORMAL_LEVEL, Conformal};
pub use correlation::{EwCovariance, correlation_change, fisher_z};
pub use decay::{Decay, decay_gain};
pub use exact_sum::ExactSum;
pub use exponential::{Buckets, ExponentialHistogram, MAX_SCALE, MIN_SCALE, bucket_index, index_at_scale_3};
pub use half::Half;
pub use huber::{
    MAD_TO_DEVIATION, departure_score, huber_clip, median, median_absolute_deviation, weighted_median,
};
pub use moments::Moments;
pub use page_hinkley::{PageHinkley, Shift};
pub use quantile::quantile_of_buckets;
pub use regression::{EwRegression, Line};
pub use tail::Tail;
