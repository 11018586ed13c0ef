//! Spans.

use crate::build::{
    Attributes,
    nest::{self, Nest},
};

/// Writes an `ExportTraceServiceRequest`.
#[derive(Clone, Default, Debug)]
pub struct SpansWriter {
    nest: Nest,
}

/// A span to write.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub trace_state: &'a str,
    pub parent_id: Option<[u8; 8]>,
    pub name: &'a str,
    /// OTLP `SpanKind`.
    pub kind: u8,
    /// *Units*: nanoseconds since the epoch.
    pub start: u64,
    pub end: u64,
    pub attributes: &'a Attributes,
    pub events: &'a [Event<'a>],
    pub links: &'a [Link<'a>],
    /// OTLP `StatusCode`.
    pub status: u8,
    pub status_message: &'a str,
    pub flags: u32,
}

/// An event to write.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// *Units*: nanoseconds since the epoch.
    pub time: u64,
    pub name: &'a str,
    pub attributes: &'a Attributes,
}

/// A link to write.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub attributes: &'a Attributes,
}

impl SpansWriter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the spans of a resource.
    pub fn resource(&mut self, attributes: &Attributes) {
        self.nest.resource(attributes);
    }

    /// Begins the spans of a scope within the resource.
    pub fn scope(&mut self, name: &str, version: &str) {
        self.nest.scope(name, version);
    }

    pub fn span(&mut self, span: &Span<'_>) {
        self.nest.within_scope();
        self.nest.message(2, |out| write(out, span));
    }

    /// *Units*: bytes written so far.
    pub fn len(&self) -> usize {
        self.nest.written().len()
    }

    pub fn is_empty(&self) -> bool {
        self.nest.written().is_empty()
    }

    /// Takes the request; the writer begins anew.
    pub fn take(&mut self) -> Vec<u8> {
        self.nest.take()
    }
}

fn write(out: &mut Vec<u8>, span: &Span<'_>) {
    nest::text(out, 1, &span.trace_id);
    nest::text(out, 2, &span.span_id);
    nest::text(out, 3, span.trace_state.as_bytes());
    if let Some(id) = span.parent_id {
        nest::text(out, 4, &id);
    }
    nest::text(out, 5, span.name.as_bytes());
    nest::uint(out, 6, u64::from(span.kind));
    nest::fixed64(out, 7, span.start);
    nest::fixed64(out, 8, span.end);
    span.attributes.write(out, 9);
    for event in span.events {
        nest::message(out, 11, |out| {
            nest::fixed64(out, 1, event.time);
            nest::text(out, 2, event.name.as_bytes());
            event.attributes.write(out, 3);
        });
    }
    for link in span.links {
        nest::message(out, 13, |out| {
            nest::text(out, 1, &link.trace_id);
            nest::text(out, 2, &link.span_id);
            link.attributes.write(out, 4);
        });
    }
    if span.status != 0 || !span.status_message.is_empty() {
        nest::message(out, 15, |out| {
            nest::text(out, 2, span.status_message.as_bytes());
            nest::uint(out, 3, u64::from(span.status));
        });
    }
    nest::fixed32(out, 16, span.flags);
}
