//! Which headers do our requests bear? Sets, adds and removes them for clients.

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use component::{
    Authenticator, BoxError, Checks, ClientAuth, Config, Extension, ExtensionCx, ExtensionDef, Stop,
};
use config::{NotSupported, NotSupportedKeys, Secret};
use futures_util::future::{BoxFuture, LocalBoxFuture, ready};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::Timestamp;
use serde::Deserialize;

/// See the README for each key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HeadersSetterConfig {
    pub headers: Vec<HeaderConfig>,
    #[serde(skip)]
    offered: OnceLock<Arc<Changes>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HeaderConfig {
    pub key: String,
    pub value: Option<Secret>,
    pub action: Action,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// Adds it where it is absent.
    Insert,
    /// Changes it where it is there.
    Update,
    #[default]
    Upsert,
    Delete,
}

const HEADER_NOT_SUPPORTED: &[NotSupported] = &[
    NotSupported::new(
        "from_context",
        "headers of requests that came in are not kept with what they brought",
        "write `value`, and one exporter for each",
    ),
    NotSupported::new(
        "from_attribute",
        "what an authenticator knows of a sender is not kept with what was sent",
        "write `value`, and one exporter for each",
    ),
    NotSupported::new("default_value", "it belongs to `from_context`", "write `value`"),
    NotSupported::new("value_file", "the value stands in the configuration", "write `value: ${file:PATH}`"),
];

impl Config for HeadersSetterConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        (
            "",
            &[NotSupported::new(
                "additional_auth",
                "a client asks one authenticator",
                "name the other extension in `auth` and set these headers in the exporter's `headers`",
            )],
        ),
        ("headers.*", HEADER_NOT_SUPPORTED),
    ];

    fn validate(&self, checks: &mut Checks) {
        if self.headers.is_empty() {
            return checks
                .error("headers", "headers is empty, write at least one: {key: X-Scope-OrgID, value: shop}");
        }
        let changes: Vec<_> =
            self.headers.iter().enumerate().filter_map(|(at, it)| it.read(at, checks)).collect();
        if changes.len() == self.headers.len() {
            let _read_before = self.offered.set(Arc::new(Changes(changes)));
        }
    }
}

impl HeaderConfig {
    fn read(&self, index: usize, checks: &mut Checks) -> Option<(Action, HeaderName, HeaderValue)> {
        let path = |key: &str| format!("headers.{index}.{key}");
        let Ok(name) = HeaderName::try_from(self.key.as_str()) else {
            checks.error(&path("key"), format!("key is {:?}, which is no header's name", self.key));
            return None;
        };
        let value = match (self.action, &self.value) {
            (Action::Delete, None) => HeaderValue::from_static(""),
            (Action::Delete, Some(_)) => {
                checks.error(&path("value"), "a header that is deleted has no value, remove it");
                return None;
            }
            (_, None) => {
                checks.error(&path("value"), "value is missing");
                return None;
            }
            (_, Some(value)) => match HeaderValue::try_from(value.expose()) {
                Ok(value) => value,
                Err(_) => {
                    checks.error(&path("value"), "value holds characters that a header can not carry");
                    return None;
                }
            },
        };
        Some((self.action, name, value))
    }
}

/// What is done to the headers of each request, in order.
struct Changes(Vec<(Action, HeaderName, HeaderValue)>);

/// Says nothing of values.
impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Changes")
    }
}

impl ClientAuth for Changes {
    fn authenticate<'a>(
        &'a self,
        headers: &'a mut HeaderMap,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        for (action, name, value) in &self.0 {
            let is_there = headers.contains_key(name);
            match action {
                Action::Delete => {
                    headers.remove(name);
                }
                Action::Insert if is_there => {}
                Action::Update if !is_there => {}
                Action::Insert | Action::Update | Action::Upsert => {
                    let mut value = value.clone();
                    value.set_sensitive(true);
                    headers.insert(name, value);
                }
            }
        }
        Box::pin(ready(Ok(())))
    }
}

/// The extension `headers_setter`.
pub(crate) struct HeadersSetter;

impl ExtensionDef for HeadersSetter {
    const KIND: &'static str = "headers_setter";
    type Config = HeadersSetterConfig;

    fn authenticator(config: &HeadersSetterConfig) -> Option<Authenticator> {
        let client = config.offered.get().map(|changes| Arc::clone(changes) as _);
        Some(Authenticator { server: None, client })
    }

    fn build(_: &HeadersSetterConfig, _: ExtensionCx) -> Box<dyn Extension> {
        Box::new(Self)
    }
}

impl Extension for HeadersSetter {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }
}
