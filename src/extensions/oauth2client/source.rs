//! The token that is in use, and the one place that asks for another.

use std::{sync::Arc, time::Duration};

use component::{BoxError, ClientAuth, Clock, Telemetry};
use config::Secret;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Uri, header::AUTHORIZATION};
use model::Timestamp;
use tokio::sync::{Notify, watch};
use transport::{ClientTls, ClientTlsConfig};

use super::{
    answer::Token,
    request::{Asker, Style},
};
use crate::rotating::Rotating;

/// After a failure the server is asked again after so long, then twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A name or a secret.
pub(super) enum Part {
    Fixed(Arc<Secret>),
    File(Arc<Rotating>),
}

impl Part {
    pub(super) fn text(&self) -> Arc<Secret> {
        match self {
            Self::Fixed(text) => Arc::clone(text),
            Self::File(file) => file.current(),
        }
    }
}

/// What a token is asked for with.
pub(super) struct Credentials {
    pub(super) id: Part,
    pub(super) secret: Part,
    /// The rest of the form.
    pub(super) form: Vec<(String, Secret)>,
}

/// What is known of the token.
#[derive(Clone, Default)]
struct State {
    token: Option<Arc<Issued>>,
    /// Why the last request failed, while it is not time for the next.
    failure: Option<Arc<str>>,
}

struct Issued {
    header: HeaderValue,
    /// None for one that lasts for ever.
    expires_at: Option<Timestamp>,
}

impl Issued {
    fn lasts(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// Shows tokens, and asks for them before they end. One request is under way at a time, by the task that runs the
/// extension; whoever needs a token waits for what it brings.
pub(crate) struct TokenSource {
    url: Uri,
    credentials: Credentials,
    tls: ClientTlsConfig,
    timeout: Duration,
    /// A token is renewed so long before its end.
    buffer: Duration,
    state: watch::Sender<State>,
    wanted: Notify,
}

/// Says nothing of secrets.
impl std::fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSource")
    }
}

impl TokenSource {
    pub(super) fn new(
        url: Uri,
        credentials: Credentials,
        tls: ClientTlsConfig,
        timeout: Duration,
        buffer: Duration,
    ) -> Self {
        let (state, wanted) = (watch::Sender::new(State::default()), Notify::new());
        Self { url, credentials, tls, timeout, buffer, state, wanted }
    }

    pub(super) fn files(&self) -> Vec<Arc<Rotating>> {
        let file = |part: &Part| match part {
            Part::Fixed(_) => None,
            Part::File(file) => Some(Arc::clone(file)),
        };
        [file(&self.credentials.id), file(&self.credentials.secret)].into_iter().flatten().collect()
    }

    /// Asks for a token when somebody first wants one, and for the next before it ends.
    pub(super) async fn keep(&self, clock: &Arc<dyn Clock>, telemetry: &Telemetry) {
        let counter = |name: &str, what| telemetry.counter(name, what, "{request}");
        let asked = counter("trueline_oauth2_token_requests", "Requests for a token.");
        let failed = counter("trueline_oauth2_token_failures", "Requests for a token that brought none.");
        let tls = ClientTls::new(self.tls.clone(), Arc::clone(clock), telemetry);
        let mut asker = Asker { url: &self.url, credentials: &self.credentials, tls, style: Style::Header };
        let mut pause = FIRST_PAUSE;
        self.wanted.notified().await;
        loop {
            asked.add(1);
            let answer = tokio::time::timeout(self.timeout, asker.ask()).await;
            let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {:?}", self.timeout)));
            match answer {
                Ok(token) => {
                    pause = FIRST_PAUSE;
                    let issued = issued(&token, clock.now());
                    let renew_at = self.renewal(&issued, &token, clock.now());
                    let state = State { token: Some(Arc::new(issued)), failure: None };
                    self.state.send_replace(state);
                    match renew_at {
                        Some(at) => clock.sleep_until(at).await,
                        None => std::future::pending().await,
                    }
                }
                Err(problem) => {
                    failed.add(1);
                    tracing::warn!(error = problem, "no token was issued, trying again");
                    self.state.send_modify(|state| state.failure = Some(problem.into()));
                    clock.sleep_until(clock.now() + pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    self.state.send_modify(|state| state.failure = None);
                    let has_token = {
                        let state = self.state.borrow();
                        state.token.as_ref().is_some_and(|token| token.lasts(clock.now()))
                    };
                    // Nobody may want one any more.
                    if !has_token {
                        self.wanted.notified().await;
                    }
                }
            }
        }
    }

    /// Returns when to ask for the next: the buffer before the end, but not before half of its life is over, lest one
    /// that is short-lived be renewed without end.
    fn renewal(&self, issued: &Issued, token: &Token, now: Timestamp) -> Option<Timestamp> {
        issued.expires_at?;
        let life = token.expires_in?;
        Some(now + life.saturating_sub(self.buffer).max(life / 2).max(FIRST_PAUSE))
    }

    async fn token(&self, now: Timestamp) -> Result<HeaderValue, BoxError> {
        let mut changes = self.state.subscribe();
        loop {
            {
                let state = changes.borrow_and_update();
                if let Some(token) = state.token.as_ref().filter(|token| token.lasts(now)) {
                    return Ok(token.header.clone());
                }
                if let Some(failure) = &state.failure {
                    return Err(format!("no token was issued: {failure}").into());
                }
            }
            self.wanted.notify_one();
            changes.changed().await?;
        }
    }
}

fn issued(token: &Token, now: Timestamp) -> Issued {
    let mut header = token.header.clone();
    header.set_sensitive(true);
    Issued { header, expires_at: token.expires_in.map(|life| now + life) }
}

impl ClientAuth for TokenSource {
    fn authenticate<'a>(
        &'a self,
        headers: &'a mut HeaderMap,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(async move {
            let token = self.token(now).await?;
            headers.insert(AUTHORIZATION, token);
            Ok(())
        })
    }
}
