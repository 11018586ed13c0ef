//! Values that settings are made of.

mod duration;
mod secret;
mod size;
mod unset;

pub use duration::{Duration, SignedDuration};
pub use secret::Secret;
pub(crate) use secret::{REDACTED, SECRET};
pub use size::ByteSize;
pub use unset::empty_is_unset;

#[cfg(test)]
mod tests;
