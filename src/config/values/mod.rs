//! Values that settings are made of.

mod duration;
mod either;
mod headers;
mod secret;
mod size;
mod unset;

pub use duration::{Duration, SignedDuration};
pub(crate) use either::EITHER;
pub use either::Either;
pub(crate) use headers::HEADERS;
pub use headers::headers;
pub use secret::{REDACTED, Secret};
pub(crate) use secret::{SECRET, SECRETS};
pub use size::ByteSize;
pub(crate) use unset::EMPTY_IS_UNSET;
pub use unset::empty_is_unset;

#[cfg(test)]
mod tests;
