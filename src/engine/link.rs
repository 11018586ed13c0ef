//! The hop between two processes: messages of `proto/hop.proto` over TCP, each led by its length.
//!
//! The sender keeps a message until the other side confirms its number, and sends it again after a lost
//! connection. The other side confirms what it has merged and, where it keeps state, stored: its
//! snapshots say up to which number of each source they have merged, so that a message that comes again
//! is merged once, also after a restart of either side. What is unconfirmed is bounded; beyond, shards
//! keep their deltas.

mod frame;
mod gate;
mod sender;

pub(crate) use frame::{frame, read_frame};
pub(crate) use gate::{Event, Gate, Told};
pub(crate) use sender::Link;

/// Up to which message of a source all has been merged and stored: travels back over the connection.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(crate) struct Confirmation {
    #[prost(string, tag = "1")]
    pub(crate) source: String,
    #[prost(uint64, tag = "2")]
    pub(crate) sequence: u64,
}
