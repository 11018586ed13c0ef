use super::*;

#[test]
fn thresholds_are_rounded_as_by_the_collector() {
    // Made by `pkg/sampling` 0.155.
    let rows = [
        (1.0, ["0", "0", "0", "0"]),
        (0.5, ["8", "8", "8", "8"]),
        (1.0 / 3.0, ["b", "aab", "aaab", "aaaaaaaaaaaaac"]),
        (0.1, ["e", "e66", "e666", "e6666666666666"]),
        (0.01, ["fd", "fd71", "fd70a", "fd70a3d70a3d71"]),
        (1e-6, ["fffff", "ffffef4", "ffffef39", "ffffef39085f4a"]),
        (0.999, ["004", "00419", "004189", "004189374bc6a8"]),
        (0.999_999, ["00001", "000010c", "000010c7", "000010c6f7a0b8"]),
        (LEAST_SHARE, ["ffffffffffffff"; 4]),
        (3e-10, ["ffffffff", "fffffffeb6", "fffffffeb62", "fffffffeb62582"]),
    ];
    for (share, expected) in rows {
        let told = [1, 3, 4, 14].map(|digits| write_threshold(threshold_of(share, digits).unwrap()));
        assert_eq!(told, expected, "{share}");
    }
    assert_eq!([0.0, -1.0, 1.1, f64::NAN, LEAST_SHARE / 2.0].map(|share| threshold_of(share, 4)), [None; 5]);
}

#[test]
fn a_state_keeps_what_it_does_not_know() {
    let check = |text: &str, expected: &str, is_sound: bool| {
        let (state, sound) = TraceState::read(text.as_bytes());
        assert_eq!(
            (String::from_utf8(state.write()).unwrap(), sound),
            (expected.to_owned(), is_sound),
            "{text}"
        );
    };
    check("", "", true);
    check("a=1, b=2 ,,ot=x:y;th:4;rv:00000000000001", "ot=rv:00000000000001;th:4;x:y,a=1,b=2", true);
    check("a=1,ot=th:zz;x:y", "ot=x:y,a=1", false);
    check("A=1", "", false);
    check("a=1,ot=;", "a=1", false);
    check("1tenant@s=v", "1tenant@s=v", true);
    check("tenant@1s=v", "", false);
    check(&format!("a={}", "v".repeat(257)), "", false);
    check(&vec!["a=1"; 31].join(","), &vec!["a=1"; 31].join(","), true);
    assert!(!TraceState::read(vec!["a=1"; 32].join(",").as_bytes()).1);
    assert!(!TraceState::read(&[b'a'; 1025]).1);
}

#[test]
fn any_text_is_read_without_panic() {
    let mut random = wire::testing::Random(99);
    let parts = ["ot=", "th:", "rv:", "8", ",", ";", "=", "@", " ", "\u{e4}", "abcdefabcdefab", "a", ":"];
    for _ in 0..5000 {
        let text: String = (0..random.below(12)).map(|_| random.pick(&parts)).collect();
        let (state, is_sound) = TraceState::read(text.as_bytes());
        let written = state.write();
        if is_sound {
            assert_eq!(TraceState::read(&written), (state.clone(), true), "{text:?}");
        }
    }
}
