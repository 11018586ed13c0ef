//! What a request bears of credentials, so that no message repeats it, should a server have sent it back.

use bytes::Bytes;
use data_encoding::BASE64;
use http::{
    HeaderMap, HeaderName,
    header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, USER_AGENT},
};

/// Headers that say nothing about who we are. All others are the operator's, and any of them may be a key.
const HARMLESS: [HeaderName; 8] =
    [ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TE, USER_AGENT];
const HARMLESS_PREFIXES: [&str; 3] = ["grpc-", "x-prometheus-", "webhook-"];

/// What is shorter is no secret, and may be part of any word.
const SHORTEST: usize = 6;

/// What was shown to a server, and what can be read out of it.
pub struct Shown(Vec<Vec<u8>>);

impl Shown {
    /// Collects what the headers of a request bear.
    pub fn by(headers: &HeaderMap) -> Self {
        let mut secrets = Vec::new();
        for (name, value) in headers {
            let is_harmless = HARMLESS.contains(name)
                || HARMLESS_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
            if is_harmless && !value.is_sensitive() {
                continue;
            }
            let value = value.as_bytes().trim_ascii();
            secrets.push(value.to_vec());
            // A scheme stands before what matters: `Bearer`, `Basic`.
            let Some(space) = value.iter().position(|byte| *byte == b' ') else { continue };
            let (scheme, credentials) = (&value[..space], value[space..].trim_ascii());
            secrets.push(credentials.to_vec());
            if scheme.eq_ignore_ascii_case(b"basic")
                && let Ok(both) = BASE64.decode(credentials)
            {
                let colon = both.iter().position(|byte| *byte == b':');
                secrets.extend(colon.and_then(|colon| both.get(colon + 1..)).map(<[u8]>::to_vec));
                secrets.push(both);
            }
        }
        secrets.retain(|secret| secret.len() >= SHORTEST);
        // What holds another goes first, so that nothing of it is left.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        secrets.dedup();
        Self(secrets)
    }

    /// Writes stars over what was shown, wherever it stands: a message in protobuf keeps its lengths.
    pub fn hide(&self, said: Bytes) -> Bytes {
        if !self.0.iter().any(|secret| find(&said, secret, 0).is_some()) {
            return said;
        }
        let mut hidden = said.to_vec();
        for secret in &self.0 {
            let mut from = 0;
            while let Some(at) = find(&hidden, secret, from) {
                from = at + secret.len();
                hidden[at..from].fill(b'*');
            }
        }
        Bytes::from(hidden)
    }

    /// Does the same to a text.
    pub fn hide_in(&self, said: &str) -> String {
        String::from_utf8_lossy(&self.hide(Bytes::copy_from_slice(said.as_bytes()))).into_owned()
    }
}

fn find(text: &[u8], part: &[u8], from: usize) -> Option<usize> {
    text.get(from..)?.windows(part.len()).position(|window| window == part).map(|at| at + from)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn shown(headers: &[(&'static str, &str)]) -> Shown {
        Shown::by(
            &headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect(),
        )
    }

    #[test]
    fn whatever_can_be_read_out_of_what_was_shown_is_hidden() {
        let basic = format!("Basic {}", BASE64.encode(b"user:hunter2:x"));
        let shown = shown(&[
            ("authorization", &basic),
            ("x-api-key", "key-of-shop"),
            ("x-scope", "eu"),
            ("user-agent", "trueline/1"),
        ]);
        let said = format!(
            "no: {basic}, {}; user:hunter2:x is not hunter2:x, key-of-shopkey-of-shop, eu, trueline/1",
            BASE64.encode(b"user:hunter2:x")
        );
        let hidden = shown.hide_in(&said);
        assert_eq!(hidden.len(), said.len());
        assert_eq!(
            hidden,
            "no: **************************, ********************; ************** is not *********, **********************, eu, trueline/1"
        );
    }

    #[test]
    fn tokens_are_hidden_with_and_without_their_scheme_and_bytes_that_are_no_text_stay() {
        let shown = shown(&[("authorization", "Bearer canary-token")]);
        assert_eq!(
            shown.hide(Bytes::from_static(b"\xff Bearer canary-token \x00canary-token")),
            &b"\xff ******************* \x00************"[..]
        );
        let untouched = Bytes::from_static(b"nothing of it");
        assert_eq!(shown.hide(untouched.clone()).as_ptr(), untouched.as_ptr(), "it is not copied");
    }

    #[test]
    fn a_header_that_is_marked_is_hidden_whatever_its_name() {
        let mut marked = HeaderValue::from_static("canary-agent");
        marked.set_sensitive(true);
        let headers = HeaderMap::from_iter([(USER_AGENT, marked)]);
        assert_eq!(Shown::by(&headers).hide_in("canary-agent!"), "************!");
    }
}
