//! The parts of a request are sound and hold together what it held.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((signal, data)) = fuzz::signal(data) else { return };
    let Some((&[bytes, items], data)) = data.split_first_chunk::<2>() else { return };
    let request = Bytes::copy_from_slice(data);
    let Ok(n_items) = wire::check(signal, &request) else { return };
    let parts = [
        wire::split(signal, &request, usize::from(bytes) * 4),
        wire::split_items(signal, &request, usize::from(items)),
    ];
    for parts in parts {
        let sum: u64 = parts.iter().map(|part| wire::check(signal, part).expect("a part is sound")).sum();
        assert_eq!(sum, n_items);
        let joined = parts.concat();
        assert_eq!(joined.len(), parts.iter().map(Bytes::len).sum::<usize>());
    }
});
