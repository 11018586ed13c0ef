//! Any answer of a destination is a delivery or an error whose words are few and fit for a log.
#![no_main]

use bytes::Bytes;
use component::{Delivered, ExportError};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use model::Timestamp;

/// More than this is no line of a log. *Units*: bytes.
const LONGEST_WORDS: usize = 4 << 10;
const NOW: Timestamp = Timestamp::from_secs(1_760_000_000);

/// The headers that mean something to one of the readers.
const NAMES: [&str; 9] = [
    "content-type",
    "retry-after",
    "location",
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

fuzz_target!(|data: &[u8]| {
    let Some((&[kind, high, low], rest)) = data.split_first_chunk::<3>() else { return };
    let Ok(status) = StatusCode::from_u16(100 + u16::from_be_bytes([high, low]) % 500) else { return };
    let (headers, body) = headers(rest);
    let body = Bytes::copy_from_slice(body);
    match kind % 4 {
        0 => assert_bounded(exporters::fuzzing::otlp_http(status, headers, body, NOW)),
        1 => assert_bounded(exporters::fuzzing::otlp_grpc(&headers, None, body)),
        2 => assert_bounded(exporters::fuzzing::otlp_grpc(&HeaderMap::new(), Some(&headers), body)),
        _ => {
            let read = exporters::fuzzing::remote_write(status, headers, body, kind > 127, NOW);
            assert_bounded(read.map(|said| {
                assert_words(&said);
                Delivered::default()
            }));
        }
    }
});

/// Takes header lines up to an empty one; a digit names the header.
fn headers(data: &[u8]) -> (HeaderMap, &[u8]) {
    let mut headers = HeaderMap::new();
    let mut rest = data;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let line = &rest[..end];
        rest = &rest[end + 1..];
        let Some((name, value)) = line.split_first() else { break };
        let name = NAMES[usize::from(*name) % NAMES.len()];
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    (headers, rest)
}

fn assert_bounded(read: Result<Delivered, ExportError>) {
    match read {
        // What a server says beside success is shown by tracing, which escapes it.
        Ok(_) => {}
        Err(ExportError::Permanent(source)) => assert_words(&source.to_string()),
        Err(ExportError::Retryable { after, source }) => {
            assert_words(&source.to_string());
            // As the engine adds it to the present time.
            assert!(NOW + after.unwrap_or_default() >= NOW);
        }
    }
}

fn assert_words(words: &str) {
    assert!(words.len() <= LONGEST_WORDS, "{} bytes of words", words.len());
    assert!(!words.chars().any(char::is_control), "control characters in {words:?}");
}
