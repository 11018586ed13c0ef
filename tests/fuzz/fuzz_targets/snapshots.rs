//! A snapshot of any state is refused or taken; what is taken can be told, and stored as the same again.
#![no_main]

use component::Snapshot;
use fuzz::stage::{self, Half, chosen};
use libfuzzer_sys::fuzz_target;
use model::Payload;

fuzz_target!(|data: &[u8]| {
    let Some((stage, data)) = chosen(data) else { return };
    let Some((version, state)) = data.split_first() else { return };
    let mut half = Half::new(stage);
    let untouched = half.snapshot();
    // Versions that were never are refused.
    let version = u32::from(*version) % (untouched.version + 2);
    let snapshot = Snapshot { version, bytes: stage::sealed(stage, state) };
    match half.restore(snapshot) {
        Ok(()) => assert_stored_alike(stage, &half),
        // Under its own hash a state is what another release wrote: a part of it may have been taken.
        Err(_) if stage::is_sealed(stage) => {}
        Err(_) => return assert_eq!(half.snapshot(), untouched, "a refused snapshot changes nothing"),
    }
    half.hear(vec![Payload::Rollups(Box::new(stage::window(Default::default(), false)))]);
    half.tick();
    half.drain();
});

fn assert_stored_alike(stage: usize, half: &Half) {
    let stored = half.snapshot();
    let mut again = Half::new(stage);
    again.restore(stored.clone()).expect("an own snapshot can be read");
    assert_eq!(again.snapshot(), stored);
}
