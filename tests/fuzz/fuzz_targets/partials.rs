//! A partial of any bytes is merged or counted as damaged; what comes of it is sound, and the state
//! afterwards survives a restart.
#![no_main]

use bytes::Bytes;
use fuzz::stage::{Half, chosen_of_counting};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((stage, partial)) = chosen_of_counting(data) else { return };
    let partial = Bytes::copy_from_slice(partial);
    let mut half = Half::new(stage);
    half.merge(&partial);
    half.tick();
    half.merge(&partial);
    assert_survives_a_restart(stage, &half);
    half.drain();
});

fn assert_survives_a_restart(stage: usize, half: &Half) {
    let snapshot = half.snapshot();
    let mut again = Half::new(stage);
    again.restore(snapshot.clone()).expect("an own snapshot can be read");
    assert_eq!(again.snapshot(), snapshot);
}
