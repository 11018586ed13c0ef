//! What stages get to know of the heads of requests.

use component::MetadataSource;
use http::{HeaderValue, Method, Request};
use model::Signal;

use super::{
    super::config::{GrpcConfig, HttpConfig},
    fixture::{Http1, Http2, Server, framed, grpc_only, grpc_request, http_only, method, run, start, whole},
};

/// Returns what was brought of the last request: of the client's metadata, and of gRPC's.
fn brought(server: &Server) -> [Vec<String>; 2] {
    let heads = server.intake.heads.take();
    let last = heads.last().expect("a request was taken");
    let values = |source, name: &str| last.values(source, name).map(str::to_owned).collect::<Vec<_>>();
    assert!(values(MetadataSource::Either, "x-secret").is_empty(), "nobody asked for it");
    [MetadataSource::Client, MetadataSource::Grpc].map(|source| values(source, "x-tenant"))
}

fn with_headers<B>(mut request: Request<B>) -> Request<B> {
    for (name, value) in [("x-tenant", "acme"), ("x-secret", "canary"), ("x-tenant", "ecorp")] {
        request.headers_mut().append(name, HeaderValue::from_static(value));
    }
    request
}

const BOTH: [&str; 2] = ["acme", "ecorp"];
const NONE: [&str; 0] = [];

#[test]
fn metadata_of_grpc_is_always_shown_and_that_of_clients_when_it_is_included() {
    run(async {
        for (include_metadata, as_client) in [(false, &NONE[..]), (true, &BOTH)] {
            let server = start(&grpc_only(GrpcConfig { include_metadata, ..GrpcConfig::default() })).await;
            server.intake.asks.replace(vec!["x-other".to_owned(), "x-tenant".to_owned()]);
            let mut client = Http2::connect(server.address()).await;
            let request = grpc_request(&method(Signal::Traces), None, whole(framed(false, b"x")));
            assert_eq!(client.send(with_headers(request)).await.grpc_status(), "0");
            let [of_client, of_grpc] = brought(&server);
            assert_eq!(
                (of_client, of_grpc),
                (as_client.iter().map(|it| (*it).to_owned()).collect(), BOTH.map(str::to_owned).to_vec())
            );
        }
    });
}

#[test]
fn headers_of_http_are_shown_when_they_are_included_and_are_no_metadata_of_grpc() {
    run(async {
        for (include_metadata, as_client) in [(false, &NONE[..]), (true, &BOTH)] {
            let server = start(&http_only(HttpConfig { include_metadata, ..HttpConfig::default() })).await;
            server.intake.asks.replace(vec!["x-tenant".to_owned()]);
            let request = Request::builder().method(Method::POST).uri("/v1/logs").header("host", "x");
            let request = request.header("content-type", "application/x-protobuf").body(whole("x")).unwrap();
            let mut client = Http1::connect(server.address()).await;
            assert_eq!(client.send(with_headers(request)).await.status.as_u16(), 200);
            let [of_client, of_grpc] = brought(&server);
            assert_eq!(of_client, as_client);
            assert!(of_grpc.is_empty());
        }
    });
}
