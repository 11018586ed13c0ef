//! What shards tell; `proto/cumulativetodelta.proto` and `proto/deltatocumulative.proto` are its descriptions.

use bytes::Bytes;
use prost::Message;

/// Raised when the meaning of a field changes.
pub(crate) const VERSION: u32 = 1;

/// Requests with points to convert that one shard took since its last tick, or some of them.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RequestsPartial {
    #[prost(uint32, tag = "1")]
    pub(crate) version: u32,
    /// `ExportMetricsServiceRequest`s.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) requests: Vec<Bytes>,
}

impl RequestsPartial {
    /// Reads the requests of a partial and counts what can not be read: of another release, or damaged, as between
    /// processes bytes are as foreign as those of a sender.
    pub(crate) fn read(bytes: Bytes) -> (Vec<Bytes>, u64) {
        match Self::decode(bytes) {
            Ok(message) if message.version == VERSION => {
                let is_sound = |request: &Bytes| wire::check_metrics(request).is_ok();
                let (sound, unsound): (Vec<_>, Vec<_>) = message.requests.into_iter().partition(is_sound);
                (sound, unsound.len() as u64)
            }
            _ => (Vec::new(), 1),
        }
    }
}
