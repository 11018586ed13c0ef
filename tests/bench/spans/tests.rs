use std::collections::{HashMap, HashSet};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use prost::Message;

use super::{Pool, SPAN_BYTES, Shape, Traffic};

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

fn of_sdks(frames: impl Iterator<Item = bytes::Bytes>) -> Vec<ExportTraceServiceRequest> {
    frames.map(|frame| ExportTraceServiceRequest::decode(&frame[5..]).unwrap()).collect()
}

fn ids_of(requests: &[ExportTraceServiceRequest]) -> Vec<Vec<u8>> {
    let scopes = requests.iter().flat_map(|request| &request.resource_spans[0].scope_spans);
    scopes.flat_map(|scope| &scope.spans).map(|span| span.trace_id.clone()).collect()
}

#[test]
fn requests_of_sdks_are_of_one_service_and_most_traces_have_eight_spans_in_two() {
    let pool = Pool::of(Traffic::Sdks { spans_per_request: 100 }, 1, NOW);
    let requests = of_sdks(pool.frames.iter().cloned());
    let mut traces: HashMap<Vec<u8>, (usize, HashSet<String>)> = HashMap::new();
    let mut n_failed = 0;
    for request in &requests {
        let [group] = &request.resource_spans[..] else { panic!("a request of one service") };
        let service = text(&group.resource.as_ref().unwrap().attributes, "service.name");
        let spans: Vec<_> = group.scope_spans.iter().flat_map(|scope| &scope.spans).collect();
        assert_eq!((spans.len(), group.scope_spans.len()), (100, 3));
        for span in spans {
            let trace = traces.entry(span.trace_id.clone()).or_default();
            trace.0 += 1;
            trace.1.insert(service.clone());
            assert!(span.end_time_unix_nano > span.start_time_unix_nano && span.end_time_unix_nano <= NOW);
            let failed = span.status.is_some();
            assert_eq!(span.events.len(), usize::from(failed));
            n_failed += usize::from(failed);
        }
    }
    let n_spans = requests.len() * 100;
    let whole = traces.values().filter(|(spans, services)| (*spans, services.len()) == (8, 2)).count();
    assert!(whole * 8 > n_spans * 9 / 10, "{whole} traces of {n_spans} spans");
    assert!((n_spans / 200..n_spans / 50).contains(&n_failed), "{n_failed} of {n_spans}");
}

#[test]
fn each_round_has_the_same_spans_of_other_traces() {
    let pool = Pool::of(Traffic::Sdks { spans_per_request: 512 }, 1, NOW);
    let n_frames = pool.frames.len();
    let round = |round: usize| {
        of_sdks((0..n_frames).map(move |place| round * n_frames + place).map(|index| pool.frame(index)))
    };
    let (first, second, third) = (round(0), round(1), round(2));
    let all: Vec<HashSet<Vec<u8>>> =
        [&first, &second, &third].map(|requests| ids_of(requests).into_iter().collect()).into();
    assert!(all[0].is_disjoint(&all[1]) && all[1].is_disjoint(&all[2]) && all[0].is_disjoint(&all[2]));
    assert!(all.iter().all(|ids| ids.len() == all[0].len()), "spans of one trace stay in one");
    let without_ids = |requests: &[ExportTraceServiceRequest]| {
        let mut requests = requests.to_vec();
        for scope in requests.iter_mut().flat_map(|request| &mut request.resource_spans[0].scope_spans) {
            scope.spans.iter_mut().for_each(|span| span.trace_id.clear());
        }
        requests
    };
    assert!(without_ids(&first) == without_ids(&second));
}

#[test]
fn a_compressed_frame_says_so_and_holds_the_same_message() {
    let pool = || Pool::of(Traffic::Sdks { spans_per_request: 100 }, 1, NOW);
    let gzipped = pool().gzipped().unwrap();
    for (plain, frame) in pool().messages().zip(&gzipped.frames) {
        assert_eq!(frame[0], 1);
        assert_eq!(u32::from_be_bytes(frame[1..5].try_into().unwrap()) as usize, frame.len() - 5);
        let mut message = Vec::new();
        std::io::copy(&mut flate2::read::GzDecoder::new(&frame[5..]), &mut message).unwrap();
        assert!(message == plain && frame.len() < plain.len() / 3);
    }
}
