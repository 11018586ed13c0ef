//! Counting, and everything that counts: the code behind `span_metrics` and `service_graph`, and the
//! `aggregation` processor that rolls metrics up into windows.
//!
//! # Layout
//! * `spec`, `attributes`, `hashing`, `resources`, `key`, `table`, `fold`: the ingest half of span-derived series.
//! * `buckets`, `weight`, `exemplars`: what a single span adds; `tally`: where buckets are counted.
//! * `refused`: what found no room, and which attribute made it.
//! * `partial`: what the halves tell each other.
//! * `cumulative`, `emit`, `flush`, `halves`: the analysis half.
//! * `deployments`: which versions of services run.
//! * `rollup`: the processor, with both of its halves.

pub(crate) mod attributes;
pub(crate) mod buckets;
pub(crate) mod cumulative;
pub(crate) mod deployments;
pub(crate) mod emit;
mod exemplars;
pub(crate) mod flush;
mod fold;
pub(crate) mod halves;
pub(crate) mod hashing;
mod key;
pub(crate) mod partial;
mod refused;
mod resources;
mod rollup;
pub(crate) mod spec;
mod table;
mod tally;
pub(crate) mod weight;

#[cfg(test)]
pub(crate) use rollup::hold_rollups;
pub use rollup::{Aggregation, AggregationConfig};
