//! What the span table does not hold of a span.

use crate::{
    cursor::{Fields, Raw},
    view::{KeyValue, attributes},
};

/// A span, from the bytes that [`model::SpanRec::body`] points to.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    pub body: &'a [u8],
}

/// An event of a span.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Event<'a> {
    pub body: &'a [u8],
    /// *Units*: nanoseconds since the epoch.
    pub time: u64,
    pub name: &'a [u8],
}

/// A link to another span.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Link<'a> {
    pub body: &'a [u8],
    pub trace_id: &'a [u8],
    pub span_id: &'a [u8],
    pub trace_state: &'a [u8],
    pub flags: u32,
}

impl<'a> Span<'a> {
    pub fn attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.body, 9)
    }

    pub fn events(&self) -> impl Iterator<Item = Event<'a>> + Clone + 'a {
        Fields::bodies(self.body, 11).map(Event::of)
    }

    pub fn links(&self) -> impl Iterator<Item = Link<'a>> + Clone + 'a {
        Fields::bodies(self.body, 13).map(Link::of)
    }

    /// Returns the status message, empty when there is none.
    pub fn status_message(&self) -> &'a [u8] {
        let status = Fields::bodies(self.body, 15).last().unwrap_or_default();
        Fields::bodies(status, 2).last().unwrap_or_default()
    }

    /// Returns the W3C trace flags and the two bits about a remote parent.
    pub fn flags(&self) -> u32 {
        let flags = Fields::new(self.body).filter_map(|field| match field.value {
            Raw::Fixed32(flags) if field.number == 16 => Some(flags),
            _ => None,
        });
        flags.last().unwrap_or_default()
    }
}

impl<'a> Event<'a> {
    fn of(body: &'a [u8]) -> Self {
        let mut event = Self { body, ..Self::default() };
        for field in Fields::new(body) {
            match (field.number, field.value) {
                (1, Raw::Fixed64(time)) => event.time = time,
                (2, Raw::Bytes(name)) => event.name = name,
                _ => {}
            }
        }
        event
    }

    pub fn attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.body, 3)
    }
}

impl<'a> Link<'a> {
    fn of(body: &'a [u8]) -> Self {
        let mut link = Self { body, ..Self::default() };
        for field in Fields::new(body) {
            match (field.number, field.value) {
                (1, Raw::Bytes(id)) => link.trace_id = id,
                (2, Raw::Bytes(id)) => link.span_id = id,
                (3, Raw::Bytes(state)) => link.trace_state = state,
                (6, Raw::Fixed32(flags)) => link.flags = flags,
                _ => {}
            }
        }
        link
    }

    pub fn attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + Clone + 'a {
        attributes(self.body, 4)
    }
}
