//! Asks a target for its metrics.

use std::{fs::File, io::Read, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use component::{Clock, ExportError, Telemetry};
use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use tokio::task::spawn_blocking;
use transport::{BodyFault, ClientSettings, HttpClient, Room, describe, quote};

use super::{
    config::{Job, ScrapeConfig},
    target::Target,
};

/// So many times a target may send us elsewhere, as in Go.
const MOST_REDIRECTS: usize = 10;
/// No credential is longer. *Units*: bytes.
const LONGEST_CREDENTIAL: u64 = 64 << 10;
const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
const TOO_LONG: &str = "body_size_limit";

/// What a target answered.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    pub(super) body: Bytes,
    pub(super) content_type: String,
    pub(super) is_gzip: bool,
}

/// Why a scrape failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Failure {
    /// Under which it is counted.
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Every reason for which a scrape can fail.
pub(super) const REASONS: [&str; 9] = [
    "unreachable",
    "timeout",
    "status",
    "broken_off",
    TOO_LONG,
    "no_room",
    "malformed",
    "sample_limit",
    "label_limit",
];

impl Failure {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        debug_assert!(REASONS.contains(&reason), "{reason} is counted nowhere");
        Self { reason, message: message.into() }
    }

    pub(super) fn too_long(limit: u64) -> Self {
        Self::new(TOO_LONG, format!("its answer is longer than {limit} bytes; raise body_size_limit"))
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.reason == TOO_LONG
    }
}

/// Asks the targets of a job, over connections that it keeps.
pub(super) struct Fetcher {
    client: HttpClient,
    job: Arc<Job>,
    /// What every request bears.
    headers: HeaderMap,
    clock: Arc<dyn Clock>,
}

impl Fetcher {
    pub(super) fn new(job: &Arc<Job>, room: &Room, clock: &Arc<dyn Clock>, telemetry: &Telemetry) -> Self {
        let settings = ClientSettings {
            tls: job.scrape.tls_config.client(),
            uses_tls: job.targets.iter().any(|target| target.uri.scheme_str() == Some("https")),
            max_idle_connections: 1,
            idle_timeout: Duration::from_secs(5 * 60),
            offers_http2: job.scrape.enable_http2,
            max_answer_bytes: usize::try_from(job.limits.body).unwrap_or(usize::MAX),
            room: Some(room.clone()),
            telemetry: telemetry.clone(),
            ..ClientSettings::default()
        };
        Self {
            client: HttpClient::new(settings, Arc::clone(clock)),
            job: Arc::clone(job),
            headers: headers(job),
            clock: Arc::clone(clock),
        }
    }

    /// Asks a target, and waits no longer than it may take.
    pub(super) async fn fetch(&self, target: &Target) -> Result<Fetched, Failure> {
        let until = self.clock.now() + target.timeout;
        tokio::select! {
            biased;
            answer = self.ask(target) => answer,
            () = self.clock.sleep_until(until) => {
                let message = format!("it does not answer within scrape_timeout, which is {:?}", target.timeout);
                Err(Failure::new("timeout", message))
            }
        }
    }

    async fn ask(&self, target: &Target) -> Result<Fetched, Failure> {
        let mut headers = self.headers.clone();
        if let Ok(seconds) = HeaderValue::try_from(target.timeout.as_secs_f64().to_string()) {
            headers.insert(TIMEOUT_HEADER, seconds);
        }
        let job = Arc::clone(&self.job);
        let credential = spawn_blocking(move || credential(&job.scrape)).await;
        let credential =
            credential.map_err(|_| Failure::new("unreachable", "its credential could not be read"))?;
        if let Some(credential) = credential? {
            headers.insert(header::AUTHORIZATION, credential);
        }
        let mut uri = target.uri.clone();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.client.ask(Method::GET, &uri, headers.clone(), Bytes::new()).await;
            let answer = answer.map_err(|error| Failure::new("unreachable", text_of(&error)))?;
            let location = self.redirect(answer.status, &answer.headers);
            let Some(location) = location else { return read(answer, self.job.limits.body) };
            let next = elsewhere(&uri, location).ok_or_else(|| {
                Failure::new("status", "it sends us to a place that is no address over HTTP")
            })?;
            if next.authority() != uri.authority() || next.scheme() != uri.scheme() {
                // What it was told is not meant for others.
                headers.remove(header::AUTHORIZATION);
                self.job.scrape.http_headers.keys().for_each(|name| drop(headers.remove(name)));
            }
            uri = next;
        }
        Err(Failure::new("status", format!("it sends us elsewhere more than {MOST_REDIRECTS} times")))
    }

    /// Returns where an answer sends us, if we go there.
    fn redirect<'h>(&self, status: StatusCode, headers: &'h HeaderMap) -> Option<&'h str> {
        let is_redirect = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let location =
            headers.get(header::LOCATION).filter(|_| is_redirect && self.job.scrape.follow_redirects);
        location.and_then(|location| location.to_str().ok())
    }
}

fn read(answer: transport::Answer, limit: u64) -> Result<Fetched, Failure> {
    if answer.status != StatusCode::OK {
        return Err(Failure::new("status", format!("it answers {}", answer.status)));
    }
    match answer.fault {
        Some(BodyFault::TooLong) => return Err(Failure::too_long(limit)),
        Some(BodyFault::BrokenOff) => return Err(Failure::new("broken_off", "its answer breaks off")),
        Some(BodyFault::NoRoom) => {
            return Err(Failure::new("no_room", "other answers take all of max_body_bytes"));
        }
        None => {}
    }
    let text = |name| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_gzip = match text(header::CONTENT_ENCODING) {
        "" | "identity" => false,
        "gzip" => true,
        other => {
            let message =
                format!("it answers in the encoding {:?}, which it was not asked for", quote(other));
            return Err(Failure::new("malformed", message));
        }
    };
    let content_type = text(header::CONTENT_TYPE).to_owned();
    Ok(Fetched { content_type, is_gzip, body: answer.body })
}

fn text_of(error: &ExportError) -> String {
    let (ExportError::Retryable { source, .. } | ExportError::Permanent(source)) = error;
    quote(&describe(source.as_ref()))
}

/// Returns what a `Location` means behind an address.
fn elsewhere(from: &Uri, location: &str) -> Option<Uri> {
    if location.starts_with("//") {
        return format!("{}:{location}", from.scheme_str()?).parse().ok();
    }
    // A single word is read as an authority, which no redirect means.
    if let Ok(uri) = location.parse::<Uri>()
        && uri.scheme().is_some()
    {
        return matches!(uri.scheme_str(), Some("http" | "https")).then_some(uri);
    }
    let path = if location.starts_with('/') {
        location.to_owned()
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{folder}/{location}")
    };
    Uri::builder()
        .scheme(from.scheme()?.clone())
        .authority(from.authority()?.clone())
        .path_and_query(path)
        .build()
        .ok()
}

fn headers(job: &Job) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let encoding = if job.scrape.enable_compression { "gzip" } else { "identity" };
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    if let Ok(accept) = HeaderValue::from_str(&job.accept) {
        headers.insert(header::ACCEPT, accept);
    }
    for (name, values) in &job.scrape.http_headers {
        let Ok(name) = HeaderName::try_from(name.as_str()) else { continue };
        for value in values.values.iter().filter_map(|value| HeaderValue::from_str(value).ok()) {
            headers.append(&name, value);
        }
        for mut value in values.secrets.iter().filter_map(|value| HeaderValue::from_str(value.expose()).ok())
        {
            value.set_sensitive(true);
            headers.append(&name, value);
        }
    }
    headers
}

/// Returns `Authorization`, of files as they are now.
///
/// *Cost*: reads files.
fn credential(scrape: &ScrapeConfig) -> Result<Option<HeaderValue>, Failure> {
    let either = |text: &str, file: &str| if file.is_empty() { Ok(text.to_owned()) } else { content(file) };
    let text = if let Some(basic) = &scrape.basic_auth {
        let username = either(&basic.username, &basic.username_file)?;
        let password = either(basic.password.expose(), &basic.password_file)?;
        format!("Basic {}", BASE64.encode(format!("{username}:{password}").as_bytes()))
    } else if let Some(authorization) = &scrape.authorization {
        let scheme = if authorization.scheme.is_empty() { "Bearer" } else { authorization.scheme.as_str() };
        let credentials = either(authorization.credentials.expose(), &authorization.credentials_file)?;
        if credentials.is_empty() {
            return Ok(None);
        }
        format!("{scheme} {credentials}")
    } else {
        let token = scrape.bearer_token.as_ref().map_or("", config::Secret::expose);
        let token = either(token, &scrape.bearer_token_file)?;
        if token.is_empty() {
            return Ok(None);
        }
        format!("Bearer {token}")
    };
    let value = HeaderValue::from_str(&text);
    let mut value =
        value.map_err(|_| Failure::new("unreachable", "its credential holds what a header can not carry"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

fn content(file: &str) -> Result<String, Failure> {
    let failure = |problem: &dyn std::fmt::Display| {
        Failure::new("unreachable", format!("its credential in {file} can not be read: {problem}"))
    };
    let mut text = String::new();
    let opened = File::open(Path::new(file)).map_err(|problem| failure(&problem))?;
    opened.take(LONGEST_CREDENTIAL + 1).read_to_string(&mut text).map_err(|problem| failure(&problem))?;
    if text.len() as u64 > LONGEST_CREDENTIAL {
        return Err(failure(&format!("it is longer than {LONGEST_CREDENTIAL} bytes")));
    }
    Ok(text.trim().to_owned())
}
