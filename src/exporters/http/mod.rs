//! What exporters over the network share.
//!
//! # Layout
//! * [`compression`](Encoder): request bodies in the encodings that the collector speaks.
//! * [`headers`](HeadersConfig): what the operator adds to every request.
//! * [`lookup`](AddressGuard): names to addresses, with a say in which may be connected to.
//! * [`client`](HttpClient): a pool of HTTP/1.1 and HTTP/2 connections, one attempt at a time.
//! * `not_supported`: the collector's keys that are refused, and why.
//! * [`rejections`](Rejections): what a server took only in part, in the log.
//! * [`retry`](retry_after): which answers ask for another attempt, and when.
//! * [`answers`](delivered_of_protobuf): partial success, statuses and their delays.
//! * [`warnings`](Warnings): a log line that does not repeat itself a thousand times.

mod answers;
mod client;
mod compression;
mod headers;
mod lookup;
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
pub(crate) use client::{
    Answer, ClientSettings, HttpClient, MAX_ANSWER_BYTES, UNACKNOWLEDGED_TIMEOUT, describe, quote, user_agent,
};
pub(crate) use compression::{Compression, Encoder};
pub(crate) use headers::{HeadersConfig, header_map, validate_headers};
pub(crate) use lookup::{AddressGuard, AddressRefused};
pub(crate) use not_supported::{CLIENT_NOT_SUPPORTED, HTTP_CLIENT_NOT_SUPPORTED};
pub(crate) use rejections::Rejections;
pub(crate) use retry::{is_retryable, retry_after};
pub(crate) use warnings::Warnings;
