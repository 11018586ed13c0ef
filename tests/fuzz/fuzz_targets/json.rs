//! JSON is refused or becomes a sound request, which is written as JSON that means the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::json::{json_to_wire, wire_to_json};

fuzz_target!(|data: &[u8]| {
    let Some((signal, data)) = fuzz::signal(data) else { return };
    let Ok(request) = json_to_wire(signal, data) else { return };
    assert!(request.len() <= data.len() * 4 + 16, "{} bytes from {}", request.len(), data.len());
    wire::check(signal, &request).expect("what JSON says is sound");
    let mut json = Vec::new();
    wire_to_json(signal, &request, &mut json).expect("a sound request can be written");
    let again = json_to_wire(signal, &json).expect("what is written can be read");
    let mut json_again = Vec::new();
    wire_to_json(signal, &again, &mut json_again).expect("a sound request can be written");
    assert_eq!(json, json_again);
});
