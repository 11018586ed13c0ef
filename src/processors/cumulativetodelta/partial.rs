//! What shards tell; `proto/cumulativetodelta.proto` is its description.

use bytes::Bytes;
use prost::Message;

/// Raised when the meaning of a field changes.
pub(super) const VERSION: u32 = 1;

/// Requests with points to convert that one shard took since its last tick, or some of them.
#[derive(Clone, PartialEq, Message)]
pub(super) struct DeltaPartial {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    /// `ExportMetricsServiceRequest`s.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(super) requests: Vec<Bytes>,
}
