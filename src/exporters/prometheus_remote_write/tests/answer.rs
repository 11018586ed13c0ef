use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use model::Timestamp;

use super::super::{
    answer::{Verdict, judge},
    config::ProtobufMessage,
    encode::Counts,
};
use crate::http::Answer;

#[test]
fn what_a_server_says_does_nothing_to_a_terminal_and_fills_no_log() {
    let body = [b"out of order\x1b[2J\n\xff".as_slice(), &[b'x'; 10_000]].concat();
    let answer = Answer {
        status: StatusCode::BAD_REQUEST,
        headers: HeaderMap::new(),
        body: Bytes::from(body),
        fault: None,
    };
    let verdict = judge(&answer, ProtobufMessage::V1, &Counts::default(), Timestamp::from_secs(1)).unwrap();
    let Verdict::Refused { reason, text, .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(reason, "out_of_order");
    assert!(text.starts_with("server answered 400 Bad Request: out of order\\u{1b}[2J\\n"), "{text}");
    assert!(text.len() < 1_000, "{}", text.len());
}
