mod output;
mod reach;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use clap::Parser;
use http::{HeaderMap, HeaderValue, StatusCode};
use model::{KeySet, SpanTable};
use wire::Matcher;

use super::LoadArgs;
use super::args::{Protocol, Signal, parse_duration};
use super::client::{Answer, Target, grpc_answer, http_answer};
use super::fault::{Fault, Script};
use super::tally::Latencies;
use super::trace::{CLIENT, CONSUMER, Draft, PRODUCER, SERVER, Simulation};
use super::traffic::{Request, Traffic};

const START: u64 = 1_750_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    load: LoadArgs,
}

fn args(text: &str) -> LoadArgs {
    Command::try_parse_from(std::iter::once("load").chain(text.split_whitespace())).unwrap().load
}

/// Returns the requests of the first seconds of the timeline.
fn requests(options: &str, seconds: u64) -> Vec<Request> {
    let mut traffic = Traffic::new(&args(options), START);
    let requests = std::iter::from_fn(|| traffic.next(START));
    requests.take_while(|request| request.due < START + seconds * SECOND).collect()
}

fn n_spans(requests: &[Request]) -> u64 {
    requests.iter().filter(|request| request.signal == Signal::Traces).map(|request| request.n_items).sum()
}

/// Plays a customer every 20 ms for a minute.
fn spans(seed: u64, faults: &[&str]) -> Vec<Draft> {
    let script = Script { faults: faults.iter().map(|fault| fault.parse().unwrap()).collect() };
    let mut simulation = Simulation::new(seed, script, 0, START);
    (0..3_000).flat_map(|index| simulation.play(START + index * SECOND / 50)).collect()
}

fn service(span: &Draft) -> &'static str {
    super::shop::SERVICES[span.service].0
}

/// Returns the spans that a service served in these seconds.
fn served<'a>(
    spans: &'a [Draft],
    name: &'a str,
    seconds: std::ops::Range<u64>,
) -> impl Iterator<Item = &'a Draft> {
    spans.iter().filter(move |span| {
        matches!(span.kind, SERVER | CONSUMER)
            && service(span) == name
            && seconds.contains(&((span.start - START) / SECOND))
    })
}

fn mean_ms<'a>(spans: impl Iterator<Item = &'a Draft>) -> f64 {
    let durations: Vec<_> = spans.map(|span| (span.end - span.start) as f64 / 1e6).collect();
    durations.iter().sum::<f64>() / durations.len() as f64
}

fn failed_part<'a>(spans: impl Iterator<Item = &'a Draft>) -> f64 {
    let failed: Vec<_> = spans.map(|span| f64::from(u8::from(span.is_failed()))).collect();
    failed.iter().sum::<f64>() / failed.len() as f64
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let options = "--rate 2000 --cardinality 50 --fault cart:errors@1s+2s --seed";
    assert_eq!(requests(&format!("{options} 7"), 12), requests(&format!("{options} 7"), 12));
    assert_ne!(requests(&format!("{options} 7"), 12), requests(&format!("{options} 8"), 12));
}

#[test]
fn every_service_speaks_and_every_call_between_services_has_both_its_spans() {
    let spans = spans(1, &[]);
    let services: HashSet<_> = spans.iter().map(service).collect();
    assert_eq!(services.len(), 14);

    let by_id: HashMap<_, _> = spans.iter().map(|span| ((span.trace_id, span.span_id), span)).collect();
    assert_eq!(by_id.len(), spans.len(), "span ids repeat");
    let mut served_parents = HashSet::new();
    for span in spans.iter().filter(|span| span.kind != CLIENT && span.kind != PRODUCER) {
        let Some(parent_id) = span.parent_id else {
            assert_eq!(service(span), "frontend");
            continue;
        };
        let parent = by_id[&(span.trace_id, parent_id)];
        let expected = if span.kind == SERVER { CLIENT } else { PRODUCER };
        assert_eq!(parent.kind, expected);
        assert_ne!(parent.service, span.service);
        assert!(parent.start < span.start);
        assert!(span.kind == CONSUMER || span.end < parent.end, "a client waits for its server");
        served_parents.insert((span.trace_id, parent_id));
    }
    for span in spans.iter().filter(|span| span.kind == CLIENT || span.kind == PRODUCER) {
        let mut keys = span.attributes.iter().map(|pair| String::from_utf8(pair.key.to_vec()).unwrap());
        let is_database = keys.any(|key| key == "db.system.name");
        assert_eq!(served_parents.contains(&(span.trace_id, span.span_id)), !is_database, "{}", span.name);
    }
}

#[test]
fn requests_are_legal_otlp_with_as_many_spans_as_they_say_and_as_large_as_asked() {
    let matcher = Matcher::new(&KeySet::default());
    let mut table = SpanTable::default();
    for request in requests("--rate 5000 --span-size 700", 11) {
        match request.signal {
            Signal::Traces => {
                wire::scan_traces(&request.body, &matcher, &mut table).unwrap();
                assert_eq!(table.spans.len() as u64, request.n_items);
                assert!(table.spans.iter().all(|span| span.body.len >= 690));
            }
            Signal::Metrics => assert_eq!(wire::check_metrics(&request.body).unwrap(), request.n_items),
            Signal::Logs => assert_eq!(wire::check_logs(&request.body).unwrap(), request.n_items),
        }
    }
}

#[test]
fn all_three_signals_come_unless_some_are_left_out() {
    let signals =
        |options| requests(options, 12).iter().map(|request| format!("{:?}", request.signal)).collect();
    let all: HashSet<String> = signals("--rate 2000");
    assert_eq!(all.len(), 3);
    let traces: HashSet<String> = signals("--rate 2000 --signals traces");
    assert_eq!(traces, HashSet::from(["Traces".to_owned()]));
}

#[test]
fn a_rate_below_zero_is_told_what_a_rate_must_be() {
    let refused = Command::try_parse_from(["load", "--rate", "-1"]).map(|command| command.load.rate);
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("rate `-1` must be a number from 0 to 1e9"), "{told}");
}

#[test]
fn the_rate_is_held() {
    for rate in [200, 5_000] {
        let n_spans = n_spans(&requests(&format!("--rate {rate}"), 20)) as f64;
        let wanted = f64::from(rate) * 20.0;
        assert!((0.93..1.02).contains(&(n_spans / wanted)), "{n_spans} of {wanted}");
    }
}

#[test]
fn a_day_has_a_quiet_night_and_the_mean_of_the_rate() {
    // The epoch's day of 100 s: START is a multiple of it, so the run begins at midnight.
    let requests = requests("--rate 1000 --day 100s --signals traces", 100);
    let between = |from: u64, to: u64| -> f64 {
        let within = (START + from * SECOND)..(START + to * SECOND);
        let items =
            requests.iter().filter(|request| within.contains(&request.due)).map(|request| request.n_items);
        items.sum::<u64>() as f64 / (to - from) as f64
    };
    assert!((400.0..700.0).contains(&between(1, 10)), "{}", between(1, 10));
    assert!((1_400.0..1_700.0).contains(&between(45, 55)), "{}", between(45, 55));
    assert!((930.0..1_050.0).contains(&between(0, 100)), "{}", between(0, 100));
}

#[test]
fn slowness_shows_in_the_service_while_it_lasts() {
    let spans = spans(1, &["currency:latency@20s+20s=12"]);
    let before = mean_ms(served(&spans, "currency", 0..20));
    let during = mean_ms(served(&spans, "currency", 20..40));
    let after = mean_ms(served(&spans, "currency", 41..60));
    assert!(during > 5.0 * before && after < 1.5 * before, "{before} {during} {after}");
}

#[test]
fn errors_come_with_an_exception_and_reach_the_customers() {
    let spans = spans(1, &["product-catalog:errors@20s+20s=0.6"]);
    assert!(failed_part(served(&spans, "product-catalog", 0..20)) < 0.03);
    let during = failed_part(served(&spans, "product-catalog", 20..40));
    assert!((0.5..0.7).contains(&during), "{during}");
    assert!(failed_part(served(&spans, "frontend", 20..40)) > 0.25);
    assert!(failed_part(served(&spans, "frontend", 41..60)) < 0.05);
}

#[test]
fn a_dead_service_is_silent_and_its_callers_try_twice() {
    let spans = spans(1, &["cart:dead@20s+20s"]);
    assert!(served(&spans, "cart", 0..20).count() > 50);
    assert_eq!(served(&spans, "cart", 20..40).count(), 0);
    let refused = spans
        .iter()
        .filter(|span| span.exception.as_ref().is_some_and(|(kind, _)| *kind == "ConnectionRefused"));
    let mut by_caller: HashMap<_, usize> = HashMap::new();
    for span in refused {
        *by_caller.entry((span.trace_id, span.parent_id)).or_default() += 1;
    }
    assert!(by_caller.len() > 50 && by_caller.values().all(|attempts| *attempts == 2));
}

#[test]
fn slow_queries_slow_the_database_calls_of_one_service_only() {
    let spans = spans(1, &["inventory:slow-query@20s+20s=30"]);
    let queries = |name: &'static str, seconds: std::ops::Range<u64>| {
        mean_ms(spans.iter().filter(|span| {
            service(span) == name
                && span.name.starts_with("SELECT ")
                && seconds.contains(&((span.start - START) / SECOND))
        }))
    };
    assert!(queries("inventory", 20..40) > 15.0 * queries("inventory", 0..20));
    assert!(queries("product-catalog", 20..40) < 2.0 * queries("product-catalog", 0..20));
}

#[test]
fn a_surge_brings_more_customers_to_the_service_and_more_traffic() {
    let spans_of = |options: &str| n_spans(&requests(&format!("--rate 1000 --signals traces {options}"), 20));
    let (usual, surged) = (spans_of(""), spans_of("--fault ad:surge@0s+20s=3"));
    assert!(surged > 2 * usual, "{surged} {usual}");
    let calm = spans(1, &[]);
    let surged = spans(1, &["email:surge@0s+60s=10"]);
    let ratio = served(&surged, "email", 0..60).count() as f64 / served(&calm, "email", 0..60).count() as f64;
    assert!(ratio > 4.0, "{ratio}");
}

#[test]
fn faults_are_read_with_their_defaults_and_refused_with_a_reason() {
    let fault: Fault = "payment:slow-query@1m30s+250ms".parse().unwrap();
    assert_eq!(fault.start, Duration::from_secs(90));
    assert_eq!(fault.duration, Duration::from_millis(250));
    let truth = |end| fault.truth(SECOND, end).unwrap_or_default();
    let line = r#"{"service":"payment","kind":"slow-query","factor":20.0,"start_unix_nano":91000000000,"end_unix_nano":91250000000}"#;
    assert_eq!(truth(None), line);
    assert_eq!(truth(Some(91_100_000_000)), line.replace("91250000000", "91100000000"));
    assert_eq!(truth(Some(91_000_000_000)), "", "it never began");
    for (text, reason) in [
        ("payment", "SERVICE:KIND@START+DURATION"),
        ("bank:dead@1s+1s", "`bank` is not in the shop"),
        ("cart:slow@1s+1s", "`slow` is unknown"),
        ("cart:errors@1s+1s=2", "at most 1"),
        ("cart:latency@1+1s", "duration `1`"),
        ("cart:latency@1s+0s", "lasts 0s"),
        ("cart:slow-query@1s+1s", "no database statements that could be slow; payment, shipping"),
    ] {
        let error = text.parse::<Fault>().unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(parse_duration("1d2h"), Ok(Duration::from_secs(93_600)));
    assert!(parse_duration("").is_err() && parse_duration("99999999999h").is_err());
}

#[test]
fn endpoints_need_a_port_and_no_tls() {
    for good in ["localhost:4317", "http://127.0.0.1:4318", "http://[::1]:4318/"] {
        assert!(Target::new(good, Protocol::Grpc).is_ok(), "{good}");
    }
    for bad in ["localhost", "https://localhost:4317", ""] {
        assert!(Target::new(bad, Protocol::Grpc).is_err(), "{bad}");
    }
}

#[test]
fn answers_are_retried_as_otlp_says() {
    let header = |name: &'static str, value: &str| {
        HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())])
    };
    let grpc = |code: &str, delay: Option<Duration>| {
        let mut trailers = header("grpc-status", code);
        if delay.is_some() {
            let details = data_encoding::BASE64_NOPAD.encode(&wire::status::encode(8, "busy", delay));
            trailers.insert("grpc-status-details-bin", details.parse().unwrap());
        }
        grpc_answer(StatusCode::OK, &HeaderMap::new(), &trailers, &[])
    };
    let two_seconds = Some(Duration::from_secs(2));
    assert!(matches!(grpc("0", None), Answer::Taken { rejected: 0, .. }));
    assert!(matches!(grpc("3", None), Answer::Refused(_)));
    assert!(matches!(grpc("8", None), Answer::Refused(_)));
    assert!(matches!(grpc("8", two_seconds), Answer::Later { after, .. } if after == two_seconds));
    assert!(matches!(grpc("14", None), Answer::Later { after: None, .. }));

    let http = |code, headers: &HeaderMap, body: &[u8]| {
        http_answer(StatusCode::from_u16(code).unwrap(), headers, body)
    };
    let retry_after = header("retry-after", "2");
    assert!(matches!(http(503, &retry_after, b""), Answer::Later { after, .. } if after == two_seconds));
    assert!(matches!(http(429, &HeaderMap::new(), b""), Answer::Later { after: None, .. }));
    assert!(matches!(http(400, &HeaderMap::new(), b""), Answer::Refused(_)));
    let partial = wire::status::partial_success(3, "three");
    assert!(matches!(http(200, &HeaderMap::new(), &partial), Answer::Taken { rejected: 3, .. }));
    let json = header("content-type", "application/json");
    let body = br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"three"}}"#;
    assert!(matches!(http(200, &json, body), Answer::Taken { rejected: 3, .. }));
}

#[test]
fn latencies_are_told_within_their_buckets() {
    let latencies = Latencies::default();
    assert_eq!(latencies.quantile(0.5), None);
    for index in 1..=1_000 {
        latencies.record(Duration::from_micros(index * 10));
    }
    for (part, seconds) in [(0.5, 0.005), (0.99, 0.0099)] {
        let told = latencies.quantile(part).unwrap();
        assert!((told / seconds - 1.0).abs() < 0.05, "{told} is not {seconds}");
    }
}
