//! Whom a server lets in by name and password.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::{hmac, rand::SystemRandom};
use component::{Denied, ServerAuth};
use data_encoding::BASE64;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use tokio::sync::Semaphore;

use super::htpasswd::Kept;

/// Slow checks under way at once, so that guessing does not take every core.
const MAX_CHECKS: usize = 2;
/// Requests that wait for a slow check; more are told to come back.
const MAX_WAITING: usize = 64;
/// Credentials that were right and are not checked slowly again.
const MAX_KNOWN: usize = 1024;

const NONE: Denied = Denied::Unauthenticated("no basic auth provided");
const WRONG: Denied = Denied::Unauthenticated("invalid credentials");
const ODD: Denied = Denied::Unauthenticated("invalid authorization format");

/// Names and passwords.
pub(super) struct Server {
    users: Arc<BTreeMap<String, Kept>>,
    /// Keyed digests of credentials that were right: bcrypt at each request would cost more than the request.
    known: Mutex<HashSet<[u8; 32]>>,
    key: hmac::Key,
    checks: Semaphore,
    waiting: Semaphore,
}

impl Server {
    /// `users` has at least one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(super) fn new(users: BTreeMap<String, Kept>) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(Self {
            users: Arc::new(users),
            known: Mutex::default(),
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?,
            checks: Semaphore::new(MAX_CHECKS),
            waiting: Semaphore::new(MAX_WAITING),
        })
    }

    async fn judge(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let shown = headers.get(AUTHORIZATION).ok_or(NONE)?;
        let digest = self.digest(shown.as_bytes());
        if self.is_known(&digest) {
            return Ok(());
        }
        let (name, password) = credentials(shown)?;
        // Who asks for a name that is not there waits as long as others.
        let (kept, is_user) = match self.users.get(&name) {
            Some(kept) => (kept.clone(), true),
            None => (self.users.values().next().cloned().ok_or(WRONG)?, false),
        };
        let is_right = if kept.is_slow() {
            let _waiting = self.waiting.try_acquire().map_err(|_| Denied::Busy)?;
            let _turn = self.checks.acquire().await.map_err(|_| Denied::Busy)?;
            // The one before may have shown the same.
            if self.is_known(&digest) {
                return Ok(());
            }
            let checking = tokio::task::spawn_blocking(move || kept.matches(&password));
            checking.await.unwrap_or(false)
        } else {
            kept.matches(&password)
        };
        if !(is_user && is_right) {
            return Err(WRONG);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(digest);
        Ok(())
    }

    fn digest(&self, shown: &[u8]) -> [u8; 32] {
        let tag = hmac::sign(&self.key, shown);
        let mut digest = [0; 32];
        digest.copy_from_slice(tag.as_ref());
        digest
    }

    fn is_known(&self, digest: &[u8; 32]) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }
}

/// Takes a header of basic authentication apart: RFC 7617.
fn credentials(shown: &HeaderValue) -> Result<(String, String), Denied> {
    let shown = shown.to_str().map_err(|_| ODD)?;
    let (scheme, encoded) = shown.split_once(' ').ok_or(ODD)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(Denied::Unauthenticated("invalid authorization scheme prefix"));
    }
    let decoded = BASE64.decode(encoded.trim().as_bytes()).map_err(|_| ODD)?;
    let decoded = String::from_utf8(decoded).map_err(|_| ODD)?;
    let (name, password) = decoded.split_once(':').ok_or(ODD)?;
    Ok((name.to_owned(), password.to_owned()))
}

impl ServerAuth for Server {
    fn check<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<(), Denied>> {
        Box::pin(self.judge(headers))
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Basic realm=\"trueline\", charset=\"UTF-8\"")
    }
}
