//! Where bytes come in.

use std::{cell::RefCell, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use model::{Signal, SignalSet};
use tokio::{net::TcpStream, sync::mpsc};

use crate::{Authenticators, BoxError, Clock, Config, Metadata, MetadataKeys, Place, Stop, Telemetry};

/// A kind of receiver: one row of its layer's table.
pub trait ReceiverDef: Send + Sync + 'static {
    const KIND: &'static str;
    const ALIASES: &'static [&'static str] = &[];
    /// Which signals the receiver can bring; it is started only for those that pipelines use.
    const SIGNALS: SignalSet;
    const PLACEMENT: Placement;
    type Config: Config;

    /// Returns the addresses to listen on. The engine binds them all before anything starts.
    fn listens(_config: &Self::Config) -> Vec<Listen> {
        Vec::new()
    }

    /// Builds an instance on the thread that will run it. Does no I/O and spawns nothing.
    fn build(config: &Self::Config, cx: &ReceiverCx) -> Box<dyn Receiver>;
}

/// On how many threads an instance of a component runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// One instance on every shard; each gets a share of the sockets.
    EveryShard,
    /// One instance in all.
    Once,
}

/// An address to listen on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listen {
    /// What the receiver knows it by: `grpc`, `http`.
    pub name: &'static str,
    /// `host:port`, as configured.
    pub address: String,
    /// How many connections may be open; 0 leaves it to the engine.
    pub max_connections: usize,
}

/// A running source of telemetry.
pub trait Receiver {
    /// Receives until told to stop, then finishes what it has accepted.
    ///
    /// # Errors
    /// When it can not go on; the engine reports it and marks the service unhealthy.
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>>;
}

/// What a receiver is built with.
pub struct ReceiverCx {
    /// The component's id as configured: `otlp/internal`.
    pub id: String,
    pub inlet: Inlet,
    /// One entry for each [`Listen`], in the same order.
    pub sockets: RefCell<Vec<Sockets>>,
    /// The signals that pipelines take from this receiver; others are refused as not implemented.
    pub signals: SignalSet,
    pub clock: Arc<dyn Clock>,
    pub authenticators: Authenticators,
    pub telemetry: Telemetry,
}

/// Accepted connections, handed out by the engine's acceptor.
pub struct Sockets {
    pub name: &'static str,
    pub accepted: mpsc::UnboundedReceiver<Socket>,
}

impl Sockets {
    /// Returns the next connection, or none when no more will come.
    pub async fn next(&mut self) -> Option<Socket> {
        self.accepted.recv().await
    }
}

/// A connection, and its place among those that may be open.
pub struct Socket {
    pub stream: std::net::TcpStream,
    pub peer: SocketAddr,
    /// Dropped when the connection ends.
    pub place: Place,
}

impl Socket {
    /// Hands the stream to the runtime of the calling thread.
    ///
    /// # Errors
    /// When the runtime can not register the socket.
    pub fn into_tokio(self) -> std::io::Result<(TcpStream, SocketAddr, Place)> {
        self.stream.set_nonblocking(true)?;
        Ok((TcpStream::from_std(self.stream)?, self.peer, self.place))
    }
}

/// A claim on a limit, given back when dropped.
pub struct Permit(pub Option<Box<dyn Send>>);

/// The way into the pipelines that a receiver feeds.
#[derive(Clone)]
pub struct Inlet(pub Rc<dyn Intake>);

/// What the engine does with what a receiver brings.
pub trait Intake {
    /// Claims room for a request's bytes before they are buffered. Waits a moment for room.
    ///
    /// # Errors
    /// [`Refusal::Busy`] when there is no room in time, or the process holds more memory than pipelines of the signal
    /// allow.
    fn admit(&self, signal: Signal, bytes: usize) -> LocalBoxFuture<'_, Result<Permit, Refusal>>;

    /// Returns which headers of a request of this signal stages read: a receiver with senders brings them.
    fn wants_metadata(&self, _signal: Signal) -> MetadataKeys {
        MetadataKeys::default()
    }

    /// Takes one encoded OTLP request; resolves when it may be acknowledged.
    ///
    /// `transport` is the label of the self-metrics: `grpc`, `http`. `metadata` is what was wanted of its head.
    ///
    /// # Errors
    /// See [`Refusal`]. A refused request has touched no counter of the pipelines.
    fn push(
        &self,
        signal: Signal,
        bytes: Bytes,
        transport: &'static str,
        metadata: Metadata,
    ) -> LocalBoxFuture<'_, Result<Receipt, Refusal>>;
}

/// What the sender is told of an accepted request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Receipt {
    /// Items that a destination refused for good: OTLP's partial success.
    pub rejected: u64,
    pub message: String,
}

/// Why a request was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The bytes are not what they should be: answer InvalidArgument or 400.
    Malformed(String),
    /// No room now: answer UNAVAILABLE with RetryInfo, or 503 with Retry-After.
    Busy { retry_after: Duration, message: String },
    /// A destination refused for good: answer INTERNAL or 500; the sender must not retry.
    Permanent(String),
    /// No pipeline takes this signal from this receiver: answer UNIMPLEMENTED or 404.
    NotConfigured,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(message) | Self::Permanent(message) | Self::Busy { message, .. } => {
                f.write_str(message)
            }
            Self::NotConfigured => f.write_str("no pipeline takes this signal from this receiver"),
        }
    }
}
