//! A client that receivers and exporters share.
//!
//! # Layout
//! * [`client`](HttpClient): a pool of HTTP/1.1 and HTTP/2 connections, one attempt at a time.
//! * [`lookup`](AddressGuard): names to addresses, with a say in which may be connected to.

mod client;
mod lookup;

pub use client::{
    Answer, BodyFault, ClientSettings, HttpClient, MAX_ANSWER_BYTES, UNACKNOWLEDGED_TIMEOUT, describe, quote,
    user_agent,
};
pub use lookup::{AddressGuard, AddressRefused};
