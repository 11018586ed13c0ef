//! What a server's answer means.

use component::ExportError;
use http::{HeaderMap, StatusCode};
use model::Timestamp;

use super::{config::ProtobufMessage, encode::Counts};
use crate::http::{Answer, quote, retry_after};

/// How much of an answer's text is worth keeping. *Units*: bytes.
const MAX_TEXT: usize = 512;

/// An answer that settles a request.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Taken; in version 1 all of it is taken to be.
    Written { samples: u64, histograms: u64, exemplars: u64 },
    /// Sending it again will not help. `written` is what was taken all the same: samples, histograms,
    /// exemplars.
    Refused { reason: &'static str, written: [u64; 3], text: String },
    /// The server does not know this version of the protocol.
    Unsupported { text: String },
}

/// Reads an answer.
///
/// # Errors
/// 429 and 5xx are to be tried again, not before `Retry-After`.
pub(super) fn judge(
    answer: &Answer,
    message: ProtobufMessage,
    sent: &Counts,
    now: Timestamp,
) -> Result<Verdict, ExportError> {
    let told = written(&answer.headers);
    if answer.status.is_success() {
        return Ok(match (message, told) {
            // A server of version 1 that looks at no content type finds nothing it knows, keeps nothing and
            // answers with success; the headers are what proves that it understood.
            (ProtobufMessage::V2, None) => {
                Verdict::Unsupported { text: "no count of written samples".into() }
            }
            (_, Some([samples, histograms, exemplars])) => {
                Verdict::Written { samples, histograms, exemplars }
            }
            (ProtobufMessage::V1, None) => Verdict::Written {
                samples: sent.samples,
                histograms: sent.histograms,
                exemplars: sent.exemplars,
            },
        });
    }
    let text = text(answer);
    if answer.status == StatusCode::UNSUPPORTED_MEDIA_TYPE && message == ProtobufMessage::V2 {
        return Ok(Verdict::Unsupported { text });
    }
    if answer.status == StatusCode::TOO_MANY_REQUESTS || answer.status.is_server_error() {
        return Err(ExportError::Retryable { after: retry_after(&answer.headers, now), source: text.into() });
    }
    Ok(Verdict::Refused { reason: reason(answer.status, &text), written: told.unwrap_or_default(), text })
}

/// Returns what an answer to version 1 or 2 came to, as words: for fuzz targets.
#[cfg(feature = "testing")]
pub(crate) fn judge_of(answer: &Answer, is_second: bool, now: Timestamp) -> Result<String, ExportError> {
    let message = if is_second { ProtobufMessage::V2 } else { ProtobufMessage::V1 };
    Ok(match judge(answer, message, &Counts::default(), now)? {
        Verdict::Written { .. } => String::new(),
        Verdict::Refused { text, .. } | Verdict::Unsupported { text } => text,
    })
}

/// Returns what the server says it has written: samples, histograms, exemplars. None when it says nothing.
fn written(headers: &HeaderMap) -> Option<[u64; 3]> {
    let count = |kind: &str| -> Option<u64> {
        let value = headers.get(format!("x-prometheus-remote-write-{kind}-written"))?;
        value.to_str().ok()?.trim().parse().ok()
    };
    let told = ["samples", "histograms", "exemplars"].map(count);
    told.iter().any(Option::is_some).then(|| told.map(Option::unwrap_or_default))
}

fn text(answer: &Answer) -> String {
    let body = &answer.body[..answer.body.len().min(MAX_TEXT)];
    let body = String::from_utf8_lossy(body);
    format!("server answered {}: {}", answer.status, quote(&body))
}

/// Sorts refusals by what the operator can do about them, from the words that Prometheus, Mimir and Thanos
/// use.
fn reason(status: StatusCode, text: &str) -> &'static str {
    let text = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["out of order", "out-of-order"]) {
        "out_of_order"
    } else if says(&["duplicate sample", "duplicate-timestamp"]) {
        "duplicate_timestamp"
    } else if says(&["out of bounds", "too old", "too-old", "too far in the past"]) {
        "too_old"
    } else if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        "not_allowed"
    } else if status == StatusCode::NOT_FOUND {
        "not_found"
    } else {
        "refused"
    }
}
