//! Views see as many log records as the check counts, and end on anything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::view::{LogRecord, groups};

fuzz_target!(|data: &[u8]| {
    let mut n_records = 0_u64;
    for group in groups(data) {
        for item in group.items() {
            n_records += 1;
            let record = LogRecord::of(item);
            let label = record.body.to_label_string();
            assert!(label.len() <= item.len() * 8 + 32);
            assert!(record.attributes().count() <= item.len());
        }
    }
    if let Ok(items) = wire::check_logs(data) {
        assert_eq!(items, n_records);
    }
});
