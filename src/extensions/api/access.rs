//! Who may ask what.

use config::Secret;
use http::{
    HeaderMap, Method,
    header::{AUTHORIZATION, HOST},
};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use super::config::is_loopback;

/// What a token allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Right {
    #[default]
    Read,
    /// Also what changes something.
    Write,
}

/// How much of passing telemetry a token shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TapRight {
    #[default]
    None,
    /// Samples whose secrets are hidden.
    Masked,
    /// Also as it is.
    Full,
}

/// A token whose secret has been read.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) name: String,
    pub(super) secret: Secret,
    pub(super) right: Right,
    pub(super) tap: TapRight,
}

/// All tokens. Without any, programs on this machine may read.
pub(super) struct Access {
    tokens: Vec<Token>,
}

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Denied {
    #[error("this needs a token: send `Authorization: Bearer …` with one of `extensions::api::tokens`")]
    NoToken,
    #[error("no token is configured, so nothing can be changed; set `tokens` of the extension `api`")]
    NoTokensConfigured,
    #[error("this token is not known")]
    UnknownToken,
    #[error("this token only reads; it needs `access: write`")]
    ReadOnly,
    #[error(
        "no token is configured, so nobody sees telemetry; set `tokens` of the extension `api`, one with `tap: masked`"
    )]
    NoTapTokens,
    #[error("this token shows no telemetry; it needs `tap: masked`")]
    NoTap,
    #[error("this token shows telemetry without its secrets alone; it needs `tap: full`")]
    OnlyMasked,
    /// A page in a browser that has been led to this address by a name of its own.
    #[error("without tokens only requests to localhost are answered, this one names another host")]
    OtherHost,
}

impl Denied {
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::NoToken | Self::UnknownToken | Self::NoTokensConfigured | Self::NoTapTokens => 401,
            Self::ReadOnly | Self::OtherHost | Self::NoTap | Self::OnlyMasked => 403,
        }
    }
}

impl Access {
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        Self { tokens }
    }

    /// Returns who asks; an empty name where nobody needs to say.
    pub(super) fn check(&self, method: &Method, headers: &HeaderMap) -> Result<&str, Denied> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if self.tokens.is_empty() {
            return match (reads, names_this_machine(headers)) {
                (true, true) => Ok(""),
                (true, false) => Err(Denied::OtherHost),
                (false, _) => Err(Denied::NoTokensConfigured),
            };
        }
        let token = self.shown(headers)?;
        if reads || token.right == Right::Write { Ok(&token.name) } else { Err(Denied::ReadOnly) }
    }

    /// Whether who asks may see so much of passing telemetry. Without tokens nobody may, not even on this machine.
    pub(super) fn check_tap(&self, headers: &HeaderMap, wanted: TapRight) -> Result<(), Denied> {
        if self.tokens.is_empty() {
            return Err(Denied::NoTapTokens);
        }
        match self.shown(headers)?.tap {
            right if right >= wanted => Ok(()),
            TapRight::None => Err(Denied::NoTap),
            TapRight::Masked | TapRight::Full => Err(Denied::OnlyMasked),
        }
    }

    fn shown(&self, headers: &HeaderMap) -> Result<&Token, Denied> {
        let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| is_bearer(scheme));
        let (_, shown) = shown.ok_or(Denied::NoToken)?;
        // Every token is compared, so that the time tells nothing of which one is near.
        let known = self.tokens.iter().fold(None, |known, token| {
            let is_same: bool = token.secret.expose().as_bytes().ct_eq(shown.trim().as_bytes()).into();
            if is_same { Some(token) } else { known }
        });
        known.ok_or(Denied::UnknownToken)
    }
}

fn is_bearer(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("bearer")
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => bare,
        _ => host,
    };
    is_loopback(bare)
}
