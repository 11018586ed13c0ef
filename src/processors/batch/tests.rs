use std::time::Duration;

use component::{BatchConfig, Checks, Config, ProcessorDef, Sizer};

use super::{Batch, BatchProcessorConfig};
use crate::testing::settings;

fn config(yaml: &str) -> BatchProcessorConfig {
    settings(yaml)
}

fn queue(yaml: &str) -> BatchConfig {
    Batch::batch(&config(yaml)).unwrap()
}

#[test]
fn the_queue_is_told_in_its_own_words() {
    let of = |millis, min_size, max_size| BatchConfig {
        flush_timeout: Duration::from_millis(millis).into(),
        min_size,
        max_size,
        sizer: Some(Sizer::Items),
    };
    assert_eq!(queue("{}"), of(200, 8192, 0));
    assert_eq!(queue("{timeout: 5s, send_batch_size: 100, send_batch_max_size: 150}"), of(5000, 100, 150));
    assert_eq!(queue("{timeout: 0s}").min_size, 0, "nothing waits");
    assert_eq!(queue("{send_batch_size: 0}").min_size, 0, "nothing waits");
}

#[test]
fn a_batch_may_be_as_large_as_makes_it_leave() {
    let found = |yaml| {
        let mut checks = Checks::default();
        config(yaml).validate(&mut checks);
        checks.into_findings()
    };
    assert_eq!(found("{send_batch_size: 100, send_batch_max_size: 100}"), []);
    let found = found("{send_batch_size: 100, send_batch_max_size: 99}");
    assert_eq!(found[0].path, "send_batch_max_size");
    assert_eq!(
        found[0].message,
        "send_batch_max_size is 99, must be greater or equal to send_batch_size (100)"
    );
}
