//! The hop between two processes: messages of `proto/hop.proto` over TCP, each led by its length.
//!
//! The sender keeps a message until the other side confirms its number and sends it again after a
//! lost connection; the merger drops what it has seen. One message at a time is under way: while the
//! other side is slow or away, shards keep their deltas. Should the other side restart between merging
//! a message and confirming it, that one message is merged twice.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use component::Stop;
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, oneshot},
    task::spawn_local,
};
use tracing::{error, info, warn};

use crate::{hop::HopMessage, service::Shared};

/// A frame that claims to be larger is an error, not an allocation.
const MAX_FRAME: usize = 256 << 20;
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// The sending end.
pub(crate) struct Link {
    address: String,
    connection: Option<(OwnedReadHalf, OwnedWriteHalf)>,
    unconfirmed: VecDeque<(Confirmation, Bytes)>,
}

/// Which message has been merged: travels back over the same connection.
#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Confirmation {
    #[prost(string, tag = "1")]
    source: String,
    #[prost(uint64, tag = "2")]
    sequence: u64,
}

impl Link {
    pub(crate) fn new(shared: &Shared) -> Self {
        let address = shared.plan.settings.hop.endpoint.clone();
        Self { address, connection: None, unconfirmed: VecDeque::new() }
    }

    /// Sends a message and waits until it is confirmed; meanwhile shards keep their deltas.
    pub(crate) async fn send(&mut self, message: HopMessage) {
        let key = Confirmation { source: message.source.clone(), sequence: message.sequence };
        let bytes = frame(&message);
        self.unconfirmed.push_back((key, bytes.clone()));
        let sent = match &mut self.connection {
            Some((_, writer)) => writer.write_all(&bytes).await,
            None => {
                self.connect().await;
                Ok(())
            }
        };
        if let Err(problem) = sent {
            warn!(error = %problem, "the connection to the analysis process was lost");
            self.connect().await;
        }
        // One message at a time is in doubt: what a restart of the other side may merge twice.
        while !self.unconfirmed.is_empty() {
            self.confirm_one().await;
        }
    }

    /// Connects and sends again what is unconfirmed, for as long as it takes.
    async fn connect(&mut self) {
        self.connection = None;
        loop {
            match self.try_connect().await {
                Ok(()) => return,
                Err(problem) => {
                    warn!(address = self.address, error = %problem, "no connection to the analysis process, trying again")
                }
            }
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
    }

    async fn try_connect(&mut self) -> std::io::Result<()> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let (reader, mut writer) = stream.into_split();
        for (_, bytes) in &self.unconfirmed {
            writer.write_all(bytes).await?;
        }
        self.connection = Some((reader, writer));
        Ok(())
    }

    async fn confirm_one(&mut self) {
        let Some((reader, _)) = &mut self.connection else {
            return self.connect().await;
        };
        match read_frame::<Confirmation>(reader).await {
            Ok(Some(confirmed)) => self.drop_confirmed(&confirmed),
            Ok(None) | Err(_) => self.connect().await,
        }
    }

    fn drop_confirmed(&mut self, confirmed: &Confirmation) {
        let is_done =
            |key: &Confirmation| key.source == confirmed.source && key.sequence <= confirmed.sequence;
        self.unconfirmed.retain(|(key, _)| !is_done(key));
    }
}

/// The receiving end.
pub(crate) struct Gate {
    events: mpsc::Receiver<Event>,
}

/// What happens at the gate.
pub(crate) enum Event {
    Told(HopMessage, Receipt),
    /// A source's connection has ended without its last message.
    Lost(String),
}

/// Confirms one message.
pub(crate) struct Receipt(oneshot::Sender<u64>);

impl Receipt {
    pub(crate) fn confirm(self, sequence: u64) {
        // A connection that has ended gets its confirmation when the message comes again.
        let _gone = self.0.send(sequence);
    }
}

impl Gate {
    /// Listens for processes that ingest.
    pub(crate) fn open(shared: &Arc<Shared>, stop: &Stop) -> Self {
        let (sender, events) = mpsc::channel(64);
        let (shared, stop) = (Arc::clone(shared), stop.clone());
        spawn_local(async move {
            let address = &shared.plan.settings.hop.endpoint;
            match TcpListener::bind(address).await {
                Ok(listener) => serve(listener, sender, stop).await,
                Err(problem) => {
                    error!(address, error = %problem, "can not listen for partials");
                    shared.health.fail(format!("can not listen for partials on {address}: {problem}"));
                }
            }
        });
        Self { events }
    }

    /// Returns the next event; never resolves without a gate.
    pub(crate) async fn next(gate: &mut Option<Self>) -> Option<Event> {
        match gate {
            Some(gate) => gate.events.recv().await,
            None => std::future::pending().await,
        }
    }
}

async fn serve(listener: TcpListener, events: mpsc::Sender<Event>, stop: Stop) {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    info!(%peer, "a process that ingests has connected");
                    spawn_local(listen_to(stream, events.clone()));
                }
                Err(problem) => {
                    warn!(error = %problem, "could not accept a connection for partials");
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
            },
            () = stop.cancelled() => return,
        }
    }
}

async fn listen_to(stream: TcpStream, events: mpsc::Sender<Event>) {
    let (mut reader, mut writer) = stream.into_split();
    let mut open_sources = Vec::new();
    loop {
        let message = match read_frame::<HopMessage>(&mut reader).await {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(problem) => {
                warn!(error = %problem, "a connection for partials failed");
                break;
            }
        };
        let source = message.source.clone();
        open_sources.retain(|known| *known != source);
        if !message.last {
            open_sources.push(source.clone());
        }
        let (confirm, confirmed) = oneshot::channel();
        if events.send(Event::Told(message, Receipt(confirm))).await.is_err() {
            return;
        }
        let Ok(sequence) = confirmed.await else { return };
        if writer.write_all(&frame(&Confirmation { source, sequence })).await.is_err() {
            break;
        }
    }
    for source in open_sources {
        if events.send(Event::Lost(source)).await.is_err() {
            return;
        }
    }
}

pub(crate) fn frame(message: &impl Message) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u32(u32::try_from(message.encoded_len()).expect("a message is far below 4 GiB"));
    message.encode(&mut bytes).expect("a buffer that grows has room");
    bytes.freeze()
}

/// Reads one message, or none at the end of the stream.
pub(crate) async fn read_frame<M: Message + Default>(
    reader: &mut (impl AsyncRead + Unpin),
) -> std::io::Result<Option<M>> {
    let mut length = [0; 4];
    if let Err(problem) = reader.read_exact(&mut length).await {
        return match problem.kind() {
            std::io::ErrorKind::UnexpectedEof => Ok(None),
            _ => Err(problem),
        };
    }
    let length = (&length[..]).get_u32() as usize;
    if length > MAX_FRAME {
        let message = format!("a frame claims {length} bytes, at most {MAX_FRAME} are read");
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, message));
    }
    let mut body = Vec::new();
    // Grows with what arrives, not with what the length claims.
    reader.take(length as u64).read_to_end(&mut body).await?;
    if body.len() < length {
        return Ok(None);
    }
    M::decode(body.as_slice())
        .map(Some)
        .map_err(|problem| std::io::Error::new(std::io::ErrorKind::InvalidData, problem))
}
