//! Range queries of a Prometheus: of `replay`, and of the past that stages fill in.

mod answer;
mod client;
mod range;
#[cfg(test)]
mod tests;

pub(crate) use answer::{Answered, Refused};
pub(crate) use client::Client;
pub(crate) use range::Range;
