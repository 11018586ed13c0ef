use std::{collections::BTreeMap, sync::Arc, time::Duration};

use component::{AuthConfig, Authenticator, Authenticators, Denied, ServerAuth};
use futures_util::future::{BoxFuture, ready};
use http::{HeaderMap, HeaderValue, Method, Request};
use model::{Signal, SignalSet};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    super::config::{CorsConfig, GrpcConfig, HttpConfig, OtlpConfig},
    fixture::{
        Http1, Http2, Server, framed, grpc_only, grpc_request, http_only, method, run, start_guarded, whole,
    },
};

/// Lets in who says `friend`, and is busy for who says `busy`.
struct Word;

impl ServerAuth for Word {
    fn check<'a>(&'a self, headers: &'a HeaderMap) -> BoxFuture<'a, Result<(), Denied>> {
        let said = headers.get("authorization").map(HeaderValue::as_bytes);
        Box::pin(ready(match said {
            Some(b"friend") => Ok(()),
            Some(b"busy") => Err(Denied::Busy),
            _ => Err(Denied::Unauthenticated("say friend")),
        }))
    }

    fn challenge(&self) -> HeaderValue {
        HeaderValue::from_static("Word")
    }
}

fn auth(id: &str) -> config::Section<AuthConfig> {
    config::Section::on(AuthConfig { authenticator: id.to_owned() })
}

async fn start(config: &OtlpConfig) -> Server {
    let word = Authenticator { server: Some(Arc::new(Word)), client: None };
    let all = Authenticators::new(BTreeMap::from([("word".to_owned(), word)]));
    start_guarded(config, SignalSet::ALL, all).await
}

fn grpc(said: Option<&'static str>) -> Request<super::fixture::ClientBody> {
    let mut request = grpc_request(&method(Signal::Traces), None, whole(framed(false, b"x")));
    if let Some(said) = said {
        request.headers_mut().insert("authorization", HeaderValue::from_static(said));
    }
    request
}

fn http(method: Method, said: Option<&'static str>) -> Request<super::fixture::ClientBody> {
    let mut request = Request::builder().method(method).uri("/v1/traces").header("host", "x");
    request = request.header("content-type", "application/x-protobuf");
    if let Some(said) = said {
        request = request.header("authorization", said);
    }
    request.body(whole("x")).unwrap()
}

#[test]
fn over_grpc_who_shows_nothing_right_is_refused_and_counted() {
    run(async {
        let server = start(&grpc_only(GrpcConfig { auth: auth("word"), ..GrpcConfig::default() })).await;
        let mut client = Http2::connect(server.address()).await;
        for (said, code) in [(None, "16"), (Some("foe"), "16"), (Some("busy"), "14"), (Some("friend"), "0")] {
            assert_eq!(client.send(grpc(said)).await.grpc_status(), code, "{said:?}");
        }
        assert_eq!(client.send(grpc(None)).await.header("grpc-message"), Some("say friend"));
        assert_eq!((server.turned_away("unauthenticated"), server.turned_away("no_room")), (3, 1));
        assert_eq!(server.intake.take().len(), 1);
    });
}

#[test]
fn over_http_the_answer_names_the_challenge_and_a_preflight_needs_nothing() {
    run(async {
        let cors = CorsConfig { allowed_origins: vec!["http://shop".to_owned()], ..CorsConfig::default() };
        let config =
            HttpConfig { auth: auth("word"), cors: config::Section::on(cors), ..HttpConfig::default() };
        let server = start(&http_only(config)).await;
        for (said, status) in [(None, 401), (Some("foe"), 401), (Some("busy"), 503), (Some("friend"), 200)] {
            let mut client = Http1::connect(server.address()).await;
            let answer = client.send(http(Method::POST, said)).await;
            assert_eq!(answer.status.as_u16(), status, "{said:?}");
            let challenge = (status == 401).then_some("Word");
            assert_eq!(answer.header("www-authenticate"), challenge);
        }
        let mut preflight = http(Method::OPTIONS, None);
        preflight.headers_mut().insert("origin", HeaderValue::from_static("http://shop"));
        preflight.headers_mut().insert("access-control-request-method", HeaderValue::from_static("POST"));
        let answer = Http1::connect(server.address()).await.send(preflight).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("http://shop"));
        assert_eq!(server.turned_away("unauthenticated"), 2);
        assert_eq!(server.intake.take().len(), 1);
    });
}

#[test]
fn who_is_not_known_is_answered_before_the_body_is_sent() {
    run(async {
        let server = start(&http_only(HttpConfig { auth: auth("word"), ..HttpConfig::default() })).await;
        let mut stream = TcpStream::connect(server.address()).await.unwrap();
        let head = "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60000000\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = vec![0; 12];
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_exact(&mut answer)).await;
        read.expect("it waits for the body").unwrap();
        assert_eq!(answer, b"HTTP/1.1 401");
    });
}

#[test]
fn an_authenticator_that_is_not_there_lets_nobody_in() {
    run(async {
        let server = start(&grpc_only(GrpcConfig { auth: auth("other"), ..GrpcConfig::default() })).await;
        let mut client = Http2::connect(server.address()).await;
        assert_eq!(client.send(grpc(Some("friend"))).await.grpc_status(), "16");
    });
}
