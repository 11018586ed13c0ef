//! Connections of an extension that answers requests over HTTP/1.1.

use std::{convert::Infallible, rc::Rc, time::Duration};

use bytes::Bytes;
use component::{BoxError, Permit, Sockets, Stop};
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::spawn_local,
    time::timeout,
};
use transport::{Door, ServerTls};

/// A client that has not sent its headers by then is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that has not agreed on keys by then is closed.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Who may come in; none lets everybody in.
#[derive(Default)]
pub(crate) struct Locks {
    pub(crate) tls: Option<ServerTls>,
    pub(crate) door: Option<Door>,
}

/// Answers every request until told to stop; with `tls` those alone that come over it.
///
/// # Errors
/// When the runtime can not register a socket.
pub(crate) async fn serve<A, F>(
    mut sockets: Sockets,
    Locks { tls, door }: Locks,
    stop: Stop,
    answer: A,
) -> Result<(), BoxError>
where
    A: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<Full<Bytes>>> + 'static,
{
    let (answer, tls, door) = (Rc::new(answer), tls.map(Rc::new), door.map(Rc::new));
    loop {
        let socket = tokio::select! {
            socket = sockets.next() => socket,
            () = stop.cancelled() => return Ok(()),
        };
        let Some(socket) = socket else { return Ok(()) };
        let (stream, _, claim) = socket.into_tokio()?;
        spawn_local(connection(stream, claim, (tls.clone(), door.clone()), Rc::clone(&answer)));
    }
}

/// A client that hangs up early is nothing to report, one that does not come over TLS neither.
async fn connection<A, F>(
    stream: TcpStream,
    claim: Permit,
    (tls, door): (Option<Rc<ServerTls>>, Option<Rc<Door>>),
    answer: Rc<A>,
) where
    A: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<Full<Bytes>>> + 'static,
{
    match tls {
        None => requests(stream, door, answer).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                requests(stream, door, answer).await;
            }
        }
    }
    drop(claim);
}

async fn requests<S, A, F>(stream: S, door: Option<Rc<Door>>, answer: Rc<A>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    A: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<Full<Bytes>>> + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (door, answer) = (door.clone(), Rc::clone(&answer));
        async move {
            if let Some(door) = &door
                && let Err(refusal) = door.check(request.headers()).await
            {
                return Ok::<_, Infallible>(refusal);
            }
            Ok(answer(request).await)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let _hung_up = server.serve_connection(TokioIo::new(stream), service).await;
}
