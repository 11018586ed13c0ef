//! The splice: attributes are inserted, updated and deleted by copying bytes and rewriting lengths, never by
//! decoding a request and encoding it again.
//!
//! The order of attributes means nothing in OTLP, so an attribute that gets a new value leaves its place and
//! is written behind the others; what is not edited stays byte for byte as it was, unknown fields included.

mod actions;
mod fields;
mod items;
mod keep;
mod messages;
mod resources;
mod spans;

pub use actions::{AttributeEdits, Edit, Source};
pub use fields::{FieldChange, exponential_buckets, put_fields, put_points};
pub use items::{Fate, Rewritten, head_of, put_attributes, put_field, rewrite_items};
pub use keep::keep_spans;
pub use messages::{
    append_to_data_points, append_to_log_records, edit_data_points, edit_log_records, edit_resources,
};
pub use resources::edit_trace_resources;
pub use spans::{SpanEditor, SpanEdits, span_attribute};

#[cfg(test)]
mod tests;
