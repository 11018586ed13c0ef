//! Sends OTLP over gRPC.
//!
//! A unary call is a request with one length-prefixed message and an answer with trailers; that much
//! of gRPC is written here on top of hyper's HTTP/2, so that a request leaves as the bytes that came
//! in, without a copy into an encoder's buffer.
//!
//! # Layout
//! * [`config`](OtlpGrpcConfig): the collector's keys.
//! * [`target`](target::Target): what may stand in `endpoint`.
//! * [`channel`](channel::Channel): connections to every address of the endpoint, made anew when lost.
//! * [`call`](call::Call): one unary call over one of them.
//! * [`status`](status::Status): what the answer means for the request.
//! * [`exporter`](OtlpGrpc): one attempt to deliver.

mod call;
mod channel;
mod config;
mod exporter;
mod status;
mod target;
#[cfg(test)]
mod tests;

#[cfg(feature = "testing")]
pub(crate) use call::judge;
pub(crate) use config::OtlpGrpcConfig;
pub(crate) use exporter::OtlpGrpc;
