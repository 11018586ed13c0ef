//! A body of any bytes is refused or decompressed, never to more than the limit; more room changes
//! nothing about a body that fits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use receivers::fuzzing::decompress;

const ENCODINGS: [&str; 6] = ["gzip", "deflate", "zstd", "snappy", "lz4", "identity"];
const LIMITS: [usize; 4] = [1, 1 << 10, 64 << 10, 1 << 20];

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else { return };
    let encoding = ENCODINGS[usize::from(*choice) % ENCODINGS.len()];
    let limit = LIMITS[usize::from(*choice) / ENCODINGS.len() % LIMITS.len()];
    let Ok(Some(content)) = decompress(encoding, body, limit) else { return };
    assert!(content.len() <= limit, "{} bytes came out, the limit is {limit}", content.len());
    assert_eq!(decompress(encoding, body, 4 << 20), Ok(Some(content)));
});
