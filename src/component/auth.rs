//! Who may come in, and who we are: what authenticator extensions offer to servers and clients.

use std::{collections::BTreeMap, sync::Arc};

use config::Section;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use model::Timestamp;
use serde::Deserialize;

use crate::{BoxError, Checks};

/// `auth` of a server or a client.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AuthConfig {
    /// The id of an extension: `basicauth/server`.
    pub authenticator: String,
}

/// Which of its two sides an authenticator is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthSide {
    /// It says whom to let in.
    Server,
    /// It says who we are.
    Client,
}

/// A key that names an authenticator; the plan checks that there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuthUse {
    /// Keys from the component's own section to the id: `protocols.grpc.auth.authenticator`.
    pub key: String,
    pub id: String,
    pub side: AuthSide,
}

impl AuthConfig {
    /// Reports a section that names nobody; `path` is where it stands.
    pub fn validate(section: &Section<Self>, path: &str, checks: &mut Checks) {
        if section.get().is_some_and(|auth| auth.authenticator.is_empty()) {
            let message =
                "authenticator is missing, name an extension of `service::extensions`: basicauth/server";
            checks.error(&format!("{path}.authenticator"), message);
        }
    }

    /// Returns what a section asks for; none for one that is off or names nobody.
    pub fn uses(section: &Section<Self>, path: &str, side: AuthSide) -> Option<AuthUse> {
        let id = section.get()?.authenticator.clone();
        (!id.is_empty()).then(|| AuthUse { key: format!("{path}.authenticator"), id, side })
    }
}

/// Why a request is not let in.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// Answer UNAUTHENTICATED or 401. What was shown is never repeated.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// Too many are being checked: answer UNAVAILABLE or 503.
    #[error("too many credentials are being checked, try again")]
    Busy,
}

/// Says whom a server lets in, by the head of a request alone.
pub trait ServerAuth: Send + Sync {
    /// Compares what a request shows, in a time that tells nothing of what would be right.
    fn check<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<(), Denied>>;

    /// Returns `WWW-Authenticate` for those who showed nothing.
    fn challenge(&self) -> HeaderValue;
}

/// Says who we are.
pub trait ClientAuth: Send + Sync {
    /// Adds to the headers of a request what the server wants to see.
    ///
    /// # Errors
    /// When there is no credential now; the request may be tried again.
    fn authenticate<'a>(
        &'a self,
        headers: &'a mut HeaderMap,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), BoxError>>;
}

/// What an extension offers.
#[derive(Clone, Default)]
pub struct Authenticator {
    pub server: Option<Arc<dyn ServerAuth>>,
    pub client: Option<Arc<dyn ClientAuth>>,
}

/// The authenticators of a service, by the ids of their extensions.
#[derive(Clone, Default)]
pub struct Authenticators(Arc<BTreeMap<String, Authenticator>>);

impl Authenticators {
    pub fn new(all: BTreeMap<String, Authenticator>) -> Self {
        Self(Arc::new(all))
    }

    /// Takes those of extensions that go on from the ones that run.
    pub fn keep(&mut self, running: &Self, goes_on: impl Fn(&str) -> bool) {
        let of = |(id, new): (&String, &Authenticator)| {
            let kept = running.0.get(id).filter(|_| goes_on(id));
            (id.clone(), kept.unwrap_or(new).clone())
        };
        *self = Self::new(self.0.iter().map(of).collect());
    }

    /// Returns who says whom to let in; none where the section is off. Where it names nobody, which the plan has
    /// refused, nobody is let in.
    pub fn server(&self, section: &Section<AuthConfig>) -> Option<Arc<dyn ServerAuth>> {
        let auth = section.get()?;
        let known = self.0.get(&auth.authenticator).and_then(|known| known.server.clone());
        Some(known.unwrap_or_else(|| Arc::new(Nobody)))
    }

    /// Returns who says who we are; none where the section is off.
    pub fn client(&self, section: &Section<AuthConfig>) -> Option<Arc<dyn ClientAuth>> {
        let auth = section.get()?;
        let known = self.0.get(&auth.authenticator).and_then(|known| known.client.clone());
        Some(known.unwrap_or_else(|| Arc::new(Nobody)))
    }
}

/// Stands in for an authenticator that is missing.
struct Nobody;

const MISSING: &str = "the authenticator is not there";

impl ServerAuth for Nobody {
    fn check<'a>(&'a self, _: &'a HeaderMap) -> BoxFuture<'a, Result<(), Denied>> {
        Box::pin(std::future::ready(Err(Denied::Unauthenticated(MISSING))))
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Basic")
    }
}

impl ClientAuth for Nobody {
    fn authenticate<'a>(&'a self, _: &'a mut HeaderMap, _: Timestamp) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(std::future::ready(Err(MISSING.into())))
    }
}
