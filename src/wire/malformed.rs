//! Why a request cannot be read.

/// A request that is not a well-formed OTLP message.
///
/// Whoever sent it must not send it again: answer `InvalidArgument` or status 400 with this text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("malformed protobuf: {reason} at byte {offset}")]
pub struct Malformed {
    pub reason: &'static str,
    /// *Units*: bytes from the start of the request.
    pub offset: usize,
}

/// Legal, but spelled in a way that the walk does not read: see [`crate::canonical`].
pub(crate) const SPLIT: &str = "a singular message comes in parts";
pub(crate) const PADDED: &str = "the header of a framing message is padded";

impl Malformed {
    /// Whether the request is legal protobuf that only needs to be respelled: [`crate::canonical`] does so,
    /// and [`crate::read_traces`] and its siblings call it by themselves.
    pub fn is_only_unusual(&self) -> bool {
        self.reason == SPLIT || self.reason == PADDED
    }
}
