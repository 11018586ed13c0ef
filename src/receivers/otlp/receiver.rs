//! Takes connections from the engine and serves each until it ends.

use std::{rc::Rc, sync::Arc};

use component::{
    BoxError, Clock, Listen, Place, Placement, Receiver, ReceiverCx, ReceiverDef, Shown, Socket, Sockets,
    Stop, Telemetry,
};
use futures_util::future::{LocalBoxFuture, join_all};
use model::SignalSet;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::timeout,
};
use transport::{ServerTls, ServerTlsConfig};

use super::{
    config::{OtlpConfig, listen_address},
    connection::HANDSHAKE,
    faults::Reason,
    grpc::Grpc,
    http::Http,
    shard::Shard,
};

/// The `otlp` receiver.
pub(crate) struct Otlp;

impl ReceiverDef for Otlp {
    const KIND: &'static str = "otlp";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const PLACEMENT: Placement = Placement::EveryShard;
    type Config = OtlpConfig;

    fn listens(config: &OtlpConfig) -> Vec<Listen> {
        let grpc = config.protocols.grpc.get().map(|grpc| (GRPC, &grpc.endpoint, grpc.max_connections));
        let http = config.protocols.http.get().map(|http| (HTTP, &http.endpoint, http.max_connections));
        let listens = [grpc, http].into_iter().flatten();
        let listen = |(name, endpoint, max_connections): (_, &String, _)| Listen {
            name,
            address: listen_address(endpoint),
            max_connections,
        };
        listens.map(listen).collect()
    }

    fn build(config: &OtlpConfig, cx: &ReceiverCx) -> Box<dyn Receiver> {
        let shard = |transport, auth, as_client| {
            let auth = cx.authenticators.server(auth);
            let shown = Shown { as_client, as_grpc: transport == GRPC };
            Shard::new(cx.inlet.clone(), cx.signals, &cx.telemetry, transport, auth, shown)
        };
        let protocols = &config.protocols;
        let servers = cx.sockets.take().into_iter().filter_map(|sockets| match sockets.name {
            GRPC => protocols.grpc.get().map(|grpc| Listener {
                server: Server::Grpc(Rc::new(Grpc::new(
                    grpc,
                    shard(GRPC, &grpc.auth, grpc.include_metadata),
                ))),
                tls: grpc.tls.get().cloned(),
                sockets,
            }),
            HTTP => protocols.http.get().map(|http| Listener {
                server: Server::Http(Rc::new(Http::new(
                    http,
                    shard(HTTP, &http.auth, http.include_metadata),
                ))),
                tls: http.tls.get().cloned(),
                sockets,
            }),
            _ => None,
        });
        Box::new(Running {
            listeners: servers.collect(),
            clock: Arc::clone(&cx.clock),
            telemetry: cx.telemetry.clone(),
        })
    }
}

const GRPC: &str = "grpc";
const HTTP: &str = "http";

struct Running {
    listeners: Vec<Listener>,
    clock: Arc<dyn Clock>,
    telemetry: Telemetry,
}

struct Listener {
    server: Server,
    tls: Option<ServerTlsConfig>,
    sockets: Sockets,
}

#[derive(Clone)]
enum Server {
    Grpc(Rc<Grpc>),
    Http(Rc<Http>),
}

impl Receiver for Running {
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let mut serving = Vec::new();
            for listener in self.listeners {
                let tls = |config| {
                    let clock = Arc::clone(&self.clock);
                    ServerTls::new(config, listener.server.alpn(), clock, &self.telemetry)
                };
                let tls = listener.tls.as_ref().map(tls).transpose()?.map(Rc::new);
                serving.push(serve(listener.server, tls, listener.sockets, stop.clone()));
            }
            join_all(serving).await;
            Ok(())
        })
    }
}

impl Server {
    fn alpn(&self) -> &'static [&'static [u8]] {
        match self {
            Self::Grpc(_) => &[b"h2"],
            Self::Http(_) => &[b"h2", b"http/1.1"],
        }
    }

    fn shard(&self) -> &Shard {
        match self {
            Self::Grpc(grpc) => grpc.shard(),
            Self::Http(http) => http.shard(),
        }
    }
}

/// Serves every socket until told to stop, then waits for the requests under way. Dropping the future
/// ends what is left.
async fn serve(server: Server, tls: Option<Rc<ServerTls>>, mut sockets: Sockets, stop: Stop) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(end) = connections.join_next(), if !connections.is_empty() => report(end),
            socket = sockets.next() => match socket {
                Some(socket) => {
                    connections.spawn_local(connect(server.clone(), tls.clone(), socket, stop.clone()));
                }
                None => break,
            },
        }
    }
    while let Some(end) = connections.join_next().await {
        report(end);
    }
}

/// A connection that panics must not take others with it, but somebody must know.
fn report(end: Result<(), tokio::task::JoinError>) {
    if let Err(error) = end {
        tracing::error!(%error, "a connection of the OTLP receiver failed");
    }
}

async fn connect(server: Server, tls: Option<Rc<ServerTls>>, socket: Socket, stop: Stop) {
    let (stream, peer, place) = match socket.into_tokio() {
        Ok(parts) => parts,
        Err(error) => return tracing::warn!(%error, "a connection can not be served"),
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "a connection keeps its delay");
    }
    let Some(tls) = tls else { return dispatch(server, stream, place, stop).await };
    let handshake = tokio::select! {
        biased;
        () = stop.cancelled() => return,
        handshake = timeout(HANDSHAKE, tls.accept(stream)) => handshake,
    };
    match handshake {
        Ok(Ok(stream)) => dispatch(server, stream, place, stop).await,
        Ok(Err(error)) => {
            server.shard().faults.add(Reason::Tls);
            tracing::debug!(%peer, %error, "TLS handshake failed");
        }
        Err(_) => server.shard().faults.add(Reason::Tls),
    }
}

async fn dispatch(
    server: Server,
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    place: Place,
    stop: Stop,
) {
    match server {
        Server::Grpc(grpc) => grpc.serve(stream, place, stop).await,
        Server::Http(http) => http.serve(stream, place, stop).await,
    }
}
