//! Proves to a receiver that a message is ours.

use aws_lc_rs::hmac;
use config::Secret;
use data_encoding::{BASE64, HEXLOWER};
use http::{HeaderMap, HeaderName, HeaderValue};
use model::Timestamp;

use crate::alert_webhook::config::{Scheme, SecretError, SecretSource, SigningConfig};

/// How secrets of Standard Webhooks begin.
const PREFIX: &str = "whsec_";

/// What Grafana calls its header.
const DEFAULT_HEADER: &str = "x-grafana-alerting-signature";

/// Signs messages.
pub(in super::super) struct Signer {
    scheme: Scheme,
    secret: SecretSource,
    /// Signs too, while receivers change to the other.
    rotated: Option<SecretSource>,
    header: HeaderName,
    timestamp_header: Option<HeaderName>,
}

/// A key that fits its scheme.
pub(in super::super) struct SigningKey(hmac::Key);

impl SigningKey {
    /// Reads a key: base64 behind `whsec_` of 24 to 64 bytes, or any text for the scheme that takes it as it is.
    ///
    /// # Errors
    /// What is wrong with it, without the secret itself.
    ///
    /// *Source*: Standard Webhooks 1.0, "Signature scheme".
    pub(in super::super) fn of(scheme: Scheme, secret: &Secret) -> Result<Self, String> {
        let bytes = match scheme {
            Scheme::HmacSha256 => secret.expose().as_bytes().to_vec(),
            Scheme::Standard => {
                let encoded = secret.expose();
                let encoded = encoded.strip_prefix(PREFIX).unwrap_or(encoded);
                let bytes = BASE64.decode(encoded.as_bytes());
                let bytes = bytes.map_err(|_| {
                    "the secret is not base64 behind whsec_; make one with: echo whsec_$(head -c 32 /dev/urandom | base64)".to_owned()
                })?;
                if !(24..=64).contains(&bytes.len()) {
                    return Err(format!("the secret has {} bytes, must have 24 to 64", bytes.len()));
                }
                bytes
            }
        };
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    fn sign(&self, parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(part);
        }
        context.sign()
    }
}

/// Why a message could not be signed.
#[derive(Debug, thiserror::Error)]
pub(in super::super) enum SignError {
    #[error("signing: {0}")]
    Secret(#[from] SecretError),
    #[error("signing: {0}")]
    Key(String),
}

impl Signer {
    pub(in super::super) fn new(config: &SigningConfig) -> Self {
        let header = |name: &str| HeaderName::try_from(name).expect("validate has checked the names");
        let name = if config.header.is_empty() { DEFAULT_HEADER } else { &config.header };
        Self {
            scheme: config.scheme,
            secret: SecretSource::of(&config.secret_env, &config.secret_file).unwrap_or_default(),
            rotated: SecretSource::of(&config.rotate_secret_env, &config.rotate_secret_file),
            header: header(name),
            timestamp_header: (!config.timestamp_header.is_empty()).then(|| header(&config.timestamp_header)),
        }
    }

    /// Returns the headers that sign a message now.
    ///
    /// *Cost*: reads the secrets; call it where blocking is allowed.
    pub(in super::super) fn headers(
        &self,
        id: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<HeaderMap, SignError> {
        let mut keys = Vec::with_capacity(2);
        for source in [Some(&self.secret), self.rotated.as_ref()].into_iter().flatten() {
            keys.push(SigningKey::of(self.scheme, &source.read()?).map_err(SignError::Key)?);
        }
        let seconds = (now.as_millis() / 1000).to_string();
        let value = |text: String| HeaderValue::try_from(text).expect("ids and signatures are plain ASCII");
        let mut headers = HeaderMap::new();
        match self.scheme {
            Scheme::Standard => {
                let sign = |key: &SigningKey| {
                    let tag = key.sign(&[id.as_bytes(), b".", seconds.as_bytes(), b".", body]);
                    format!("v1,{}", BASE64.encode(tag.as_ref()))
                };
                let signatures: Vec<String> = keys.iter().map(sign).collect();
                headers.insert("webhook-id", value(id.to_owned()));
                headers.insert("webhook-timestamp", value(seconds));
                headers.insert("webhook-signature", value(signatures.join(" ")));
            }
            Scheme::HmacSha256 => {
                let sign = |key: &SigningKey| {
                    let tag = match &self.timestamp_header {
                        Some(_) => key.sign(&[seconds.as_bytes(), b":", body]),
                        None => key.sign(&[body]),
                    };
                    HEXLOWER.encode(tag.as_ref())
                };
                let signatures: Vec<String> = keys.iter().map(sign).collect();
                headers.insert(self.header.clone(), value(signatures.join(",")));
                if let Some(name) = &self.timestamp_header {
                    headers.insert(name.clone(), value(seconds));
                }
            }
        }
        Ok(headers)
    }
}
