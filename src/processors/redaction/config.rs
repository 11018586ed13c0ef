//! The collector's keys.

use component::{Checks, Config};

use serde::Deserialize;

use crate::ottl::pattern;

/// Settings of `redaction`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RedactionConfig {
    /// Otherwise attributes whose keys are not in `allowed_keys` are removed.
    pub(crate) allow_all_keys: bool,
    pub(crate) allowed_keys: Vec<String>,
    /// Keys of attributes that stay as they are.
    pub(crate) ignored_keys: Vec<String>,
    pub(crate) ignored_key_patterns: Vec<String>,
    /// Patterns of keys whose values are masked.
    pub(crate) blocked_key_patterns: Vec<String>,
    /// Patterns of what is masked in values.
    pub(crate) blocked_values: Vec<String>,
    /// Patterns of values that stay as they are.
    pub(crate) allowed_values: Vec<String>,
    /// One of [`HASHES`], in small letters or capitals; four asterisks when it is not set.
    pub(crate) hash_function: String,
    /// For the functions that have a key.
    pub(crate) hmac_key: config::Secret,
    /// Whether values that are no texts are looked at.
    pub(crate) redact_all_types: bool,
    /// `debug`, `info` or `silent`.
    pub(crate) summary: String,
    /// Both are known to the collector, and may be off here.
    pub(crate) url_sanitizer: Sanitizer,
    pub(crate) db_sanitizer: DbSanitizer,
}

/// What the collector takes apart before it looks for what is to be masked.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sanitizer {
    enabled: bool,
    attributes: Vec<String>,
    sanitize_span_name: Option<bool>,
}

/// One for each language of queries.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DbSanitizer {
    sql: DbLanguage,
    redis: DbLanguage,
    valkey: DbLanguage,
    memcached: DbLanguage,
    mongo: DbLanguage,
    opensearch: DbLanguage,
    es: DbLanguage,
    sanitize_span_name: Option<bool>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DbLanguage {
    enabled: bool,
    attributes: Vec<String>,
}

const NO_SANITIZER: &str =
    "is not supported: addresses and queries are not taken apart; remove it, and mask by blocked_values";
pub(super) const SUMMARIES: [&str; 3] = ["debug", "info", "silent"];
const HASHES: [&str; 5] = ["md5", "sha1", "sha3", "hmac-sha256", "hmac-sha512"];

impl Config for RedactionConfig {
    fn validate(&self, checks: &mut Checks) {
        for (key, patterns) in [
            ("ignored_key_patterns", &self.ignored_key_patterns),
            ("blocked_key_patterns", &self.blocked_key_patterns),
            ("blocked_values", &self.blocked_values),
            ("allowed_values", &self.allowed_values),
        ] {
            for (index, text) in patterns.iter().enumerate() {
                if let Err(message) = pattern(text) {
                    checks.error(&format!("{key}.{index}"), message);
                }
            }
        }
        self.check_hash(checks);
        let db = &self.db_sanitizer;
        for (path, is_on) in [
            ("url_sanitizer.enabled", self.url_sanitizer.enabled),
            ("db_sanitizer.sql.enabled", db.sql.enabled),
            ("db_sanitizer.redis.enabled", db.redis.enabled),
            ("db_sanitizer.valkey.enabled", db.valkey.enabled),
            ("db_sanitizer.memcached.enabled", db.memcached.enabled),
            ("db_sanitizer.mongo.enabled", db.mongo.enabled),
            ("db_sanitizer.opensearch.enabled", db.opensearch.enabled),
            ("db_sanitizer.es.enabled", db.es.enabled),
        ] {
            let section = path.trim_end_matches(".enabled");
            if is_on {
                checks.error(path, format!("{section} {NO_SANITIZER}"));
            }
        }
        if !self.summary.is_empty() && !SUMMARIES.contains(&self.summary.as_str()) {
            checks.unknown("summary", "summary", &self.summary, &SUMMARIES);
        }
        if !self.allow_all_keys && self.allowed_keys.is_empty() && self.ignored_keys.is_empty() {
            checks.warn(
                "allowed_keys",
                "no key is allowed, so that every attribute is removed; \
                 to keep them all and mask values set allow_all_keys",
            );
        }
    }
}

impl RedactionConfig {
    fn check_hash(&self, checks: &mut Checks) {
        let name = self.hash_function.to_lowercase();
        let least_bytes = match name.as_str() {
            "hmac-sha256" => 32,
            "hmac-sha512" => 64,
            name => {
                if !name.is_empty() && !HASHES.contains(&name) {
                    checks.unknown("hash_function", "hash function", &self.hash_function, &HASHES);
                } else if !self.hmac_key.is_empty() {
                    checks.warn("hmac_key", "only hash_function hmac-sha256 and hmac-sha512 have a key");
                }
                return;
            }
        };
        match self.hmac_key.expose().len() {
            0 => checks.error("hash_function", format!("{name} needs a key, set hmac_key")),
            bytes if bytes < least_bytes => {
                let message =
                    format!("hmac_key has {bytes} bytes, must have at least {least_bytes} for {name}");
                checks.error("hmac_key", message);
            }
            _ => {}
        }
    }
}
