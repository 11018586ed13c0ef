use std::time::Duration;

use component::{Checks, Config, MemoryLimit, MemorySize, ProcessorDef};

use super::{MemoryLimiter, MemoryLimiterConfig};
use crate::testing::settings;

fn config(yaml: &str) -> MemoryLimiterConfig {
    settings(yaml)
}

#[test]
fn limits_are_sizes_or_shares() {
    let limit = |yaml| MemoryLimiter::memory_limit(&config(yaml)).unwrap();
    let of = |limit, spike| MemoryLimit { check_interval: Duration::from_secs(1), limit, spike };
    assert_eq!(
        limit("{check_interval: 1s, limit_mib: 400, spike_limit_mib: 100}"),
        of(MemorySize::Bytes(400 << 20), Some(MemorySize::Bytes(100 << 20)))
    );
    assert_eq!(limit("{check_interval: 1s, limit_mib: 400}"), of(MemorySize::Bytes(400 << 20), None));
    assert_eq!(
        limit("{check_interval: 1s, limit_percentage: 80, spike_limit_percentage: 25}"),
        of(MemorySize::Percent(80), Some(MemorySize::Percent(25)))
    );
    assert_eq!(
        limit("{check_interval: 1s, limit_mib: 400, limit_percentage: 80, spike_limit_percentage: 25}"),
        of(MemorySize::Bytes(400 << 20), None),
        "a size counts before a share"
    );
}

#[test]
fn every_problem_is_told_at_once() {
    let found = |yaml| {
        let mut checks = Checks::default();
        config(yaml).validate(&mut checks);
        let paths = checks.into_findings().into_iter().map(|finding| (finding.path, finding.is_warning));
        paths.collect::<Vec<_>>()
    };
    let error = |path: &str| (path.to_owned(), false);
    assert_eq!(found("{check_interval: 1s, limit_mib: 400}"), []);
    assert_eq!(
        found("{check_interval: 1s, limit_mib: 400, limit_percentage: 80}"),
        [("limit_percentage".to_owned(), true)]
    );
    assert_eq!(found("{}"), [error("check_interval"), error("")]);
    assert_eq!(
        found("{limit_mib: 100, spike_limit_mib: 100, spike_limit_percentage: 101}"),
        [error("check_interval"), error("spike_limit_percentage"), error("spike_limit_mib")]
    );
    assert_eq!(
        found("{check_interval: 1s, limit_percentage: 50, spike_limit_percentage: 50}"),
        [error("spike_limit_percentage")]
    );
    assert_eq!(
        found("{check_interval: 1s, limit_mib: 400, limit_percentage: 50, spike_limit_percentage: 60}"),
        [error("spike_limit_percentage"), ("limit_percentage".to_owned(), true)]
    );
}
