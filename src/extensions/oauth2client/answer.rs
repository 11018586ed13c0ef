//! What an authorization server says: RFC 6749, sections 5.1 and 5.2.

use std::time::Duration;

use http::HeaderValue;
use serde::{Deserialize, Deserializer};

/// A token as it was issued.
#[derive(Debug)]
pub(super) struct Token {
    /// The value of `Authorization`.
    pub(super) header: HeaderValue,
    /// None for one that lasts for ever.
    pub(super) expires_in: Option<Duration>,
}

#[derive(Deserialize)]
struct Issue {
    access_token: config::Secret,
    #[serde(default)]
    token_type: String,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<f64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Longer lives than this are cut.
const LONGEST_LIFE: f64 = 366.0 * 86_400.0;

/// Some servers write the number as text.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(f64),
        Text(String),
        Nothing(()),
    }
    Ok(match Written::deserialize(deserializer)? {
        Written::Number(seconds) => Some(seconds),
        Written::Text(text) => text.trim().parse().ok(),
        Written::Nothing(()) => None,
    })
}

/// Reads an answer. What it holds besides the name of an error is never repeated, as it may be a token.
///
/// # Errors
/// What the server refuses, or that it is none.
pub(super) fn read(status: u16, body: &[u8]) -> Result<Token, String> {
    if status != 200 {
        let refusal: Option<Refusal> = serde_json::from_slice(body).ok();
        let is_name =
            |text: &String| text.len() <= 64 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let error = refusal.map(|refusal| refusal.error).filter(is_name);
        let error = error.map(|error| format!(": {error}")).unwrap_or_default();
        return Err(format!("the server of tokens answered {status}{error}"));
    }
    let issue: Issue = serde_json::from_slice(body)
        .map_err(|_| "the server of tokens answered 200, but not with a token in JSON".to_owned())?;
    let scheme = match issue.token_type.to_ascii_lowercase().as_str() {
        "" | "bearer" => "Bearer".to_owned(),
        "mac" => return Err("the server issued a token of the type mac, only bearer is spoken".to_owned()),
        _ => issue.token_type,
    };
    let token = issue.access_token.expose();
    let header = HeaderValue::try_from(format!("{scheme} {token}")).ok().filter(|_| !token.is_empty());
    let header = header.ok_or("the server issued a token that a header can not carry")?;
    let life = issue.expires_in.filter(|seconds| *seconds > 0.0);
    let expires_in = life.map(|seconds| Duration::from_secs_f64(seconds.min(LONGEST_LIFE)));
    Ok(Token { header, expires_in })
}
