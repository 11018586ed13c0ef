//! The HTTP API of a Prometheus.

use std::{fmt, time::Duration};

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use model::Timestamp;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tokio::runtime::Runtime;

use super::{
    Range,
    answer::{self, Answered},
};

/// A larger answer is refused: it and what is made of it are held in memory.
const MAX_ANSWER_BYTES: usize = 512 << 20;
/// As long as Prometheus works on a query by default.
const PATIENCE: Duration = Duration::from_secs(120);
/// So much of an answer that is no answer is shown.
const SHOWN_BYTES: usize = 300;

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

pub(super) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Runtime,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    place: String,
}

impl Client {
    /// # Errors
    /// When the URL is none.
    pub(super) fn new(url: &str, headers: Vec<(HeaderName, HeaderValue)>) -> anyhow::Result<Self> {
        let wrong = || format!("--prometheus is `{url}`, must be http://HOST:PORT or https://HOST:PORT");
        let uri: Uri =
            format!("{}/api/v1/query_range", url.trim_end_matches('/')).parse().with_context(wrong)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            bail!(wrong());
        }
        let mut roots = RootCertStore::empty();
        if uri.scheme_str() == Some("https") {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
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
        Ok(Self { pool, runtime, place: uri.to_string(), uri, headers })
    }

    /// Where answers come from, for people.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Asks for the points of a range.
    ///
    /// # Errors
    /// [`Unreached`], or what was answered, with the query and the range.
    pub(super) fn query_range(&self, query: &str, range: Range) -> anyhow::Result<Answered> {
        let form = form(query, range);
        let asked = || format!("`{query}` from {} to {}", seconds(range.start), seconds(range.end));
        let answer = self.runtime.block_on(async {
            let answered = tokio::time::timeout(PATIENCE, self.post(form)).await;
            answered.unwrap_or_else(|_elapsed| bail!("no answer within {PATIENCE:?}; ask for fewer series"))
        });
        let (status, body) = answer.with_context(asked)?;
        match answer::read(&body) {
            Ok(answered) => Ok(answered),
            // A refusal of Prometheus says why; whatever else answers is shown.
            Err(problem) if status == 200 || problem.root_cause().is::<answer::Refused>() => {
                Err(problem.context(asked()))
            }
            Err(_) => {
                let shown = String::from_utf8_lossy(&body[..body.len().min(SHOWN_BYTES)]).into_owned();
                bail!("{}: {} answers with status {status}: {shown}", asked(), self.place)
            }
        }
    }

    async fn post(&self, form: String) -> anyhow::Result<(u16, Bytes)> {
        let mut request = Request::builder().method(Method::POST).uri(self.uri.clone());
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(form)))?;
        let unreached = |problem: String| Unreached { uri: self.uri.clone(), problem };
        let answer = match self.pool.request(request).await {
            Ok(answer) => answer,
            Err(problem) if problem.is_connect() => {
                // The outer error says only that connecting failed.
                let cause = anyhow::Error::from(problem);
                return Err(unreached(cause.root_cause().to_string()).into());
            }
            Err(problem) => return Err(problem.into()),
        };
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
        let too_large = || {
            format!(
                "the answer could not be read, of at most {} MiB; ask for fewer series",
                MAX_ANSWER_BYTES >> 20
            )
        };
        let body = body.map_err(|problem| anyhow!(problem)).with_context(too_large)?;
        Ok((status, body.to_bytes()))
    }
}

fn form(query: &str, range: Range) -> String {
    let step = range.step.as_secs_f64();
    format!("query={}&start={}&end={}&step={step}", encoded(query), seconds(range.start), seconds(range.end))
}

/// Seconds since the epoch, with milliseconds.
fn seconds(at: Timestamp) -> String {
    format!("{}.{:03}", at.as_millis() / 1000, at.as_millis() % 1000)
}

/// As forms are encoded: all but unreserved characters (RFC 3986 section 2.3) by their bytes.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
