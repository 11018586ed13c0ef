//! Which answers ask for another attempt, and when.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header::RETRY_AFTER};
use model::Timestamp;

/// Whether OTLP/HTTP says that a request answered so may be sent again.
///
/// *Source*: OTLP specification 1.11, "Retryable Response Codes": these four and no other, not even
/// other 5xx.
pub(crate) fn is_retryable(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// Returns how long the server asks to wait: `Retry-After` in seconds or as a date.
///
/// None when the header is absent or unreadable; zero for a date that has passed.
///
/// *Source*: RFC 9110, section 10.2.3.
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let at = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_secs(at.as_secs()).since(now))
}
