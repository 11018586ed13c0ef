use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use component::{Checks, Config, Delivered, ExportError, Exporter, ExporterDef, testing::ManualClock};
use futures_util::future::join_all;
use model::{Export, Signal};
use prost::Message;
use serde_json::{Value, json};

use super::{
    OtlpGrpc, OtlpGrpcConfig,
    target::{Scheme, Target},
};
use crate::http::testing::{
    Authority, ClientCertificates, NOW, Reply, Server, exporter_cx, on_a_shard, unpack,
};

fn config(settings: Value) -> OtlpGrpcConfig {
    let config: OtlpGrpcConfig = serde_json::from_value(settings).unwrap();
    let problems = problems(&config);
    assert!(problems.is_empty(), "{problems:?}");
    config
}

fn problems(config: &OtlpGrpcConfig) -> Vec<String> {
    let mut checks = Checks::default();
    config.validate(&mut checks);
    let findings = checks.into_findings().into_iter();
    findings.map(|finding| format!("{}: {}", finding.path, finding.message)).collect()
}

fn exporter(settings: Value) -> Rc<dyn Exporter> {
    OtlpGrpc::build(&config(settings), &exporter_cx(&ManualClock::new(NOW)))
}

fn plain(server: &Server) -> Rc<dyn Exporter> {
    exporter(
        json!({"endpoint": server.address.to_string(), "tls": {"insecure": true}, "compression": "none"}),
    )
}

fn traces(bytes: impl Into<Bytes>) -> Export {
    Export { signal: Signal::Traces, bytes: bytes.into().into(), items: 1 }
}

/// The message of a request's body, and whether it says that it is compressed.
fn message(body: &[u8]) -> (bool, &[u8]) {
    let (prefix, message) = body.split_at(5);
    assert_eq!(u32::from_be_bytes(prefix[1..].try_into().unwrap()) as usize, message.len());
    (prefix[0] == 1, message)
}

fn after(error: ExportError) -> Option<Duration> {
    match error {
        ExportError::Retryable { after, .. } => after,
        ExportError::Permanent(source) => panic!("not retryable: {source}"),
    }
}

/// `grpc-status-details-bin` with a RetryInfo.
fn retry_info(seconds: i64, nanos: i32) -> String {
    #[derive(Clone, PartialEq, Message)]
    struct Any {
        #[prost(string, tag = "1")]
        type_url: String,
        #[prost(bytes = "vec", tag = "2")]
        value: Vec<u8>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Status {
        #[prost(int32, tag = "1")]
        code: i32,
        #[prost(message, repeated, tag = "3")]
        details: Vec<Any>,
    }
    #[derive(Clone, PartialEq, Message)]
    struct Span {
        #[prost(int64, tag = "1")]
        seconds: i64,
        #[prost(int32, tag = "2")]
        nanos: i32,
    }
    #[derive(Clone, PartialEq, Message)]
    struct RetryInfo {
        #[prost(message, optional, tag = "1")]
        delay: Option<Span>,
    }
    let value = RetryInfo { delay: Some(Span { seconds, nanos }) }.encode_to_vec();
    let other = Any { type_url: "type.googleapis.com/google.rpc.DebugInfo".into(), value: vec![1, 2, 3] };
    let info = Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".into(), value };
    let status = Status { code: 14, details: vec![other, info] };
    data_encoding::BASE64_NOPAD.encode(&status.encode_to_vec())
}

#[test]
fn a_request_arrives_as_the_bytes_that_came_in() {
    on_a_shard(async {
        let server = Server::replying(Reply::grpc_ok()).await;
        let exporter = plain(&server);
        let body: Vec<u8> = (0..300_000_u32).map(|n| n as u8).collect();
        assert_eq!(exporter.export(traces(body.clone())).await.unwrap(), Delivered::default());
        let seen = server.only();
        assert_eq!(message(&seen.body), (false, &body[..]));
        assert_eq!(seen.uri.path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
        assert_eq!(seen.uri.authority().unwrap().as_str(), server.address.to_string());
        assert_eq!(seen.header("content-type"), "application/grpc");
        assert_eq!(seen.header("te"), "trailers");
        assert_eq!(seen.header("grpc-timeout"), "5000m");
        assert_eq!(seen.header("grpc-encoding"), "");
        assert_eq!(seen.header("content-length"), "");
        assert!(seen.header("user-agent").starts_with("trueline/"), "{}", seen.header("user-agent"));
    });
}

#[test]
fn an_empty_request_is_a_message_too() {
    on_a_shard(async {
        let server = Server::replying(Reply::grpc_ok()).await;
        plain(&server).export(traces("")).await.unwrap();
        assert_eq!(message(&server.only().body), (false, &b""[..]));
    });
}

#[test]
fn every_signal_goes_to_its_own_service() {
    on_a_shard(async {
        let server = Server::replying(Reply::grpc_ok()).await;
        let exporter = plain(&server);
        for signal in Signal::ALL {
            exporter
                .export(Export { signal, bytes: Bytes::from_static(b"x").into(), items: 1 })
                .await
                .unwrap();
        }
        let paths: Vec<String> = server.seen.borrow().iter().map(|seen| seen.uri.path().to_owned()).collect();
        assert_eq!(
            paths,
            [
                "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
                "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
                "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            ]
        );
    });
}

#[test]
fn every_compression_is_undone_to_the_same_bytes() {
    on_a_shard(async {
        let body: Vec<u8> = (0..100_000_u32).map(|n| (n / 7 % 50) as u8).collect();
        for (name, format) in
            [("gzip", "gzip"), ("zstd", "zstd"), ("snappy", "x-snappy-framed"), ("none", "")]
        {
            let server = Server::replying(Reply::grpc_ok()).await;
            let endpoint = format!("http://{}", server.address);
            let exporter = exporter(json!({"endpoint": endpoint, "compression": name}));
            for _ in 0..2 {
                exporter.export(traces(body.clone())).await.unwrap();
            }
            for seen in server.seen.borrow().iter() {
                let (compressed, packed) = message(&seen.body);
                assert_eq!(compressed, name != "none");
                assert_eq!(seen.header("grpc-encoding"), if name == "none" { "" } else { name });
                assert_eq!(unpack(format, packed), body, "{name}");
                assert!(!compressed || packed.len() < body.len() / 2, "{name}: {}", packed.len());
            }
        }
    });
}

#[test]
fn gzip_is_the_default() {
    on_a_shard(async {
        let server = Server::replying(Reply::grpc_ok()).await;
        let exporter = exporter(json!({"endpoint": format!("http://{}", server.address)}));
        exporter.export(traces("x")).await.unwrap();
        assert_eq!(server.only().header("grpc-encoding"), "gzip");
    });
}

#[test]
fn headers_authority_and_agent_are_the_operators() {
    on_a_shard(async {
        let server = Server::replying(Reply::grpc_ok()).await;
        let exporter = exporter(json!({
            "endpoint": format!("http://{}", server.address), "authority": "tenant.example:99",
            "user_agent": "mine/1", "headers": {"X-Scope-OrgID": "anonymous"}, "timeout": "30h",
        }));
        exporter.export(traces("x")).await.unwrap();
        let seen = server.only();
        assert_eq!(seen.header("x-scope-orgid"), "anonymous");
        assert_eq!(seen.header("user-agent"), "mine/1");
        assert_eq!(seen.uri.authority().unwrap().as_str(), "tenant.example:99");
        assert_eq!(seen.header("grpc-timeout"), "108000S");
    });
}

#[test]
fn each_status_is_retried_or_dropped_as_otlp_says() {
    on_a_shard(async {
        for code in 1..=17_u32 {
            let server = Server::replying(Reply::grpc(
                b"",
                &[("grpc-status", &code.to_string()), ("grpc-message", "no%20r%C3%B6om%")],
            ))
            .await;
            let error = plain(&server).export(traces("x")).await.unwrap_err();
            let retryable = matches!(error, ExportError::Retryable { after: None, .. });
            assert_eq!(retryable, [1, 4, 10, 11, 14, 15].contains(&code), "{code}: {error}");
            assert!(error.to_string().ends_with(&format!("({code}): no röom%")), "{error}");
        }
    });
}

#[test]
fn a_server_that_sends_our_credentials_back_brings_them_into_no_message() {
    on_a_shard(async {
        for code in ["16", "14"] {
            let trailers =
                [("grpc-status", code), ("grpc-message", "you%20sent Bearer%20canary-token and canary-key")];
            let server = Server::replying(Reply::grpc(b"", &trailers)).await;
            let exporter = exporter(json!({
                "endpoint": server.address.to_string(),
                "tls": {"insecure": true},
                "headers": {"Authorization": "Bearer canary-token", "X-Key": "canary-key"},
            }));
            let error = exporter.export(traces("x")).await.unwrap_err();
            assert_eq!(matches!(error, ExportError::Retryable { .. }), code == "14");
            assert!(
                error.to_string().ends_with(&format!(
                    "({code}): you sent {} and {}",
                    "*".repeat(19),
                    "*".repeat(10)
                )),
                "{error}"
            );
        }
    });
}

#[test]
fn a_full_server_is_asked_again_only_when_it_says_when() {
    on_a_shard(async {
        for (trailer, expected) in
            [(retry_info(2, 500_000_000), Some(Duration::from_millis(2500))), (retry_info(0, 0), None)]
        {
            let trailers = [("grpc-status", "8"), ("grpc-status-details-bin", trailer.as_str())];
            let server = Server::replying(Reply::grpc(b"", &trailers)).await;
            assert_eq!(after(plain(&server).export(traces("x")).await.unwrap_err()), expected);
        }
        let broken = [("grpc-status", "8"), ("grpc-status-details-bin", "!!!")];
        let server = Server::replying(Reply::grpc(b"", &broken)).await;
        let error = plain(&server).export(traces("x")).await.unwrap_err();
        assert!(matches!(error, ExportError::Permanent(_)), "{error}");
    });
}

#[test]
fn a_refusal_without_body_is_read_from_the_headers() {
    on_a_shard(async {
        let details = retry_info(7, 0) + "==";
        let headers = [
            ("content-type", "application/grpc"),
            ("grpc-status", "14"),
            ("grpc-status-details-bin", details.as_str()),
        ];
        let server = Server::replying(Reply::of(200, &headers, "")).await;
        let error = plain(&server).export(traces("x")).await.unwrap_err();
        assert_eq!(after(error), Some(Duration::from_secs(7)));
    });
}

#[test]
fn what_proxies_answer_is_judged_by_its_http_status() {
    on_a_shard(async {
        for (status, retryable) in [
            (400, false),
            (401, false),
            (403, false),
            (404, false),
            (429, true),
            (500, false),
            (502, true),
            (503, true),
            (504, true),
        ] {
            let server =
                Server::replying(Reply::of(status, &[("content-type", "text/html")], "<html>")).await;
            let error = plain(&server).export(traces("x")).await.unwrap_err();
            assert_eq!(matches!(error, ExportError::Retryable { .. }), retryable, "{status}: {error}");
            assert!(error.to_string().contains(&status.to_string()), "{error}");
        }
    });
}

#[test]
fn nonsense_with_status_200_is_an_error_that_names_it() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[("content-type", "text/html")], "<html>")).await;
        let error = plain(&server).export(traces("x")).await.unwrap_err();
        assert!(matches!(error, ExportError::Permanent(_)));
        assert!(error.to_string().contains("text/html"), "{error}");
    });
}

#[test]
fn a_partial_success_tells_what_was_rejected() {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    on_a_shard(async {
        let partial = ExportTracePartialSuccess { rejected_spans: 3, error_message: "too old".into() };
        let answer = ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        let server = Server::replying(Reply::grpc(&answer, &[("grpc-status", "0")])).await;
        let delivered = plain(&server).export(traces("x")).await.unwrap();
        assert_eq!(delivered, Delivered { rejected: 3, message: "too old".into() });
    });
}

#[test]
fn an_answer_that_can_not_be_read_does_not_undo_the_delivery() {
    on_a_shard(async {
        for body in [
            &b"\x00\x00\x00\x00\x09\x0a"[..],
            b"\x01\x00\x00\x00\x01x",
            b"\x00",
            b"\x00\x00\x00\x00\x02\x0a\x7f",
        ] {
            let mut reply = Reply::grpc_ok();
            reply.body = Bytes::from_static(body);
            let server = Server::replying(reply).await;
            assert_eq!(plain(&server).export(traces("x")).await.unwrap(), Delivered::default(), "{body:?}");
        }
    });
}

#[test]
fn many_requests_share_one_connection() {
    on_a_shard(async {
        let server = Server::replying(Reply::grpc_ok()).await;
        let exporter = plain(&server);
        let requests: Vec<Vec<u8>> = (0..64_usize).map(|n| vec![n as u8; 1 + n * 1000]).collect();
        let outcomes =
            join_all(requests.iter().map(|request| exporter.export(traces(request.clone())))).await;
        assert!(outcomes.into_iter().all(|outcome| outcome.is_ok()));
        assert_eq!(server.connections(), 1);
        let mut bodies: Vec<Vec<u8>> =
            server.seen.borrow().iter().map(|seen| message(&seen.body).1.to_vec()).collect();
        bodies.sort_by_key(Vec::len);
        assert_eq!(bodies, requests);
    });
}

#[test]
fn all_requests_under_way_are_retryable_when_the_connection_is_cut() {
    on_a_shard(async {
        let server = Server::start(|_| Box::pin(std::future::pending())).await;
        let exporter = plain(&server);
        let under_way = join_all((0..8).map(|_| exporter.export(traces("x"))));
        let cut = async {
            while server.seen.borrow().len() < 8 {
                tokio::task::yield_now().await;
            }
            server.cut();
        };
        let (outcomes, ()) = tokio::join!(under_way, cut);
        for outcome in outcomes {
            assert_eq!(after(outcome.unwrap_err()), None);
        }
    });
}

#[test]
fn a_lost_connection_is_made_anew() {
    on_a_shard(async {
        let server = Server::replying(Reply::grpc_ok()).await;
        let (address, exporter) = (server.address, plain(&server));
        exporter.export(traces("x")).await.unwrap();
        server.stop().await;
        let error = exporter.export(traces("x")).await.unwrap_err();
        assert_eq!(after(error), None);
        let error = exporter.export(traces("x")).await.unwrap_err();
        assert!(error.to_string().contains(&format!("can not connect to {address}")), "{error}");
        let server = Server::start_at(address, Reply::grpc_ok()).await;
        exporter.export(traces("y")).await.unwrap();
        assert_eq!(message(&server.only().body).1, b"y");
    });
}

#[test]
fn an_address_that_does_not_answer_leaves_the_others_in_use() {
    on_a_shard(async {
        // The name stands for ::1 as well where the machine has it, and nothing listens there.
        for balancer in ["round_robin", "pick_first"] {
            let server = Server::replying(Reply::grpc_ok()).await;
            let endpoint = format!("http://localhost:{}", server.address.port());
            let exporter = exporter(json!({"endpoint": endpoint, "balancer_name": balancer}));
            for _ in 0..3 {
                exporter.export(traces("x")).await.unwrap();
            }
            assert_eq!((server.seen.borrow().len(), server.connections()), (3, 1));
        }
    });
}

#[test]
fn a_name_that_stands_for_nothing_is_retryable_and_named() {
    // An empty label fails without asking any server of names.
    on_a_shard(async {
        let error =
            exporter(json!({"endpoint": "nobody..invalid:4317"})).export(traces("x")).await.unwrap_err();
        assert!(error.to_string().contains("nobody..invalid"), "{error}");
        assert_eq!(after(error), None);
    });
}

#[test]
fn a_goodbye_ends_no_request_and_the_next_one_finds_a_new_connection() {
    on_a_shard(async {
        let (release, released) = tokio::sync::watch::channel(false);
        let server = Server::start(move |_| {
            let mut released = released.clone();
            Box::pin(async move {
                released.wait_for(|released| *released).await.unwrap();
                Reply::grpc_ok()
            })
        })
        .await;
        let exporter = plain(&server);
        let first = exporter.export(traces("first"));
        let rest = async {
            while server.seen.borrow().is_empty() {
                tokio::task::yield_now().await;
            }
            server.say_goodbye();
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            release.send(true).unwrap();
            join_all((0..4).map(|_| exporter.export(traces("later")))).await
        };
        let (first, rest) = tokio::join!(first, rest);
        first.unwrap();
        for outcome in rest {
            outcome.unwrap();
        }
        assert_eq!(server.seen.borrow().len(), 5);
        assert_eq!(server.connections(), 2);
    });
}

#[test]
fn giving_up_on_a_slow_server_leaves_the_connection_usable() {
    on_a_shard(async {
        let server = Server::start(|seen| {
            let slow = seen.body.ends_with(b"slow");
            Box::pin(async move { if slow { std::future::pending().await } else { Reply::grpc_ok() } })
        })
        .await;
        let exporter = plain(&server);
        let mut slow = exporter.export(traces("slow"));
        while server.seen.borrow().is_empty() {
            assert!(futures_util::poll!(&mut slow).is_pending());
            tokio::task::yield_now().await;
        }
        drop(slow);
        exporter.export(traces("quick")).await.unwrap();
        assert_eq!(server.connections(), 1);
    });
}

#[test]
fn a_call_may_wait_until_the_server_is_there() {
    on_a_shard(async {
        let server = Server::replying(Reply::grpc_ok()).await;
        let address = server.address;
        server.stop().await;
        let clock = ManualClock::new(NOW);
        let settings =
            json!({"endpoint": address.to_string(), "tls": {"insecure": true}, "wait_for_ready": true});
        let exporter = OtlpGrpc::build(&config(settings), &exporter_cx(&clock));
        let mut waiting = exporter.export(traces("x"));
        for _ in 0..100 {
            assert!(futures_util::poll!(&mut waiting).is_pending());
            tokio::task::yield_now().await;
        }
        let _server = Server::start_at(address, Reply::grpc_ok()).await;
        let tick = async {
            for second in 1.. {
                clock.advance_to(NOW + Duration::from_secs(second));
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            outcome = waiting => { outcome.unwrap(); }
            () = tick => unreachable!("time does not end"),
        }
    });
}

#[test]
fn keepalive_is_taken_as_the_collector_has_it() {
    let keepalive: super::config::KeepaliveConfig =
        serde_json::from_value(json!({"time": "30s", "permit_without_stream": true})).unwrap();
    let config = OtlpGrpcConfig {
        endpoint: "localhost:4317".into(),
        keepalive: config::Section::on(keepalive),
        ..OtlpGrpcConfig::default()
    };
    assert_eq!(problems(&config), [""; 0]);
    on_a_shard(async {
        let server = Server::replying(Reply::grpc_ok()).await;
        let config = OtlpGrpcConfig { endpoint: format!("http://{}", server.address), ..config };
        let exporter = OtlpGrpc::build(&config, &exporter_cx(&ManualClock::new(NOW)));
        exporter.export(traces("x")).await.unwrap();
    });
}

#[test]
fn tls_trusts_the_authority_it_was_given_and_no_other() {
    on_a_shard(async {
        let authority = Authority::new();
        let server =
            Server::with_tls(authority.server("127.0.0.1", ClientCertificates::Ignored), Reply::grpc_ok())
                .await;
        let endpoint = server.address.to_string();
        let trusting = exporter(json!({"endpoint": endpoint, "tls": {"ca_pem": authority.pem}}));
        trusting.export(traces("x")).await.unwrap();
        let strange = exporter(json!({"endpoint": endpoint, "tls": {"ca_pem": Authority::new().pem}}));
        let error = strange.export(traces("x")).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
        assert_eq!(after(error), None);
        let careless = exporter(json!({"endpoint": endpoint, "tls": {"insecure_skip_verify": true}}));
        careless.export(traces("x")).await.unwrap();
    });
}

#[test]
fn tls_checks_the_name_and_shows_who_we_are() {
    on_a_shard(async {
        let authority = Authority::new();
        let tls = authority.server("collector.example", ClientCertificates::Required);
        let server = Server::with_tls(tls, Reply::grpc_ok()).await;
        let (certificate, key) = authority.sign("agent");
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("ca.pem"), &authority.pem).unwrap();
        std::fs::write(path("cert.pem"), certificate).unwrap();
        crate::http::testing::write_secret(path("key.pem"), &key);
        let endpoint = format!("https://{}", server.address);
        let known = json!({
            "ca_file": path("ca.pem"), "cert_file": path("cert.pem"), "key_file": path("key.pem"),
            "server_name_override": "collector.example", "min_version": "1.3",
        });
        exporter(json!({"endpoint": endpoint, "tls": known})).export(traces("x")).await.unwrap();
        let mut misnamed = known.clone();
        misnamed["server_name_override"] = json!("other.example");
        let error =
            exporter(json!({"endpoint": endpoint, "tls": misnamed})).export(traces("x")).await.unwrap_err();
        assert!(error.to_string().contains("not valid for name"), "{error}");
        let nobody = json!({"ca_file": path("ca.pem"), "server_name_override": "collector.example"});
        let error =
            exporter(json!({"endpoint": endpoint, "tls": nobody})).export(traces("x")).await.unwrap_err();
        assert_eq!(after(error), None);
    });
}

#[test]
fn a_certificate_that_is_not_there_yet_is_waited_for() {
    on_a_shard(async {
        let authority = Authority::new();
        let server =
            Server::with_tls(authority.server("127.0.0.1", ClientCertificates::Ignored), Reply::grpc_ok())
                .await;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        let settings =
            json!({"endpoint": server.address.to_string(), "tls": {"ca_file": path.to_str().unwrap()}});
        let config: OtlpGrpcConfig = serde_json::from_value(settings).unwrap();
        assert!(problems(&config)[0].contains("does not exist here"));
        let exporter = OtlpGrpc::build(&config, &exporter_cx(&ManualClock::new(NOW)));
        let error = exporter.export(traces("x")).await.unwrap_err();
        assert!(error.to_string().contains("tls.ca_file"), "{error}");
        assert_eq!(after(error), None);
        std::fs::write(&path, &authority.pem).unwrap();
        exporter.export(traces("x")).await.unwrap();
    });
}

#[test]
fn endpoints_are_read_as_the_collector_reads_them() {
    let read = |endpoint: &str| Target::parse(endpoint).map(|target| (target.authority(), target.scheme));
    for (endpoint, authority, scheme) in [
        ("localhost:4317", "localhost:4317", Scheme::Unsaid),
        ("http://tempo:4317", "tempo:4317", Scheme::Http),
        ("https://tempo:4317/", "tempo:4317", Scheme::Https),
        ("dns:///tempo.svc:4317", "tempo.svc:4317", Scheme::Unsaid),
        ("passthrough:///tempo:4317", "tempo:4317", Scheme::Unsaid),
        ("[::1]:4317", "[::1]:4317", Scheme::Unsaid),
    ] {
        assert_eq!(read(endpoint), Ok((authority.to_owned(), scheme)), "{endpoint}");
    }
    for (endpoint, problem) in [
        ("", "is missing"),
        ("tempo", "must end in a port"),
        ("tempo:0", "must end in a port"),
        ("http://tempo:4317/v1/traces", "has no path"),
        ("unix:///run/otlp.sock", "scheme \"unix\""),
        ("dns://8.8.8.8/tempo:4317", "use dns:///"),
        ("user@tempo:4317", "must be host:port"),
        ("two words:4317", "must be host:port"),
    ] {
        let said = read(endpoint).unwrap_err();
        assert!(said.contains(problem), "{endpoint}: {said}");
    }
}

#[test]
fn every_problem_of_a_configuration_is_reported() {
    let wrong: OtlpGrpcConfig = serde_json::from_value(json!({
        "endpoint": "tempo", "compression": "lz4", "authority": "a b", "user_agent": "a\nb",
        "headers": {"grpc-timeout": "1S", "bad name": "x", "ok": "a\nb"},
        "tls": {"ca_pem": "nonsense", "cert_pem": "x", "cert_file": "/nowhere", "min_version": "1.3", "max_version": "1.2"},
        "sending_queue": {"num_consumers": 0}, "retry_on_failure": {"multiplier": 0.5},
    }))
    .unwrap();
    expect_test::expect![[r#"
        endpoint: endpoint is "tempo", must end in a port: host:4317
        compression: compression is "lz4", gRPC knows gzip, zstd, snappy and none
        authority: authority is "a b", must be host or host:port
        user_agent: user_agent holds characters that a header can not carry
        tls: cert_file and cert_pem are both set, keep one
        tls: cert_file is set without key_file, a client certificate needs both
        tls.max_version: max_version is below min_version
        tls.cert_file: /nowhere does not exist here
        tls.ca_pem: tls.ca_pem holds no usable PEM certificate: none found
        tls.cert_pem: tls.cert_pem holds no usable PEM certificate: none found
        headers.bad name: "bad name" is not a header name, use letters, digits and dashes
        headers.grpc-timeout: grpc-timeout is set by the exporter itself, remove it
        headers.ok: the value of ok holds characters that a header can not carry
        retry_on_failure.multiplier: multiplier is 0.5, must be at least 1
        sending_queue.num_consumers: num_consumers is 0, must be above 0
    "#]]
    .assert_eq(&(problems(&wrong).join("\n") + "\n"));
}
