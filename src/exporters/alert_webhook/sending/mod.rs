//! One attempt to deliver a message: who may be reached, how it is signed, what the answer means.
//!
//! # Layout
//! * [`guard`](Guard): which addresses may be connected to.
//! * [`signature`](Signer): proves to a receiver that a message is ours.
//! * [`sender`](Sender): sends, and judges the answer.
//! * [`backoff`](Breaker): how long to wait before the next attempt.

mod backoff;
mod guard;
mod sender;
mod signature;

pub(super) use backoff::{Breaker, Jitter};
pub(super) use guard::{Guard, Network};
pub(super) use sender::{Message, Outcome, Sender, SenderSettings, uri_of};
pub(super) use signature::{Signer, SigningKey};
