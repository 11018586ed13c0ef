//! `trueline load`: the traffic of a shop, for people who want to see something and for benchmarks.
//!
//! `shop` says who calls whom, `trace` plays a customer's request through it, `fault` bends what is
//! played, `traffic` turns plays into requests in the order of their times. `output` writes them to a file,
//! or `client` sends them, `send` keeps the pace and counts, `reach` says when nobody answers. Spans depend on the seed, the script and the times alone.

mod args;
mod client;
mod clock;
mod encode;
mod fault;
mod output;
mod reach;
mod run;
mod send;
mod shop;
mod tally;
mod trace;
mod traffic;

#[cfg(test)]
mod tests;

pub(crate) use args::{LoadArgs, parse_duration};
pub(crate) use run::run;
