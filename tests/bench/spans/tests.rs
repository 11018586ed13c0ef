use std::collections::HashSet;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use prost::Message;

use super::{Pool, SPAN_BYTES, Shape};

const NOW: u64 = 1_750_000_000_000_000_000;

fn decoded(shape: Shape) -> Vec<ExportTraceServiceRequest> {
    let pool = Pool::new(shape, 1, NOW);
    pool.frames.iter().map(|frame| ExportTraceServiceRequest::decode(&frame[5..]).unwrap()).collect()
}

fn text(attributes: &[KeyValue], key: &str) -> String {
    let pair = attributes.iter().find(|pair| pair.key == key).unwrap();
    format!("{:?}", pair.value)
}

#[test]
fn every_span_has_the_stated_size_and_ten_attributes() {
    let mut n_spans = 0;
    for request in decoded(Shape { spans_per_request: 512, series: 2_500 }).iter().take(8) {
        for span in request.resource_spans.iter().flat_map(|group| &group.scope_spans[0].spans) {
            let with_framing = span.encoded_len() + 3;
            assert!((SPAN_BYTES..SPAN_BYTES + 2).contains(&with_framing), "{with_framing} bytes");
            assert_eq!(span.attributes.len(), 10);
            assert!(span.end_time_unix_nano > span.start_time_unix_nano && span.end_time_unix_nano <= NOW);
            n_spans += 1;
        }
    }
    assert_eq!(n_spans, 8 * 512);
}

#[test]
fn a_pool_holds_exactly_the_wanted_series() {
    for series in [2_500, 10_000] {
        let mut seen = HashSet::new();
        for request in decoded(Shape { spans_per_request: 512, series }) {
            for group in &request.resource_spans {
                let service = text(&group.resource.as_ref().unwrap().attributes, "service.name");
                for span in &group.scope_spans[0].spans {
                    let status = span.status.as_ref().map_or(0, |status| status.code);
                    let dimensions = ["http.request.method", "http.response.status_code", "http.route"];
                    let dimensions = dimensions.map(|key| text(&span.attributes, key));
                    seen.insert((service.clone(), span.name.clone(), span.kind, status, dimensions));
                }
            }
        }
        assert_eq!(seen.len(), series);
    }
}

#[test]
fn a_frame_tells_the_length_of_its_message_and_small_requests_are_small() {
    let pool = Pool::new(Shape { spans_per_request: 40, series: 2_500 }, 1, NOW);
    for frame in &pool.frames {
        assert_eq!(frame[0], 0);
        assert_eq!(u32::from_be_bytes(frame[1..5].try_into().unwrap()) as usize, frame.len() - 5);
        assert!((40 * SPAN_BYTES..40 * (SPAN_BYTES + 12)).contains(&frame.len()), "{}", frame.len());
    }
}
