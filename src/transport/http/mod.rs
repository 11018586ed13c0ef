//! A client that receivers and exporters share.
//!
//! # Layout
//! * [`client`](HttpClient): a pool of HTTP/1.1 and HTTP/2 connections, one attempt at a time.
//! * [`echo`](Shown): credentials that a server sends back.
//! * [`room`](Room): what answers may take together.
//! * [`lookup`](AddressGuard): names to addresses, with a say in which may be connected to.

mod client;
mod echo;
mod lookup;
mod room;

pub use client::{
    Answer, BodyFault, ClientSettings, HttpClient, MAX_ANSWER_BYTES, UNACKNOWLEDGED_TIMEOUT, describe, quote,
    user_agent,
};
pub use echo::Shown;
pub use lookup::{AddressGuard, AddressRefused};
pub use room::Room;
