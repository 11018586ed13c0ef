//! Mathematics that knows nothing of telemetry.
//!
//! # Layout
//! * [`ExponentialHistogram`]: OpenTelemetry's histogram of logarithmic buckets, mergeable in any order.
//! * [`ExactSum`]: a sum of doubles whose result does not depend on the order of its terms.
//! * [`Moments`]: count, sum, mean, deviation, minimum and maximum, mergeable in any order.
//! * [`quantile_of_buckets`]: quantiles of a histogram with explicit bounds.

mod exact_sum;
mod exponential;
mod moments;
mod quantile;

pub use exact_sum::ExactSum;
pub use exponential::{Buckets, ExponentialHistogram, MAX_SCALE, MIN_SCALE, bucket_index, index_at_scale_3};
pub use moments::Moments;
pub use quantile::quantile_of_buckets;
