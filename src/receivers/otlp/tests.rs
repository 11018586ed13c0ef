//! Real sockets on the loopback, a recorder in the engine's place.

mod auth;
mod config;
mod fixture;
mod grpc;
mod heads;
mod http;
mod places;
mod tls;

pub(super) use fixture::compress;
