//! Tests that need more than one crate: the shape of the repository, the binary, real peers.
#![allow(clippy::disallowed_methods, reason = "a test may wait for the wall clock")]

mod bad_config;
mod bad_input;
mod broken_stage;
mod determinism;
mod exact;
mod parts;
mod peers;
mod rig;
mod tidy;
