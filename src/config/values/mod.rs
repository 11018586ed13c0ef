//! Values that settings are made of.

mod duration;
mod secret;
mod size;

pub use duration::{Duration, SignedDuration};
pub use secret::Secret;
pub use size::ByteSize;

#[cfg(test)]
mod tests;
