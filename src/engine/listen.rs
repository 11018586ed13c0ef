//! Listening sockets: all bound before anything starts, accepted in one place, handed to shards.

use std::{
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use component::{Counter, Listen, Permit, Socket, Stop};
use socket2::{Domain, Protocol, SockAddr, Type};
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tracing::warn;

use crate::{service::Shared, shard::ShardState};

/// A bound socket and who it is for.
pub(crate) struct Bound {
    pub(crate) owner: Owner,
    pub(crate) address: SocketAddr,
    pub(crate) listener: TcpListener,
}

/// Whose socket it is: the component's index in the plan, and which of its addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    Receiver {
        index: usize,
        listen: usize,
    },
    Exporter {
        index: usize,
        listen: usize,
    },
    Extension {
        index: usize,
        listen: usize,
    },
    /// The process that analyses, told by those that ingest.
    Hop,
}

/// An address that could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("{component}: can not listen on {address}: {source}")]
pub struct BindError {
    component: String,
    address: String,
    source: std::io::Error,
}

const BACKLOG: i32 = 1024;
/// Connections to one address of an exporter or extension.
const MAX_QUESTIONERS: usize = 256;
/// After a failed accept (no file descriptors left) the acceptor waits so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds one address.
///
/// # Errors
/// When the name does not resolve or the address is taken; the message names the component.
pub(crate) fn bind(component: &str, owner: Owner, listen: &Listen) -> Result<Bound, BindError> {
    let bound = listen.address.to_socket_addrs().and_then(|mut addresses| {
        // A name with both families is bound on IPv4, where its clients look first.
        let all: Vec<_> = addresses.by_ref().collect();
        let address = all.iter().find(|address| address.is_ipv4()).or(all.first()).copied();
        let address = address.ok_or_else(|| std::io::Error::other("the name has no address"))?;
        open(address)
    });
    let named =
        |source| BindError { component: component.to_owned(), address: listen.address.clone(), source };
    let listener = bound.map_err(named)?;
    let address = listener.local_addr().map_err(named)?;
    Ok(Bound { owner, address, listener })
}

fn open(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Lets a restarted service bind while old connections linger.
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Where accepted sockets go.
pub(crate) enum Target {
    /// To the shard with the fewest open sockets.
    Shards { receiver: usize, listen: usize },
    /// To the one instance.
    One(mpsc::UnboundedSender<Socket>),
}

/// Accepts until stopped.
pub(crate) async fn accept(listener: TcpListener, target: Target, shared: Arc<Shared>, stop: Stop) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(problem) => {
            shared.health.fail(format!("can not accept connections: {problem}"));
            return;
        }
    };
    let refused = refused_counter(&shared);
    // Health checks and scrapes have room of their own, however many senders there are.
    let limit = match target {
        Target::Shards { .. } => Arc::clone(&shared.connections),
        Target::One(_) => connection_limit(MAX_QUESTIONERS),
    };
    while let Some((stream, peer, claim)) = next_connection(&listener, &limit, &refused, &stop).await {
        if let Err(problem) =
            stream.set_nodelay(true).and_then(|()| hand_out(stream, peer, claim, &target, &shared))
        {
            warn!(error = %problem, %peer, "could not hand a connection to its receiver");
        }
    }
}

/// Waits for a connection that has room; none once stopped. What has no room is closed at once and counted.
pub(crate) async fn next_connection(
    listener: &tokio::net::TcpListener,
    limit: &Arc<Semaphore>,
    refused: &Counter,
    stop: &Stop,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return None,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(problem) => {
                warn!(error = %problem, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        match Arc::clone(limit).try_acquire_owned() {
            Ok(claim) => return Some((stream, peer, claim)),
            Err(_) => refused.add(1),
        }
    }
}

fn refused_counter(shared: &Shared) -> Counter {
    let name = "otelcol_receiver_refused_connections";
    shared.telemetry.counter(name, "Connections closed at once because too many were open.", "{connection}")
}

fn hand_out(
    stream: TcpStream,
    peer: SocketAddr,
    limit: OwnedSemaphorePermit,
    target: &Target,
    shared: &Shared,
) -> std::io::Result<()> {
    let stream = stream.into_std()?;
    let gone = || std::io::Error::other("the receiver has ended");
    match target {
        Target::One(sender) => {
            let claim = Permit(Some(Box::new(limit)));
            sender.send(Socket { stream, peer, claim }).map_err(|_| gone())
        }
        Target::Shards { receiver, listen } => {
            let shard = shared.calmest_shard().ok_or_else(gone)?;
            let claim = Permit(Some(Box::new((limit, OpenSocket::new(shard.state)))));
            let sender =
                shard.sockets.get(*receiver).and_then(|listens| listens.get(*listen)).ok_or_else(gone)?;
            sender.send(Socket { stream, peer, claim }).map_err(|_| gone())
        }
    }
}

/// Counts a socket of a shard for as long as it is open.
struct OpenSocket(Arc<ShardState>);

impl OpenSocket {
    fn new(state: Arc<ShardState>) -> Self {
        state.open_sockets.fetch_add(1, Ordering::AcqRel);
        Self(state)
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.open_sockets.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Makes the limit of open connections.
pub(crate) fn connection_limit(most: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))
}
