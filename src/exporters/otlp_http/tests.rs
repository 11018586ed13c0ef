use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use component::{Checks, Config, Delivered, ExportError, Exporter, ExporterDef, testing::ManualClock};
use futures_util::future::join_all;
use http::Version;
use model::{Export, Signal};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse},
        trace::v1::ExportTraceServiceRequest,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use serde_json::{Value, json};

use super::{OtlpHttp, OtlpHttpConfig};
use crate::http::testing::{
    Authority, ClientCertificates, NOW, Reply, Server, exporter_cx, on_a_shard, unpack,
};

fn problems(config: &OtlpHttpConfig) -> Vec<String> {
    let mut checks = Checks::default();
    config.validate(&mut checks);
    let findings = checks.into_findings().into_iter();
    findings.map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
}

fn exporter(settings: Value) -> Rc<dyn Exporter> {
    let config: OtlpHttpConfig = serde_json::from_value(settings).unwrap();
    let problems = problems(&config);
    assert!(problems.is_empty(), "{problems:?}");
    OtlpHttp::build(&config, &exporter_cx(&ManualClock::new(NOW)))
}

fn plain(server: &Server) -> Rc<dyn Exporter> {
    exporter(json!({"endpoint": format!("http://{}", server.address), "compression": "none"}))
}

fn traces(bytes: impl Into<Bytes>) -> Export {
    Export { signal: Signal::Traces, bytes: bytes.into().into(), items: 1 }
}

fn ok() -> Reply {
    Reply::of(200, &[("content-type", "application/x-protobuf")], "")
}

async fn refused(status: u16, headers: &[(&str, &str)], body: &'static str) -> ExportError {
    let server = Server::replying(Reply::of(status, headers, body)).await;
    plain(&server).export(traces("x")).await.unwrap_err()
}

#[test]
fn a_request_arrives_as_the_bytes_that_came_in() {
    on_a_shard(async {
        let server = Server::replying(ok()).await;
        let body: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
        assert_eq!(plain(&server).export(traces(body.clone())).await.unwrap(), Delivered::default());
        let seen = server.only();
        assert_eq!(seen.body, body);
        assert_eq!(seen.uri.path(), "/v1/traces");
        assert_eq!(seen.header("content-type"), "application/x-protobuf");
        assert_eq!(seen.header("content-encoding"), "");
        assert_eq!(seen.header("host"), server.address.to_string());
        assert!(seen.header("user-agent").starts_with("trueline/"), "{}", seen.header("user-agent"));
    });
}

#[test]
fn each_signal_has_its_path_unless_it_has_its_own_endpoint() {
    on_a_shard(async {
        let server = Server::replying(ok()).await;
        let base = format!("http://{}", server.address);
        let exporter = exporter(
            json!({"endpoint": format!("{base}/otlp/"), "logs_endpoint": format!("{base}/in?tenant=1")}),
        );
        for signal in Signal::ALL {
            exporter
                .export(Export { signal, bytes: Bytes::from_static(b"x").into(), items: 1 })
                .await
                .unwrap();
        }
        let paths: Vec<String> = server.seen.borrow().iter().map(|seen| seen.uri.to_string()).collect();
        assert_eq!(paths, ["/otlp/v1/traces", "/otlp/v1/metrics", "/in?tenant=1"]);
    });
}

#[test]
fn a_signal_without_endpoint_is_dropped_with_a_reason() {
    on_a_shard(async {
        let exporter = exporter(json!({"traces_endpoint": "http://localhost:1/t"}));
        let logs = Export { signal: Signal::Logs, bytes: Bytes::new().into(), items: 1 };
        let error = exporter.export(logs).await.unwrap_err();
        assert!(matches!(error, ExportError::Permanent(_)));
        assert_eq!(error.to_string(), "no endpoint for logs is configured; set logs_endpoint");
    });
}

#[test]
fn every_compression_is_undone_to_the_same_bytes() {
    on_a_shard(async {
        let body: Vec<u8> = (0..100_000_u32).map(|n| (n / 7 % 50) as u8).collect();
        for name in ["gzip", "zstd", "snappy", "x-snappy-framed", "zlib", "deflate", "lz4", "none"] {
            let server = Server::replying(ok()).await;
            let exporter =
                exporter(json!({"endpoint": format!("http://{}", server.address), "compression": name}));
            exporter.export(traces(body.clone())).await.unwrap();
            let seen = server.only();
            let encoding = if name == "none" { "" } else { name };
            assert_eq!(seen.header("content-encoding"), encoding);
            assert_eq!(unpack(encoding, &seen.body), body, "{name}");
            assert!(name == "none" || seen.body.len() < body.len() / 2, "{name}: {}", seen.body.len());
        }
    });
}

#[test]
fn gzip_is_the_default_and_its_level_can_be_set() {
    on_a_shard(async {
        let body: Vec<u8> = (0..100_000_u32).map(|n| (n ^ (n >> 3) ^ (n / 7 % 11)) as u8).collect();
        let mut lengths = Vec::new();
        for level in [json!(null), json!(-1), json!(1), json!(9)] {
            let server = Server::replying(ok()).await;
            let endpoint = format!("http://{}", server.address);
            let exporter = exporter(json!({"endpoint": endpoint, "compression_params": {"level": level}}));
            exporter.export(traces(body.clone())).await.unwrap();
            assert_eq!(server.only().header("content-encoding"), "gzip");
            lengths.push(server.only().body.len());
        }
        assert_eq!(lengths[0], lengths[1]);
        assert_eq!(lengths[1], lengths[2]);
        assert!(lengths[3] < lengths[2], "{lengths:?}");
    });
}

#[test]
fn json_says_the_same_as_protobuf() {
    on_a_shard(async {
        let span =
            Span { trace_id: vec![0xab; 16], span_id: vec![1; 8], name: "GET /".into(), ..Span::default() };
        let scope = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
        let resource = Some(Resource::default());
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource,
                scope_spans: vec![scope],
                ..ResourceSpans::default()
            }],
        };
        let server = Server::replying(Reply::of(200, &[("content-type", "application/json")], "{}")).await;
        let settings = json!({"endpoint": format!("http://{}", server.address), "encoding": "json", "compression": "none"});
        exporter(settings).export(traces(request.encode_to_vec())).await.unwrap();
        let seen = server.only();
        assert_eq!(seen.header("content-type"), "application/json");
        let read: Value = serde_json::from_slice(&seen.body).unwrap();
        let span = &read["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(span["name"], "GET /");
        assert_eq!(span["traceId"], "ab".repeat(16));
    });
}

#[test]
fn what_is_not_otlp_can_not_be_written_as_json() {
    on_a_shard(async {
        let exporter = exporter(json!({"endpoint": "http://localhost:1", "encoding": "json"}));
        let error = exporter.export(traces(&b"\x0a\x7fcut"[..])).await.unwrap_err();
        assert!(matches!(error, ExportError::Permanent(_)), "{error}");
    });
}

#[test]
fn a_server_that_sends_our_credentials_back_brings_them_into_no_message() {
    on_a_shard(async {
        let echo = "you sent Bearer canary-token and canary-key";
        for (status, location) in [(401, "/"), (403, "/"), (503, "/"), (302, "/?key=canary-key")] {
            let server = Server::replying(Reply::of(status, &[("location", location)], echo)).await;
            let headers = json!({"Authorization": "Bearer canary-token", "X-Key": "canary-key"});
            let endpoint = format!("http://{}", server.address);
            let exporter = exporter(json!({"endpoint": endpoint, "headers": headers}));
            let error = exporter.export(traces("x")).await.unwrap_err().to_string();
            assert!(!error.contains("canary") && error.contains(&status.to_string()), "{error}");
            // A key within a URL is none to show, whether it is ours or not.
            assert!(
                ["***", "[REDACTED]"].iter().any(|mask| error.contains(mask)),
                "the rest is told: {error}"
            );
            assert_eq!(server.only().header("x-key"), "canary-key");
        }
    });
}

#[test]
fn each_status_is_retried_or_dropped_as_otlp_says() {
    on_a_shard(async {
        for status in [301, 307, 400, 401, 403, 404, 405, 408, 413, 415, 429, 500, 501, 502, 503, 504, 507] {
            let error = refused(status, &[], "why not").await;
            let retryable = matches!(error, ExportError::Retryable { after: None, .. });
            assert_eq!(retryable, [429, 502, 503, 504].contains(&status), "{status}: {error}");
            assert!(error.to_string().contains(&status.to_string()), "{error}");
        }
    });
}

#[test]
fn the_server_says_when_to_come_back() {
    on_a_shard(async {
        for (status, value, expected) in [
            (429, "30", Some(30)),
            (503, "Tue, 14 Nov 2023 22:15:20 GMT", Some(120)),
            (503, "Tue, 14 Nov 2023 22:00:00 GMT", None),
            (503, "later", None),
        ] {
            let error = refused(status, &[("retry-after", value)], "").await;
            let ExportError::Retryable { after, .. } = error else { panic!("{error}") };
            assert_eq!(after, expected.map(Duration::from_secs), "{value}");
        }
    });
}

#[test]
fn the_reason_of_a_refusal_is_told_in_whatever_form_it_came() {
    on_a_shard(async {
        // google.rpc.Status { code: 3, message: "bad span" }
        let error =
            refused(400, &[("content-type", "application/x-protobuf")], "\x08\x03\x12\x08bad span").await;
        assert!(error.to_string().ends_with("answered 400 Bad Request: bad span"), "{error}");
        let error =
            refused(400, &[("content-type", "application/json")], r#"{"code":3,"message":"bad span"}"#).await;
        assert!(error.to_string().ends_with("answered 400 Bad Request: bad span"), "{error}");
        let error = refused(404, &[("content-type", "text/plain")], "no such\npage\n").await;
        assert!(
            error.to_string().ends_with(r"Not Found: no such\npage; is the path of the endpoint right?"),
            "{error}"
        );
        let error = refused(308, &[("location", "https://elsewhere/")], "").await;
        assert!(
            error.to_string().ends_with("redirecting to https://elsewhere/; set the endpoint to that"),
            "{error}"
        );
    });
}

#[test]
fn a_long_answer_is_quoted_in_part() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(500, &[], "ü".repeat(1_000_000))).await;
        let error = plain(&server).export(traces("x")).await.unwrap_err();
        assert!(error.to_string().len() < 1000, "{}", error.to_string().len());
        let server = Server::replying(Reply::of(200, &[], "x".repeat(5 << 20))).await;
        assert_eq!(plain(&server).export(traces("x")).await.unwrap(), Delivered::default());
    });
}

#[test]
fn a_partial_success_tells_what_was_rejected() {
    on_a_shard(async {
        let partial = ExportLogsPartialSuccess { rejected_log_records: 3, error_message: "too old".into() };
        let answer = ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        let expected = Delivered { rejected: 3, message: "too old".into() };
        let server =
            Server::replying(Reply::of(200, &[("content-type", "application/x-protobuf")], answer)).await;
        assert_eq!(plain(&server).export(traces("x")).await.unwrap(), expected);
        let answer = r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}"#;
        let server = Server::replying(Reply::of(202, &[("content-type", "application/json")], answer)).await;
        assert_eq!(plain(&server).export(traces("x")).await.unwrap(), expected);
    });
}

#[test]
fn connections_are_kept_unless_the_operator_says_otherwise() {
    on_a_shard(async {
        for (disabled, connections) in [(false, 1), (true, 3)] {
            let server = Server::replying(ok()).await;
            let endpoint = format!("http://{}", server.address);
            let exporter = exporter(json!({"endpoint": endpoint, "disable_keep_alives": disabled}));
            for _ in 0..3 {
                exporter.export(traces("x")).await.unwrap();
            }
            assert_eq!(server.connections(), connections);
        }
    });
}

#[test]
fn requests_under_way_stay_below_their_limit() {
    on_a_shard(async {
        let server = Server::replying(ok()).await;
        let endpoint = format!("http://{}", server.address);
        let exporter = exporter(json!({"endpoint": endpoint, "max_conns_per_host": 2}));
        let outcomes = join_all((0..20).map(|_| exporter.export(traces("x")))).await;
        assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
        assert_eq!(server.seen.borrow().len(), 20);
        assert!(server.connections() <= 2, "{}", server.connections());
    });
}

#[test]
fn requests_under_way_are_retryable_when_the_connection_is_cut() {
    on_a_shard(async {
        let server = Server::start(|_| Box::pin(std::future::pending())).await;
        let exporter = plain(&server);
        let under_way = join_all((0..4).map(|_| exporter.export(traces("x"))));
        let cut = async {
            while server.seen.borrow().len() < 4 {
                tokio::task::yield_now().await;
            }
            server.cut();
        };
        let (outcomes, ()) = tokio::join!(under_way, cut);
        for outcome in outcomes {
            let error = outcome.unwrap_err();
            assert!(matches!(error, ExportError::Retryable { after: None, .. }), "{error}");
            assert!(error.to_string().contains("lost the connection"), "{error}");
        }
    });
}

#[test]
fn a_server_that_is_not_there_is_named() {
    on_a_shard(async {
        let server = Server::replying(ok()).await;
        let (address, exporter) = (server.address, plain(&server));
        server.stop().await;
        let error = exporter.export(traces("x")).await.unwrap_err();
        assert!(matches!(error, ExportError::Retryable { after: None, .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("can not connect to {address}: ")), "{error}");
        assert!(error.to_string().contains("refused"), "{error}");
        let _server = Server::start_at(address, ok()).await;
        exporter.export(traces("x")).await.unwrap();
    });
}

#[test]
fn tls_servers_are_spoken_to_in_http_2() {
    on_a_shard(async {
        let authority = Authority::new();
        for (http2, version) in [(true, Version::HTTP_2), (false, Version::HTTP_11)] {
            let server =
                Server::with_tls(authority.server("127.0.0.1", ClientCertificates::Ignored), ok()).await;
            let exporter = exporter(json!({
                "endpoint": format!("https://{}", server.address), "force_attempt_http2": http2,
                "tls": {"ca_pem": authority.pem},
            }));
            exporter.export(traces("x")).await.unwrap();
            assert_eq!(server.only().version, version);
        }
    });
}

#[test]
fn tls_checks_the_authority_and_the_name() {
    on_a_shard(async {
        let authority = Authority::new();
        let server =
            Server::with_tls(authority.server("collector.example", ClientCertificates::Required), ok()).await;
        let endpoint = format!("https://{}", server.address);
        let (certificate, key) = authority.sign("agent");
        let known = json!({
            "ca_pem": authority.pem, "cert_pem": certificate, "key_pem": key,
            "server_name_override": "collector.example",
        });
        exporter(json!({"endpoint": endpoint, "tls": known})).export(traces("x")).await.unwrap();
        for (key, value) in
            [("server_name_override", json!("other.example")), ("ca_pem", json!(Authority::new().pem))]
        {
            let mut wrong = known.clone();
            wrong[key] = value;
            let error =
                exporter(json!({"endpoint": endpoint, "tls": wrong})).export(traces("x")).await.unwrap_err();
            assert!(matches!(error, ExportError::Retryable { .. }), "{error}");
            assert!(error.to_string().contains("certificate"), "{error}");
        }
    });
}

#[test]
fn every_problem_of_a_configuration_is_reported() {
    let wrong: OtlpHttpConfig = serde_json::from_value(json!({
        "endpoint": "collector:4318", "metrics_endpoint": "https://me:secret@host/", "logs_endpoint": "http://",
        "compression_params": {"level": 12}, "headers": {"Content-Encoding": "br"},
        "tls": {"key_pem": "x"}, "sending_queue": {"queue_size": 0}, "retry_on_failure": {"randomization_factor": 2},
    }))
    .unwrap();
    expect_test::expect![[r#"
        endpoint: endpoint is "collector:4318", must be a URL: http://host:4318
        metrics_endpoint: metrics_endpoint holds a user name or a password; name an authenticator, or set headers: Authorization
        logs_endpoint: logs_endpoint is "http://", must be a URL: http://host:4318
        compression_params.level: level is 12, must be between 0 and 9 for gzip
        tls: key_file is set without cert_file, a client certificate needs both
        tls.key_pem: tls.key_pem holds no usable PEM private key: no items found
        headers.Content-Encoding: Content-Encoding is set by the exporter itself, remove it
        retry_on_failure.randomization_factor: randomization_factor is 2, must be between 0 and 1
        sending_queue.queue_size: queue_size is 0, must be above 0
    "#]].assert_eq(&(problems(&wrong).join("\n") + "\n"));
    let empty = OtlpHttpConfig::default();
    assert_eq!(
        problems(&empty),
        ["endpoint: endpoint is missing, set it to the server's URL: http://host:4318"]
    );
    let level: OtlpHttpConfig = serde_json::from_value(json!({
        "endpoint": "http://h", "compression": "snappy", "compression_params": {"level": 3},
    }))
    .unwrap();
    assert_eq!(
        problems(&level),
        ["compression_params.level: compression snappy has no levels, remove level"]
    );
}
