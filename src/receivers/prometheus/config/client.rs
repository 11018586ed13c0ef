//! How targets are asked: who we are, whom we trust.

use std::path::{Path, PathBuf};

use component::Checks;
use config::Secret;
use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use transport::{ClientTlsConfig, TlsVersion, warn_of_open_secret};

use super::ScrapeConfig;

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BasicAuth {
    pub(crate) username: String,
    pub(crate) username_file: String,
    pub(crate) password: Secret,
    pub(crate) password_file: String,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Authorization {
    #[serde(rename = "type")]
    pub(crate) scheme: String,
    pub(crate) credentials: Secret,
    pub(crate) credentials_file: String,
}

/// What a header is set to.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct HeaderValues {
    pub(crate) values: Vec<String>,
    pub(crate) secrets: Vec<Secret>,
}

/// `tls_config` as Prometheus writes it.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PromTls {
    pub(crate) ca: Secret,
    pub(crate) cert: Secret,
    pub(crate) key: Secret,
    pub(crate) ca_file: String,
    pub(crate) cert_file: String,
    pub(crate) key_file: String,
    pub(crate) server_name: String,
    pub(crate) insecure_skip_verify: bool,
    pub(crate) min_version: String,
    pub(crate) max_version: String,
}

/// Headers that requests have anyway, or that change the connection.
const RESERVED: [&str; 14] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "transfer-encoding",
    "user-agent",
    "www-authenticate",
    "x-prometheus-scrape-timeout-seconds",
];

impl PromTls {
    /// Returns the collector's section that means the same. Files are read again for connections made a minute later.
    pub(crate) fn client(&self) -> ClientTlsConfig {
        let file = |path: &str| (!path.is_empty()).then(|| PathBuf::from(path));
        let pem = |secret: &Secret| (!secret.is_empty()).then(|| secret.clone());
        ClientTlsConfig {
            insecure_skip_verify: self.insecure_skip_verify,
            ca_file: file(&self.ca_file),
            ca_pem: pem(&self.ca),
            cert_file: file(&self.cert_file),
            cert_pem: pem(&self.cert),
            key_file: file(&self.key_file),
            key_pem: pem(&self.key),
            server_name_override: (!self.server_name.is_empty()).then(|| self.server_name.clone()),
            min_version: version(&self.min_version).flatten(),
            max_version: version(&self.max_version).flatten(),
            reload_interval: Some(config::Duration::from_secs(60)),
            ..ClientTlsConfig::default()
        }
    }

    fn validate(&self, path: &str, checks: &mut Checks) {
        for (key, text) in [("min_version", &self.min_version), ("max_version", &self.max_version)] {
            if version(text).is_none() {
                checks.error(&format!("{path}.{key}"), format!("{key} is {text:?}, must be TLS12 or TLS13"));
            }
        }
        // Keys have other names here: what the other form finds is told of the section.
        let mut found = Checks::default();
        self.client().validate("", &mut found);
        for finding in found.into_findings() {
            let key = match finding.path.trim_start_matches('.') {
                "server_name_override" => "server_name",
                "ca_pem" => "ca",
                "cert_pem" => "cert",
                "key_pem" => "key",
                other => other,
            };
            let path = if key.is_empty() { path.to_owned() } else { format!("{path}.{key}") };
            if finding.is_warning {
                checks.warn(&path, finding.message);
            } else {
                checks.error(&path, finding.message);
            }
        }
    }
}

/// Reads a version of TLS; the inner none is the default.
fn version(text: &str) -> Option<Option<TlsVersion>> {
    match text {
        "" => Some(None),
        "TLS12" => Some(Some(TlsVersion::V1_2)),
        "TLS13" => Some(Some(TlsVersion::V1_3)),
        _ => None,
    }
}

/// Reports what is wrong with the keys of a client.
pub(super) fn validate(config: &ScrapeConfig, path: &str, checks: &mut Checks) {
    let has_token = config.bearer_token.as_ref().is_some_and(|token| !token.is_empty());
    let ways = [
        ("basic_auth", config.basic_auth.is_some()),
        ("authorization", config.authorization.is_some()),
        ("bearer_token", has_token),
        ("bearer_token_file", !config.bearer_token_file.is_empty()),
    ];
    let used: Vec<_> = ways.iter().filter(|(_, is_used)| *is_used).map(|(name, _)| *name).collect();
    if let [first, second, ..] = used[..] {
        let message = format!("{first} and {second} are both set, a target is shown one of them");
        checks.error(&format!("{path}.{second}"), message);
    }
    if let Some(basic) = &config.basic_auth {
        let path = format!("{path}.basic_auth");
        one_of(
            &path,
            ("username", !basic.username.is_empty()),
            ("username_file", &basic.username_file),
            checks,
        );
        one_of(
            &path,
            ("password", !basic.password.is_empty()),
            ("password_file", &basic.password_file),
            checks,
        );
    }
    if let Some(authorization) = &config.authorization {
        let path = format!("{path}.authorization");
        let has_text = !authorization.credentials.is_empty();
        let file = &authorization.credentials_file;
        one_of(&path, ("credentials", has_text), ("credentials_file", file), checks);
        if authorization.scheme.trim().eq_ignore_ascii_case("basic") {
            checks.error(
                &format!("{path}.type"),
                "type is Basic, write `basic_auth: {username: …, password: …}`",
            );
        }
        if HeaderValue::from_str(&authorization.scheme).is_err() {
            checks.error(&format!("{path}.type"), "type holds characters that a header can not carry");
        }
    }
    if !config.bearer_token_file.is_empty() {
        let file = Path::new(&config.bearer_token_file);
        warn_of_open_secret(&format!("{path}.bearer_token_file"), file, checks);
    }
    config.tls_config.validate(&format!("{path}.tls_config"), checks);
    for (name, values) in &config.http_headers {
        let path = format!("{path}.http_headers.{name}");
        match HeaderName::try_from(name.as_str()) {
            Err(_) => {
                checks.error(&path, format!("{name:?} is not a header name, use letters, digits and dashes"))
            }
            Ok(known) if RESERVED.contains(&known.as_str()) => {
                checks.error(&path, format!("{name} is set by the receiver itself, remove it"));
            }
            Ok(_) => {}
        }
        let texts = values.values.iter().map(String::as_str);
        if !texts
            .chain(values.secrets.iter().map(Secret::expose))
            .all(|text| HeaderValue::from_str(text).is_ok())
        {
            checks.error(&path, format!("a value of {name} holds characters that a header can not carry"));
        }
    }
}

fn one_of(path: &str, (key, has_text): (&str, bool), (file_key, file): (&str, &str), checks: &mut Checks) {
    if has_text && !file.is_empty() {
        checks.error(
            &format!("{path}.{file_key}"),
            format!("{key} and {file_key} are both set, write one of them"),
        );
    }
    if !file.is_empty() {
        warn_of_open_secret(&format!("{path}.{file_key}"), Path::new(file), checks);
    }
}
