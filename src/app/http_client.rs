//! An HTTP client for commands that ask one server and wait for its answers.

use std::{fmt, time::Duration};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tokio::runtime::Runtime;

/// Nothing answers at the address.
#[derive(Debug)]
pub(crate) struct Unreached {
    uri: Uri,
    problem: String,
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not answer: {}", self.uri, self.problem)
    }
}

impl std::error::Error for Unreached {}

/// One server, over HTTP/1.1, with TLS by the system's authorities.
pub(crate) struct HttpClient {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Runtime,
    headers: Vec<(HeaderName, HeaderValue)>,
    patience: Duration,
    max_answer_bytes: usize,
}

impl HttpClient {
    /// Makes a client that sends `headers` with every request, waits so long for an answer, and takes none that is
    /// larger.
    ///
    /// # Errors
    /// When TLS can not be set up.
    pub(crate) fn new(
        headers: Vec<(HeaderName, HeaderValue)>,
        patience: Duration,
        max_answer_bytes: usize,
    ) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .context("TLS can not be set up")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        Ok(Self { pool, runtime, headers, patience, max_answer_bytes })
    }

    /// Sends a request and returns the status and the body of the answer.
    ///
    /// # Errors
    /// [`Unreached`], or what was wrong with the answer.
    pub(crate) fn send(&self, mut request: Request<Full<Bytes>>) -> anyhow::Result<(u16, Bytes)> {
        for (name, value) in &self.headers {
            request.headers_mut().insert(name, value.clone());
        }
        let patience = self.patience;
        self.runtime.block_on(async {
            let answered = tokio::time::timeout(patience, self.answer(request)).await;
            answered.unwrap_or_else(|_elapsed| bail!("no answer within {patience:?}"))
        })
    }

    async fn answer(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(u16, Bytes)> {
        let uri = request.uri().clone();
        let answer = match self.pool.request(request).await {
            Ok(answer) => answer,
            Err(problem) if problem.is_connect() => {
                // The outer error says only that connecting failed.
                let problem = anyhow::Error::from(problem).root_cause().to_string();
                return Err(Unreached { uri, problem }.into());
            }
            Err(problem) => return Err(problem.into()),
        };
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), self.max_answer_bytes).collect().await;
        let mib = self.max_answer_bytes >> 20;
        let too_large = || format!("the answer could not be read, of at most {mib} MiB");
        let body = body.map_err(|problem| anyhow!(problem)).with_context(too_large)?;
        Ok((status, body.to_bytes()))
    }
}

/// Reads the address of a server: `http://HOST:PORT` or `https://HOST:PORT`, perhaps with a path.
///
/// # Errors
/// Names the option and what is right.
pub(crate) fn base_of(option: &str, url: &str) -> anyhow::Result<String> {
    let wrong = || format!("{option} is `{url}`, must be http://HOST:PORT or https://HOST:PORT");
    let base = url.trim_end_matches('/').to_owned();
    let uri: Uri = base.parse().with_context(wrong)?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        bail!(wrong());
    }
    Ok(base)
}

/// As forms are encoded: all but unreserved characters (RFC 3986 section 2.3) by their bytes.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_is_encoded_byte_by_byte() {
        assert_eq!(encoded("rate(a_b[5m]) + é"), "rate%28a_b%5B5m%5D%29%20%2B%20%C3%A9");
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_option() {
        assert_eq!(base_of("--api", "http://localhost:8390/").unwrap(), "http://localhost:8390");
        for wrong in ["localhost:8390", "ftp://host", "http://a b", ""] {
            let problem = base_of("--api", wrong).unwrap_err();
            assert!(problem.to_string().contains("--api is"), "{problem}");
        }
    }
}
