//! OTLP spans built by hand: ids by number, times ahead of a common start, nothing left to chance.

use std::time::{SystemTime, UNIX_EPOCH};

pub(super) use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    trace::v1::{span::SpanKind, status::StatusCode},
};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event},
};

pub(super) const MICROSECOND: u64 = 1_000;
pub(super) const MILLISECOND: u64 = 1_000_000;

/// A value of any kind that tests send.
#[derive(Clone, Debug)]
pub(super) enum Attribute {
    Text(&'static str),
    Int(i64),
    Double(f64),
    Flag(bool),
    Texts(&'static [&'static str]),
}

pub(super) type Attributes<'a> = &'a [(&'static str, Attribute)];

impl Attribute {
    fn to_value(&self) -> any_value::Value {
        match self {
            Self::Text(text) => any_value::Value::StringValue((*text).to_owned()),
            Self::Int(number) => any_value::Value::IntValue(*number),
            Self::Double(number) => any_value::Value::DoubleValue(*number),
            Self::Flag(flag) => any_value::Value::BoolValue(*flag),
            Self::Texts(texts) => {
                let values = texts.iter().map(|text| any(Self::Text(text).to_value())).collect();
                any_value::Value::ArrayValue(ArrayValue { values })
            }
        }
    }
}

fn any(value: any_value::Value) -> AnyValue {
    AnyValue { value: Some(value) }
}

fn key_values(attributes: Attributes<'_>) -> Vec<KeyValue> {
    attributes
        .iter()
        .map(|(key, value)| KeyValue {
            key: (*key).to_owned(),
            value: Some(any(value.to_value())),
            ..KeyValue::default()
        })
        .collect()
}

/// A span that is being described; everything has a usual value.
#[derive(Clone, Debug)]
pub(super) struct Draft(Span);

/// Describes a span by name, trace, own number and duration, of kind INTERNAL and status UNSET.
pub(super) fn span(name: &str, trace: u64, id: u64, nanos: u64) -> Draft {
    let start = now_nanos() - 10_000 * MILLISECOND;
    Draft(Span {
        trace_id: [[0xa5; 8], trace.to_be_bytes()].concat(),
        span_id: id.to_be_bytes().to_vec(),
        name: name.to_owned(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: start,
        end_time_unix_nano: start + nanos,
        ..Span::default()
    })
}

impl Draft {
    pub(super) fn kind(mut self, kind: SpanKind) -> Self {
        self.0.kind = kind.into();
        self
    }

    pub(super) fn status(mut self, code: StatusCode) -> Self {
        self.0.status = Some(Status { code: code.into(), message: String::new() });
        self
    }

    pub(super) fn parent(mut self, id: u64) -> Self {
        self.0.parent_span_id = id.to_be_bytes().to_vec();
        self
    }

    pub(super) fn attributes(mut self, attributes: Attributes<'_>) -> Self {
        self.0.attributes.extend(key_values(attributes));
        self
    }

    pub(super) fn event(mut self, name: &str, attributes: Attributes<'_>) -> Self {
        self.0.events.push(Event {
            name: name.to_owned(),
            time_unix_nano: self.0.start_time_unix_nano,
            attributes: key_values(attributes),
            ..Event::default()
        });
        self
    }

    pub(super) fn trace_state(mut self, state: &str) -> Self {
        state.clone_into(&mut self.0.trace_state);
        self
    }

    /// Lets it end before it began.
    pub(super) fn backwards(mut self) -> Self {
        let span = &mut self.0;
        std::mem::swap(&mut span.start_time_unix_nano, &mut span.end_time_unix_nano);
        self
    }
}

/// Makes the spans of a resource, under the scope `shop.tracer` 1.4.
pub(super) fn resource(attributes: Attributes<'_>, spans: impl IntoIterator<Item = Draft>) -> ResourceSpans {
    let scope = InstrumentationScope {
        name: "shop.tracer".to_owned(),
        version: "1.4".to_owned(),
        ..InstrumentationScope::default()
    };
    ResourceSpans {
        resource: Some(Resource { attributes: key_values(attributes), ..Resource::default() }),
        scope_spans: vec![ScopeSpans {
            scope: Some(scope),
            spans: spans.into_iter().map(|draft| draft.0).collect(),
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    }
}

/// Makes the spans of a service.
pub(super) fn service(name: &'static str, spans: impl IntoIterator<Item = Draft>) -> ResourceSpans {
    resource(&[("service.name", Attribute::Text(name))], spans)
}

pub(super) fn request(resources: impl IntoIterator<Item = ResourceSpans>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest { resource_spans: resources.into_iter().collect() }
}

fn now_nanos() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "stores take only spans of about now")]
    let now = SystemTime::now();
    let since = now.duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    u64::try_from(since.as_nanos()).expect("the clock is before the year 2554")
}
