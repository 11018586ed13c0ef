//! What the halves tell each other; `proto/verdicts.proto` is its description.

use model::SPAN_KINDS;
use prost::Message;
use wire::view::KeyValue;

/// Raised when the meaning of a field changes.
pub(super) const VERSION: u32 = 1;

/// Everything that is known at one instant; it replaces what was known before.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Verdicts {
    #[prost(uint32, tag = "1")]
    pub(super) version: u32,
    #[prost(message, repeated, tag = "2")]
    pub(super) subjects: Vec<Subject>,
    /// When they no longer hold, in nanoseconds since 1970; 0 for never, as releases before told them.
    #[prost(fixed64, tag = "3")]
    pub(super) valid_until_unix_nano: u64,
    #[prost(message, repeated, tag = "4")]
    pub(super) incidents: Vec<OpenIncident>,
}

/// A service that an incident concerns.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OpenIncident {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    #[prost(string, tag = "2")]
    pub(super) id: String,
}

/// An operation, a series of a metric, or a service as a whole.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Subject {
    #[prost(string, tag = "1")]
    pub(super) service: String,
    /// Empty for the service; [`SPANS`] for an operation.
    #[prost(string, tag = "2")]
    pub(super) metric: String,
    /// As [`point_key`] spells it; for an operation as [`operation_key`] does.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) key: Vec<u8>,
    #[prost(bool, tag = "4")]
    pub(super) is_anomalous: bool,
    /// What is to be written, as the attributes of a `Resource` message.
    #[prost(bytes = "vec", tag = "5")]
    pub(super) attributes: Vec<u8>,
    /// Of a data point the resource that it is of, as [`resource_key`] spells it; 0 for all else, and from releases
    /// that did not tell instances of a service apart: of those no data point is found.
    #[prost(fixed64, tag = "6")]
    pub(super) resource: u64,
}

/// The metric that stands for durations of spans.
pub(super) const SPANS: &str = "span.duration";

/// Spells the attributes of a data point so that their order does not matter.
pub(super) fn point_key<'a>(attributes: impl Iterator<Item = KeyValue<'a>>) -> Vec<u8> {
    let mut sorted: Vec<_> = attributes.map(|it| (it.key, it.value)).collect();
    sorted.sort_unstable();
    sorted.dedup_by(|next, first| next.0 == first.0);
    let mut key = Vec::new();
    for part in sorted.into_iter().flat_map(|(name, value)| [name, value]) {
        key.extend_from_slice(&(part.len() as u32).to_le_bytes());
        key.extend_from_slice(part);
    }
    key
}

/// Hashes a resource in the spelling of roll-ups, which sort its attributes. The same in every process and release.
pub(super) fn resource_key(canonical: &[u8]) -> u64 {
    rapidhash::v3::rapidhash_v3(canonical)
}

/// Spells an operation: OTLP's number of the span kind, then the span's name.
pub(super) fn operation_key(kind: u8, name: &[u8], into: &mut Vec<u8>) {
    into.clear();
    into.push(kind.min(UNKNOWN_KIND));
    into.extend_from_slice(name);
}

/// Returns the number of a span kind by its name in attributes.
pub(super) fn kind_of(name: &[u8]) -> u8 {
    SPAN_KINDS.iter().position(|kind| kind.as_bytes() == name).map_or(UNKNOWN_KIND, |at| at as u8)
}

const UNKNOWN_KIND: u8 = SPAN_KINDS.len() as u8;
