//! What exporters over the network share, beside the client of `transport`.
//!
//! # Layout
//! * [`compression`](Encoder): request bodies in the encodings that the collector speaks.
//! * [`headers`](HeadersConfig): what the operator adds to every request.
//! * `not_supported`: the collector's keys that are refused, and why.
//! * [`rejections`](Rejections): what a server took only in part, in the log.
//! * [`retry`](retry_after): which answers ask for another attempt, and when.
//! * [`answers`](delivered_of_protobuf): partial success, statuses and their delays.
//! * [`warnings`](Warnings): a log line that does not repeat itself a thousand times.

mod answers;
mod compression;
mod headers;
mod not_supported;
mod rejections;
mod retry;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod warnings;

pub(crate) use answers::{
    delivered_of_json, delivered_of_protobuf, message_of_status, retry_delay_of_status,
};
pub(crate) use compression::{Compression, Encoder};
pub(crate) use headers::{HeadersConfig, header_map, validate_headers};
pub(crate) use not_supported::{CLIENT_NOT_SUPPORTED, HTTP_CLIENT_NOT_SUPPORTED};
pub(crate) use rejections::Rejections;
pub(crate) use retry::{is_retryable, retry_after};
pub(crate) use transport::{
    AddressGuard, AddressRefused, Answer, ClientSettings, HttpClient, MAX_ANSWER_BYTES,
    UNACKNOWLEDGED_TIMEOUT, describe, quote, user_agent,
};
pub(crate) use warnings::Warnings;
