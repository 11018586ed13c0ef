//! The HTTP client of own telemetry, in place of the SDK's.
//!
//! The SDK's senders are threads without a runtime; requests run on the thread of `background`.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use opentelemetry_http::{HttpClient, HttpError};
use rustls::ClientConfig;
use tokio::runtime::Handle;

use crate::http_client::{Pool, pool};

/// The most that is read of an answer, as OTLP 1.11 recommends.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// Sends requests over connections that it keeps.
pub(super) struct OwnClient {
    pool: Pool,
    handle: Handle,
    timeout: Duration,
}

impl OwnClient {
    pub(super) fn new(tls: Arc<ClientConfig>, handle: Handle, timeout: Duration) -> Self {
        Self { pool: pool(ClientConfig::clone(&tls)), handle, timeout }
    }
}

impl fmt::Debug for OwnClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnClient").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpClient for OwnClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let pool = self.pool.clone();
        let exchange = async move {
            let answer = pool.request(request.map(Full::new)).await?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await?.to_bytes();
            Ok::<_, Box<dyn Error + Send + Sync>>(Response::from_parts(parts, body))
        };
        let timeout = self.timeout;
        let bounded = async move { tokio::time::timeout(timeout, exchange).await };
        match self.handle.spawn(bounded).await? {
            Ok(answer) => answer,
            Err(_elapsed) => Err(format!("no answer within the timeout of {timeout:?}").into()),
        }
    }
}
