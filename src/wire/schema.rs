//! The messages of OTLP 1.11 as tables, shared by the structural check and both directions of JSON.
//!
//! Fields stand in ascending order of their numbers. A test compares the tables with the official types.

use model::Signal;

use crate::cursor;

/// How a field's value is spelled.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    String,
    /// Base64 in JSON.
    Bytes,
    /// A trace or span id: hexadecimal in JSON, empty or as many bytes as given here.
    Id(usize),
    Bool,
    /// An enumeration: a plain integer in JSON, never a name.
    Enum,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Double,
    Fixed64,
    Sfixed64,
    Fixed32,
    Message(&'static Message),
}

impl Kind {
    pub(crate) const fn wire_type(self) -> u32 {
        match self {
            Self::String | Self::Bytes | Self::Id(_) | Self::Message(_) => cursor::LEN,
            Self::Bool | Self::Enum | Self::Int64 | Self::Uint32 | Self::Uint64 | Self::Sint32 => {
                cursor::VARINT
            }
            Self::Double | Self::Fixed64 | Self::Sfixed64 => cursor::FIXED64,
            Self::Fixed32 => cursor::FIXED32,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// The name in JSON; empty for fields that JSON does not know.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) repeated: bool,
    /// Whether the field belongs to the message's only `oneof`.
    pub(crate) oneof: bool,
    /// Whether the field may be present with its default value (`optional` or in a `oneof`).
    pub(crate) presence: bool,
}

impl Field {
    /// Whether repeated values may share one length-delimited field.
    pub(crate) const fn is_packable(&self) -> bool {
        self.repeated && self.kind.wire_type() != cursor::LEN
    }

    pub(crate) const fn tag(&self) -> u32 {
        self.number << 3 | self.kind.wire_type()
    }
}

/// One more than the highest field number.
pub(crate) const NUMBERS: usize = 17;

/// What a message is to the pipeline.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Plain,
    /// `ResourceSpans`, `ScopeSpans` and their heads: the splice needs their headers unpadded.
    Frame,
    /// A span: counted, and the splice needs its header unpadded.
    Span,
    /// A data point or log record: counted.
    Item,
    /// A `KeyValue`: has a fast check of its own.
    Attribute,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) fields: &'static [Field],
    pub(crate) role: Role,
    /// Index into `fields` by number, plus one.
    by_number: [u8; NUMBERS],
}

impl Message {
    const fn new(fields: &'static [Field], role: Role) -> Self {
        let mut by_number = [0; NUMBERS];
        let mut index = 0;
        while index < fields.len() {
            by_number[fields[index].number as usize] = index as u8 + 1;
            index += 1;
        }
        Self { fields, role, by_number }
    }

    #[inline]
    pub(crate) fn field(&self, number: u32) -> Option<&'static Field> {
        let index = *self.by_number.get(number as usize)?;
        self.fields.get(usize::from(index).checked_sub(1)?)
    }
}

/// Returns the request message of a signal.
pub(crate) const fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &TRACES,
        Signal::Metrics => &METRICS,
        Signal::Logs => &LOGS,
    }
}

const fn one(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: false, oneof: false, presence: matches!(kind, Kind::Message(_)) }
}

const fn many(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: true, oneof: false, presence: false }
}

const fn optional(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: false, oneof: false, presence: true }
}

const fn member(number: u32, name: &'static str, kind: Kind) -> Field {
    Field { number, name, kind, repeated: false, oneof: true, presence: true }
}

macro_rules! messages {
    ($($name:ident $role:ident [$($field:expr),* $(,)?])*) => {
        $(pub(crate) static $name: Message = Message::new(&[$($field),*], Role::$role);)*
    };
}

use Kind::{
    Bool, Bytes, Double, Enum, Fixed32, Fixed64, Id, Int64, Message as Nested, Sfixed64, Sint32, String,
    Uint32, Uint64,
};

const TRACE_ID: Kind = Id(16);
const SPAN_ID: Kind = Id(8);

messages! {
    ANY_VALUE Plain [
        member(1, "stringValue", String),
        member(2, "boolValue", Bool),
        member(3, "intValue", Int64),
        member(4, "doubleValue", Double),
        member(5, "arrayValue", Nested(&ARRAY_VALUE)),
        member(6, "kvlistValue", Nested(&KEY_VALUE_LIST)),
        member(7, "bytesValue", Bytes),
        // An index into a dictionary that only profiles have.
        member(8, "", Enum),
    ]
    ARRAY_VALUE Plain [many(1, "values", Nested(&ANY_VALUE))]
    KEY_VALUE_LIST Plain [many(1, "values", Nested(&KEY_VALUE))]
    KEY_VALUE Attribute [
        one(1, "key", String),
        one(2, "value", Nested(&ANY_VALUE)),
        // As above.
        one(3, "", Enum),
    ]
    ENTITY_REF Plain [
        one(1, "schemaUrl", String),
        one(2, "type", String),
        many(3, "idKeys", String),
        many(4, "descriptionKeys", String),
    ]
    RESOURCE Frame [
        many(1, "attributes", Nested(&KEY_VALUE)),
        one(2, "droppedAttributesCount", Uint32),
        many(3, "entityRefs", Nested(&ENTITY_REF)),
    ]
    SCOPE Frame [
        one(1, "name", String),
        one(2, "version", String),
        many(3, "attributes", Nested(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Uint32),
    ]

    TRACES Plain [many(1, "resourceSpans", Nested(&RESOURCE_SPANS))]
    RESOURCE_SPANS Frame [
        one(1, "resource", Nested(&RESOURCE)),
        many(2, "scopeSpans", Nested(&SCOPE_SPANS)),
        one(3, "schemaUrl", String),
    ]
    SCOPE_SPANS Frame [
        one(1, "scope", Nested(&SCOPE)),
        many(2, "spans", Nested(&SPAN)),
        one(3, "schemaUrl", String),
    ]
    SPAN Span [
        one(1, "traceId", TRACE_ID),
        one(2, "spanId", SPAN_ID),
        one(3, "traceState", String),
        one(4, "parentSpanId", SPAN_ID),
        one(5, "name", String),
        one(6, "kind", Enum),
        one(7, "startTimeUnixNano", Fixed64),
        one(8, "endTimeUnixNano", Fixed64),
        many(9, "attributes", Nested(&KEY_VALUE)),
        one(10, "droppedAttributesCount", Uint32),
        many(11, "events", Nested(&EVENT)),
        one(12, "droppedEventsCount", Uint32),
        many(13, "links", Nested(&LINK)),
        one(14, "droppedLinksCount", Uint32),
        one(15, "status", Nested(&STATUS)),
        one(16, "flags", Fixed32),
    ]
    EVENT Plain [
        one(1, "timeUnixNano", Fixed64),
        one(2, "name", String),
        many(3, "attributes", Nested(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Uint32),
    ]
    LINK Plain [
        one(1, "traceId", TRACE_ID),
        one(2, "spanId", SPAN_ID),
        one(3, "traceState", String),
        many(4, "attributes", Nested(&KEY_VALUE)),
        one(5, "droppedAttributesCount", Uint32),
        one(6, "flags", Fixed32),
    ]
    STATUS Plain [one(2, "message", String), one(3, "code", Enum)]

    METRICS Plain [many(1, "resourceMetrics", Nested(&RESOURCE_METRICS))]
    RESOURCE_METRICS Plain [
        one(1, "resource", Nested(&RESOURCE)),
        many(2, "scopeMetrics", Nested(&SCOPE_METRICS)),
        one(3, "schemaUrl", String),
    ]
    SCOPE_METRICS Plain [
        one(1, "scope", Nested(&SCOPE)),
        many(2, "metrics", Nested(&METRIC)),
        one(3, "schemaUrl", String),
    ]
    METRIC Plain [
        one(1, "name", String),
        one(2, "description", String),
        one(3, "unit", String),
        member(5, "gauge", Nested(&GAUGE)),
        member(7, "sum", Nested(&SUM)),
        member(9, "histogram", Nested(&HISTOGRAM)),
        member(10, "exponentialHistogram", Nested(&EXPONENTIAL_HISTOGRAM)),
        member(11, "summary", Nested(&SUMMARY)),
        many(12, "metadata", Nested(&KEY_VALUE)),
    ]
    GAUGE Plain [many(1, "dataPoints", Nested(&NUMBER_POINT))]
    SUM Plain [
        many(1, "dataPoints", Nested(&NUMBER_POINT)),
        one(2, "aggregationTemporality", Enum),
        one(3, "isMonotonic", Bool),
    ]
    HISTOGRAM Plain [
        many(1, "dataPoints", Nested(&HISTOGRAM_POINT)),
        one(2, "aggregationTemporality", Enum),
    ]
    EXPONENTIAL_HISTOGRAM Plain [
        many(1, "dataPoints", Nested(&EXPONENTIAL_POINT)),
        one(2, "aggregationTemporality", Enum),
    ]
    SUMMARY Plain [many(1, "dataPoints", Nested(&SUMMARY_POINT))]
    NUMBER_POINT Item [
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        member(4, "asDouble", Double),
        many(5, "exemplars", Nested(&EXEMPLAR)),
        member(6, "asInt", Sfixed64),
        many(7, "attributes", Nested(&KEY_VALUE)),
        one(8, "flags", Uint32),
    ]
    HISTOGRAM_POINT Item [
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        optional(5, "sum", Double),
        many(6, "bucketCounts", Fixed64),
        many(7, "explicitBounds", Double),
        many(8, "exemplars", Nested(&EXEMPLAR)),
        many(9, "attributes", Nested(&KEY_VALUE)),
        one(10, "flags", Uint32),
        optional(11, "min", Double),
        optional(12, "max", Double),
    ]
    EXPONENTIAL_POINT Item [
        many(1, "attributes", Nested(&KEY_VALUE)),
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        optional(5, "sum", Double),
        one(6, "scale", Sint32),
        one(7, "zeroCount", Fixed64),
        one(8, "positive", Nested(&BUCKETS)),
        one(9, "negative", Nested(&BUCKETS)),
        one(10, "flags", Uint32),
        many(11, "exemplars", Nested(&EXEMPLAR)),
        optional(12, "min", Double),
        optional(13, "max", Double),
        one(14, "zeroThreshold", Double),
    ]
    BUCKETS Plain [one(1, "offset", Sint32), many(2, "bucketCounts", Uint64)]
    SUMMARY_POINT Item [
        one(2, "startTimeUnixNano", Fixed64),
        one(3, "timeUnixNano", Fixed64),
        one(4, "count", Fixed64),
        one(5, "sum", Double),
        many(6, "quantileValues", Nested(&QUANTILE)),
        many(7, "attributes", Nested(&KEY_VALUE)),
        one(8, "flags", Uint32),
    ]
    QUANTILE Plain [one(1, "quantile", Double), one(2, "value", Double)]
    EXEMPLAR Plain [
        one(2, "timeUnixNano", Fixed64),
        member(3, "asDouble", Double),
        one(4, "spanId", SPAN_ID),
        one(5, "traceId", TRACE_ID),
        member(6, "asInt", Sfixed64),
        many(7, "filteredAttributes", Nested(&KEY_VALUE)),
    ]

    LOGS Plain [many(1, "resourceLogs", Nested(&RESOURCE_LOGS))]
    RESOURCE_LOGS Plain [
        one(1, "resource", Nested(&RESOURCE)),
        many(2, "scopeLogs", Nested(&SCOPE_LOGS)),
        one(3, "schemaUrl", String),
    ]
    SCOPE_LOGS Plain [
        one(1, "scope", Nested(&SCOPE)),
        many(2, "logRecords", Nested(&LOG_RECORD)),
        one(3, "schemaUrl", String),
    ]
    LOG_RECORD Item [
        one(1, "timeUnixNano", Fixed64),
        one(2, "severityNumber", Enum),
        one(3, "severityText", String),
        one(5, "body", Nested(&ANY_VALUE)),
        many(6, "attributes", Nested(&KEY_VALUE)),
        one(7, "droppedAttributesCount", Uint32),
        one(8, "flags", Fixed32),
        one(9, "traceId", TRACE_ID),
        one(10, "spanId", SPAN_ID),
        one(11, "observedTimeUnixNano", Fixed64),
        one(12, "eventName", String),
    ]
}

#[cfg(test)]
mod tests;
