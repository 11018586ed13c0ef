//! Respells the rare legal request that the walk does not read: singular messages in several parts, which
//! protobuf merges, and padded headers of framing messages.

use bytes::Bytes;
use model::{Signal, SpanTable};

use crate::{
    Malformed, Matcher,
    check::{self, check},
    cursor::{Field, Fields, Raw},
    encode,
    scan::scan_traces,
    schema::{self, Kind, Message},
};

/// Scans a trace request as [`scan_traces`] does, after respelling it where that is needed, and returns the
/// bytes that `table` points into: `request` itself, but for rare spellings.
pub fn read_traces(request: Bytes, matcher: &Matcher, table: &mut SpanTable) -> Result<Bytes, Malformed> {
    match scan_traces(&request, matcher, table) {
        Ok(()) => Ok(request),
        Err(malformed) if malformed.is_only_unusual() => {
            let request = Bytes::from(canonical(Signal::Traces, &request));
            scan_traces(&request, matcher, table)?;
            Ok(request)
        }
        Err(malformed) => Err(malformed),
    }
}

/// Checks a metrics request as [`crate::check_metrics`] does, after respelling it where that is needed, and
/// returns it with the number of its data points.
pub fn read_metrics(request: Bytes) -> Result<(Bytes, u64), Malformed> {
    read(Signal::Metrics, request)
}

/// Checks a logs request and returns it with the number of its records; otherwise like [`read_metrics`].
pub fn read_logs(request: Bytes) -> Result<(Bytes, u64), Malformed> {
    read(Signal::Logs, request)
}

fn read(signal: Signal, request: Bytes) -> Result<(Bytes, u64), Malformed> {
    match check(signal, &request) {
        Ok(items) => Ok((request, items)),
        Err(malformed) if malformed.is_only_unusual() => {
            let request = Bytes::from(canonical(signal, &request));
            let items = check(signal, &request)?;
            Ok((request, items))
        }
        Err(malformed) => Err(malformed),
    }
}

/// Merges the parts of every singular message, as protobuf decoders do, and writes every header in its
/// shortest form. All else stays as it is and where it is; a merged message stands where its last part stood.
///
/// What cannot be read is copied, so that a check of the result still finds it.
///
/// *Cost*: copies a message once for each level of nesting. The result is not longer than the request.
pub fn canonical(signal: Signal, request: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(request.len());
    respell(schema::request(signal), request, check::MAX_DEPTH, &mut out);
    out
}

fn respell(message: &'static Message, body: &[u8], depth: u32, out: &mut Vec<u8>) {
    let parts = Parts::gather(message, body);
    let mut fields = Fields::new(body);
    let mut index = 0;
    for field in fields.by_ref() {
        match (field.value, message.field(field.number)) {
            (Raw::Bytes(part), Some(known))
                if depth > 0
                    && let Kind::Message(nested) = known.kind =>
            {
                let part = match parts.of(known) {
                    None => part,
                    Some(merged) if merged.last == index => &merged.bytes,
                    Some(_) => {
                        index += 1;
                        continue;
                    }
                };
                let at = encode::begin(out, field.number);
                respell(nested, part, depth - 1, out);
                encode::end(out, at);
            }
            _ => put_field(out, &field),
        }
        index += 1;
    }
    out.extend_from_slice(fields.rest());
}

/// What the singular messages within one message add up to, by field number.
struct Parts([Merged; schema::NUMBERS]);

#[derive(Default)]
struct Merged {
    bytes: Vec<u8>,
    /// Position of the last part among all fields.
    last: usize,
}

impl Parts {
    fn gather(message: &'static Message, body: &[u8]) -> Self {
        let mut parts = Self(Default::default());
        let mut oneof_member = 0;
        for (index, field) in Fields::new(body).enumerate() {
            let Some(known) = message.field(field.number) else { continue };
            let is_replaced = known.oneof && oneof_member != known.number;
            if known.oneof {
                oneof_member = known.number;
            }
            if let (Raw::Bytes(part), Some(merged)) = (field.value, parts.of_mut(known)) {
                if is_replaced {
                    // Another member of the `oneof` came in between and discarded what was there.
                    merged.bytes.clear();
                }
                merged.bytes.extend_from_slice(part);
                merged.last = index;
            }
        }
        parts
    }

    fn of(&self, field: &schema::Field) -> Option<&Merged> {
        let is_merged = matches!(field.kind, Kind::Message(_)) && !field.repeated;
        self.0.get(field.number as usize).filter(|_| is_merged)
    }

    fn of_mut(&mut self, field: &schema::Field) -> Option<&mut Merged> {
        let is_merged = matches!(field.kind, Kind::Message(_)) && !field.repeated;
        self.0.get_mut(field.number as usize).filter(|_| is_merged)
    }
}

fn put_field(out: &mut Vec<u8>, field: &Field<'_>) {
    match field.value {
        Raw::Varint(value) => encode::put_uint(out, field.number, value),
        Raw::Fixed64(value) => encode::put_fixed64(out, field.number, value),
        Raw::Bytes(bytes) => encode::put_bytes(out, field.number, bytes),
        Raw::Fixed32(value) => encode::put_fixed32(out, field.number, value),
    }
}

#[cfg(test)]
mod tests;
