//! The hop between two processes: messages of `proto/hop.proto` over TCP, each led by its length.
//!
//! The sender keeps a message until the other side confirms its number, and sends it again after a lost
//! connection. The other side confirms what it has merged and, where it keeps state, stored: its
//! snapshots say up to which number of each source they have merged, so that a message that comes again
//! is merged once, also after a restart of either side. What is unconfirmed is bounded; beyond, shards
//! keep their deltas.
//!
//! Verdicts come back over the same connection: the latest of each stage, and all of them again after a lost
//! connection. The shards of this process then take them as those of their own analysis half.

mod answer;
mod frame;
mod gate;
mod sender;
#[cfg(test)]
mod tests;

pub(crate) use answer::Confirmation;
#[cfg(feature = "testing")]
pub(crate) use frame::{frame, read_frame};
pub(crate) use gate::{Event, Gate, Told};
pub(crate) use sender::Link;
