//! Log records.

use crate::{
    build::{
        Attributes, encode_value,
        nest::{self, Nest},
    },
    encode,
    view::{AnyValue, Group},
};

/// Writes an `ExportLogsServiceRequest`.
#[derive(Clone, Default, Debug)]
pub struct LogsWriter {
    nest: Nest,
}

/// A log record to write.
#[derive(Clone, Copy, Debug)]
pub struct LogRecord<'a> {
    /// *Units*: nanoseconds since the epoch; 0 when unknown.
    pub time: u64,
    /// *Units*: nanoseconds since the epoch.
    pub observed_time: u64,
    /// OTLP `SeverityNumber`.
    pub severity_number: u8,
    pub severity_text: &'a str,
    pub body: AnyValue<'a>,
    pub attributes: &'a Attributes,
    pub flags: u32,
    pub trace_id: Option<[u8; 16]>,
    pub span_id: Option<[u8; 8]>,
    pub event_name: &'a str,
}

impl LogsWriter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the records of a resource.
    pub fn resource(&mut self, attributes: &Attributes) {
        self.nest.resource(attributes);
    }

    /// Begins the records of a scope within the resource.
    pub fn scope(&mut self, name: &str, version: &str) {
        self.nest.scope(name, version);
    }

    pub fn record(&mut self, record: &LogRecord<'_>) {
        self.nest.within_scope();
        self.nest.message(2, |out| write(out, record));
    }

    /// Copies a record of another request under its own resource and scope, with more attributes behind its own.
    pub fn copy(&mut self, group: &Group<'_>, message: &[u8], more: &Attributes) {
        self.resource(&Attributes::of_list(group.resource.body));
        let text = String::from_utf8_lossy;
        self.scope(&text(group.scope.name), &text(group.scope.version));
        self.nest.within_scope();
        self.nest.message(2, |out| {
            out.extend_from_slice(message);
            more.write(out, 6);
        });
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

fn write(out: &mut Vec<u8>, record: &LogRecord<'_>) {
    nest::fixed64(out, 1, record.time);
    nest::uint(out, 2, u64::from(record.severity_number));
    nest::text(out, 3, record.severity_text.as_bytes());
    if record.body != AnyValue::Empty {
        encode::put_bytes(out, 5, &encode_value(record.body));
    }
    record.attributes.write(out, 6);
    nest::fixed32(out, 8, record.flags);
    if let Some(id) = record.trace_id {
        nest::text(out, 9, &id);
    }
    if let Some(id) = record.span_id {
        nest::text(out, 10, &id);
    }
    nest::fixed64(out, 11, record.observed_time);
    nest::text(out, 12, record.event_name.as_bytes());
}
