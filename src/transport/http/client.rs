//! A pool of HTTP/1.1 and HTTP/2 connections, one attempt at a time.

use std::{cell::RefCell, error::Error, sync::Arc, time::Duration};

use super::{AddressGuard, AddressRefused, Room, echo::Shown, lookup::Lookup, room};
use crate::{ClientTls, ClientTlsConfig};
use bytes::Bytes;
use component::{BoxError, ClientAuth, Clock, ExportError, Telemetry};
use http::{
    HeaderMap, HeaderValue, Method, Request, StatusCode, Uri,
    header::{LOCATION, USER_AGENT},
};
use http_body_util::Full;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore};

/// The most that is read of an answer, as OTLP 1.11 recommends.
pub const MAX_ANSWER_BYTES: usize = 4 << 20;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long sent bytes may stay unacknowledged before a connection counts as dead. Without this a peer
/// that vanished would be sent to for a quarter of an hour.
pub const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(30);

/// More of an answer than this is not repeated in a log line.
const MAX_QUOTED_BYTES: usize = 512;

/// Names us to servers: `trueline/0.1.0 (linux/amd64)`.
pub fn user_agent() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("trueline/{} ({}/{architecture})", env!("CARGO_PKG_VERSION"), std::env::consts::OS)
}

/// Returns an error with everything that led to it, which most errors leave out of their own text.
pub fn describe(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let said = next.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = next.source();
    }
    text
}

/// Returns what a server said as it may stand in a log line: not too long, and without characters that
/// do something to a terminal.
pub fn quote(said: &str) -> String {
    let mut quoted = String::new();
    for character in said.trim().chars() {
        if quoted.len() >= MAX_QUOTED_BYTES {
            quoted.push_str(" ...");
            break;
        }
        if character.is_control() {
            quoted.extend(character.escape_default())
        } else {
            quoted.push(character)
        }
    }
    quoted
}

/// How connections are made and kept.
#[derive(Clone)]
pub struct ClientSettings {
    pub tls: ClientTlsConfig,
    /// Whether any endpoint is `https`; without one no certificates are loaded.
    pub uses_tls: bool,
    /// Sent with every request; must not hold names that the caller sets.
    pub headers: HeaderMap,
    pub max_idle_connections: usize,
    pub idle_timeout: Duration,
    /// Offer HTTP/2 to servers that speak TLS.
    pub offers_http2: bool,
    /// Ping HTTP/2 connections this often; zero means never.
    pub http2_ping_interval: Duration,
    pub http2_ping_timeout: Duration,
    /// Has a say in which addresses a name may have; addresses in URLs are the caller's to check.
    pub guard: Option<Arc<dyn AddressGuard>>,
    pub max_answer_bytes: usize,
    /// What all answers may take together, for who reads many at a time.
    pub room: Option<Room>,
    /// Where certificates that were read again are counted.
    pub telemetry: Telemetry,
    /// Adds what the server wants to see to each request.
    pub auth: Option<Arc<dyn ClientAuth>>,
}

impl Default for ClientSettings {
    /// The collector's defaults.
    fn default() -> Self {
        Self {
            tls: ClientTlsConfig::default(),
            uses_tls: false,
            headers: HeaderMap::new(),
            max_idle_connections: 100,
            idle_timeout: Duration::from_secs(90),
            offers_http2: true,
            http2_ping_interval: Duration::ZERO,
            http2_ping_timeout: Duration::from_secs(15),
            guard: None,
            max_answer_bytes: MAX_ANSWER_BYTES,
            room: None,
            telemetry: Telemetry::default(),
            auth: None,
        }
    }
}

/// What a server said.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Empty when it was longer than the settings allow or broke off. Of a failure without what was shown to the server.
    pub body: Bytes,
    /// Why the body is empty that should not be.
    pub fault: Option<BodyFault>,
}

/// What was wrong with the body of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyFault {
    /// It was longer than the settings allow.
    TooLong,
    /// It broke off.
    BrokenOff,
    /// Others took the room for it.
    NoRoom,
}

type Pool = Client<HttpsConnector<HttpConnector<Lookup>>, Full<Bytes>>;

/// Sends requests over connections that it keeps.
pub struct HttpClient {
    settings: ClientSettings,
    tls: ClientTls,
    clock: Arc<dyn Clock>,
    /// The pool, and the certificates it was made with.
    pool: RefCell<Option<(Arc<ClientConfig>, Pool)>>,
}

impl HttpClient {
    pub fn new(mut settings: ClientSettings, clock: Arc<dyn Clock>) -> Self {
        if !settings.headers.contains_key(USER_AGENT)
            && let Ok(agent) = HeaderValue::try_from(user_agent())
        {
            settings.headers.insert(USER_AGENT, agent);
        }
        let tls = ClientTls::new(settings.tls.clone(), Arc::clone(&clock), &settings.telemetry);
        Self { settings, tls, clock, pool: RefCell::new(None) }
    }

    /// Posts a body and returns the answer, whatever its status.
    ///
    /// `headers` win over the operator's.
    ///
    /// # Errors
    /// Retryable: no connection could be made, or it broke before the answer came. Permanent only when the guard
    /// refuses the address.
    pub async fn post(&self, uri: &Uri, headers: HeaderMap, body: Bytes) -> Result<Answer, ExportError> {
        self.ask(Method::POST, uri, headers, body).await
    }

    /// Sends a request of any method; see [`HttpClient::post`].
    pub async fn ask(
        &self,
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, ExportError> {
        let request = Request::builder().method(method).uri(uri.clone()).body(Full::new(body));
        let mut request = request.map_err(retryable)?;
        request.headers_mut().clone_from(&self.settings.headers);
        request.headers_mut().extend(headers);
        if let Some(auth) = &self.settings.auth {
            auth.authenticate(request.headers_mut(), self.clock.now()).await.map_err(retryable)?;
        }
        let shown = request.headers().clone();
        let pool = self.pool().await?;
        let sent = pool.request(request).await;
        let answer = sent.map_err(|error| unreachable_at(uri, &error))?;
        let (mut parts, body) = answer.into_parts();
        // An answer whose body breaks off has still told its status, which is what counts.
        let (most, room) = (self.settings.max_answer_bytes, self.settings.room.as_ref());
        let (body, fault) = room::read(body, most, room).await;
        // What is told of a failure ends in logs and answers.
        let body = if parts.status.is_success() {
            body
        } else {
            let shown = Shown::by(&shown);
            hide_in_location(&mut parts.headers, &shown);
            shown.hide(body)
        };
        Ok(Answer { status: parts.status, headers: parts.headers, body, fault })
    }

    async fn pool(&self) -> Result<Pool, ExportError> {
        let trust = if self.settings.uses_tls {
            self.tls.get().await.map_err(retryable)?
        } else if let Some((_, pool)) = &*self.pool.borrow() {
            return Ok(pool.clone());
        } else {
            Arc::new(trusts_nobody().map_err(retryable)?)
        };
        if let Some((known, pool)) = &*self.pool.borrow()
            && Arc::ptr_eq(known, &trust)
        {
            return Ok(pool.clone());
        }
        let pool = self.make_pool(&trust)?;
        *self.pool.borrow_mut() = Some((trust, pool.clone()));
        Ok(pool)
    }

    fn make_pool(&self, trust: &Arc<ClientConfig>) -> Result<Pool, ExportError> {
        let mut tcp = HttpConnector::new_with_resolver(Lookup(self.settings.guard.clone()));
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(Duration::from_secs(15)));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT));
        let mut builder =
            HttpsConnectorBuilder::new().with_tls_config(trust.as_ref().clone()).https_or_http();
        if let Some(name) = &self.settings.tls.server_name_override {
            let name = self.tls.config().server_name(name).map_err(retryable)?;
            builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
        }
        let connector = if self.settings.offers_http2 {
            builder.enable_all_versions().wrap_connector(tcp)
        } else {
            builder.enable_http1().wrap_connector(tcp)
        };
        let ping = self.settings.http2_ping_interval;
        let pool = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(self.settings.idle_timeout)
            .pool_max_idle_per_host(self.settings.max_idle_connections)
            .http2_keep_alive_interval((!ping.is_zero()).then_some(ping))
            .http2_keep_alive_timeout(self.settings.http2_ping_timeout)
            .build(connector);
        Ok(pool)
    }
}

/// An address that we are sent to stays as it is where nothing of ours is in it.
fn hide_in_location(headers: &mut HeaderMap, shown: &Shown) {
    let Some(location) = headers.get_mut(LOCATION) else { return };
    let hidden = shown.hide(Bytes::copy_from_slice(location.as_bytes()));
    if let Ok(hidden) = HeaderValue::from_bytes(&hidden) {
        *location = hidden;
    }
}

/// For connections without TLS, where the connector wants certificates all the same.
fn trusts_nobody() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn retryable(error: impl Into<BoxError>) -> ExportError {
    ExportError::Retryable { after: None, source: error.into() }
}

fn unreachable_at(uri: &Uri, error: &hyper_util::client::legacy::Error) -> ExportError {
    if let Some(refused) = refusal_in(error) {
        return ExportError::Permanent(refused.clone().into());
    }
    let what = if error.is_connect() { "can not connect to" } else { "lost the connection to" };
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    retryable(format!("{what} {authority}: {}", describe(error)))
}

/// Finds the guard's refusal among what led to an error.
fn refusal_in<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e AddressRefused> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref() {
            return Some(refused);
        }
        cause = error.source();
    }
    None
}
