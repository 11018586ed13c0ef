//! Whatever a connection brings, each partial in it is merged at most once, also when all comes again.
#![no_main]

use engine::fuzzing::merge;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let (merged, read) = merge(data);
    let frames = &data[..read];
    let size: usize = merged.iter().map(|(_, stage, partial)| stage.len() + partial.len()).sum();
    assert!(size <= read, "{size} bytes of partials from {read} bytes");
    let (twice, _) = merge(&[frames, frames].concat());
    assert_eq!(merged, twice, "what comes again changes nothing");
});
