//! `redaction`.

use super::{ALL, Pair, run::check};

pub(super) const PAIRS: &[Pair] = &[
    Pair::new(
        "redaction: no key is allowed, in silence",
        ALL,
        "redaction: {}",
    ),
    Pair::new(
        "redaction: allowed keys, with what was done told in full",
        ALL,
        "
redaction:
  allowed_keys: [http.route, user.id, state, service.name, host.load, password]
  ignored_keys: [load]
  ignored_key_patterns: ['^http\\.re']
  summary: debug",
    ),
    Pair::new(
        "redaction: blocked values within texts, told in numbers",
        ALL,
        "
redaction:
  allow_all_keys: true
  blocked_values: ['4[0-9]{12}(?:[0-9]{3})?', '[\\w.]+@[\\w.]+']
  summary: info",
    ),
    Pair::new(
        "redaction: blocked keys, allowed values and every type",
        ALL,
        "
redaction:
  allow_all_keys: true
  redact_all_types: true
  blocked_key_patterns: ['(?i)(password|token|secret)', '^tags$']
  blocked_values: ['^[0-9]+$', 'example']
  allowed_values: ['^7$', 'example\\.org$']
  summary: debug",
    ),
    Pair::new(
        "redaction: hashes by sha1",
        ALL,
        "
redaction:
  allow_all_keys: true
  hash_function: sha1
  blocked_key_patterns: [password]
  blocked_values: ['[\\w.]+@[\\w.]+', '4111\\d+']
  summary: debug",
    ),
    Pair::new(
        "redaction: hashes by sha3, in silence",
        ALL,
        "
redaction:
  allow_all_keys: true
  hash_function: sha3
  blocked_key_patterns: [password]
  blocked_values: ['u-\\d+']
  summary: silent",
    ),
    Pair::new(
        "redaction: hashes by md5",
        ALL,
        "
redaction:
  allow_all_keys: true
  hash_function: MD5
  redact_all_types: true
  blocked_key_patterns: [password]
  blocked_values: ['[\\w.]+@[\\w.]+', '4111\\d+']
  summary: info",
    ),
    Pair::new(
        "redaction: hashes by hmac-sha256",
        ALL,
        "
redaction:
  allow_all_keys: true
  hash_function: hmac-sha256
  hmac_key: a key that is known to this test alone
  redact_all_types: true
  blocked_key_patterns: [password]
  blocked_values: ['[\\w.]+@[\\w.]+', '4111\\d+']
  summary: info",
    ),
    Pair::new(
        "redaction: hashes by hmac-sha512",
        ALL,
        "
redaction:
  allow_all_keys: true
  hash_function: HMAC-SHA512
  hmac_key: a key of sixty-four bytes and more, which is known to this test alone
  redact_all_types: true
  blocked_key_patterns: [password]
  blocked_values: ['[\\w.]+@[\\w.]+', '4111\\d+']
  summary: info",
    ),
    Pair::new(
        "redaction: two behind each other add up what they tell",
        ALL,
        "
redaction/one: {allow_all_keys: true, blocked_values: ['[\\w.]+@[\\w.]+'], summary: debug}
redaction/two: {allow_all_keys: true, blocked_values: ['4111\\d+'], blocked_key_patterns: [password], summary: debug}",
    ),
];

#[test]
fn what_nobody_shall_see_is_removed_and_masked_alike() {
    check(PAIRS);
}
