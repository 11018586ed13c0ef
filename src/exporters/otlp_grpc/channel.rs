//! Connections to every address of the endpoint, made anew when lost.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::{Bytes, buf::Chain};
use component::Clock;
use futures_util::future::{Either, join_all, select};
use hyper::{
    client::conn::http2::{Builder, SendRequest},
    rt::{Read, Write},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use model::{Pieces, Timestamp};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use transport::{ClientTls, Corked, LocalExecutor};

use super::{
    call::MessageBody,
    config::{Balancer, KeepaliveConfig},
    target::Target,
};
use crate::http::{UNACKNOWLEDGED_TIMEOUT, describe};

/// What a call is sent through.
pub(super) type Connection = SendRequest<MessageBody<Chain<Bytes, Pieces>>>;

/// More addresses than this are not used: each costs a socket per shard.
const MAX_CONNECTIONS: usize = 16;

/// How long a connection may take to be made, the least that gRPC gives it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How often addresses without a connection are tried again while others have one.
const REPAIR_PERIOD: Duration = Duration::from_secs(30);

/// Answers are small, but windows also bound what pings and settings may come beside; 1 MiB is ample.
const WINDOW: u32 = 1 << 20;

/// The largest frame we take. Ours are as large as the server's settings allow.
const MAX_FRAME: u32 = 1 << 20;

/// How much of a request waits in HTTP/2 for the server's window before its body is asked for more.
const SEND_BUFFER: usize = 1 << 20;

/// How connections are made.
pub(super) struct ChannelSettings {
    pub(super) target: Target,
    /// None for plaintext.
    pub(super) tls: Option<ClientTls>,
    pub(super) keepalive: Option<KeepaliveConfig>,
    pub(super) balancer: Balancer,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("can not resolve {host}: {source}")]
    Resolve { host: String, source: std::io::Error },
    #[error("{host} resolves to no address")]
    NoAddress { host: String },
    #[error("can not connect to {address}: {problem}")]
    Connect { address: SocketAddr, problem: String },
    #[error("{0}")]
    Tls(String),
}

/// The connections of one exporter on one shard.
pub(super) struct Channel {
    settings: ChannelSettings,
    clock: Arc<dyn Clock>,
    live: RefCell<Vec<(SocketAddr, Connection)>>,
    turn: Cell<usize>,
    /// Held by the one call that makes connections; the others wait for what it makes.
    connecting: tokio::sync::Mutex<()>,
    /// How many addresses the endpoint had when last asked.
    wanted: Cell<usize>,
    repair_at: Cell<Timestamp>,
}

impl Channel {
    pub(super) fn new(settings: ChannelSettings, clock: Arc<dyn Clock>) -> Rc<Self> {
        Rc::new(Self {
            settings,
            clock,
            live: RefCell::default(),
            turn: Cell::new(0),
            connecting: tokio::sync::Mutex::new(()),
            wanted: Cell::new(0),
            repair_at: Cell::new(Timestamp::default()),
        })
    }

    /// Returns a connection: the next in turn, or a new one when none is left.
    ///
    /// # Errors
    /// When no address of the endpoint can be reached.
    pub(super) async fn connection(self: &Rc<Self>) -> Result<Connection, ConnectError> {
        if let Some(connection) = self.next_live() {
            self.repair_if_due();
            return Ok(connection);
        }
        let _only_one = self.connecting.lock().await;
        if let Some(connection) = self.next_live() {
            return Ok(connection);
        }
        self.connect().await?;
        self.next_live()
            .ok_or_else(|| ConnectError::Tls("the connection was lost as soon as it was made".to_owned()))
    }

    fn next_live(&self) -> Option<Connection> {
        let mut live = self.live.borrow_mut();
        live.retain(|(_, connection)| !connection.is_closed());
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let index = turn.checked_rem(live.len())?;
        live.get(index).map(|(_, connection)| connection.clone())
    }

    /// Tries the addresses that have no connection, beside the calls.
    fn repair_if_due(self: &Rc<Self>) {
        let now = self.clock.now();
        if self.live.borrow().len() >= self.wanted.get() || now < self.repair_at.get() {
            return;
        }
        self.repair_at.set(now + REPAIR_PERIOD);
        let channel = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let Ok(_only_one) = channel.connecting.try_lock() else { return };
            if let Err(error) = channel.connect().await {
                tracing::debug!(%error, "an address of the endpoint stays without connection");
            }
        });
    }

    /// Resolves the endpoint and connects to those of its addresses that have no connection.
    async fn connect(&self) -> Result<(), ConnectError> {
        let addresses = self.resolve().await?;
        self.repair_at.set(self.clock.now() + REPAIR_PERIOD);
        match self.settings.balancer {
            Balancer::PickFirst => self.connect_first(&addresses).await,
            Balancer::RoundRobin => self.connect_all(&addresses).await,
        }
    }

    async fn connect_first(&self, addresses: &[SocketAddr]) -> Result<(), ConnectError> {
        self.wanted.set(1);
        let mut last = self.no_address();
        for address in addresses {
            match self.open(*address).await {
                Ok(connection) => {
                    self.live.borrow_mut().push((*address, connection));
                    return Ok(());
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn connect_all(&self, addresses: &[SocketAddr]) -> Result<(), ConnectError> {
        self.wanted.set(addresses.len());
        let connected: Vec<SocketAddr> = self.live.borrow().iter().map(|(address, _)| *address).collect();
        let missing = addresses.iter().filter(|address| !connected.contains(address));
        let opened = join_all(missing.map(async |address| (*address, self.open(*address).await))).await;
        let mut last = self.no_address();
        let mut live = self.live.borrow_mut();
        for (address, outcome) in opened {
            match outcome {
                Ok(connection) => live.push((address, connection)),
                Err(error) => last = error,
            }
        }
        if live.is_empty() { Err(last) } else { Ok(()) }
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, ConnectError> {
        let Target { host, port, .. } = &self.settings.target;
        let found = tokio::net::lookup_host((host.as_str(), *port)).await;
        let found = found.map_err(|source| ConnectError::Resolve { host: host.clone(), source })?;
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in found {
            if !addresses.contains(&address) && addresses.len() < MAX_CONNECTIONS {
                addresses.push(address);
            }
        }
        if addresses.is_empty() { Err(self.no_address()) } else { Ok(addresses) }
    }

    fn no_address(&self) -> ConnectError {
        ConnectError::NoAddress { host: self.settings.target.host.clone() }
    }

    async fn open(&self, address: SocketAddr) -> Result<Connection, ConnectError> {
        let deadline = self.clock.sleep_until(self.clock.now() + CONNECT_TIMEOUT);
        let opening = std::pin::pin!(self.open_without_limit(address));
        match select(opening, deadline).await {
            Either::Left((opened, _)) => opened,
            Either::Right(_) => Err(ConnectError::Connect {
                address,
                problem: format!("no answer within {CONNECT_TIMEOUT:?}"),
            }),
        }
    }

    async fn open_without_limit(&self, address: SocketAddr) -> Result<Connection, ConnectError> {
        let failed = |problem: String| ConnectError::Connect { address, problem };
        let tcp = TcpStream::connect(address).await.map_err(|error| failed(error.to_string()))?;
        tcp.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(&tcp)
            .set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT))
            .map_err(|error| failed(error.to_string()))?;
        #[cfg(target_os = "linux")]
        if address.ip().is_loopback() {
            send_unpaced(&tcp);
        }
        let Some(tls) = &self.settings.tls else {
            return self.handshake(TokioIo::new(Corked::new(tcp))).await.map_err(failed);
        };
        let trust = tls.get().await.map_err(|error| ConnectError::Tls(describe(&error)))?;
        let mut trust = trust.as_ref().clone();
        trust.alpn_protocols = vec![b"h2".to_vec()];
        let name = tls.config().server_name(&self.settings.target.host);
        let name = name.map_err(|error| ConnectError::Tls(describe(&error)))?;
        let connected = TlsConnector::from(Arc::new(trust)).connect(name, tcp).await;
        let stream = connected.map_err(|error| failed(format!("TLS: {}", describe(&error))))?;
        self.handshake(TokioIo::new(Corked::new(stream))).await.map_err(failed)
    }

    async fn handshake<Io>(&self, io: Io) -> Result<Connection, String>
    where
        Io: Read + Write + Unpin + 'static,
    {
        let mut builder = Builder::new(LocalExecutor);
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_frame_size(MAX_FRAME)
            .max_send_buf_size(SEND_BUFFER);
        if let Some(keepalive) = &self.settings.keepalive {
            builder
                .keep_alive_interval(keepalive.time.get())
                .keep_alive_timeout(keepalive.timeout.get())
                .keep_alive_while_idle(keepalive.permit_without_stream);
        }
        let (connection, driver) = builder.handshake(io).await.map_err(|error| describe(&error))?;
        let authority = self.settings.target.authority();
        tokio::task::spawn_local(async move {
            if let Err(error) = driver.await {
                tracing::debug!(endpoint = authority, error = describe(&error), "connection ended");
            }
        });
        Ok(connection)
    }
}

/// Takes the pacing off a connection that stays on this host.
///
/// BBR, which some hosts use by default, starts a timer for every few segments, and there is no network to be
/// spared. Other algorithms stay as the operator set them.
#[cfg(target_os = "linux")]
fn send_unpaced(tcp: &TcpStream) {
    let socket = socket2::SockRef::from(tcp);
    if !socket.tcp_congestion().is_ok_and(|name| name.starts_with(b"bbr")) {
        return;
    }
    // Every kernel has it and lets every user choose it.
    if let Err(error) = socket.set_tcp_congestion(b"reno") {
        tracing::debug!(%error, "a connection to this host stays paced");
    }
}
