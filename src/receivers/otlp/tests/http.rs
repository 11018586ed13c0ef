use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use component::{Receipt, Refusal};
use http::{Method, Request, StatusCode};
use model::{Signal, SignalSet};
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::testing::busy;

use super::{
    super::config::{CorsConfig, HttpConfig},
    fixture::{
        ClientBody, Http1, Http2, Server, chunks, compress, eventually, http_only, run, settle, start,
        start_with, streamed, telemetry, whole,
    },
};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

async fn server() -> Server {
    start(&http_only(HttpConfig::default())).await
}

async fn small_server() -> Server {
    let max_request_body_size = config::ByteSize(100_000);
    start(&http_only(HttpConfig { max_request_body_size, ..HttpConfig::default() })).await
}

fn post(path: &str, content_type: &str, body: ClientBody) -> Request<ClientBody> {
    let request = Request::post(path).header("host", "localhost").header("content-type", content_type);
    request.body(body).unwrap()
}

fn encoded(path: &str, encoding: &str, body: Vec<u8>) -> Request<ClientBody> {
    let mut request = post(path, PROTOBUF, whole(body));
    request.headers_mut().insert("content-encoding", encoding.parse().unwrap());
    request
}

#[test]
fn every_signal_and_every_encoding_brings_the_same_bytes() {
    run(async {
        let server = server().await;
        let mut client = Http1::connect(server.address()).await;
        let message = telemetry(200_000);
        for (signal, path) in
            [(Signal::Traces, "/v1/traces"), (Signal::Metrics, "/v1/metrics"), (Signal::Logs, "/v1/logs")]
        {
            let encodings = ["gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed", "lz4"];
            for encoding in encodings {
                let answer = client.send(encoded(path, encoding, compress(encoding, &message))).await;
                assert_eq!(answer.status, StatusCode::OK, "{encoding}: {answer:?}");
            }
            for raw in [
                encoded(path, "deflate", compress("raw deflate", &message)),
                encoded(path, "identity", message.clone()),
            ] {
                assert_eq!(client.send(raw).await.status, StatusCode::OK);
            }
            let pushed = server.intake.pushed.take();
            assert_eq!(pushed.len(), 9);
            assert!(
                pushed.iter().all(|(got, bytes, by)| *got == signal && bytes == &message && *by == "http")
            );
        }
        assert_eq!(server.intake.held(), 0);
    });
}

#[test]
fn the_answer_has_the_type_of_the_request() {
    run(async {
        let server = server().await;
        let mut client = Http1::connect(server.address()).await;
        let json = r#"{"resourceSpans":[]}"#;
        let cases = [
            (PROTOBUF, PROTOBUF, "", ""),
            ("Application/X-Protobuf; x=y", PROTOBUF, "", ""),
            (JSON, JSON, json, "{}"),
            ("application/json; charset=utf-8", JSON, json, "{}"),
        ];
        for (sent, received, body, text) in cases {
            let answer = client.send(post("/v1/traces", sent, whole(body))).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!((answer.header("content-type"), answer.text()), (Some(received), text));
        }
        assert_eq!(server.intake.take().len(), 4, "an empty request is a request");
    });
}

/// Sends a document as JSON and returns the request that the receiver made of it.
async fn received<M: Message + Default>(path: &str, document: &'static str) -> M {
    let server = server().await;
    let mut client = Http1::connect(server.address()).await;
    let answer = client.send(post(path, JSON, whole(document))).await;
    assert_eq!((answer.status, answer.text()), (StatusCode::OK, "{}"));
    let [request] = &server.intake.take()[..] else { panic!("one request was sent") };
    M::decode(&request[..]).expect("the request is sound")
}

#[test]
fn the_examples_of_the_protocol_are_read_as_its_own_crate_reads_them() {
    run(async {
        let document = include_str!("examples/trace.json");
        let traces: ExportTraceServiceRequest = received("/v1/traces", document).await;
        assert_eq!(traces, serde_json::from_str(document).unwrap());
        assert_eq!(traces.resource_spans[0].scope_spans[0].spans[0].span_id[..2], [0xee, 0xe1]);
        let document = include_str!("examples/metrics.json");
        let metrics: ExportMetricsServiceRequest = received("/v1/metrics", document).await;
        assert_eq!(metrics, serde_json::from_str(document).unwrap());
        assert_eq!(metrics.resource_metrics[0].scope_metrics[0].metrics.len(), 4);
        let document = include_str!("examples/logs.json");
        let logs: ExportLogsServiceRequest = received("/v1/logs", document).await;
        assert_eq!(logs, serde_json::from_str(document).unwrap());
        assert_eq!(logs.resource_logs[0].scope_logs[0].log_records[0].attributes.len(), 6);
        let document = include_str!("examples/events.json");
        let events: ExportLogsServiceRequest = received("/v1/logs", document).await;
        assert_eq!(events, serde_json::from_str(document).unwrap());
        assert_eq!(events.resource_logs[0].scope_logs[0].log_records[0].event_name, "browser.page_view");
    });
}

#[test]
fn a_body_without_a_length_is_taken_and_its_growth_is_claimed() {
    run(async {
        let server = server().await;
        let mut client = Http1::connect(server.address()).await;
        let message = telemetry(500_000);
        let answer = client.send(post("/v1/logs", PROTOBUF, chunks(message.chunks(9_000)))).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(server.intake.take(), [message]);
        assert!((500_000..1_100_000).contains(&server.intake.most_held()));
        assert_eq!(server.intake.held(), 0);
    });
}

#[test]
fn requests_come_over_http2_as_well() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        let message = telemetry(300_000);
        let request = Request::post("http://localhost/v1/traces").header("content-type", PROTOBUF);
        let answer = client.send(request.body(whole(message.clone())).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(server.intake.take(), [message]);
    });
}

#[test]
fn what_is_no_export_request_is_refused_in_the_collectors_words() {
    run(async {
        let server = server().await;
        let mut client = Http1::connect(server.address()).await;
        let answer = client.send(post("/v1/profiles", PROTOBUF, whole("x"))).await;
        assert_eq!((answer.status, answer.text()), (StatusCode::NOT_FOUND, "404 page not found"));
        for method in [Method::GET, Method::PUT, Method::OPTIONS] {
            let mut request = post("/v1/traces", PROTOBUF, whole(""));
            *request.method_mut() = method;
            let answer = client.send(request).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(answer.text(), "405 method not allowed, supported: [POST]");
            assert_eq!(
                (answer.header("content-type"), answer.header("allow")),
                (Some("text/plain"), Some("POST"))
            );
        }
        let answer = client.send(post("/v1/traces", "text/plain", whole("x"))).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        let text = "415 unsupported media type, supported: [application/json, application/x-protobuf]";
        assert_eq!(answer.text(), text);
        assert_eq!(server.turned_away("unsupported"), 5);
        assert_eq!(client.send(post("/v1/traces", PROTOBUF, whole("x"))).await.status, StatusCode::OK);
    });
}

#[test]
fn a_body_over_the_limit_is_413_however_it_comes_and_the_connection_lives() {
    run(async {
        let server = small_server().await;
        let mut client = Http1::connect(server.address()).await;
        let message = telemetry(100_001);
        let requests = [
            post("/v1/traces", PROTOBUF, whole(message.clone())),
            post("/v1/traces", PROTOBUF, chunks(message.chunks(5_000))),
            encoded("/v1/traces", "gzip", compress("gzip", &message)),
            encoded("/v1/traces", "lz4", compress("lz4", &message)),
        ];
        for request in requests {
            let answer = client.send(request).await;
            assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(answer.header("content-type"), Some(PROTOBUF));
            assert_eq!(answer.body[..2], [8, 8], "a google.rpc.Status with RESOURCE_EXHAUSTED");
            let next = client.send(post("/v1/traces", PROTOBUF, whole(telemetry(100_000)))).await;
            assert_eq!(next.status, StatusCode::OK, "exactly the limit is taken");
        }
        assert_eq!(server.turned_away("too_large"), 4);
        assert_eq!(server.intake.held(), 0);
        let json = client.send(post("/v1/traces", JSON, whole(message))).await;
        assert!(json.text().starts_with(r#"{"code":8,"#), "{}", json.text());
    });
}

#[test]
fn a_bomb_is_413_within_the_limit() {
    run(async {
        let server = small_server().await;
        let mut client = Http1::connect(server.address()).await;
        let zeros = vec![0; 20 << 20];
        for encoding in ["gzip", "zlib", "zstd", "lz4", "x-snappy-framed"] {
            let bomb = compress(encoding, &zeros);
            let limit = bomb.len().max(100_000);
            let answer = client.send(encoded("/v1/traces", encoding, bomb)).await;
            assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{encoding}");
            assert!(server.intake.most_held() <= 2 * limit);
        }
        assert_eq!(server.intake.held(), 0);
    });
}

#[test]
fn a_malformed_body_is_400_with_the_reason_in_the_requests_format() {
    run(async {
        let server = server().await;
        let mut client = Http1::connect(server.address()).await;
        let answer = client.send(post("/v1/traces", JSON, whole("nonsense"))).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::BAD_REQUEST, Some(JSON)));
        assert!(
            answer.text().starts_with(r#"{"code":3,"message":"body is not OTLP in JSON: "#),
            "{}",
            answer.text()
        );
        server.intake.answer_next(Err(Refusal::Malformed("bad span".to_owned())));
        let answer = client.send(post("/v1/traces", PROTOBUF, whole("x"))).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::BAD_REQUEST, Some(PROTOBUF)));
        assert_eq!(answer.body[..], *b"\x08\x03\x12\x08bad span");
        let answer = client.send(encoded("/v1/traces", "gzip", b"no gzip".to_vec())).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(server.intake.take().is_empty());
    });
}

#[test]
fn a_busy_engine_is_503_with_whole_seconds_to_wait() {
    run(async {
        let server = server().await;
        let mut client = Http1::connect(server.address()).await;
        server.intake.answer_next(Err(busy()));
        let answer = client.send(post("/v1/traces", JSON, whole("{}"))).await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (StatusCode::SERVICE_UNAVAILABLE, Some("2"))
        );
        assert!(answer.text().contains(r#""retryDelay":"1.500000000s""#), "{}", answer.text());
        let soon = Refusal::Busy { retry_after: Duration::from_millis(3), message: String::new() };
        server.intake.answer_next(Err(soon));
        let answer = client.send(post("/v1/traces", PROTOBUF, whole("x"))).await;
        assert_eq!(answer.header("retry-after"), Some("1"));
        server.intake.is_full.set(true);
        let answer = client.send(post("/v1/traces", PROTOBUF, whole(telemetry(300_000)))).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        server.intake.is_full.set(false);
        assert_eq!(client.send(post("/v1/traces", PROTOBUF, whole("x"))).await.status, StatusCode::OK);
    });
}

#[test]
fn other_refusals_are_500_and_404() {
    run(async {
        let server = start_with(&http_only(HttpConfig::default()), SignalSet::TRACES).await;
        let mut client = Http1::connect(server.address()).await;
        server.intake.answer_next(Err(Refusal::Permanent("no".to_owned())));
        let answer = client.send(post("/v1/traces", PROTOBUF, whole("x"))).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(answer.header("retry-after"), None);
        let answer = client.send(post("/v1/logs", PROTOBUF, whole("x"))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    });
}

#[test]
fn a_partial_success_is_told_in_both_formats() {
    run(async {
        let server = server().await;
        let mut client = Http1::connect(server.address()).await;
        let receipt = || Ok(Receipt { rejected: 3, message: "too old".to_owned() });
        server.intake.answer_next(receipt());
        let answer = client.send(post("/v1/metrics", PROTOBUF, whole("x"))).await;
        assert_eq!(answer.body[..], *b"\x0a\x0b\x08\x03\x12\x07too old");
        for (path, key) in [
            ("/v1/traces", "rejectedSpans"),
            ("/v1/metrics", "rejectedDataPoints"),
            ("/v1/logs", "rejectedLogRecords"),
        ] {
            server.intake.answer_next(receipt());
            let answer = client.send(post(path, JSON, whole("{}"))).await;
            let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(
                json,
                serde_json::json!({ "partialSuccess": { key: "3", "errorMessage": "too old" } })
            );
        }
    });
}

#[test]
fn paths_encodings_and_response_headers_are_the_operators() {
    run(async {
        let server = start(&http_only(HttpConfig {
            traces_url_path: "intake/traces".to_owned(),
            compression_algorithms: vec!["zstd".to_owned()],
            response_headers: [("x-served-by".to_owned(), "trueline".into())].into(),
            ..HttpConfig::default()
        }))
        .await;
        let mut client = Http1::connect(server.address()).await;
        let answer = client.send(encoded("/intake/traces", "zstd", compress("zstd", b"x"))).await;
        assert_eq!((answer.status, answer.header("x-served-by")), (StatusCode::OK, Some("trueline")));
        assert_eq!(client.send(post("/v1/traces", PROTOBUF, whole("x"))).await.status, StatusCode::NOT_FOUND);
        let answer = client.send(encoded("/intake/traces", "gzip", compress("gzip", b"x"))).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(answer.header("accept-encoding").is_some());
        let answer = client.send(encoded("/intake/traces", "br", b"x".to_vec())).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    });
}

async fn cors_server(origins: &[&str]) -> Server {
    let cors = CorsConfig {
        allowed_origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        allowed_headers: vec!["X-Tenant".to_owned()],
        exposed_headers: vec!["X-Served-By".to_owned()],
        max_age: 7200,
    };
    start(&http_only(HttpConfig { cors: config::Section::on(cors), ..HttpConfig::default() })).await
}

fn preflight(origin: &str, headers: &str) -> Request<ClientBody> {
    let request = Request::options("/v1/traces").header("host", "localhost").header("origin", origin);
    let request = request.header("access-control-request-method", "POST");
    request.header("access-control-request-headers", headers).body(whole("")).unwrap()
}

#[test]
fn a_browser_may_ask_first() {
    run(async {
        let server = cors_server(&["https://*.shop.example", "http://localhost:8080"]).await;
        let mut client = Http1::connect(server.address()).await;
        for origin in ["https://www.shop.example", "http://LOCALHOST:8080"] {
            let answer = client.send(preflight(origin, "content-type, x-tenant")).await;
            assert_eq!(answer.status, StatusCode::NO_CONTENT);
            let header = |name: &str| answer.header(&format!("access-control-{name}"));
            assert_eq!(header("allow-origin"), Some(origin));
            assert_eq!(header("allow-methods"), Some("POST"));
            assert_eq!(header("allow-headers"), Some("content-type, x-tenant"));
            assert_eq!(header("allow-credentials"), Some("true"));
            assert_eq!(header("max-age"), Some("7200"));
        }
        for (origin, headers) in [
            ("https://evil.example", "content-type"),
            ("https://shop.example", "content-type"),
            ("https://www.shop.example", "authorization"),
        ] {
            let answer = client.send(preflight(origin, headers)).await;
            assert_eq!(answer.status, StatusCode::NO_CONTENT);
            assert_eq!(answer.header("access-control-allow-methods"), None, "{origin} {headers}");
        }
    });
}

#[test]
fn a_page_may_read_the_answer_if_its_origin_is_allowed() {
    run(async {
        for (allowed, origin, answered) in [
            ("https://shop.example", "https://shop.example", Some("https://shop.example")),
            ("https://shop.example", "https://evil.example", None),
            ("*", "https://any.example", Some("*")),
        ] {
            let server = cors_server(&[allowed]).await;
            let mut client = Http1::connect(server.address()).await;
            let mut request = post("/v1/traces", JSON, whole("{}"));
            request.headers_mut().insert("origin", origin.parse().unwrap());
            let answer = client.send(request).await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(answer.header("access-control-allow-origin"), answered);
            assert_eq!(answer.header("access-control-expose-headers"), answered.map(|_| "X-Served-By"));
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    });
}

#[test]
fn a_stalled_body_is_408_and_gives_its_claim_back() {
    run(async {
        let server = server().await;
        let mut client = Http1::connect(server.address()).await;
        let (sender, body) = streamed();
        sender.send(Bytes::from_static(b"some")).unwrap();
        let call =
            tokio::task::spawn_local(async move { client.send(post("/v1/traces", PROTOBUF, body)).await });
        eventually(|| server.intake.held() > 0).await;
        settle().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        let answer = call.await.unwrap();
        tokio::time::resume();
        assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
        assert_eq!(server.intake.held(), 0);
        drop(sender);
    });
}

#[test]
fn an_answer_that_takes_longer_than_write_timeout_is_503() {
    run(async {
        let write_timeout = config::Duration::from_millis(30);
        let server = start(&http_only(HttpConfig { write_timeout, ..HttpConfig::default() })).await;
        *server.intake.gate.borrow_mut() = Some(Default::default());
        let mut client = Http1::connect(server.address()).await;
        let answer = client.send(post("/v1/traces", PROTOBUF, whole("x"))).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    });
}

#[test]
fn a_head_that_never_ends_and_keep_alives_that_are_off_close_the_connection() {
    run(async {
        let config = HttpConfig {
            read_header_timeout: config::Duration::from_millis(50),
            keep_alives_enabled: false,
            ..HttpConfig::default()
        };
        let server = start(&http_only(config)).await;
        let mut slow = TcpStream::connect(server.address()).await.unwrap();
        slow.write_all(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: ").await.unwrap();
        let mut answer = Vec::new();
        slow.read_to_end(&mut answer).await.unwrap();

        let mut once = TcpStream::connect(server.address()).await.unwrap();
        let request = b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        once.write_all(request).await.unwrap();
        answer.clear();
        once.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    });
}

#[test]
fn a_stop_answers_the_request_under_way_and_closes_what_is_idle_or_undecided() {
    run(async {
        let server = server().await;
        let gate = Rc::new(Notify::new());
        *server.intake.gate.borrow_mut() = Some(Rc::clone(&gate));
        let (mut busy, mut idle) =
            (Http1::connect(server.address()).await, Http1::connect(server.address()).await);
        assert_eq!(idle.send(post("/v1/unknown", PROTOBUF, whole("x"))).await.status, StatusCode::NOT_FOUND);
        let mut undecided = TcpStream::connect(server.address()).await.unwrap();
        undecided.write_all(b"PRI").await.unwrap();
        let call =
            tokio::task::spawn_local(
                async move { busy.send(post("/v1/logs", PROTOBUF, whole("last"))).await },
            );
        eventually(|| server.intake.held() == 4).await;
        server.stop.cancel();
        settle().await;
        assert!(!server.running.is_finished(), "a request is under way");
        gate.notify_waiters();
        assert_eq!(call.await.unwrap().status, StatusCode::OK);
        assert_eq!(server.running.await.unwrap(), Ok(()));
        assert_eq!(undecided.read(&mut [0; 8]).await.unwrap_or(0), 0);
    });
}

#[test]
fn a_client_that_waits_to_be_asked_is_not_asked_for_a_body_over_the_limit() {
    run(async {
        let server = small_server().await;
        let mut client = TcpStream::connect(server.address()).await.unwrap();
        let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n\
                    content-length: 100001\r\nexpect: 100-continue\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(b"HTTP/1.1 413 Payload Too Large\r\n"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    });
}

#[test]
fn json_arrives_as_the_protobuf_that_an_sdk_would_have_sent() {
    use opentelemetry_proto::tonic::collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    };
    use prost::Message;

    let traces = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},
        "scopeSpans":[{"scope":{"name":"s","version":"1"},"spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C",
        "spanId":"eee19b7ec3c1b174","name":"GET /cart","kind":2,"startTimeUnixNano":"1544712660000000000",
        "endTimeUnixNano":1544712661000000000,"attributes":[{"key":"n","value":{"intValue":"7"}}],"status":{"code":2}}]}]}]}"#;
    let metrics = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","unit":"1","sum":{
        "aggregationTemporality":1,"isMonotonic":true,"dataPoints":[{"asDouble":5.5,"timeUnixNano":"1"}]}}]}]}]}"#;
    let logs = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1","severityNumber":10,
        "body":{"stringValue":"hello"},"traceId":"5b8efff798038103d269b633813fc60c"}]}]}]}"#;
    run(async {
        let server = server().await;
        let mut client = Http1::connect(server.address()).await;
        for (path, json) in [("/v1/traces", traces), ("/v1/metrics", metrics), ("/v1/logs", logs)] {
            let answer = client.send(post(path, JSON, whole(json))).await;
            assert_eq!((answer.status, answer.text()), (StatusCode::OK, "{}"), "{path}");
        }
        let pushed = server.intake.take();
        let expected: ExportTraceServiceRequest = serde_json::from_str(traces).unwrap();
        assert_eq!(ExportTraceServiceRequest::decode(pushed[0].clone()).unwrap(), expected);
        let expected: ExportMetricsServiceRequest = serde_json::from_str(metrics).unwrap();
        assert_eq!(ExportMetricsServiceRequest::decode(pushed[1].clone()).unwrap(), expected);
        let expected: ExportLogsServiceRequest = serde_json::from_str(logs).unwrap();
        assert_eq!(ExportLogsServiceRequest::decode(pushed[2].clone()).unwrap(), expected);
    });
}
