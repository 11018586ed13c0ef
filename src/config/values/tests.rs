use proptest::prelude::*;
use serde::{Deserialize, de::IntoDeserializer};

use crate::{ByteSize, Duration, Secret, SignedDuration};

type Error = serde::de::value::Error;

fn signed(text: &str) -> Result<i64, String> {
    let deserializer = IntoDeserializer::<Error>::into_deserializer(text);
    SignedDuration::deserialize(deserializer).map(|d| d.nanoseconds).map_err(|e| e.to_string())
}

fn unsigned(text: &str) -> Result<std::time::Duration, String> {
    let deserializer = IntoDeserializer::<Error>::into_deserializer(text);
    Duration::deserialize(deserializer).map(Duration::get).map_err(|e| e.to_string())
}

#[test]
fn durations_are_read_as_go_reads_them() {
    for (text, nanoseconds) in [
        ("0", 0),
        ("+5s", 5_000_000_000),
        ("300ms", 300_000_000),
        ("1.5h", 5_400_000_000_000),
        ("1h30m", 5_400_000_000_000),
        ("100us", 100_000),
        ("100µs", 100_000),
        ("100μs", 100_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("-5m", -300_000_000_000),
        ("1ns", 1),
        ("0.3333333333333333333h", 1_199_999_999_999),
        ("2562047h47m16.854775807s", i64::MAX),
    ] {
        assert_eq!(signed(text), Ok(nanoseconds), "{text}");
    }
}

#[test]
fn what_is_no_duration_is_refused_with_what_to_write() {
    for (text, message) in [
        ("5", "`5` has no unit\nwrite `5s` for seconds"),
        ("1d", "`1d` is not a duration: there is no unit `d`\nwrite `24h`"),
        ("", "`` is not a duration\nwrite a number with a unit: `300ms`, `5s`, `1h30m`"),
        ("s", "`s` is not a duration\nwrite a number with a unit: `300ms`, `5s`, `1h30m`"),
        (".s", "`.s` is not a duration\nwrite a number with a unit: `300ms`, `5s`, `1h30m`"),
        ("1.2.3s", "`1.2.3s` is not a duration\nwrite a number with a unit: `300ms`, `5s`, `1h30m`"),
        ("5 s", "`5 s` is not a duration\nits units are `ns`, `us`, `ms`, `s`, `m`, `h`"),
        ("3000000h", "`3000000h` is too long a duration\nthe longest is about 292 years"),
        (
            "2562047h47m16.854775808s",
            "`2562047h47m16.854775808s` is too long a duration\nthe longest is about 292 years",
        ),
    ] {
        assert_eq!(signed(text), Err(message.to_owned()), "{text}");
    }
    assert_eq!(unsigned("-5m"), Err("the duration is negative\nwrite `5m0s`".to_owned()));
}

#[test]
fn durations_are_printed_as_go_prints_them() {
    for (text, printed) in [
        ("0", "0s"),
        ("90m", "1h30m0s"),
        ("1500ms", "1.5s"),
        ("300ms", "300ms"),
        ("1500us", "1.5ms"),
        ("1500ns", "1.5µs"),
        ("7ns", "7ns"),
        ("61.25s", "1m1.25s"),
    ] {
        assert_eq!(Duration::new(unsigned(text).unwrap()).to_string(), printed);
    }
}

#[test]
fn sizes_are_read_with_binary_and_decimal_units() {
    for (text, bytes) in [
        ("4MiB", Some(4 << 20)),
        ("4 MiB", Some(4 << 20)),
        ("1.5KiB", Some(1536)),
        ("500kB", Some(500_000)),
        ("7B", Some(7)),
        ("7", Some(7)),
        ("18446744073709551615", Some(u64::MAX)),
        ("16777216TiB", None),
        ("18446744073709551616", None),
        ("-1", None),
        ("4M", None),
        ("MiB", None),
        (".5MiB", None),
        ("", None),
    ] {
        assert_eq!(ByteSize::parse(text), bytes.map(ByteSize), "{text}");
    }
}

#[test]
fn a_secret_is_never_printed() {
    let secret = Secret::new("hunter2");
    let printed = format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap());
    assert_eq!(printed, "[REDACTED] [REDACTED] \"[REDACTED]\"");
    assert_eq!(secret.expose(), "hunter2");
}

proptest! {
    #![proptest_config(crate::testing::cases(500))]

    #[test]
    fn a_printed_duration_reads_back(nanoseconds in 0..=i64::MAX) {
        let duration = Duration::new(std::time::Duration::from_nanos(nanoseconds as u64));
        prop_assert_eq!(signed(&duration.to_string()), Ok(nanoseconds));
    }

    #[test]
    fn a_printed_size_reads_back(bytes: u64, shift in 0..64_u32) {
        let size = ByteSize(bytes >> shift << (shift / 2));
        prop_assert_eq!(ByteSize::parse(&size.to_string()), Some(size));
    }

    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in "\\PC{0,40}|[0-9.]{0,40}[a-zµ]{0,2}") {
        drop(signed(&text));
        drop(ByteSize::parse(&text).map(|size| size.to_string()));
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Optional {
    #[serde(deserialize_with = "crate::empty_is_unset")]
    version: Option<Version>,
    #[serde(deserialize_with = "crate::empty_is_unset")]
    pem: Option<Secret>,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Version {
    #[serde(rename = "1.2")]
    V1_2,
}

#[test]
fn an_empty_string_is_not_set() {
    let read = |yaml: &str| {
        let node = crate::parse(&crate::Source::new("x.yaml", yaml)).unwrap();
        let mut problems = crate::Problems::default();
        let read: Option<Optional> = crate::decode(&node, "a", &mut problems);
        let told: Vec<_> = problems.iter().map(|problem| problem.message.clone()).collect();
        let secrets: Vec<_> = problems.opaque().iter().map(|it| it.path.clone()).collect();
        (read, told.join(", "), secrets.join(", "))
    };
    let nothing = (Some(Optional::default()), String::new(), String::new());
    assert_eq!(read("{version: '', pem: ''}"), nothing);
    assert_eq!(read("{version: , pem: }"), nothing);
    let set = Optional { version: Some(Version::V1_2), pem: Some(Secret::new("x")) };
    assert_eq!(read("{version: '1.2', pem: x}"), (Some(set), String::new(), "a::pem".to_owned()));
    assert_eq!(read("{version: '1.1'}").1, "unknown value `1.1`");
    assert_eq!(read("{pem: 5}").1, "expected a string, found something else that is not shown");
}

#[test]
fn the_shortest_form_of_a_duration_is_what_an_operator_would_write() {
    let short = |text: &str| serde_json::from_value::<Duration>(text.into()).unwrap().short();
    for text in ["10s", "1m", "1m30s", "1h", "1h30m", "1h0m5s", "24h", "1.5s", "300ms", "0s", "10m"] {
        assert_eq!(short(text), text);
    }
    assert_eq!((short("3600s"), short("90m")), ("1h".to_owned(), "1h30m".to_owned()));
}
