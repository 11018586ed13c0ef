//! Answers scrapes over HTTP/1.1, with or without TLS.

use std::{convert::Infallible, rc::Rc, time::Duration};

use bytes::Bytes;
use component::{Socket, Sockets, Stop};
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use transport::{Door, ServerTls, WriteDeadline};

use super::text::Format;
use crate::http::{Compression, Encoder};

/// How long a scraper may take to agree on TLS: connections are few, and a silent one holds its place.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// How much of what a scraper sends lies unread. Longer heads are refused.
const BUFFER: usize = 32 << 10;

/// What there is to see.
pub(super) trait Pages {
    /// Returns the format for what a scraper accepts.
    fn format(&self, accept: &str) -> Format;
    fn page(&self, format: Format) -> String;
}

/// Who may come in; none lets everybody in.
#[derive(Clone)]
pub(super) struct Locks {
    pub(super) tls: Option<Rc<ServerTls>>,
    pub(super) door: Option<Rc<Door>>,
}

/// Answers until told to stop; then finishes the scrapes that are under way.
pub(super) async fn serve<P: Pages>(mut sockets: Sockets, locks: Locks, pages: Rc<P>, stop: Stop) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            next = sockets.next() => match next {
                Some(socket) => open.push(connection(socket, locks.clone(), Rc::clone(&pages), stop.clone())),
                None => {
                    stop.cancelled().await;
                    break;
                }
            },
            Some(()) = open.next() => {}
        }
    }
    while open.next().await.is_some() {}
}

/// Serves one connection. What goes wrong on it concerns its client alone.
async fn connection<P: Pages>(socket: Socket, Locks { tls, door }: Locks, pages: Rc<P>, stop: Stop) {
    // The claim on the limit of connections is given back at the end.
    let Ok((tcp, peer, _claim)) = socket.into_tokio() else { return };
    match tls {
        None => speak(tcp, door, pages, stop).await,
        Some(tls) => {
            let shaken = tokio::select! {
                shaken = tokio::time::timeout(HANDSHAKE_LIMIT, tls.accept(tcp)) => shaken,
                () = stop.cancelled() => return,
            };
            match shaken {
                Ok(Ok(stream)) => speak(stream, door, pages, stop).await,
                Ok(Err(error)) => tracing::debug!(%peer, %error, "a scraper's TLS handshake failed"),
                Err(_elapsed) => tracing::debug!(%peer, "a scraper's TLS handshake took too long"),
            }
        }
    }
}

async fn speak<P: Pages>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    door: Option<Rc<Door>>,
    pages: Rc<P>,
    stop: Stop,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (door, pages) = (door.clone(), Rc::clone(&pages));
        async move {
            if let Some(door) = &door
                && let Err(refusal) = door.check(request.headers()).await
            {
                return Ok::<_, Infallible>(refusal);
            }
            Ok(answer(request.method(), request.uri().path(), request.headers(), &*pages))
        }
    });
    // The timer bounds how long a client may take to send its request.
    let stream = TokioIo::new(WriteDeadline::new(stream, Rc::default()));
    let served =
        http1::Builder::new().timer(TokioTimer::new()).max_buf_size(BUFFER).serve_connection(stream, service);
    let mut served = std::pin::pin!(served);
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a scrape broke off");
    }
}

fn answer(method: &Method, path: &str, headers: &HeaderMap, pages: &impl Pages) -> Response<Full<Bytes>> {
    if path != "/metrics" {
        return plain(StatusCode::NOT_FOUND, "metrics are at /metrics\n");
    }
    if method != Method::GET && method != Method::HEAD {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are served\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let format = pages.format(&joined(headers, header::ACCEPT));
    let page = Bytes::from(pages.page(format));
    let mut response = Response::new(Full::default());
    let (own, body) = (response.headers_mut(), packed(page, headers));
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    own.insert(header::VARY, HeaderValue::from_static("accept, accept-encoding"));
    let body = body.map_or_else(
        |page| page,
        |packed| {
            own.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            packed
        },
    );
    *response.body_mut() = Full::new(body);
    response
}

/// Compresses a page for a scraper that accepts it, or gives it back.
fn packed(page: Bytes, headers: &HeaderMap) -> Result<Bytes, Bytes> {
    let accepted = joined(headers, header::ACCEPT_ENCODING);
    let takes_gzip = accepted.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let is_refused = parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        name.eq_ignore_ascii_case("gzip") && !is_refused
    });
    if !takes_gzip {
        return Err(page);
    }
    let encoded =
        Encoder::new(Compression::Gzip, None).and_then(|encoder| encoder.encode(page.clone().into()));
    encoded.map(|packed| packed.whole()).map_err(|_| page)
}

fn joined(headers: &HeaderMap, name: header::HeaderName) -> String {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
