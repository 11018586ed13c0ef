//! Sends a message once, and judges the answer.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use component::{ClientAuth, Clock, ExportError, Telemetry};
use config::Secret;
use http::{HeaderValue, Method, StatusCode, Uri, header::CONTENT_TYPE};
use transport::ClientTlsConfig;

use super::{Guard, Signer};
use crate::{
    alert_webhook::config::SecretSource,
    http::{Answer, ClientSettings, HeadersConfig, HttpClient, header_map, quote, retry_after},
};

/// More of an answer is of no use to anybody.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A message for one destination.
#[derive(Clone, Debug)]
pub(in super::super) struct Message {
    /// The same whenever the same is told again.
    pub(in super::super) id: String,
    pub(in super::super) content_type: String,
    pub(in super::super) body: Bytes,
}

/// What became of a message.
#[derive(Debug)]
pub(in super::super) enum Outcome {
    Delivered,
    /// Another attempt may help, not before `after`.
    Retry {
        after: Option<Duration>,
        problem: String,
    },
    /// No attempt helps.
    Refused {
        reason: &'static str,
        problem: String,
    },
}

/// Sends to one URL.
pub(in super::super) struct Sender {
    target: SecretSource,
    /// What the operator's URL lacks: `/api/v2/alerts`.
    path: &'static str,
    method: Method,
    guard: Guard,
    plain: HttpClient,
    secure: HttpClient,
    signer: Option<Arc<Signer>>,
    /// What must not be repeated in a log: values of headers.
    secrets: Vec<Secret>,
    timeout: Duration,
    clock: Arc<dyn Clock>,
}

/// What a sender is made of.
pub(in super::super) struct SenderSettings<'a> {
    pub(in super::super) target: SecretSource,
    pub(in super::super) path: &'static str,
    pub(in super::super) method: Method,
    pub(in super::super) guard: Guard,
    pub(in super::super) headers: &'a HeadersConfig,
    pub(in super::super) tls: ClientTlsConfig,
    pub(in super::super) signer: Option<Signer>,
    pub(in super::super) timeout: Duration,
    pub(in super::super) telemetry: Telemetry,
    pub(in super::super) auth: Option<Arc<dyn ClientAuth>>,
}

/// Reads a URL.
///
/// # Errors
/// What is wrong with it, without the URL itself, as it may be a secret.
pub(in super::super) fn uri_of(url: &str) -> Result<Uri, String> {
    let uri: Uri = url
        .parse()
        .map_err(|problem| format!("the URL can not be read: {problem}; write https://host/path"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none_or(str::is_empty) {
        return Err("the URL must begin with https:// or http:// and name a host".to_owned());
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("the URL holds a user name or a password; send them as a header: headers: {authorization: ${env:AUTHORIZATION}}".to_owned());
    }
    Ok(uri)
}

impl Sender {
    pub(in super::super) fn new(settings: SenderSettings<'_>, clock: &Arc<dyn Clock>) -> Self {
        let client = |is_plaintext: bool| {
            let settings = ClientSettings {
                tls: settings.tls.clone(),
                uses_tls: !is_plaintext,
                headers: header_map(settings.headers),
                guard: Some(Arc::new(settings.guard.for_scheme(is_plaintext))),
                max_answer_bytes: MAX_ANSWER_BYTES,
                telemetry: settings.telemetry.clone(),
                auth: settings.auth.clone(),
                ..ClientSettings::default()
            };
            HttpClient::new(settings, Arc::clone(clock))
        };
        Self {
            plain: client(true),
            secure: client(false),
            target: settings.target,
            path: settings.path,
            method: settings.method,
            guard: settings.guard,
            signer: settings.signer.map(Arc::new),
            secrets: settings.headers.values().cloned().collect(),
            timeout: settings.timeout,
            clock: Arc::clone(clock),
        }
    }

    /// Sends once and waits for the answer, but not longer than the timeout.
    ///
    /// `secrets` stand in the body and must not be repeated in a problem.
    pub(in super::super) async fn send(&self, message: &Message, secrets: &[Secret]) -> Outcome {
        let deadline = self.clock.sleep_until(self.clock.now() + self.timeout);
        let (outcome, url) = tokio::select! {
            outcome = self.attempt(message) => outcome,
            () = deadline => {
                let problem = format!("no answer within the timeout of {:?}", self.timeout);
                (Outcome::Retry { after: None, problem }, Secret::default())
            }
        };
        let hide = |problem: String| self.redacted(problem, secrets, &url);
        match outcome {
            Outcome::Delivered => Outcome::Delivered,
            Outcome::Retry { after, problem } => Outcome::Retry { after, problem: hide(problem) },
            Outcome::Refused { reason, problem } => Outcome::Refused { reason, problem: hide(problem) },
        }
    }

    /// Returns the outcome, and the URL, which may be a secret.
    async fn attempt(&self, message: &Message) -> (Outcome, Secret) {
        let later = |problem: String| (Outcome::Retry { after: None, problem }, Secret::default());
        let (target, signer, now) = (self.target.clone(), self.signer.clone(), self.clock.now());
        let signed = message.clone();
        // Reads files.
        let prepared = tokio::task::spawn_blocking(move || {
            let url = target.read().map_err(|problem| format!("url: {problem}"))?;
            let headers = signer.map(|signer| signer.headers(&signed.id, &signed.body, now)).transpose();
            Ok::<_, String>((url, headers.map_err(|problem| problem.to_string())?.unwrap_or_default()))
        });
        let (url, mut headers) = match prepared.await {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(problem)) => return later(problem),
            Err(problem) => return later(problem.to_string()),
        };
        let uri = match uri_of(&with_path(url.expose(), self.path)) {
            Ok(uri) => uri,
            Err(problem) => return later(problem),
        };
        if let Err(refused) = self.guard.check_written(&uri) {
            return (Outcome::Refused { reason: "address", problem: refused.to_string() }, url);
        }
        if !message.content_type.is_empty()
            && let Ok(kind) = HeaderValue::try_from(&message.content_type)
        {
            headers.insert(CONTENT_TYPE, kind);
        }
        let client = if uri.scheme_str() == Some("http") { &self.plain } else { &self.secure };
        let outcome = match client.ask(self.method.clone(), &uri, headers, message.body.clone()).await {
            Ok(answer) => self.judge(&uri, &answer),
            Err(ExportError::Retryable { after, source }) => {
                Outcome::Retry { after, problem: source.to_string() }
            }
            Err(ExportError::Permanent(refused)) => {
                Outcome::Refused { reason: "address", problem: refused.to_string() }
            }
        };
        (outcome, url)
    }

    /// *Source*: section 2.2 of Standard Webhooks 1.0 and RFC 9110: what says that it may pass is tried again.
    fn judge(&self, uri: &Uri, answer: &Answer) -> Outcome {
        let status = answer.status;
        if status.is_success() {
            return Outcome::Delivered;
        }
        let host = uri.host().unwrap_or_default();
        if status.is_redirection() {
            let problem = format!(
                "{host} answered {status}; redirections are not followed, set the URL to where it leads"
            );
            return Outcome::Refused { reason: "redirect", problem };
        }
        let problem = format!("{host} answered {status}: {}", quote(&String::from_utf8_lossy(&answer.body)));
        let may_pass = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
        if may_pass || status.is_server_error() {
            let after = retry_after(&answer.headers, self.clock.now()).filter(|after| !after.is_zero());
            return Outcome::Retry { after, problem };
        }
        Outcome::Refused { reason: "status", problem }
    }

    /// Returns the problem without what is secret, should the server have repeated it.
    fn redacted(&self, mut problem: String, secrets: &[Secret], url: &Secret) -> String {
        let path = url.expose().splitn(4, '/').nth(3).map(Secret::new);
        for secret in self.secrets.iter().chain(secrets).chain([url]).chain(&path) {
            // What is shorter is no secret, and may be part of any word.
            if secret.expose().len() >= 6 {
                problem = problem.replace(secret.expose(), "[REDACTED]");
            }
        }
        problem
    }
}

/// Adds the path of an API to the address of its server, unless it is there.
fn with_path(url: &str, path: &str) -> String {
    if path.is_empty() {
        return url.to_owned();
    }
    let url = url.trim_end_matches('/');
    if url.ends_with(path) { url.to_owned() } else { format!("{url}{path}") }
}
