use std::{rc::Rc, time::Duration};

use bytes::Bytes;
use component::{Receipt, Refusal};
use data_encoding::BASE64_NOPAD;
use http::{Request, StatusCode};
use model::{Signal, SignalSet};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use crate::testing::busy;

use super::{
    super::config::{GrpcConfig, KeepaliveConfig, ServerParameters},
    fixture::{
        Http2, Server, chunks, compress, eventually, framed, grpc_only, grpc_request, method, run, settle,
        start, start_with, streamed, telemetry, whole,
    },
};

async fn server() -> Server {
    start(&grpc_only(GrpcConfig::default())).await
}

/// A server that takes at most 1 MiB.
async fn small_server() -> Server {
    start(&grpc_only(GrpcConfig { max_recv_msg_size_mib: 1, ..GrpcConfig::default() })).await
}

#[test]
fn every_signal_and_every_encoding_brings_the_same_bytes() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        let small = telemetry(300);
        let large = telemetry(300_000);
        for signal in Signal::ALL {
            for message in [&small, &large] {
                assert_eq!(client.export(signal, None, message).await.grpc_status(), "0");
                for encoding in ["gzip", "deflate", "zstd", "snappy"] {
                    let answer = client.export(signal, Some(encoding), &compress(encoding, message)).await;
                    assert_eq!(answer.grpc_status(), "0", "{encoding}: {answer:?}");
                    assert_eq!(answer.body, [0, 0, 0, 0, 0][..]);
                }
                let pushed = server.intake.pushed.take();
                assert_eq!(pushed.len(), 5);
                assert!(
                    pushed.iter().all(|(got, bytes, by)| *got == signal && bytes == message && *by == "grpc")
                );
            }
        }
        assert_eq!(server.intake.held(), 0);
    });
}

#[test]
fn snappy_streams_and_gzip_of_several_members_are_read_whole() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        let message = telemetry(100_000);
        let framed_snappy = compress("x-snappy-framed", &message);
        assert_eq!(client.export(Signal::Logs, Some("snappy"), &framed_snappy).await.grpc_status(), "0");
        let mut members = compress("gzip", &message[..50_000]);
        members.extend(compress("gzip", &message[50_000..]));
        assert_eq!(client.export(Signal::Logs, Some("gzip"), &members).await.grpc_status(), "0");
        let streamed = compress("zstd stream", &message);
        assert_eq!(client.export(Signal::Logs, Some("zstd"), &streamed).await.grpc_status(), "0");
        assert_eq!(server.intake.take(), vec![message.clone(); 3]);
    });
}

#[test]
fn an_empty_request_is_taken() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        assert_eq!(client.export(Signal::Traces, None, b"").await.grpc_status(), "0");
        assert_eq!(server.intake.take(), [Bytes::new()]);
    });
}

#[test]
fn a_message_may_come_in_any_number_of_pieces() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        let message = telemetry(70_000);
        let frame = framed(false, &message);
        for size in [1, 3, 4, 5, 6, 1000, 16_384, 70_004] {
            // One byte at a time is for the prefix; the rest may come faster.
            let (prefix, rest) = frame.split_at(12);
            let pieces = prefix.chunks(size).chain(rest.chunks(size.max(100)));
            let answer = client.send(grpc_request(&method(Signal::Traces), None, chunks(pieces))).await;
            assert_eq!(answer.grpc_status(), "0", "pieces of {size}");
        }
        assert_eq!(server.intake.take(), vec![message; 8]);
    });
}

#[test]
fn a_request_over_the_limit_is_refused_for_good_and_the_connection_lives() {
    run(async {
        let server = small_server().await;
        let mut client = Http2::connect(server.address()).await;
        for encoding in [None, Some("gzip"), Some("zstd"), Some("snappy"), Some("deflate")] {
            let message = telemetry((1 << 20) + 1);
            let body = encoding.map_or(message.clone(), |encoding| compress(encoding, &message));
            let answer = client.export(Signal::Traces, encoding, &body).await;
            assert_eq!(answer.grpc_status(), "8", "{encoding:?}");
            assert_eq!(
                answer.header("grpc-status-details-bin"),
                None,
                "no RetryInfo: it must not be sent again"
            );
            assert!(answer.header("grpc-message").unwrap().contains("1048576"));
            let next = client.export(Signal::Traces, None, &telemetry(1 << 20)).await;
            assert_eq!(next.grpc_status(), "0", "exactly the limit is taken");
        }
        assert_eq!(server.intake.take().len(), 5);
        assert_eq!(server.turned_away("too_large"), 5);
        assert_eq!(server.intake.held(), 0);
    });
}

#[test]
fn a_bomb_is_refused_within_the_limit() {
    run(async {
        let server = small_server().await;
        let mut client = Http2::connect(server.address()).await;
        let zeros = vec![0; 200 << 20];
        for encoding in ["gzip", "zstd", "zstd stream", "deflate", "x-snappy-framed"] {
            let bomb = compress(encoding, &zeros);
            let name =
                encoding.split(' ').next().unwrap().trim_start_matches("x-").trim_end_matches("-framed");
            let answer = client.export(Signal::Traces, Some(name), &bomb).await;
            assert_eq!(answer.grpc_status(), "8", "{encoding}");
        }
        assert!(server.intake.most_held() <= 2 << 20, "{} bytes were claimed", server.intake.most_held());
        assert_eq!(server.intake.held(), 0);
        assert_eq!(client.export(Signal::Traces, None, b"next").await.grpc_status(), "0");
    });
}

#[test]
fn a_lie_about_the_size_claims_no_more_than_the_format_can_hold() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        let mut gzip = compress("gzip", b"short");
        let at = gzip.len() - 4;
        gzip[at..].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(client.export(Signal::Traces, Some("gzip"), &gzip).await.grpc_status(), "3");
        // A snappy block that says it holds 64 MiB and has four bytes.
        let snappy = [0x80, 0x80, 0x80, 0x20, 0, b'x', 0, b'y'];
        assert_eq!(client.export(Signal::Traces, Some("snappy"), &snappy).await.grpc_status(), "3");
        assert!(server.intake.held() == 0 && server.turned_away("undecodable") == 2);
    });
}

#[test]
fn what_is_not_a_message_is_malformed_and_the_connection_lives() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        let message = telemetry(1000);
        let two = [framed(false, &message), framed(false, &message)].concat();
        let cut = framed(false, &message)[..500].to_vec();
        let cases: [(&str, Option<&str>, Vec<u8>); 7] = [
            ("nothing", None, Vec::new()),
            ("half a prefix", None, vec![0, 0, 0]),
            ("an unknown flag", None, [vec![7], framed(false, &message)[1..].to_vec()].concat()),
            ("two messages", None, two),
            ("a cut message", None, cut),
            ("compressed by nothing", None, framed(true, &message)),
            ("no gzip", Some("gzip"), framed(true, &message)),
        ];
        for (name, encoding, body) in cases {
            let answer = client.send(grpc_request(&method(Signal::Traces), encoding, whole(body))).await;
            assert_eq!(answer.grpc_status(), "3", "{name}: {answer:?}");
            assert_eq!(
                client.export(Signal::Traces, None, &message).await.grpc_status(),
                "0",
                "after {name}"
            );
        }
        assert_eq!(server.intake.take().len(), 7);
        assert_eq!((server.turned_away("malformed"), server.turned_away("undecodable")), (6, 1));
        assert_eq!(server.intake.held(), 0);
    });
}

#[test]
fn what_the_engine_refuses_is_told_in_grpc_words() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        let cases = [
            (Refusal::Malformed("length of field 1 is 200% too long\n".to_owned()), "3"),
            (Refusal::Permanent("schema refused".to_owned()), "13"),
            (Refusal::NotConfigured, "12"),
        ];
        for (refusal, code) in cases {
            server.intake.answer_next(Err(refusal));
            let answer = client.export(Signal::Traces, None, b"x").await;
            assert_eq!(answer.grpc_status(), code);
            assert_eq!(answer.header("grpc-status-details-bin"), None);
            if code == "3" {
                assert_eq!(answer.header("grpc-message"), Some("length of field 1 is 200%25 too long%0A"));
            }
        }
        assert_eq!(server.telemetry.read(), [], "the engine counts what it refuses");
    });
}

#[test]
fn a_busy_engine_is_unavailable_with_the_delay_whether_it_refuses_early_or_late() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        for is_early in [true, false] {
            server.intake.is_full.set(is_early);
            if !is_early {
                server.intake.answer_next(Err(busy()));
            }
            let answer = client.export(Signal::Traces, None, &telemetry(400_000)).await;
            assert_eq!(answer.grpc_status(), "14");
            assert_eq!(answer.header("grpc-message"), Some("queue is full"));
            let details =
                BASE64_NOPAD.decode(answer.header("grpc-status-details-bin").unwrap().as_bytes()).unwrap();
            let status = Status::decode(&details[..]).unwrap();
            assert_eq!((status.code, status.message.as_str()), (14, "queue is full"));
            assert_eq!(status.details[0].type_url, "type.googleapis.com/google.rpc.RetryInfo");
            // RetryInfo { retry_delay: Duration { seconds: 1, nanos: 500_000_000 } }
            assert_eq!(status.details[0].value, [10, 8, 8, 1, 16, 128, 202, 181, 238, 1]);
        }
        assert_eq!(server.turned_away("no_room"), 1, "the late refusal is counted by the engine");
        assert_eq!(client.export(Signal::Traces, None, b"x").await.grpc_status(), "0");
    });
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes, tag = "2")]
    value: Vec<u8>,
}

#[test]
fn a_thousand_refusals_do_not_cost_the_connection() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        server.intake.is_full.set(true);
        let message = telemetry(50_000);
        for _ in 0..1500 {
            assert_eq!(client.export(Signal::Traces, None, &message).await.grpc_status(), "14");
        }
        server.intake.is_full.set(false);
        assert_eq!(client.export(Signal::Traces, None, &message).await.grpc_status(), "0");
    });
}

#[test]
fn part_of_a_request_refused_by_a_destination_is_told() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        server.intake.answer_next(Ok(Receipt { rejected: 3, message: "too old".to_owned() }));
        let answer = client.export(Signal::Traces, None, b"x").await;
        assert_eq!(answer.grpc_status(), "0");
        assert_eq!(&answer.body[5..], b"\x0a\x0b\x08\x03\x12\x07too old");
        assert_eq!(&answer.body[..5], [0, 0, 0, 0, 13]);
    });
}

#[test]
fn what_nobody_serves_is_unimplemented() {
    run(async {
        let server = start_with(&grpc_only(GrpcConfig::default()), SignalSet::TRACES).await;
        let mut client = Http2::connect(server.address()).await;
        assert_eq!(client.export(Signal::Metrics, None, b"x").await.grpc_status(), "12");
        let answer = client.send(grpc_request("/a.Service/Method", None, whole(framed(false, b"x")))).await;
        assert_eq!(answer.grpc_status(), "12");
        assert_eq!(answer.header("grpc-message"), Some("unknown service or method /a.Service/Method"));
        let answer = client.export(Signal::Traces, Some("br"), b"x").await;
        assert_eq!(answer.grpc_status(), "12");
        assert_eq!(answer.header("grpc-accept-encoding"), Some("identity,gzip,zstd,snappy,deflate"));
        assert_eq!(server.turned_away("unsupported"), 3);
        assert_eq!(client.export(Signal::Traces, None, b"x").await.grpc_status(), "0");
    });
}

#[test]
fn what_is_not_grpc_is_told_in_http_words() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        let uri = format!("http://localhost{}", method(Signal::Traces));
        let get = Request::get(&uri).header("content-type", "application/grpc").body(whole("")).unwrap();
        assert_eq!(client.send(get).await.status, StatusCode::METHOD_NOT_ALLOWED);
        for content_type in ["application/json", "application/grpc-web"] {
            let post = Request::post(&uri).header("content-type", content_type).body(whole("{}")).unwrap();
            assert_eq!(client.send(post).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        assert_eq!(server.turned_away("unsupported"), 3);
        for content_type in ["application/grpc+proto", "application/grpc;x=y"] {
            let body = whole(framed(false, b"x"));
            let post = Request::post(&uri).header("content-type", content_type).body(body).unwrap();
            assert_eq!(client.send(post).await.grpc_status(), "0");
        }
    });
}

#[test]
fn sixty_four_requests_at_once_all_arrive() {
    run(async {
        let server = server().await;
        let client = Http2::connect(server.address()).await;
        let gate = Rc::new(Notify::new());
        *server.intake.gate.borrow_mut() = Some(Rc::clone(&gate));
        let calls = (0..64).map(|i| {
            let mut client = client.clone();
            async move { client.export(Signal::Traces, None, &telemetry(40_000 + i)).await }
        });
        let calls = tokio::task::spawn_local(futures_util::future::join_all(calls));
        eventually(|| server.intake.held() == (0..64).map(|i| 40_000 + i).sum::<usize>()).await;
        gate.notify_waiters();
        let answers = calls.await.unwrap();
        assert!(answers.iter().all(|answer| answer.grpc_status() == "0"));
        let mut sizes: Vec<_> = server.intake.take().iter().map(Bytes::len).collect();
        sizes.sort_unstable();
        assert_eq!(sizes, (40_000..40_064).collect::<Vec<_>>());
        assert_eq!(server.intake.held(), 0);
    });
}

#[test]
fn a_stalled_body_gives_its_claim_back() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        let (sender, body) = streamed();
        sender.send(Bytes::from(framed(false, &telemetry(100_000))[..60_000].to_vec())).unwrap();
        let mut stalled = client.clone();
        let call = tokio::task::spawn_local(async move {
            stalled.send(grpc_request(&method(Signal::Traces), None, body)).await
        });
        eventually(|| server.intake.held() == 100_000).await;
        settle().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        let answer = call.await.unwrap();
        tokio::time::resume();
        assert_eq!(answer.grpc_status(), "4", "a sender may try again");
        assert_eq!(server.intake.held(), 0);
        assert_eq!(server.turned_away("stalled"), 1);
        drop(sender);
        assert_eq!(client.export(Signal::Traces, None, b"x").await.grpc_status(), "0");
    });
}

#[test]
fn a_client_that_leaves_gives_its_claim_back() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        let (sender, body) = streamed();
        sender.send(Bytes::from(framed(false, &telemetry(100_000))[..60_000].to_vec())).unwrap();
        let call = tokio::task::spawn_local(async move {
            client.send(grpc_request(&method(Signal::Traces), None, body)).await
        });
        eventually(|| server.intake.held() == 100_000).await;
        call.abort();
        eventually(|| server.intake.held() == 0).await;
        drop(sender);
    });
}

#[test]
fn a_silent_connection_and_a_nonsensical_one_are_closed() {
    run(async {
        let server = server().await;
        let mut nonsense = TcpStream::connect(server.address()).await.unwrap();
        nonsense.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        // Closed, or reset, but not left open.
        let _either = nonsense.read_to_end(&mut answer).await;

        let mut silent = TcpStream::connect(server.address()).await.unwrap();
        silent.write_all(b"PRI * HTTP").await.unwrap();
        settle().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        tokio::time::resume();
        // Its settings come, and then the end.
        let _either = silent.read_to_end(&mut answer).await;
    });
}

#[test]
fn a_stop_lets_requests_finish_and_takes_no_more() {
    run(async {
        let server = server().await;
        let mut client = Http2::connect(server.address()).await;
        assert_eq!(client.export(Signal::Traces, None, b"first").await.grpc_status(), "0");
        let gate = Rc::new(Notify::new());
        *server.intake.gate.borrow_mut() = Some(Rc::clone(&gate));
        let mut busy = client.clone();
        let call = tokio::task::spawn_local(async move { busy.export(Signal::Traces, None, b"last").await });
        eventually(|| server.intake.held() == 4).await;
        server.stop.cancel();
        settle().await;
        assert!(!server.running.is_finished(), "a request is under way");
        gate.notify_waiters();
        assert_eq!(call.await.unwrap().grpc_status(), "0");
        assert_eq!(server.running.await.unwrap(), Ok(()));
        assert_eq!(server.intake.take(), ["first", "last"]);
        eventually(|| client.is_closed()).await;
    });
}

#[test]
fn an_old_connection_is_asked_to_leave_and_an_idle_one_too() {
    run(async {
        for key in ["age", "idle"] {
            let mut config = GrpcConfig::default();
            let limit = config::Duration::from_secs(300);
            let mut parameters = ServerParameters::default();
            match key {
                "age" => parameters.max_connection_age = limit,
                _ => parameters.max_connection_idle = limit,
            }
            config.keepalive = config::Section::on(KeepaliveConfig {
                server_parameters: config::Section::on(parameters),
                ..Default::default()
            });
            let server = start(&grpc_only(config)).await;
            let mut client = Http2::connect(server.address()).await;
            assert_eq!(client.export(Signal::Traces, None, b"x").await.grpc_status(), "0");
            settle().await;
            tokio::time::pause();
            tokio::time::advance(Duration::from_secs(301)).await;
            tokio::time::resume();
            eventually(|| client.is_closed()).await;
        }
    });
}
