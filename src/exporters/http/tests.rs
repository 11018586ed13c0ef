use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header::RETRY_AFTER};
use model::{Pieces, Timestamp};
use proptest::prelude::*;

use super::{
    Compression, Encoder, Warnings, delivered_of_json, delivered_of_protobuf, is_retryable,
    message_of_status, quote, retry_after, retry_delay_of_status,
    testing::{NOW, unpack},
    user_agent,
};

const ALL: [Compression; 8] = [
    Compression::None,
    Compression::Gzip,
    Compression::Zlib,
    Compression::Deflate,
    Compression::Zstd,
    Compression::Snappy,
    Compression::SnappyFramed,
    Compression::Lz4,
];

proptest! {
    #[test]
    fn every_compression_at_every_level_is_undone_to_the_same_bytes(
        bodies in prop::collection::vec(prop::collection::vec(prop::collection::vec(0_u8..9, 0..5000), 0..3), 1..4),
        level in 0_i32..=22,
    ) {
        for compression in ALL {
            let level = compression.levels().map(|(least, most)| level.clamp(least, most));
            let encoder = Encoder::new(compression, level).unwrap();
            for pieces in &bodies {
                let body = Pieces::joined(pieces.iter().map(|piece| piece.clone().into()));
                let packed = encoder.encode(body).unwrap().whole();
                prop_assert_eq!(unpack(compression.name().unwrap_or_default(), &packed), pieces.concat());
            }
        }
    }

    #[test]
    fn no_answer_makes_a_reader_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let _read = (delivered_of_protobuf(&body), delivered_of_json(&body));
        let _read = (message_of_status(&body), retry_delay_of_status(&body));
    }
}

#[test]
fn a_body_that_does_not_shrink_is_undone_too() {
    let noise: Vec<u8> =
        (0..200_000_u64).map(|n| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect();
    for compression in ALL {
        let packed = Encoder::new(compression, None).unwrap().encode(noise.clone().into()).unwrap().whole();
        assert_eq!(unpack(compression.name().unwrap_or_default(), &packed), noise, "{compression:?}");
    }
}

#[test]
fn only_four_statuses_ask_for_another_attempt() {
    let retryable: Vec<u16> =
        (100..600).filter(|code| is_retryable(StatusCode::from_u16(*code).unwrap())).collect();
    assert_eq!(retryable, [429, 502, 503, 504]);
}

#[test]
fn retry_after_is_read_in_seconds_and_as_a_date() {
    let read = |value: &str| {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(value).unwrap())]);
        retry_after(&headers, NOW + Duration::from_millis(250))
    };
    assert_eq!(read("17"), Some(Duration::from_secs(17)));
    assert_eq!(read(" 0 "), Some(Duration::ZERO));
    // NOW is Tue, 14 Nov 2023 22:13:20 GMT.
    assert_eq!(read("Tue, 14 Nov 2023 22:14:20 GMT"), Some(Duration::from_millis(59_750)));
    assert_eq!(read("Tue, 14 Nov 2023 22:00:00 GMT"), Some(Duration::ZERO));
    for nonsense in ["soon", "-1", "1.5", "", "99999999999999999999"] {
        assert_eq!(read(nonsense), None, "{nonsense}");
    }
    assert_eq!(retry_after(&HeaderMap::new(), NOW), None);
}

#[test]
fn partial_success_is_read_from_json_with_numbers_and_strings() {
    for body in [
        r#"{"partialSuccess":{"rejectedSpans":"5","errorMessage":"why"}}"#,
        r#"{"partialSuccess":{"rejectedDataPoints":5,"errorMessage":"why"}}"#,
        r#"{"partialSuccess":{"errorMessage":"why","rejectedLogRecords":"5","more":[1]}}"#,
    ] {
        let delivered = delivered_of_json(body.as_bytes());
        assert_eq!((delivered.rejected, delivered.message.as_str()), (5, "why"), "{body}");
    }
    for body in
        ["", "{}", "null", "[", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":{"rejectedSpans":-5}}"#]
    {
        assert_eq!(delivered_of_json(body.as_bytes()).rejected, 0, "{body}");
    }
}

#[test]
fn a_negative_count_of_rejected_items_is_none() {
    // partial_success { rejected: -1 }
    let delivered = delivered_of_protobuf(b"\x0a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    assert_eq!(delivered.rejected, 0);
}

#[test]
fn a_warning_comes_once_in_ten_seconds_and_counts_the_others() {
    let warnings = Warnings::default();
    let at = |seconds: u64| Timestamp::from_secs(1000 + seconds);
    assert_eq!(warnings.due(at(0)), Some(0));
    assert_eq!(warnings.due(at(1)), None);
    assert_eq!(warnings.due(at(9)), None);
    assert_eq!(warnings.due(at(10)), Some(2));
    assert_eq!(warnings.due(at(25)), Some(0));
}

#[test]
fn what_a_server_said_can_not_harm_the_log() {
    assert_eq!(
        quote(" it's a \"bad\" span: ü\u{1b}[31m\r\n\0 "),
        "it's a \"bad\" span: ü\\u{1b}[31m\\r\\n\\u{0}"
    );
    let long = quote(&"ü".repeat(100_000));
    assert!(long.len() < 600 && long.ends_with("ü ..."), "{long}");
}

#[test]
fn the_user_agent_names_product_version_and_machine() {
    let agent = user_agent();
    let (product, machine) = agent.split_once(' ').unwrap();
    assert!(product.starts_with("trueline/0."), "{agent}");
    assert!(machine.starts_with('(') && machine.ends_with(')') && machine.contains('/'), "{agent}");
}
