//! Log records.

use crate::{
    cursor::{Fields, Raw},
    view::{AnyValue, KeyValue, attributes},
};

/// A log record.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct LogRecord<'a> {
    /// The message's bytes.
    pub message: &'a [u8],
    /// *Units*: nanoseconds since the epoch; 0 when unknown.
    pub time: u64,
    /// *Units*: nanoseconds since the epoch.
    pub observed_time: u64,
    pub severity_number: i32,
    pub severity_text: &'a [u8],
    pub body: AnyValue<'a>,
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    pub flags: u32,
    pub event_name: &'a [u8],
}

impl<'a> LogRecord<'a> {
    pub fn of(message: &'a [u8]) -> Self {
        let mut record = Self {
            message,
            time: 0,
            observed_time: 0,
            severity_number: 0,
            severity_text: &[],
            body: AnyValue::Empty,
            trace_id: &[],
            span_id: &[],
            flags: 0,
            event_name: &[],
        };
        for field in Fields::new(message) {
            match (field.number, field.value) {
                (1, Raw::Fixed64(time)) => record.time = time,
                (2, Raw::Varint(number)) => record.severity_number = number as i32,
                (3, Raw::Bytes(text)) => record.severity_text = text,
                (5, Raw::Bytes(body)) => record.body = AnyValue::of(body),
                (8, Raw::Fixed32(flags)) => record.flags = flags,
                (9, Raw::Bytes(id)) => record.trace_id = id,
                (10, Raw::Bytes(id)) => record.span_id = id,
                (11, Raw::Fixed64(time)) => record.observed_time = time,
                (12, Raw::Bytes(name)) => record.event_name = name,
                _ => {}
            }
        }
        record
    }

    pub fn attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.message, 6)
    }
}
