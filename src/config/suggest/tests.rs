use proptest::prelude::*;

use crate::did_you_mean;

const KEYS: &[&str] = &["endpoint", "timeout", "max_size", "min_size", "nop", "tls"];

fn near(name: &str) -> Option<&'static str> {
    did_you_mean(name, KEYS.iter().copied())
}

#[test]
fn slips_of_the_finger_are_recognised() {
    assert_eq!(near("endpont"), Some("endpoint"));
    assert_eq!(near("enpdoint"), Some("endpoint"));
    assert_eq!(near("maxSize"), Some("max_size"));
    assert_eq!(near("Timeout"), Some("timeout"));
    assert_eq!(near("tsl"), Some("tls"));
}

#[test]
fn other_words_are_not_taken_for_slips() {
    assert_eq!(near("debug"), None);
    assert_eq!(near("top_level"), None);
    assert_eq!(near(""), None);
    assert_eq!(near(&"a".repeat(10_000)), None);
}

proptest! {
    #![proptest_config(crate::testing::cases(500))]

    #[test]
    fn one_missing_letter_is_found_again(at in 0..8_usize) {
        let mut name = "endpoint".to_owned();
        name.remove(at);
        prop_assert_eq!(near(&name), Some("endpoint"));
    }

    #[test]
    fn any_name_gets_an_answer(name in ".{0,30}") {
        if let Some(found) = near(&name) {
            prop_assert!(KEYS.contains(&found));
        }
    }
}
