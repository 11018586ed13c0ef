//! Any request is refused or written as JSON of bounded length.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((signal, data)) = fuzz::signal(data) else { return };
    let mut json = Vec::new();
    if wire::json::wire_to_json(signal, data, &mut json).is_ok() {
        serde_json::from_slice::<serde_json::Value>(&json).expect("it is JSON");
        assert!(json.len() <= data.len() * 24 + 64, "{} bytes from {}", json.len(), data.len());
    }
});
