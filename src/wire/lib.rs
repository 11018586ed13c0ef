//! Bytes to views and back: OTLP requests are read, changed, cut and joined as the bytes they came as.

pub mod build;
mod canonical;
mod check;
mod cursor;
pub mod edit;
mod encode;
pub mod json;
mod malformed;
mod matcher;
pub mod raw;
mod scan;
mod schema;
mod split;
pub mod status;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod view;

pub use canonical::{canonical, read_logs, read_metrics, read_traces};
pub use check::{check, check_logs, check_metrics, is_attribute_list};
pub use malformed::Malformed;
pub use matcher::Matcher;
pub use scan::{scan_own_traces, scan_traces};
pub use split::{split, split_items};
