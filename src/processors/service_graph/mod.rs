//! `service_graph` (alias `servicegraph`): which service calls which, how often, how long, with what
//! failures.
//!
//! *Question*: what depends on what, and how well does it answer?
//! *Inputs*: traces. *Outputs*: OTLP metrics at every flush, one series per edge.
//! *Method*: the client's span and the server's span of a request are halves of an edge; they meet in the
//! analysis half by trace id and span id, whichever shard or request brought them. The counting is
//! `aggregation`'s. *Cost*: some 100 ns per half before the hop and a look-up in an ordered map after it.
//! *Source*: the collector's `servicegraph` connector and Tempo's metrics generator for names and rules.

mod config;
mod edges;
mod partial;
mod plan;
mod processor;
mod store;
#[cfg(test)]
mod tests;

pub use config::ServiceGraphConfig;
pub use processor::ServiceGraph;
#[cfg(test)]
pub(crate) use tests::hold_halves;
