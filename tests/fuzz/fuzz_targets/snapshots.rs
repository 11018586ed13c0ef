//! A snapshot of any bytes is refused or taken; what is taken can be told, and stored as the same again.
#![no_main]

use component::Snapshot;
use fuzz::stage::{Half, chosen};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((stage, bytes)) = chosen(data) else { return };
    let mut half = Half::new(stage);
    let untouched = half.snapshot();
    if half.restore(Snapshot { version: 1, bytes: bytes.to_vec() }).is_err() {
        assert_eq!(half.snapshot(), untouched, "a refused snapshot changes nothing");
        return;
    }
    let stored = half.snapshot();
    let mut again = Half::new(stage);
    again.restore(stored.clone()).expect("an own snapshot can be read");
    assert_eq!(again.snapshot(), stored);
    half.tick();
    half.drain();
});
