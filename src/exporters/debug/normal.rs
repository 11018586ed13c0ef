//! A line for each item.

use model::{Signal, SpanTable};
use wire::view::{
    ExponentialPoint, HistogramPoint, KeyValue, LogRecord, Metric, MetricData, Number, NumberPoint, Span,
    SummaryPoint, groups,
};

use super::text::{Hex, Plain, Safe, Text, inline};

/// Returns the text of a request.
pub(super) fn render(signal: Signal, request: &[u8], spans: &SpanTable) -> String {
    let mut text = Text::default();
    match signal {
        Signal::Traces => traces(request, spans, &mut text),
        Signal::Metrics => metrics(request, &mut text),
        Signal::Logs => logs(request, &mut text),
    }
    text.finish()
}

fn traces(request: &[u8], table: &SpanTable, text: &mut Text) {
    for span in &table.spans {
        let attributes = inline(Span { body: span.body.of(request) }.attributes(), " ");
        let trace_id = span.trace_id(request).map_or(&[][..], |id| id);
        let span_id = span.span_id(request).map_or(&[][..], |id| id);
        let gap = if attributes.is_empty() { "" } else { " " };
        text.line(format_args!(
            "{} {} {}{gap}{attributes}",
            Safe(span.name.of(request)),
            Hex(trace_id),
            Hex(span_id)
        ));
    }
}

fn logs(request: &[u8], text: &mut Text) {
    for group in groups(request) {
        for record in group.items().map(LogRecord::of) {
            text.line(format_args!("{} {}", Plain(record.body), inline(record.attributes(), " ")));
        }
    }
}

fn metrics(request: &[u8], text: &mut Text) {
    for group in groups(request) {
        for body in group.items() {
            points(&Metric::of(body), text);
        }
    }
}

fn points(metric: &Metric<'_>, text: &mut Text) {
    match metric.data {
        MetricData::Empty => {}
        MetricData::Gauge(points) | MetricData::Sum { points, .. } => {
            for point in points.iter().map(NumberPoint::of) {
                line(metric, point.attributes(), &number(point.value), text);
            }
        }
        MetricData::Histogram { points, .. } => {
            for point in points.iter().map(HistogramPoint::of) {
                line(metric, point.attributes(), &histogram(&point), text);
            }
        }
        MetricData::ExponentialHistogram { points, .. } => {
            for point in points.iter().map(ExponentialPoint::of) {
                let value = statistics(point.count, point.sum, point.min, point.max);
                line(metric, point.attributes(), &value, text);
            }
        }
        MetricData::Summary(points) => {
            for point in points.iter().map(SummaryPoint::of) {
                let quantiles = point.quantiles().map(|at| format!(" q{}={}", at.quantile, at.value));
                let value = statistics(point.count, Some(point.sum), None, None);
                line(metric, point.attributes(), &(value + &quantiles.collect::<String>()), text);
            }
        }
    }
}

fn line<'a>(
    metric: &Metric<'_>,
    attributes: impl Iterator<Item = KeyValue<'a>>,
    value: &str,
    text: &mut Text,
) {
    text.line(format_args!("{}{{{}}} {value}", Safe(metric.name), inline(attributes, ",")));
}

pub(super) fn number(value: Option<Number>) -> String {
    match value {
        Some(Number::Int(value)) => value.to_string(),
        Some(Number::Double(value)) => value.to_string(),
        None => String::new(),
    }
}

fn statistics(count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) -> String {
    let mut value = format!("count={count}");
    for (name, known) in [("sum", sum), ("min", min), ("max", max)] {
        if let Some(known) = known {
            value += &format!(" {name}={known}");
        }
    }
    value
}

fn histogram(point: &HistogramPoint<'_>) -> String {
    let mut value = statistics(point.count, point.sum, point.min, point.max);
    let mut bounds = point.explicit_bounds();
    for count in point.bucket_counts() {
        value += &bounds.next().map_or_else(|| format!(" {count}"), |bound| format!(" le{bound}={count}"));
    }
    value
}
