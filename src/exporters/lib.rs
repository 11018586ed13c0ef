//! Bytes out.
//!
//! # Layout
//! One folder per destination, and what some of them share:
//! * [`http`]: TLS, compression, a connection pool, the rules of retrying.

mod http;

/// Returns every exporter of this crate.
pub fn table() -> Vec<component::ExporterEntry> {
    vec![
    ]
}
