//! All of each item, laid out as the collector lays it out.

use model::{Signal, SpanRec, SpanTable};
use wire::view::{
    Buckets, Exemplar, ExponentialPoint, Group, HistogramPoint, KeyValue, LogRecord, Metric, MetricData,
    NumberPoint, Points, Scope, Span, SummaryPoint, Temporality, groups, resource_of,
};

use super::{
    normal::number,
    text::{Hex, Safe, Text, Time, Typed},
};

/// Returns the text of a request.
pub(super) fn render(signal: Signal, request: &[u8], spans: &SpanTable) -> String {
    let mut text = Text::default();
    match signal {
        Signal::Traces => traces(request, spans, &mut text),
        Signal::Metrics => grouped(request, "Metrics", &mut text, metric),
        Signal::Logs => grouped(request, "Logs", &mut text, log_record),
    }
    text.finish()
}

fn traces(request: &[u8], table: &SpanTable, text: &mut Text) {
    let (mut resource, mut scope) = (None, None);
    for (index, span) in table.spans.iter().enumerate() {
        if resource != Some(span.resource) {
            resource = Some(span.resource);
            text.line(format_args!("ResourceSpans #{}", span.resource));
            let record = table.resources.get(span.resource as usize);
            let attributes = record.map(|record| resource_of(request, record.resource));
            list("Resource attributes", attributes.iter().flat_map(|resource| resource.attributes()), text);
        }
        if scope != Some(span.scope) {
            scope = Some(span.scope);
            text.line(format_args!("ScopeSpans #{}", span.scope));
            let record = table.scopes.get(span.scope as usize);
            instrumentation(&Scope::of(record.map_or(&[][..], |record| record.scope.of(request))), text);
        }
        if text.is_full() {
            return text.line(format_args!(""));
        }
        text.line(format_args!("Span #{index}"));
        one_span(request, span, text);
    }
}

fn one_span(request: &[u8], record: &SpanRec, text: &mut Text) {
    let span = Span { body: record.body.of(request) };
    let id = |id: Option<&[u8; 8]>| id.map_or_else(String::new, |id| Hex(id).to_string());
    text.line(format_args!(
        "    Trace ID       : {}",
        Hex(record.trace_id(request).map_or(&[][..], |id| id))
    ));
    text.line(format_args!("    Parent ID      : {}", id(record.parent_id(request))));
    text.line(format_args!("    ID             : {}", id(record.span_id(request))));
    text.line(format_args!("    Name           : {}", Safe(record.name.of(request))));
    text.line(format_args!("    Kind           : {}", kind(record.kind)));
    let trace_state = record.trace_state.of(request);
    if !trace_state.is_empty() {
        text.line(format_args!("    TraceState     : {}", Safe(trace_state)));
    }
    text.line(format_args!("    Start time     : {}", Time(record.start)));
    text.line(format_args!("    End time       : {}", Time(record.end)));
    text.line(format_args!("    Status code    : {}", status(record.status)));
    text.line(format_args!("    Status message : {}", Safe(span.status_message())));
    list("Attributes", span.attributes(), text);
    for (index, event) in span.events().enumerate() {
        text.line(format_args!("SpanEvent #{index}"));
        text.line(format_args!("     -> Name: {}", Safe(event.name)));
        text.line(format_args!("     -> Timestamp: {}", Time(event.time)));
        nested("Attributes", event.attributes(), text);
    }
    for (index, link) in span.links().enumerate() {
        text.line(format_args!("SpanLink #{index}"));
        text.line(format_args!("     -> Trace ID: {}", Hex(link.trace_id)));
        text.line(format_args!("     -> ID: {}", Hex(link.span_id)));
        text.line(format_args!("     -> TraceState: {}", Safe(link.trace_state)));
        nested("Attributes", link.attributes(), text);
    }
}

/// Shows a request of metrics or logs, scope by scope.
fn grouped(request: &[u8], noun: &str, text: &mut Text, item: fn(usize, &[u8], &mut Text)) {
    let mut last: Option<Group<'_>> = None;
    let (mut resource_idx, mut scope_idx) = (0, 0);
    for group in groups(request) {
        // Groups of one resource share the bytes of its message.
        let is_same = last.is_some_and(|last| std::ptr::eq(last.resource.body, group.resource.body));
        if is_same {
            scope_idx += 1;
        } else {
            resource_idx += usize::from(last.is_some());
            scope_idx = 0;
            text.line(format_args!("Resource{noun} #{resource_idx}"));
            text.line(format_args!("Resource SchemaURL: {}", Safe(group.resource_schema_url)));
            list("Resource attributes", group.resource.attributes(), text);
        }
        text.line(format_args!("Scope{noun} #{scope_idx}"));
        text.line(format_args!("Scope{noun} SchemaURL: {}", Safe(group.scope_schema_url)));
        instrumentation(&group.scope, text);
        for (index, body) in group.items().enumerate() {
            if text.is_full() {
                return text.line(format_args!(""));
            }
            item(index, body, text);
        }
        last = Some(group);
    }
}

fn instrumentation(scope: &Scope<'_>, text: &mut Text) {
    text.line(format_args!("InstrumentationScope {} {}", Safe(scope.name), Safe(scope.version)));
    list("InstrumentationScope attributes", scope.attributes(), text);
}

fn log_record(index: usize, message: &[u8], text: &mut Text) {
    let record = LogRecord::of(message);
    text.line(format_args!("LogRecord #{index}"));
    text.line(format_args!("ObservedTimestamp: {}", Time(record.observed_time)));
    text.line(format_args!("Timestamp: {}", Time(record.time)));
    text.line(format_args!("SeverityText: {}", Safe(record.severity_text)));
    text.line(format_args!("SeverityNumber: {}", record.severity_number));
    if !record.event_name.is_empty() {
        text.line(format_args!("EventName: {}", Safe(record.event_name)));
    }
    text.line(format_args!("Body: {}", Typed(record.body)));
    list("Attributes", record.attributes(), text);
    text.line(format_args!("Trace ID: {}", Hex(record.trace_id)));
    text.line(format_args!("Span ID: {}", Hex(record.span_id)));
    text.line(format_args!("Flags: {}", record.flags));
}

fn metric(index: usize, body: &[u8], text: &mut Text) {
    let metric = Metric::of(body);
    text.line(format_args!("Metric #{index}"));
    text.line(format_args!("Descriptor:"));
    text.line(format_args!("     -> Name: {}", Safe(metric.name)));
    text.line(format_args!("     -> Description: {}", Safe(metric.description)));
    text.line(format_args!("     -> Unit: {}", Safe(metric.unit)));
    match metric.data {
        MetricData::Empty => text.line(format_args!("     -> DataType: Empty")),
        MetricData::Gauge(points) => {
            text.line(format_args!("     -> DataType: Gauge"));
            number_points(points, text);
        }
        MetricData::Sum { points, temporality, is_monotonic } => {
            text.line(format_args!("     -> DataType: Sum"));
            text.line(format_args!("     -> IsMonotonic: {is_monotonic}"));
            text.line(format_args!("     -> AggregationTemporality: {}", name_of(temporality)));
            number_points(points, text);
        }
        MetricData::Histogram { points, temporality } => {
            text.line(format_args!("     -> DataType: Histogram"));
            text.line(format_args!("     -> AggregationTemporality: {}", name_of(temporality)));
            histogram_points(points, text);
        }
        MetricData::ExponentialHistogram { points, temporality } => {
            text.line(format_args!("     -> DataType: ExponentialHistogram"));
            text.line(format_args!("     -> AggregationTemporality: {}", name_of(temporality)));
            exponential_points(points, text);
        }
        MetricData::Summary(points) => {
            text.line(format_args!("     -> DataType: Summary"));
            summary_points(points, text);
        }
    }
}

fn number_points(points: Points<'_>, text: &mut Text) {
    for (index, point) in points.iter().map(NumberPoint::of).enumerate() {
        text.line(format_args!("NumberDataPoints #{index}"));
        point_head(point.attributes(), point.start, point.time, text);
        text.line(format_args!("Value: {}", number(point.value)));
        exemplars(point.exemplars(), text);
    }
}

fn histogram_points(points: Points<'_>, text: &mut Text) {
    for (index, point) in points.iter().map(HistogramPoint::of).enumerate() {
        text.line(format_args!("HistogramDataPoints #{index}"));
        point_head(point.attributes(), point.start, point.time, text);
        statistics(point.count, point.sum, point.min, point.max, text);
        for (index, bound) in point.explicit_bounds().enumerate() {
            text.line(format_args!("ExplicitBounds #{index}: {bound}"));
        }
        for (index, count) in point.bucket_counts().enumerate() {
            text.line(format_args!("Buckets #{index}, Count: {count}"));
        }
        exemplars(point.exemplars(), text);
    }
}

fn exponential_points(points: Points<'_>, text: &mut Text) {
    for (index, point) in points.iter().map(ExponentialPoint::of).enumerate() {
        text.line(format_args!("ExponentialHistogramDataPoints #{index}"));
        point_head(point.attributes(), point.start, point.time, text);
        statistics(point.count, point.sum, point.min, point.max, text);
        let bound = |index: i64| (index as f64 * f64::from(-point.scale).exp2()).exp2();
        for (index, count) in filled(&point.negative) {
            text.line(format_args!("Bucket [-{}, -{}), Count: {count}", bound(index + 1), bound(index)));
        }
        if point.zero_count > 0 {
            let (low, high) = (0.0 - point.zero_threshold, point.zero_threshold);
            text.line(format_args!("Bucket [{low}, {high}], Count: {}", point.zero_count));
        }
        for (index, count) in filled(&point.positive) {
            text.line(format_args!("Bucket ({}, {}], Count: {count}", bound(index), bound(index + 1)));
        }
        exemplars(point.exemplars(), text);
    }
}

fn filled(buckets: &Buckets<'_>) -> impl Iterator<Item = (i64, u64)> {
    let indexed = (i64::from(buckets.offset)..).zip(buckets.counts());
    indexed.filter(|(_, count)| *count > 0)
}

fn summary_points(points: Points<'_>, text: &mut Text) {
    for (index, point) in points.iter().map(SummaryPoint::of).enumerate() {
        text.line(format_args!("SummaryDataPoints #{index}"));
        point_head(point.attributes(), point.start, point.time, text);
        statistics(point.count, Some(point.sum), None, None, text);
        for (index, at) in point.quantiles().enumerate() {
            text.line(format_args!("QuantileValue #{index}: Quantile {}, Value {}", at.quantile, at.value));
        }
    }
}

fn point_head<'a>(attributes: impl Iterator<Item = KeyValue<'a>>, start: u64, time: u64, text: &mut Text) {
    list("Data point attributes", attributes, text);
    text.line(format_args!("StartTimestamp: {}", Time(start)));
    text.line(format_args!("Timestamp: {}", Time(time)));
}

fn statistics(count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>, text: &mut Text) {
    text.line(format_args!("Count: {count}"));
    for (name, known) in [("Sum", sum), ("Min", min), ("Max", max)] {
        if let Some(known) = known {
            text.line(format_args!("{name}: {known}"));
        }
    }
}

fn exemplars<'a>(exemplars: impl Iterator<Item = Exemplar<'a>>, text: &mut Text) {
    for (index, exemplar) in exemplars.enumerate() {
        text.line(format_args!("Exemplar #{index}"));
        text.line(format_args!("     -> Trace ID: {}", Hex(exemplar.trace_id)));
        text.line(format_args!("     -> Span ID: {}", Hex(exemplar.span_id)));
        text.line(format_args!("     -> Timestamp: {}", Time(exemplar.time)));
        text.line(format_args!("     -> Value: {}", number(exemplar.value)));
        nested("FilteredAttributes", exemplar.filtered_attributes(), text);
    }
}

fn list<'a>(title: &str, attributes: impl Iterator<Item = KeyValue<'a>>, text: &mut Text) {
    for (index, attribute) in attributes.enumerate() {
        if index == 0 {
            text.line(format_args!("{title}:"));
        }
        text.line(format_args!("     -> {}: {}", Safe(attribute.key), Typed(attribute.value())));
    }
}

fn nested<'a>(title: &str, attributes: impl Iterator<Item = KeyValue<'a>>, text: &mut Text) {
    for (index, attribute) in attributes.enumerate() {
        if index == 0 {
            text.line(format_args!("     -> {title}:"));
        }
        text.line(format_args!("          -> {}: {}", Safe(attribute.key), Typed(attribute.value())));
    }
}

const fn kind(kind: u8) -> &'static str {
    match kind {
        1 => "Internal",
        2 => "Server",
        3 => "Client",
        4 => "Producer",
        5 => "Consumer",
        _ => "Unspecified",
    }
}

const fn status(code: u8) -> &'static str {
    match code {
        1 => "Ok",
        2 => "Error",
        _ => "Unset",
    }
}

const fn name_of(temporality: Temporality) -> &'static str {
    match temporality {
        Temporality::Unspecified => "Unspecified",
        Temporality::Delta => "Delta",
        Temporality::Cumulative => "Cumulative",
    }
}
