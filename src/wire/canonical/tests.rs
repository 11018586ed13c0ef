use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::testing::{Random, arbitrary, scramble};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_respelled_request_means_the_same_and_is_not_longer(seed: u64) {
        let mut random = Random(seed | 1);
        let traces = scramble::scramble(&schema::TRACES, &arbitrary::traces(&mut random).encode_to_vec(), &mut random);
        let respelled = canonical(Signal::Traces, &traces);
        prop_assert!(respelled.len() <= traces.len());
        prop_assert_eq!(
            format!("{:?}", ExportTraceServiceRequest::decode(&respelled[..]).unwrap()),
            format!("{:?}", ExportTraceServiceRequest::decode(&traces[..]).unwrap())
        );
        prop_assert_eq!(canonical(Signal::Traces, &respelled), respelled);

        let metrics = scramble::scramble(&schema::METRICS, &arbitrary::metrics(&mut random).encode_to_vec(), &mut random);
        prop_assert_eq!(
            format!("{:?}", ExportMetricsServiceRequest::decode(&canonical(Signal::Metrics, &metrics)[..]).unwrap()),
            format!("{:?}", ExportMetricsServiceRequest::decode(&metrics[..]).unwrap())
        );
        let logs = scramble::scramble(&schema::LOGS, &arbitrary::logs(&mut random).encode_to_vec(), &mut random);
        prop_assert_eq!(
            format!("{:?}", ExportLogsServiceRequest::decode(&canonical(Signal::Logs, &logs)[..]).unwrap()),
            format!("{:?}", ExportLogsServiceRequest::decode(&logs[..]).unwrap())
        );
    }
}

/// A value that is an array twice with something else in between keeps only what came last.
#[test]
fn another_member_of_a_oneof_discards_what_was_there() {
    let array = [0x2a, 0x04, 0x0a, 0x02, 0x18, 0x01];
    let text = [0x0a, 0x01, b'x'];
    let value = |parts: &[&[u8]]| {
        let mut body = crate::edit::span_attribute(b"k", &parts.concat());
        for number in [2, 2, 1] {
            let mut outer = Vec::new();
            encode::put_bytes(&mut outer, number, &body);
            body = outer;
        }
        body
    };
    for parts in [&[&array[..], &array][..], &[&array, &text, &array], &[&array, &array, &text]] {
        let request = value(parts);
        let expected = ExportTraceServiceRequest::decode(&request[..]).unwrap();
        let respelled = canonical(Signal::Traces, &request);
        assert_eq!(ExportTraceServiceRequest::decode(&respelled[..]).unwrap(), expected);
        assert_eq!(check(Signal::Traces, &respelled), Ok(1));
    }
}

/// Merging parts takes time in proportion to the request, however many parts there are.
#[test]
fn a_resource_in_a_hundred_thousand_parts_is_merged_at_once() {
    let mut request = Vec::new();
    encode::put_bytes(&mut request, 1, &[0x0a, 0x02, 0x10, 0x07].repeat(100_000));
    let respelled = canonical(Signal::Traces, &request);
    assert_eq!(respelled.len(), 200_000 + 8);
    assert_eq!(check(Signal::Traces, &respelled), Ok(0));
}
