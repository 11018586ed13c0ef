//! Who comes with a name and a password, and with which do we come? Basic authentication of servers and clients.

mod htpasswd;
mod server;
#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use component::{
    Authenticator, BoxError, Checks, ClientAuth, Clock, Config, Extension, ExtensionCx, ExtensionDef, Stop,
};
use config::{NotSupported, NotSupportedKeys, Secret, Section};
use data_encoding::BASE64;
use futures_util::future::{BoxFuture, LocalBoxFuture, ready};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use model::Timestamp;
use serde::Deserialize;
use transport::warn_of_open_secret;

pub(crate) use self::htpasswd::same;
use self::server::Server;
use crate::rotating::{Rotating, keep_current};

/// See the README for each key.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BasicAuthConfig {
    pub htpasswd: Section<HtpasswdConfig>,
    pub client_auth: Section<ClientAuthConfig>,
    /// What the checks have read, so that the start can not find something else.
    #[serde(skip)]
    offered: OnceLock<Offered>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HtpasswdConfig {
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub file: Option<PathBuf>,
    pub inline: Secret,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ClientAuthConfig {
    pub username: Secret,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub username_file: Option<PathBuf>,
    pub password: Secret,
    #[serde(deserialize_with = "config::empty_is_unset")]
    pub password_file: Option<PathBuf>,
}

/// One side.
#[derive(Clone)]
enum Offered {
    Server(Arc<Server>),
    Client(Arc<Client>),
}

/// Says nothing of passwords.
impl std::fmt::Debug for Offered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Offered")
    }
}

impl Config for BasicAuthConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[(
        "client_auth",
        &[NotSupported::new(
            "aws_secrets_manager",
            "secrets are read from files and variables",
            "let the manager's agent write them to files and set `username_file` and `password_file`",
        )],
    )];

    fn validate(&self, checks: &mut Checks) {
        let offered = match (self.htpasswd.get(), self.client_auth.get()) {
            (Some(htpasswd), None) => htpasswd.server(checks).map(|it| Offered::Server(Arc::new(it))),
            (None, Some(client)) => client.client(checks).map(|it| Offered::Client(Arc::new(it))),
            (Some(_), Some(_)) => {
                let message = "htpasswd is for servers and client_auth for clients, write two extensions: \
                               basicauth/server and basicauth/client";
                return checks.error("", message);
            }
            (None, None) => {
                return checks
                    .error("", "nothing is set, write htpasswd for servers or client_auth for clients");
            }
        };
        if let Some(offered) = offered {
            // The first reading counts.
            let _read_before = self.offered.set(offered);
        }
    }
}

impl HtpasswdConfig {
    fn server(&self, checks: &mut Checks) -> Option<Server> {
        let mut users = std::collections::BTreeMap::new();
        if let Some(file) = &self.file {
            warn_of_open_secret("htpasswd.file", file, checks);
            match std::fs::read_to_string(file) {
                Ok(text) => users.extend(read_lines(&text, "htpasswd.file", file, checks)?),
                Err(problem) => {
                    let file = file.display();
                    checks.error("htpasswd.file", format!("{file} can not be read: {problem}"));
                    return None;
                }
            }
        }
        // The lines here win over those of the file.
        users.extend(read_lines(self.inline.expose(), "htpasswd.inline", Path::new("inline"), checks)?);
        if users.is_empty() {
            checks.error("htpasswd", "no user is named, set file or inline to lines of name:password");
            return None;
        }
        let server = Server::new(users);
        if server.is_err() {
            checks.error("htpasswd", "the system gives no random numbers");
        }
        server.ok()
    }
}

fn read_lines(
    text: &str,
    path: &str,
    place: &Path,
    checks: &mut Checks,
) -> Option<std::collections::BTreeMap<String, htpasswd::Kept>> {
    let lines = htpasswd::read(text);
    if let Err(line) = &lines {
        // The line itself is not shown.
        let place = place.display();
        checks.error(path, format!("line {line} of {place} is not name:password as htpasswd writes it"));
    }
    lines.ok()
}

impl ClientAuthConfig {
    fn client(&self, checks: &mut Checks) -> Option<Client> {
        let username = part("username", &self.username, self.username_file.as_deref(), checks)?;
        let password = part("password", &self.password, self.password_file.as_deref(), checks)?;
        let client = Client { username, password };
        if client.username.text().expose().contains(':') {
            checks.error("client_auth.username", "a name in basic authentication holds no colon");
            return None;
        }
        Some(client)
    }
}

/// Reads a part; as with the collector, the file wins.
fn part(key: &str, inline: &Secret, file: Option<&Path>, checks: &mut Checks) -> Option<Part> {
    let Some(file) = file else {
        if inline.is_empty() {
            let message = format!("{key} is missing, set {key} or {key}_file");
            checks.error(&format!("client_auth.{key}"), message);
            return None;
        }
        return Some(Part::Fixed(Arc::new(inline.clone())));
    };
    if !inline.is_empty() {
        let message = format!("{key} is not used, as {key}_file is set; remove one");
        checks.warn(&format!("client_auth.{key}"), message);
    }
    let path = format!("client_auth.{key}_file");
    Rotating::first(file, |text| !text.is_empty(), &path, checks).map(Part::File)
}

/// A name or a password.
enum Part {
    Fixed(Arc<Secret>),
    File(Arc<Rotating>),
}

impl Part {
    fn text(&self) -> Arc<Secret> {
        match self {
            Self::Fixed(text) => Arc::clone(text),
            Self::File(file) => file.current(),
        }
    }
}

/// The name and the password that we come with.
struct Client {
    username: Part,
    password: Part,
}

impl Client {
    fn files(&self) -> Vec<Arc<Rotating>> {
        let file = |part: &Part| match part {
            Part::Fixed(_) => None,
            Part::File(file) => Some(Arc::clone(file)),
        };
        [file(&self.username), file(&self.password)].into_iter().flatten().collect()
    }
}

impl ClientAuth for Client {
    fn authenticate<'a>(
        &'a self,
        headers: &'a mut HeaderMap,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        let both = format!("{}:{}", self.username.text().expose(), self.password.text().expose());
        let mut value = HeaderValue::try_from(format!("Basic {}", BASE64.encode(both.as_bytes())))
            .expect("base64 is legal in a header");
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Box::pin(ready(Ok(())))
    }
}

/// The extension `basicauth`.
pub(crate) struct BasicAuth {
    files: Vec<Arc<Rotating>>,
    clock: Arc<dyn Clock>,
}

impl ExtensionDef for BasicAuth {
    const KIND: &'static str = "basicauth";
    type Config = BasicAuthConfig;

    fn authenticator(config: &BasicAuthConfig) -> Option<Authenticator> {
        Some(match config.offered.get() {
            Some(Offered::Server(server)) => {
                Authenticator { server: Some(Arc::clone(server) as _), client: None }
            }
            Some(Offered::Client(client)) => {
                Authenticator { server: None, client: Some(Arc::clone(client) as _) }
            }
            None => Authenticator::default(),
        })
    }

    fn build(config: &BasicAuthConfig, cx: ExtensionCx) -> Box<dyn Extension> {
        let files = match config.offered.get() {
            Some(Offered::Client(client)) => client.files(),
            _ => Vec::new(),
        };
        Box::new(BasicAuth { files, clock: cx.clock })
    }
}

impl Extension for BasicAuth {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            keep_current(self.files, &*self.clock, &stop).await;
            Ok(())
        })
    }
}
