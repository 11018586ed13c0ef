//! Who shows a token, and which do we show? A fixed text in a header, of servers and clients.

#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use component::{
    Authenticator, BoxError, Checks, ClientAuth, Clock, Config, Denied, Extension, ExtensionCx, ExtensionDef,
    ServerAuth, Stop,
};
use config::Secret;
use futures_util::future::{BoxFuture, LocalBoxFuture, ready};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::Timestamp;
use serde::Deserialize;

use crate::{
    basicauth::same,
    rotating::{Rotating, keep_current},
};

/// See the README for each key.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct BearerTokenConfig {
    pub header: String,
    pub scheme: String,
    pub token: Secret,
    pub tokens: Vec<Secret>,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub filename: Option<PathBuf>,
    /// What the checks have read, so that the start can not find something else.
    #[serde(skip)]
    offered: OnceLock<Arc<Tokens>>,
}

impl Default for BearerTokenConfig {
    fn default() -> Self {
        Self {
            header: "Authorization".to_owned(),
            scheme: "Bearer".to_owned(),
            token: Secret::default(),
            tokens: Vec::new(),
            filename: None,
            offered: OnceLock::new(),
        }
    }
}

impl Config for BearerTokenConfig {
    fn validate(&self, checks: &mut Checks) {
        let Ok(header) = HeaderName::try_from(self.header.as_str()) else {
            return checks.error("header", format!("header is {:?}, which is no header's name", self.header));
        };
        if !self.scheme.bytes().all(|byte| byte.is_ascii_graphic()) {
            checks.error("scheme", format!("scheme is {:?}, must be a word such as Bearer", self.scheme));
        }
        if !self.token.is_empty() && !self.tokens.is_empty() {
            return checks.error("tokens", "token and tokens are both set, write all into tokens");
        }
        let source = match &self.filename {
            Some(file) => {
                if !self.token.is_empty() || !self.tokens.is_empty() {
                    checks.warn("filename", "filename is set, so token and tokens are not used");
                }
                Rotating::first(file, is_good, "filename", checks).map(Source::File)
            }
            None => self.fixed(checks).map(Source::Fixed),
        };
        if let Some(source) = source {
            // The first reading counts.
            let scheme = self.scheme.clone();
            let _read_before = self.offered.set(Arc::new(Tokens { header, scheme, source }));
        }
    }
}

impl BearerTokenConfig {
    fn fixed(&self, checks: &mut Checks) -> Option<Vec<Secret>> {
        let (key, all) = if self.tokens.is_empty() {
            ("token", std::slice::from_ref(&self.token))
        } else {
            ("tokens", self.tokens.as_slice())
        };
        if all.iter().any(Secret::is_empty) {
            checks.error(key, "no bearer token provided: set token, tokens or filename");
            return None;
        }
        if all.iter().any(|token| HeaderValue::try_from(token.expose()).is_err()) {
            checks.error(key, "a token holds characters that a header can not carry");
            return None;
        }
        Some(all.to_vec())
    }
}

/// Whether a text holds tokens, one a line, that a header can carry.
fn is_good(text: &str) -> bool {
    let mut lines = lines(text).peekable();
    lines.peek().is_some() && lines.all(|line| HeaderValue::try_from(line).is_ok())
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Where tokens come from.
enum Source {
    Fixed(Vec<Secret>),
    /// One a line.
    File(Arc<Rotating>),
}

/// The tokens that are right; we show the first.
struct Tokens {
    header: HeaderName,
    scheme: String,
    source: Source,
}

/// Says nothing of tokens.
impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Returns what stands in the header for each token.
    fn values(&self) -> Vec<String> {
        let value = |token: &str| match self.scheme.as_str() {
            "" => token.to_owned(),
            scheme => format!("{scheme} {token}"),
        };
        match &self.source {
            Source::Fixed(tokens) => tokens.iter().map(|token| value(token.expose())).collect(),
            Source::File(file) => lines(file.current().expose()).map(value).collect(),
        }
    }

    fn judge(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let shown = headers.get(&self.header);
        let shown = shown.ok_or(Denied::Unauthenticated("missing or empty authorization header"))?;
        // Every token is compared, so that the time tells nothing of which one is near.
        let fits = |value: &String| same(value.as_bytes(), shown.as_bytes());
        let n_right = self.values().iter().filter(|value| fits(value)).count();
        if n_right == 0 { Err(Denied::Unauthenticated("scheme or token does not match")) } else { Ok(()) }
    }

    fn show(&self, headers: &mut HeaderMap) -> Result<(), BoxError> {
        let first = self.values().into_iter().next().ok_or("there is no token")?;
        let mut value = HeaderValue::try_from(first)?;
        value.set_sensitive(true);
        headers.insert(self.header.clone(), value);
        Ok(())
    }
}

impl ServerAuth for Tokens {
    fn check<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<(), Denied>> {
        Box::pin(ready(self.judge(headers)))
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Bearer realm=\"trueline\"")
    }
}

impl ClientAuth for Tokens {
    fn authenticate<'a>(
        &'a self,
        headers: &'a mut HeaderMap,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        Box::pin(ready(self.show(headers)))
    }
}

/// The extension `bearertokenauth`.
pub(crate) struct BearerTokenAuth {
    files: Vec<Arc<Rotating>>,
    clock: Arc<dyn Clock>,
}

impl ExtensionDef for BearerTokenAuth {
    const KIND: &'static str = "bearertokenauth";
    type Config = BearerTokenConfig;

    fn authenticator(config: &BearerTokenConfig) -> Option<Authenticator> {
        let tokens = config.offered.get();
        Some(Authenticator {
            server: tokens.map(|tokens| Arc::clone(tokens) as _),
            client: tokens.map(|tokens| Arc::clone(tokens) as _),
        })
    }

    fn build(config: &BearerTokenConfig, cx: ExtensionCx) -> Box<dyn Extension> {
        let file = config.offered.get().and_then(|tokens| match &tokens.source {
            Source::Fixed(_) => None,
            Source::File(file) => Some(Arc::clone(file)),
        });
        Box::new(BearerTokenAuth { files: file.into_iter().collect(), clock: cx.clock })
    }
}

impl Extension for BearerTokenAuth {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            keep_current(self.files, &*self.clock, &stop).await;
            Ok(())
        })
    }
}
