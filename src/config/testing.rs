//! What the tests of this crate share.

use proptest::test_runner::Config;

/// Property tests without files of old failures: beside this crate those would pass for a crate.
pub(crate) fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
