//! Any condition or statement is refused or run; what it makes of any request is a request.
#![no_main]

use std::str;

use fuzz::stage;
use libfuzzer_sys::fuzz_target;
use processors::lens::Condition;

fuzz_target!(|data: &[u8]| {
    let Some((signal, data)) = fuzz::signal(data) else { return };
    // A text ends with a zero byte; the request follows.
    let end = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (Ok(text), request) = (str::from_utf8(&data[..end]), data.get(end + 1..).unwrap_or_default()) else {
        return;
    };
    let Some((request, items)) = fuzz::read(signal, request) else { return };
    for kind in ["filter", "transform"] {
        if let Some(stage) = stage::of_ottl(kind, signal, text) {
            stage::passes(&*stage, signal, &request, items);
        }
    }
    if let Ok(mut condition) = Condition::new(text)
        && let Some(part) = condition.chosen(signal, &request)
    {
        let chosen = wire::check(signal, &part).expect("what is chosen is a request");
        assert!(chosen <= items, "{chosen} of {items} are chosen");
    }
});
