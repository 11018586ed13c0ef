//! What a target shows is read or refused; more lines before it change nothing about how it is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use receivers::exposition;

fuzz_target!(|data: &[u8]| {
    let Some((choice, page)) = data.split_first() else { return };
    let is_open_metrics = choice % 2 == 1;
    let (n_samples, is_right) = exposition(page, is_open_metrics);
    assert!(n_samples <= page.len() / 3 + 1, "{n_samples} samples of {} bytes", page.len());
    let one_more = usize::from(std::str::from_utf8(page).is_ok());
    let with_one_before = exposition(&[b"one 1\n", page].concat(), is_open_metrics);
    assert_eq!(with_one_before, (n_samples + one_more, is_right));
});
