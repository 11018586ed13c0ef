//! Connections of an extension that answers requests over HTTP/1.1.

use std::{cell::RefCell, convert::Infallible, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use component::{
    AuthConfig, BoxError, Checks, Clock, ExtensionCx, Place, ServerAuth, Sockets, Stop, Telemetry,
};
use config::Section;
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::spawn_local,
    time::timeout,
};
use transport::{Door, ServerTls, ServerTlsConfig, WriteDeadline};

/// A client that has not sent its headers by then is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How much of what a client sends lies unread. Longer heads are refused.
const BUFFER: usize = 32 << 10;
/// Open connections, where nothing is configured. Who probes, asks or looks on has one.
pub(crate) const MAX_CONNECTIONS: usize = 256;
/// A client that has not agreed on keys by then is closed.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where an extension listens, and who may come in.
pub(crate) struct Front {
    sockets: Vec<Sockets>,
    tls: Option<ServerTlsConfig>,
    /// None lets everybody in.
    auth: Option<Arc<dyn ServerAuth>>,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
}

/// Reports what is wrong with the settings of a front that lets in by `auth`.
pub(crate) fn validate_front(
    endpoint: &str,
    max_connections: usize,
    tls: &Section<ServerTlsConfig>,
    auth: &Section<AuthConfig>,
    checks: &mut Checks,
) {
    AuthConfig::validate(auth, "auth", checks);
    if !endpoint.contains(':') {
        checks.error("endpoint", format!("endpoint is {endpoint:?}, must be host:port"));
    }
    validate_max_connections(max_connections, checks);
    if let Some(tls) = tls.get() {
        tls.validate("tls", checks);
    }
}

pub(crate) fn validate_max_connections(most: usize, checks: &mut Checks) {
    if most == 0 {
        checks.error("max_connections", "max_connections is 0, must be above 0");
    }
}

impl Front {
    pub(crate) fn new(
        cx: &ExtensionCx,
        tls: &Section<ServerTlsConfig>,
        auth: Option<Arc<dyn ServerAuth>>,
    ) -> Self {
        Self {
            sockets: RefCell::take(&cx.sockets),
            tls: tls.get().cloned(),
            auth,
            clock: Arc::clone(&cx.clock),
            telemetry: cx.telemetry.clone(),
        }
    }

    /// Answers every request until told to stop; with `tls` those alone that come over it.
    ///
    /// # Errors
    /// When certificates can not be read, or the runtime can not register a socket.
    pub(crate) async fn serve<A, F, B>(self, stop: Stop, answer: A) -> Result<(), BoxError>
    where
        A: Fn(Request<Incoming>) -> F + 'static,
        F: Future<Output = Response<B>> + 'static,
        B: Body<Data = Bytes, Error = Infallible> + From<Full<Bytes>> + 'static,
    {
        let Self { mut sockets, tls, auth, clock, telemetry } = self;
        let tls = tls.map(|tls| ServerTls::new(&tls, &[b"http/1.1"], clock, &telemetry)).transpose()?;
        let door = auth.map(|auth| Door::new(auth, &telemetry));
        let (answer, tls, door) = (Rc::new(answer), tls.map(Rc::new), door.map(Rc::new));
        let Some(mut sockets) = sockets.pop() else { return Ok(()) };
        loop {
            let socket = tokio::select! {
                socket = sockets.next() => socket,
                () = stop.cancelled() => return Ok(()),
            };
            let Some(socket) = socket else { return Ok(()) };
            let (stream, _, place) = socket.into_tokio()?;
            spawn_local(connection(stream, place, (tls.clone(), door.clone()), Rc::clone(&answer)));
        }
    }
}

/// A client that hangs up early is nothing to report, one that does not come over TLS neither.
async fn connection<A, F, B>(
    stream: TcpStream,
    place: Place,
    (tls, door): (Option<Rc<ServerTls>>, Option<Rc<Door>>),
    answer: Rc<A>,
) where
    A: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes, Error = Infallible> + From<Full<Bytes>> + 'static,
{
    match tls {
        None => requests(stream, door, answer).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                requests(stream, door, answer).await;
            }
        }
    }
    drop(place);
}

async fn requests<S, A, F, B>(stream: S, door: Option<Rc<Door>>, answer: Rc<A>)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    A: Fn(Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes, Error = Infallible> + From<Full<Bytes>> + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let (door, answer) = (door.clone(), Rc::clone(&answer));
        async move {
            if let Some(door) = &door
                && let Err(refusal) = door.check(request.headers()).await
            {
                return Ok::<_, Infallible>(refusal.map(B::from));
            }
            Ok(answer(request).await)
        }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(BUFFER);
    let stream = TokioIo::new(WriteDeadline::new(stream, Rc::default()));
    let _hung_up = server.serve_connection(stream, service).await;
}
