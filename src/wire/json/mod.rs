//! OTLP in JSON: to the wire and back, by the same tables that check requests.
//!
//! As OTLP has it: ids in hexadecimal, enumerations as integers, 64-bit integers as strings (numbers
//! are read too), lowerCamelCase names only, unknown fields ignored, null the same as absent. A request
//! that says a thing twice (a key, or two members of a oneof) is refused rather than read by luck.

mod read;
#[cfg(test)]
mod tests;
mod write;

use model::Signal;

use crate::Malformed;

/// JSON that is not an OTLP request, with line and column.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct JsonError(#[from] serde_json::Error);

/// Encodes a JSON request as protobuf.
///
/// # Errors
/// When the text is not JSON or not a request of this signal; answer `InvalidArgument` or 400.
///
/// *Cost*: one pass, about 2 µs for a span. The result is at most four times as long as the text, as
/// the densest there is are the zeros of a list of 64-bit integers.
pub fn json_to_wire(signal: Signal, json: &[u8]) -> Result<Vec<u8>, JsonError> {
    Ok(read::request(signal, json, usize::MAX)?.expect("nothing is longer than that"))
}

/// Encodes a JSON request as protobuf, unless that is longer than `max_len`: then there is none.
///
/// # Errors
/// As [`json_to_wire`].
///
/// *Cost*: as [`json_to_wire`]; what is too long is left where it becomes so.
pub fn json_to_wire_within(
    signal: Signal,
    json: &[u8],
    max_len: usize,
) -> Result<Option<Vec<u8>>, JsonError> {
    Ok(read::request(signal, json, max_len)?)
}

/// Encodes a JSON request as protobuf. Its key tells its signal, as in the lines of a file.
///
/// # Errors
/// When the text is not JSON, or has not exactly one of `resourceSpans`, `resourceMetrics` and `resourceLogs`.
///
/// *Cost*: as [`json_to_wire`].
pub fn json_of_any_signal_to_wire(json: &[u8]) -> Result<(Signal, Vec<u8>), JsonError> {
    Ok(read::request_of_any_signal(json)?)
}

/// Writes an encoded request as JSON, on one line.
///
/// Text that is not UTF-8 is written with replacement characters. Unknown fields have no names and
/// are left out.
///
/// # Errors
/// When the request is malformed; `out` then holds what had been written.
pub fn wire_to_json(signal: Signal, request: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    crate::check(signal, request)
        .map(drop)
        .or_else(|bad| if bad.is_only_unusual() { Ok(()) } else { Err(bad) })?;
    write::request(signal, request, out);
    Ok(())
}
