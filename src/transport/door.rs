//! Who is let in by servers that answer over HTTP with a whole body.

use std::sync::Arc;

use bytes::Bytes;
use component::{Counter, Denied, ServerAuth, Telemetry};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body_util::Full;

/// Lets in who shows what an authenticator wants, and counts the others.
pub struct Door {
    auth: Arc<dyn ServerAuth>,
    refused: Counter,
}

impl Door {
    pub fn new(auth: Arc<dyn ServerAuth>, telemetry: &Telemetry) -> Self {
        let refused = telemetry.counter(
            "trueline_unauthenticated_requests",
            "Requests that did not show what the authenticator wants.",
            "{request}",
        );
        Self { auth, refused }
    }

    /// Looks at the head of a request.
    ///
    /// # Errors
    /// The answer for who is not let in.
    pub async fn check(&self, headers: &HeaderMap) -> Result<(), Response<Full<Bytes>>> {
        let Err(denied) = self.auth.check(headers).await else { return Ok(()) };
        self.refused.add(1);
        let mut response = Response::new(Full::new(Bytes::from(format!("{denied}\n"))));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let status = match denied {
            Denied::Unauthenticated(_) => {
                headers.insert(WWW_AUTHENTICATE, self.auth.challenge());
                StatusCode::UNAUTHORIZED
            }
            Denied::Busy => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        *response.status_mut() = status;
        Err(response)
    }
}
