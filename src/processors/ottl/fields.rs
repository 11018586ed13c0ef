//! Paths: which field of which message a name stands for, and of what type it is.

use model::{KeySet, Slot};

use super::{
    context::Context,
    fault::{Fault, unknown},
    syntax::{Key, Path, Segment},
    value::Type,
};

/// The messages that an item stands in, from the outside in, and what is kept for the item alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Place {
    /// `ResourceSpans` and its siblings: here the schema's URL stands.
    ResourceGroup,
    Resource,
    ScopeGroup,
    Scope,
    /// A span, metric or log record.
    Item,
    /// What a metric holds: gauge, sum ….
    Data,
    /// An event of a span, or a point.
    Part,
    /// Scratch paper.
    Cache,
}

pub(super) const PLACES: usize = 8;

/// A path whose meaning is known.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Access {
    pub(super) place: Place,
    pub(super) field: Field,
    /// What stands in brackets.
    pub(super) keys: Vec<Key>,
    /// Where the span table has the attribute of the first key.
    pub(super) column: Option<Slot>,
}

/// Fields by how they are spelled; the numbers are those of OTLP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Field {
    Text(u32),
    /// An enumeration or a small count.
    Varint(u32),
    Fixed32(u32),
    /// *Units*: nanoseconds since the epoch, as an integer.
    Nanos(u32),
    /// The same as a time.
    Instant(u32),
    TraceId(u32),
    TraceIdText(u32),
    SpanId(u32),
    SpanIdText(u32),
    /// `Server`, and `SPAN_KIND_SERVER`.
    KindName,
    KindSymbol,
    StatusCode,
    StatusMessage,
    TraceState,
    /// Attributes, or one of them where there are keys.
    Map(u32),
    /// The same of a point, whose kind decides on the number.
    PointMap,
    MetricType,
    Temporality,
    IsMonotonic,
    PointDouble,
    PointInt,
    PointFlags,
    PointCount,
    PointSum,
    PointScale,
    PointZeroCount,
    /// An `AnyValue`, or a part of it where there are keys.
    Body(u32),
    BodyText(u32),
}

impl Access {
    /// Finds what a path means in a context.
    ///
    /// *Errors*: no such path; the nearest one and all there are.
    pub(super) fn new(context: Context, path: &Path) -> Result<Self, Fault> {
        let (of, skipped) = context.split(path)?;
        let Some([first, rest @ ..]) = path.segments.get(skipped..) else {
            return Err(Fault::new(0, "expected a path"));
        };
        if first.name == "cache" {
            if of != context {
                let message = format!("each context has its own cache, write {}.cache", context.name());
                return Err(Fault::new(first.at, message));
            }
            return Self::in_map(Place::Cache, Field::Map(1), first, rest);
        }
        if let Some(reason) = refused(of, &first.name) {
            return Err(Fault::new(first.at, reason));
        }
        let Some((place, field)) = named(of, &first.name) else {
            let message = unknown(&format!("field of {}", of.name()), &first.name, names(of));
            return Err(Fault::new(first.at, message));
        };
        if matches!(field, Field::Map(_) | Field::PointMap) {
            return Self::in_map(place, field, first, rest);
        }
        let (field, rest) = match rest.split_first() {
            Some((next, rest)) => (further(of, first, field, next)?, rest),
            None if first.name == "status" => {
                return Err(Fault::new(first.at, "write status.code or status.message"));
            }
            None => (field, rest),
        };
        if let Some(next) = rest.first() {
            return Err(Fault::new(next.at, format!("{} has nothing below it", first.name)));
        }
        let may_have_keys = match field {
            Field::Body(_) => true,
            Field::TraceState => matches!(first.keys[..], [] | [Key::Text(_)]),
            _ => first.keys.is_empty(),
        };
        if !may_have_keys {
            return Err(Fault::new(first.at, format!("{} has no such key", first.name)));
        }
        Ok(Self { place, field, keys: first.keys.clone(), column: None })
    }

    fn in_map(place: Place, field: Field, first: &Segment, rest: &[Segment]) -> Result<Self, Fault> {
        if let Some(next) = rest.first() {
            let message = format!("an entry is reached by its key: {}[\"{}\"]", first.name, next.name);
            return Err(Fault::new(next.at, message));
        }
        if let Some(Key::Index(_)) = first.keys.first() {
            return Err(Fault::new(first.at, format!("the first key of {} is a string", first.name)));
        }
        Ok(Self { place, field, keys: first.keys.clone(), column: None })
    }

    /// Asks the walk over the request to look for the attribute.
    pub(super) fn want(&mut self, keys: &mut KeySet) {
        if let (Place::Item, Field::Map(_), Some(Key::Text(key))) =
            (self.place, self.field, self.keys.first())
            && let Ok(key) = std::str::from_utf8(key)
        {
            self.column = Some(keys.want(key));
        }
    }

    pub(super) fn kind(&self) -> Type {
        if !self.keys.is_empty() {
            return if self.field == Field::TraceState { Type::Text } else { Type::Any };
        }
        match self.field {
            Field::Text(_)
            | Field::TraceIdText(_)
            | Field::SpanIdText(_)
            | Field::KindName
            | Field::KindSymbol
            | Field::StatusMessage
            | Field::TraceState
            | Field::BodyText(_) => Type::Text,
            Field::Varint(_)
            | Field::Fixed32(_)
            | Field::Nanos(_)
            | Field::StatusCode
            | Field::MetricType
            | Field::PointFlags => Type::Int,
            Field::Instant(_) => Type::Time,
            Field::TraceId(_) => Type::TraceId,
            Field::SpanId(_) => Type::SpanId,
            Field::Map(_) | Field::PointMap => Type::Map,
            // Absent where the metric or point is of a kind that has none.
            Field::Temporality
            | Field::IsMonotonic
            | Field::PointDouble
            | Field::PointInt
            | Field::PointCount
            | Field::PointSum
            | Field::PointScale
            | Field::PointZeroCount
            | Field::Body(_) => Type::Any,
        }
    }

    /// Returns the type that a value must have to be written here; none for what takes several, or none at all.
    pub(super) fn takes(&self) -> Option<Type> {
        match self.field {
            Field::Map(_) | Field::PointMap if self.keys.is_empty() => Some(Type::Map),
            Field::Map(_) | Field::PointMap | Field::Body(_) => None,
            Field::Temporality
            | Field::PointInt
            | Field::PointCount
            | Field::PointScale
            | Field::PointZeroCount => Some(Type::Int),
            Field::PointDouble | Field::PointSum => Some(Type::Double),
            Field::IsMonotonic => Some(Type::Bool),
            _ => Some(self.kind()),
        }
    }
}

/// The fields of a context's own message, as its paths name them.
pub(super) fn names(of: Context) -> &'static [&'static str] {
    match of {
        Context::Resource => &["attributes", "dropped_attributes_count", "schema_url"],
        Context::Scope => &["attributes", "dropped_attributes_count", "name", "schema_url", "version"],
        Context::Span => &[
            "attributes",
            "dropped_attributes_count",
            "dropped_events_count",
            "dropped_links_count",
            "end_time",
            "end_time_unix_nano",
            "flags",
            "kind",
            "name",
            "parent_span_id",
            "span_id",
            "start_time",
            "start_time_unix_nano",
            "status",
            "trace_id",
            "trace_state",
        ],
        Context::SpanEvent => &["attributes", "dropped_attributes_count", "name", "time", "time_unix_nano"],
        Context::Metric => {
            &["aggregation_temporality", "description", "is_monotonic", "metadata", "name", "type", "unit"]
        }
        Context::DataPoint => &[
            "attributes",
            "count",
            "flags",
            "scale",
            "start_time",
            "start_time_unix_nano",
            "sum",
            "time",
            "time_unix_nano",
            "value_double",
            "value_int",
            "zero_count",
        ],
        Context::Log => &[
            "attributes",
            "body",
            "dropped_attributes_count",
            "event_name",
            "flags",
            "observed_time",
            "observed_time_unix_nano",
            "severity_number",
            "severity_text",
            "span_id",
            "time",
            "time_unix_nano",
            "trace_id",
        ],
    }
}

/// Whether a path may name something of a context so, be it for a reason why it is not taken.
pub(super) fn has_field(of: Context, name: &str) -> bool {
    names(of).contains(&name) || refused(of, name).is_some()
}

/// Names that the collector has and we have not, each with the reason.
fn refused(of: Context, name: &str) -> Option<String> {
    let instead = match (of, name) {
        (Context::Span, "events") => "use the context spanevent, which is run for each event",
        (Context::Span, "links") => "the links of a span pass as they are",
        (Context::Metric, "data_points") => "use the context datapoint, which is run for each point",
        (
            Context::DataPoint,
            "exemplars" | "bucket_counts" | "explicit_bounds" | "positive" | "negative" | "quantile_values",
        ) => "what is within a point of several values passes as it is",
        _ => return None,
    };
    Some(format!("{name} is not supported: {instead}"))
}

fn named(of: Context, name: &str) -> Option<(Place, Field)> {
    let found = match of {
        Context::Resource => match name {
            "attributes" => (Place::Resource, Field::Map(1)),
            "dropped_attributes_count" => (Place::Resource, Field::Varint(2)),
            "schema_url" => (Place::ResourceGroup, Field::Text(3)),
            _ => return None,
        },
        Context::Scope => match name {
            "name" => (Place::Scope, Field::Text(1)),
            "version" => (Place::Scope, Field::Text(2)),
            "attributes" => (Place::Scope, Field::Map(3)),
            "dropped_attributes_count" => (Place::Scope, Field::Varint(4)),
            "schema_url" => (Place::ScopeGroup, Field::Text(3)),
            _ => return None,
        },
        Context::Span => (Place::Item, of_span(name)?),
        Context::SpanEvent => {
            let field = match name {
                "time_unix_nano" => Field::Nanos(1),
                "time" => Field::Instant(1),
                "name" => Field::Text(2),
                "attributes" => Field::Map(3),
                "dropped_attributes_count" => Field::Varint(4),
                _ => return None,
            };
            (Place::Part, field)
        }
        Context::Metric => match name {
            "name" => (Place::Item, Field::Text(1)),
            "description" => (Place::Item, Field::Text(2)),
            "unit" => (Place::Item, Field::Text(3)),
            "metadata" => (Place::Item, Field::Map(12)),
            "type" => (Place::Data, Field::MetricType),
            "aggregation_temporality" => (Place::Data, Field::Temporality),
            "is_monotonic" => (Place::Data, Field::IsMonotonic),
            _ => return None,
        },
        Context::DataPoint => (Place::Part, of_point(name)?),
        Context::Log => (Place::Item, of_log(name)?),
    };
    Some(found)
}

fn of_span(name: &str) -> Option<Field> {
    Some(match name {
        "trace_id" => Field::TraceId(1),
        "span_id" => Field::SpanId(2),
        "trace_state" => Field::TraceState,
        "parent_span_id" => Field::SpanId(4),
        "name" => Field::Text(5),
        "kind" => Field::Varint(6),
        "start_time_unix_nano" => Field::Nanos(7),
        "start_time" => Field::Instant(7),
        "end_time_unix_nano" => Field::Nanos(8),
        "end_time" => Field::Instant(8),
        "attributes" => Field::Map(9),
        "dropped_attributes_count" => Field::Varint(10),
        "dropped_events_count" => Field::Varint(12),
        "dropped_links_count" => Field::Varint(14),
        "status" => Field::StatusCode,
        "flags" => Field::Fixed32(16),
        _ => return None,
    })
}

fn of_point(name: &str) -> Option<Field> {
    Some(match name {
        "attributes" => Field::PointMap,
        "start_time_unix_nano" => Field::Nanos(2),
        "start_time" => Field::Instant(2),
        "time_unix_nano" => Field::Nanos(3),
        "time" => Field::Instant(3),
        "value_double" => Field::PointDouble,
        "value_int" => Field::PointInt,
        "flags" => Field::PointFlags,
        "count" => Field::PointCount,
        "sum" => Field::PointSum,
        "scale" => Field::PointScale,
        "zero_count" => Field::PointZeroCount,
        _ => return None,
    })
}

fn of_log(name: &str) -> Option<Field> {
    Some(match name {
        "time_unix_nano" => Field::Nanos(1),
        "time" => Field::Instant(1),
        "severity_number" => Field::Varint(2),
        "severity_text" => Field::Text(3),
        "body" => Field::Body(5),
        "attributes" => Field::Map(6),
        "dropped_attributes_count" => Field::Varint(7),
        "flags" => Field::Fixed32(8),
        "trace_id" => Field::TraceId(9),
        "span_id" => Field::SpanId(10),
        "observed_time_unix_nano" => Field::Nanos(11),
        "observed_time" => Field::Instant(11),
        "event_name" => Field::Text(12),
        _ => return None,
    })
}

/// Finds what stands below a field: `trace_id.string`, `status.code`.
fn further(of: Context, first: &Segment, field: Field, next: &Segment) -> Result<Field, Fault> {
    let known: &[(&str, Field)] = match (field, first.name.as_str()) {
        (Field::TraceId(number), _) => &[("string", Field::TraceIdText(number))],
        (Field::SpanId(number), _) => &[("string", Field::SpanIdText(number))],
        (Field::Varint(6), "kind") => {
            &[("string", Field::KindName), ("deprecated_string", Field::KindSymbol)]
        }
        (Field::StatusCode, _) => &[("code", Field::StatusCode), ("message", Field::StatusMessage)],
        (Field::Body(number), _) if first.keys.is_empty() => &[("string", Field::BodyText(number))],
        _ => {
            return Err(Fault::new(next.at, format!("{} of {} has nothing below it", first.name, of.name())));
        }
    };
    if !next.keys.is_empty() {
        return Err(Fault::new(next.at, format!("{} has no keys", next.name)));
    }
    let found = known.iter().find(|(name, _)| *name == next.name);
    found.map(|(_, field)| *field).ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        Fault::new(next.at, unknown(&format!("part of {}", first.name), &next.name, &names))
    })
}
