//! `otlp`: OTLP over gRPC and HTTP.
//!
//! # The path of a request
//! [`receiver`] takes a socket from the engine and gives it to the server of its port, [`grpc`] or
//! [`http`]. The server refuses what can be refused by the head alone, claims room from the engine for
//! the length that was announced, and only then reads the body into one piece of memory ([`collect`],
//! [`body`]). A compressed body claims room for its content before it is decompressed. The bytes go to
//! the engine as they are; JSON is turned into protobuf first. [`answer`] spells the outcome for the
//! sender, and [`connection`] ends connections that are silent, old, or in the way of a stop.
//!
//! *Cost*: per request one task, the head, and a buffer that comes back; nothing per span.

mod answer;
mod body;
mod collect;
mod config;
mod connection;
mod cors;
mod faults;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod grpc;
mod grpc_frame;
mod http;
mod receiver;
mod shard;

pub(crate) use receiver::Otlp;

#[cfg(test)]
mod tests;
