//! What targets show: Prometheus's text format and OpenMetrics.
//!
//! *Method*: one walk over the text, line by line, that allocates nothing but where something is escaped. The labels of a
//! series are read only where its text was not seen before. *Source*: "Exposition formats" of Prometheus (0.0.4 and
//! 1.0.0) and OpenMetrics 1.0; where they leave something open, what Prometheus 3 takes.

mod cursor;
mod kinds;
mod lines;
mod parser;
#[cfg(test)]
mod tests;

pub(super) use kinds::{Dialect, Kind};
pub(super) use parser::{Entry, Malformed, Parser, RawExemplar, labels_of};
