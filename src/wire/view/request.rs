//! What a request tells as a whole, for whoever finds it in a file.

use model::Signal;

use crate::{
    cursor::{Fields, Raw},
    view::groups,
};

/// Returns which signal a request brings; none when nothing in it tells. Files of protobuf do not say.
///
/// Spans, metrics and log records spell their fields differently: a time stands where another has a text.
/// That is no check: whoever takes the request checks it as one of the signal.
pub fn signal_of(request: &[u8]) -> Option<Signal> {
    groups(request).flat_map(|group| group.items()).find_map(signal_of_item)
}

fn signal_of_item(item: &[u8]) -> Option<Signal> {
    let told = Fields::new(item).find_map(|field| match (field.number, field.value) {
        // Kind, start and end.
        (6, Raw::Varint(_)) | (7 | 8, Raw::Fixed64(_)) => Some(Signal::Traces),
        // Time, observed time, severity and flags.
        (1 | 11, Raw::Fixed64(_)) | (2, Raw::Varint(_)) | (8, Raw::Fixed32(_)) => Some(Signal::Logs),
        _ => None,
    });
    told.or_else(|| metric_data(item).next().map(|_| Signal::Metrics))
}

/// Returns the latest time in a request, which is the earliest at which it can have been sent; 0 when nothing
/// in it has a time. *Units*: nanoseconds since the epoch.
///
/// *Cost*: a walk over the fields of spans, points and records.
pub fn latest_time(signal: Signal, request: &[u8]) -> u64 {
    let items = groups(request).flat_map(|group| group.items());
    let latest = match signal {
        Signal::Traces => items.map(|span| time(span, 8)).max(),
        Signal::Metrics => {
            let points = items.flat_map(metric_data).flat_map(|data| Fields::bodies(data, 1));
            points.map(|point| time(point, 3)).max()
        }
        Signal::Logs => items.map(|record| [time(record, 1), time(record, 11)]).map(first_known).max(),
    };
    latest.unwrap_or(0)
}

/// A log record's own time counts, and without one when it was seen.
fn first_known(times: [u64; 2]) -> u64 {
    times.into_iter().find(|time| *time > 0).unwrap_or(0)
}

/// Walks what a metric holds: gauge, sum, histogram, exponential histogram or summary.
fn metric_data(metric: &[u8]) -> impl Iterator<Item = &[u8]> {
    Fields::new(metric).filter_map(|field| match (field.number, field.value) {
        (5 | 7 | 9 | 10 | 11, Raw::Bytes(data)) => Some(data),
        _ => None,
    })
}

fn time(message: &[u8], number: u32) -> u64 {
    let times = Fields::new(message).filter_map(|field| match field.value {
        Raw::Fixed64(time) if field.number == number => Some(time),
        _ => None,
    });
    times.last().unwrap_or(0)
}
