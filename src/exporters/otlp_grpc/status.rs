//! What the answer to a call means for the request.

use std::time::Duration;

use component::ExportError;
use http::{HeaderMap, StatusCode};

use crate::http::{quote, retry_delay_of_status};

/// The codes of gRPC that have a part here.
///
/// *Source*: gRPC, "Status codes and their use in gRPC".
pub(super) mod code {
    pub(in crate::otlp_grpc) const OK: u32 = 0;
    pub(in crate::otlp_grpc) const CANCELLED: u32 = 1;
    pub(in crate::otlp_grpc) const UNKNOWN: u32 = 2;
    pub(in crate::otlp_grpc) const DEADLINE_EXCEEDED: u32 = 4;
    pub(in crate::otlp_grpc) const PERMISSION_DENIED: u32 = 7;
    pub(in crate::otlp_grpc) const RESOURCE_EXHAUSTED: u32 = 8;
    pub(in crate::otlp_grpc) const ABORTED: u32 = 10;
    pub(in crate::otlp_grpc) const OUT_OF_RANGE: u32 = 11;
    pub(in crate::otlp_grpc) const UNIMPLEMENTED: u32 = 12;
    pub(in crate::otlp_grpc) const INTERNAL: u32 = 13;
    pub(in crate::otlp_grpc) const UNAVAILABLE: u32 = 14;
    pub(in crate::otlp_grpc) const DATA_LOSS: u32 = 15;
    pub(in crate::otlp_grpc) const UNAUTHENTICATED: u32 = 16;
}

const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// How a call ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Status {
    pub(super) code: u32,
    pub(super) message: String,
    /// The server's `RetryInfo`: that it gave one, and the delay it asks for.
    pub(super) retry: Option<Duration>,
}

impl Status {
    pub(super) fn new(code: u32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry: None }
    }

    /// Reads `grpc-status` and what goes with it; none where the headers hold no status.
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let code = headers.get("grpc-status")?.to_str().ok().and_then(|code| code.trim().parse().ok());
        let message = headers.get("grpc-message").map(|message| percent_decoded(message.as_bytes()));
        let retry =
            headers.get("grpc-status-details-bin").and_then(|details| retry_delay(details.as_bytes()));
        Some(Self { code: code.unwrap_or(code::UNKNOWN), message: message.unwrap_or_default(), retry })
    }

    /// Returns the status that stands for an answer without `grpc-status`, which some proxy gave.
    ///
    /// *Source*: gRPC, "HTTP to gRPC Status Code Mapping".
    pub(super) fn from_http(status: StatusCode) -> Self {
        let code = match status.as_u16() {
            400 => code::INTERNAL,
            401 => code::UNAUTHENTICATED,
            403 => code::PERMISSION_DENIED,
            404 => code::UNIMPLEMENTED,
            429 | 502 | 503 | 504 => code::UNAVAILABLE,
            _ => code::UNKNOWN,
        };
        Self::new(code, format!("the server answered HTTP {status} and no grpc-status; is it a gRPC server?"))
    }

    /// Returns what the engine is to do, for a status that is not OK.
    ///
    /// *Source*: OTLP specification 1.11, "Failures" of OTLP/gRPC.
    pub(super) fn into_error(self) -> ExportError {
        let name = NAMES.get(self.code as usize).copied().unwrap_or("unknown code");
        let source = format!("server answered {name} ({}): {}", self.code, quote(&self.message)).into();
        let retryable = match self.code {
            code::CANCELLED
            | code::DEADLINE_EXCEEDED
            | code::ABORTED
            | code::OUT_OF_RANGE
            | code::UNAVAILABLE
            | code::DATA_LOSS => true,
            // The server says by RetryInfo whether it recovers from being full.
            code::RESOURCE_EXHAUSTED => self.retry.is_some(),
            _ => false,
        };
        if retryable {
            return ExportError::Retryable { after: self.retry.filter(|delay| !delay.is_zero()), source };
        }
        ExportError::Permanent(source)
    }
}

/// Reads the delay from `grpc-status-details-bin`: a `google.rpc.Status` in base64, padded or not.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let unpadded = details.trim_ascii().trim_ascii_end();
    let end = unpadded.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let bytes = data_encoding::BASE64_NOPAD.decode(unpadded.get(..end)?).ok()?;
    retry_delay_of_status(&bytes)
}

/// Undoes the percent-encoding of `grpc-message`; what is not UTF-8 becomes a replacement character.
fn percent_decoded(message: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(message.len());
    let mut rest = message;
    while let [first, tail @ ..] = rest {
        let hex = tail.first_chunk::<2>().filter(|_| *first == b'%').and_then(|hex| hex_byte(*hex));
        match hex {
            Some(byte) => {
                decoded.push(byte);
                rest = tail.get(2..).unwrap_or(&[]);
            }
            None => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn hex_byte([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}
