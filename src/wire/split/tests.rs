use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::InstrumentationScope,
    metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data},
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::{
    canonical, schema,
    testing::{Random, arbitrary, scramble},
};

fn concat(parts: &[Bytes]) -> Bytes {
    parts.concat().into()
}

/// Sizes of names, by resource and scope: a request of any shape, empty ones too.
fn shapes() -> impl Strategy<Value = Vec<Vec<Vec<usize>>>> {
    use proptest::collection::vec;
    vec(vec(vec(0_usize..200, 0..6), 0..4), 0..4)
}

fn request(shape: &[Vec<Vec<usize>>]) -> ExportTraceServiceRequest {
    let span = |(index, len): (usize, &usize)| Span {
        name: format!("{index}{}", "x".repeat(*len)),
        ..Default::default()
    };
    let scope = |(index, spans): (usize, &Vec<usize>)| ScopeSpans {
        scope: Some(InstrumentationScope { name: format!("scope {index}"), ..Default::default() }),
        spans: spans.iter().enumerate().map(span).collect(),
        schema_url: "scope".to_owned(),
    };
    let resource = |(index, scopes): (usize, &Vec<Vec<usize>>)| ResourceSpans {
        scope_spans: scopes.iter().enumerate().map(scope).collect(),
        schema_url: format!("resource {index}"),
        ..Default::default()
    };
    ExportTraceServiceRequest { resource_spans: shape.iter().enumerate().map(resource).collect() }
}

/// Every span with all that it stands in, in order.
fn flat(parts: &[Bytes]) -> Vec<(String, String, Span)> {
    let mut flat = Vec::new();
    for part in parts {
        for resource in ExportTraceServiceRequest::decode(part.as_ref()).unwrap().resource_spans {
            for scope in resource.scope_spans {
                let name = scope.scope.unwrap_or_default().name;
                flat.extend(
                    scope.spans.into_iter().map(|span| (resource.schema_url.clone(), name.clone(), span)),
                );
            }
        }
    }
    flat
}

fn spans(part: &Bytes) -> usize {
    flat(std::slice::from_ref(part)).len()
}

proptest! {
    #[test]
    fn a_cut_loses_nothing_and_keeps_the_order(shape in shapes(), limit in 1_usize..600) {
        let whole = Bytes::from(request(&shape).encode_to_vec());
        for parts in [split(Signal::Traces, &whole, limit), split_items(Signal::Traces, &whole, limit % 7 + 1)] {
            prop_assert_eq!(flat(&parts), flat(std::slice::from_ref(&whole)));
        }
    }

    #[test]
    fn parts_keep_to_the_limit_unless_one_item_does_not(shape in shapes(), limit in 1_usize..600) {
        let whole = Bytes::from(request(&shape).encode_to_vec());
        for part in split(Signal::Traces, &whole, limit) {
            prop_assert!(part.len() <= limit || spans(&part) <= 1, "{} bytes of {limit}, {} spans", part.len(), spans(&part));
        }
        for part in split_items(Signal::Traces, &whole, limit) {
            prop_assert!(spans(&part) <= limit);
        }
    }

    #[test]
    fn what_was_cut_and_joined_again_holds_the_same(shape in shapes(), limit in 1_usize..600) {
        let whole = Bytes::from(request(&shape).encode_to_vec());
        let joined = concat(&split(Signal::Traces, &whole, limit));
        prop_assert_eq!(flat(&[joined]), flat(&[whole]));
    }

    #[test]
    fn any_bytes_are_cut_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), limit in 0_usize..50) {
        for signal in Signal::ALL {
            split(signal, &Bytes::from(bytes.clone()), limit);
            split_items(signal, &Bytes::from(bytes.clone()), limit);
        }
    }
}

/// An arbitrary request of a signal, in any spelling that pipelines are given.
fn arbitrary(signal: Signal, random: &mut Random) -> Bytes {
    let request = match signal {
        Signal::Traces => arbitrary::traces(random).encode_to_vec(),
        Signal::Metrics => arbitrary::metrics(random).encode_to_vec(),
        Signal::Logs => arbitrary::logs(random).encode_to_vec(),
    };
    let request = scramble::scramble(schema::request(signal), &request, random);
    canonical(signal, &request).into()
}

/// Every span, metric or log record with all that it stands in, in order; as text, because NaN is not equal to
/// itself.
fn items(signal: Signal, parts: &[Bytes]) -> Vec<String> {
    let mut all = Vec::new();
    macro_rules! items {
        ($request:ty, $resources:ident, $scopes:ident, $items:ident) => {
            for part in parts {
                for resource in <$request>::decode(part.as_ref()).unwrap().$resources {
                    let head = (resource.resource, resource.schema_url);
                    for scope in resource.$scopes {
                        let head = (&head, scope.scope, scope.schema_url);
                        all.extend(scope.$items.iter().map(|item| format!("{head:?} {item:?}")));
                    }
                }
            }
        };
    }
    match signal {
        Signal::Traces => items!(ExportTraceServiceRequest, resource_spans, scope_spans, spans),
        Signal::Metrics => items!(ExportMetricsServiceRequest, resource_metrics, scope_metrics, metrics),
        Signal::Logs => items!(ExportLogsServiceRequest, resource_logs, scope_logs, log_records),
    }
    all
}

fn n_items(signal: Signal, part: &Bytes) -> usize {
    items(signal, std::slice::from_ref(part)).len()
}

/// Decodes each, puts all in one list and encodes that.
fn joined_by_the_oracle(signal: Signal, requests: &[Bytes]) -> Vec<u8> {
    macro_rules! joined {
        ($request:ident, $resources:ident) => {{
            let decoded = requests.iter().map(|request| $request::decode(request.as_ref()).unwrap());
            $request { $resources: decoded.flat_map(|request| request.$resources).collect() }.encode_to_vec()
        }};
    }
    match signal {
        Signal::Traces => joined!(ExportTraceServiceRequest, resource_spans),
        Signal::Metrics => joined!(ExportMetricsServiceRequest, resource_metrics),
        Signal::Logs => joined!(ExportLogsServiceRequest, resource_logs),
    }
}

proptest! {
    // Few, as requests of all signals are decoded part by part.
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn joined_requests_are_what_the_oracle_makes_of_them_one_by_one(seed: u64, n_requests in 0_usize..5) {
        let mut random = Random(seed | 1);
        for signal in Signal::ALL {
            let requests: Vec<_> = (0..n_requests).map(|_| arbitrary(signal, &mut random)).collect();
            let joined = concat(&requests);
            // Read and written again, other spellings are the usual one.
            let usual = joined_by_the_oracle(signal, std::slice::from_ref(&joined));
            prop_assert_eq!(usual, joined_by_the_oracle(signal, &requests));
            let each: u64 = requests.iter().map(|request| check(signal, request).unwrap()).sum();
            prop_assert_eq!(check(signal, &joined), Ok(each));
        }
    }

    #[test]
    fn a_cut_of_any_signal_loses_nothing_and_keeps_order_and_limit(seed: u64, limit in 1_usize..2000) {
        let mut random = Random(seed | 1);
        for signal in Signal::ALL {
            let whole = arbitrary(signal, &mut random);
            let expected = items(signal, std::slice::from_ref(&whole));
            let parts = split(signal, &whole, limit);
            prop_assert_eq!(&items(signal, &parts), &expected);
            for part in &parts {
                prop_assert!(check(signal, part).is_ok());
                prop_assert!(part.len() <= limit || n_items(signal, part) <= 1, "{} bytes of {limit}", part.len());
            }
            prop_assert_eq!(items(signal, &[concat(&parts)]), expected.clone());

            let limit = limit % 9 + 1;
            let parts = split_items(signal, &whole, limit);
            prop_assert_eq!(items(signal, &parts), expected);
            let counts: Vec<_> = parts.iter().map(|part| check(signal, part).unwrap()).collect();
            prop_assert_eq!(counts.iter().sum::<u64>(), check(signal, &whole).unwrap());
            for (part, count) in parts.iter().zip(counts) {
                // Of metrics that have points, one with too many stands alone.
                let is_alone = signal == Signal::Metrics
                    && items(signal, std::slice::from_ref(part)).iter().filter(|it| it.contains("DataPoint {")).count() == 1;
                prop_assert!(count <= limit as u64 || is_alone, "{count} of {limit}");
            }
        }
    }
}

#[test]
fn metrics_are_cut_by_their_points() {
    let metric = |points| Metric {
        name: "m".to_owned(),
        data: Some(Data::Gauge(Gauge { data_points: vec![NumberDataPoint::default(); points] })),
        ..Default::default()
    };
    let scope = ScopeMetrics { metrics: [3, 3, 1, 9].map(metric).to_vec(), ..Default::default() };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics: vec![scope], ..Default::default() }],
    };
    let parts = split_items(Signal::Metrics, &request.encode_to_vec().into(), 4);
    let points: Vec<_> = parts.iter().map(|part| check(Signal::Metrics, part).unwrap()).collect();
    assert_eq!(points, [3, 4, 9]);
}

/// Two thousand tiny spans under a resource of one MiB would be two GiB in parts of one span.
#[test]
fn repeated_heads_do_not_inflate_a_request_without_bound() {
    let span = Span { name: "x".to_owned(), ..Default::default() };
    let resource_spans = ResourceSpans {
        scope_spans: vec![ScopeSpans { spans: vec![span; 2000], ..Default::default() }],
        schema_url: "u".repeat(1 << 20),
        ..Default::default()
    };
    let request =
        Bytes::from(ExportTraceServiceRequest { resource_spans: vec![resource_spans] }.encode_to_vec());
    for parts in [split_items(Signal::Traces, &request, 1), split(Signal::Traces, &request, 1 << 20)] {
        assert!(parts.len() > 8);
        assert_eq!(flat(&parts).len(), 2000);
        assert!(parts.iter().map(Bytes::len).sum::<usize>() < (9 << 20) + REPEATED_BYTES + (2 << 20));
    }
}
