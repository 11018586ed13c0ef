//! What stages tell each other that do not count spans, and verdicts on their way back: of any bytes it is merged or
//! counted as damaged, what comes of it is sound, and state survives a restart.
#![no_main]

use bytes::Bytes;
use fuzz::stage::{self, Half};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choice, told)) = data.split_first() else { return };
    let told = Bytes::copy_from_slice(told);
    if choice % 4 == 0 {
        return stage::hears_verdicts(usize::from(choice / 4), told);
    }
    let stage = stage::telling(usize::from(choice / 4));
    let mut half = Half::new(stage);
    half.merge(&told);
    half.tick();
    half.merge(&told);
    if let Some(snapshot) = half.state() {
        let mut again = Half::new(stage);
        again.restore(snapshot.clone()).expect("an own snapshot can be read");
        assert_eq!(again.state(), Some(snapshot));
    }
    half.drain();
});
