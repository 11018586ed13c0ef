//! Holds the structs that are written by hand to their descriptions in `proto/`, and configurations to the schema that
//! the program writes.
//!
//! The structs are private to their crates, so each crate's tests hand them in:
//!
//! ```text
//! let mut schema = Schema::compile("hop.proto");
//! schema.holds::<HopMessage>("HopMessage");
//! schema.finish();
//! ```

#![allow(clippy::unwrap_used, reason = "a helper of tests that fails fails its test")]

#[cfg(test)]
mod configuration;
mod schema;
#[cfg(test)]
mod tests;
mod values;

pub use schema::Schema;
