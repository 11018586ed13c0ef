//! Lines of htpasswd: names, and passwords as `htpasswd` and `openssl passwd` write them.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use config::Secret;
use data_encoding::BASE64;
use md5::{Digest, Md5};
use sha_crypt::{PasswordVerifier, ShaCrypt};
use subtle::ConstantTimeEq;

/// A password as it is kept.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    /// `$2a$`, `$2b$`, `$2x$`, `$2y$`.
    Bcrypt(Secret),
    /// `$apr1$` and `$1$`: which of both, the salt, and the whole text.
    Md5 { magic: &'static str, salt: String, text: Secret },
    /// `$5$` and `$6$`.
    ShaCrypt(Secret),
    /// `{SHA}`, and `{SSHA}` with a salt behind the digest.
    Sha { digest: Vec<u8>, salt: Vec<u8> },
    /// As it is.
    Plain(Secret),
}

/// Reads lines of `name:password`; later lines win, and what follows `#` at the start of a line is not read.
///
/// # Errors
/// The number of the first line that can not be read, from 1.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, Kept>, usize> {
    let mut users = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, kept) = line.split_once(':').ok_or(index + 1)?;
        if name.is_empty() || kept.is_empty() {
            return Err(index + 1);
        }
        users.insert(name.to_owned(), Kept::read(kept).ok_or(index + 1)?);
    }
    Ok(users)
}

const SHA1_BYTES: usize = 20;

impl Kept {
    fn read(text: &str) -> Option<Self> {
        if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|magic| text.starts_with(magic)) {
            // A text that is none is found now, not when somebody knocks.
            let parts: Result<bcrypt::HashParts, _> = text.parse();
            return parts.is_ok().then(|| Self::Bcrypt(Secret::new(text)));
        }
        for magic in ["$apr1$", "$1$"] {
            if let Some(rest) = text.strip_prefix(magic) {
                let (salt, _) = rest.split_once('$')?;
                return Some(Self::Md5 {
                    magic,
                    salt: salt.chars().take(8).collect(),
                    text: Secret::new(text),
                });
            }
        }
        if text.starts_with("$5$") || text.starts_with("$6$") {
            return Some(Self::ShaCrypt(Secret::new(text)));
        }
        if let Some(encoded) = text.strip_prefix("{SHA}").or_else(|| text.strip_prefix("{SSHA}")) {
            let mut digest = BASE64.decode(encoded.as_bytes()).ok()?;
            if digest.len() < SHA1_BYTES || (text.starts_with("{SHA}") && digest.len() != SHA1_BYTES) {
                return None;
            }
            let salt = digest.split_off(SHA1_BYTES);
            return Some(Self::Sha { digest, salt });
        }
        Some(Self::Plain(Secret::new(text)))
    }

    /// Whether a check takes so long that it must not be done on a thread that others wait for.
    pub(super) const fn is_slow(&self) -> bool {
        matches!(self, Self::Bcrypt(_) | Self::Md5 { .. } | Self::ShaCrypt(_))
    }

    /// Whether a password is the one that is kept; the comparison's time tells nothing of it.
    ///
    /// *Cost*: bcrypt takes 50 ms and more, as its cost says.
    pub(super) fn matches(&self, password: &str) -> bool {
        match self {
            Self::Bcrypt(text) => bcrypt::verify(password, text.expose()).unwrap_or(false),
            Self::Md5 { magic, salt, text } => {
                let made = md5_crypt(password.as_bytes(), magic, salt.as_bytes());
                made.as_bytes().ct_eq(text.expose().as_bytes()).into()
            }
            Self::ShaCrypt(text) => {
                ShaCrypt::default().verify_password(password.as_bytes(), text.expose()).is_ok()
            }
            Self::Sha { digest: kept, salt } => {
                let mut salted = password.as_bytes().to_vec();
                salted.extend_from_slice(salt);
                let made = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &salted);
                made.as_ref().ct_eq(kept).into()
            }
            Self::Plain(kept) => same(kept.expose().as_bytes(), password.as_bytes()),
        }
    }
}

/// Compares without telling how long the texts are.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    let of = |text| digest::digest(&digest::SHA256, text);
    of(one).as_ref().ct_eq(of(other).as_ref()).into()
}

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Poul-Henning Kamp's md5crypt, which Apache calls `apr1`.
///
/// *Source*: FreeBSD `crypt-md5.c`, and `apr_md5_encode` of Apache's APR, which differ in the magic alone.
fn md5_crypt(password: &[u8], magic: &str, salt: &[u8]) -> String {
    let mut last: [u8; 16] =
        Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize().into();
    let mut all = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    for part in password.chunks(16) {
        all.update(&last[..part.len()]);
    }
    let mut bits = password.len();
    while bits > 0 {
        if bits & 1 == 1 {
            all.update([0]);
        } else {
            all.update(&password[..1]);
        }
        bits >>= 1;
    }
    last = all.finalize().into();
    for round in 0..1000 {
        let mut all = Md5::new();
        if round % 2 == 1 {
            all.update(password);
        } else {
            all.update(last);
        }
        if round % 3 != 0 {
            all.update(salt);
        }
        if round % 7 != 0 {
            all.update(password);
        }
        if round % 2 == 1 {
            all.update(last);
        } else {
            all.update(password);
        }
        last = all.finalize().into();
    }
    let mut text = format!("{magic}{}$", String::from_utf8_lossy(salt));
    for places in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        let [high, middle, low] = places.map(|place| u32::from(last[place]));
        push_encoded(&mut text, high << 16 | middle << 8 | low, 4);
    }
    push_encoded(&mut text, u32::from(last[11]), 2);
    text
}

fn push_encoded(text: &mut String, mut bits: u32, n: usize) {
    for _ in 0..n {
        text.push(char::from(ALPHABET[(bits & 63) as usize]));
        bits >>= 6;
    }
}
