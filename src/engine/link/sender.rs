//! The end that tells: keeps messages until they are confirmed.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use component::Counter;
use model::Timestamp;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, WriteHalf, split},
    net::TcpStream,
    sync::mpsc,
    task::{JoinHandle, spawn_local},
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;
use tracing::{error, warn};
use transport::ClientTls;

use super::{
    answer::{Confirmation, Listener, MAX_ANSWER},
    frame::{MAX_FRAME, frame, read_frame_up_to},
};
use crate::{
    hop::{self, HopMessage, MAX_MESSAGE_BYTES},
    service::Shared,
};

/// With so much unconfirmed nothing more is taken from shards, which keep their deltas.
const MAX_UNCONFIRMED_BYTES: usize = 128 << 20;
/// What a message with one partial takes beside that, its stage and its source.
const HEADS: usize = 256;
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);
/// The other side waits for its slowest source and then stores; a connection on which nothing is confirmed
/// for so long leads nowhere.
pub(super) const CONFIRMATION_PATIENCE: Duration = Duration::from_secs(60);

/// How long the other side may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A connection in the clear, or over TLS.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

/// The sending end.
pub(crate) struct Link {
    address: String,
    /// None for the clear.
    tls: Option<ClientTls>,
    /// Sources that have not ended: the other side waits for them at every second. Each with the number of its last
    /// message, which is of this link: what a source tells at once may travel in several.
    sources: BTreeMap<String, u64>,
    unconfirmed: VecDeque<Unconfirmed>,
    unconfirmed_bytes: usize,
    max_unconfirmed_bytes: usize,
    pub(super) max_message_bytes: usize,
    lost: Counter,
    too_large: Counter,
}

struct Unconfirmed {
    source: String,
    sequence: u64,
    at: Timestamp,
    frame: Bytes,
}

struct Connection<S> {
    writer: WriteHalf<S>,
    confirmations: mpsc::UnboundedReceiver<Confirmation>,
    reading: JoinHandle<()>,
}

impl<S> Drop for Connection<S> {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Link {
    pub(crate) fn new(shared: &Shared, sources: Vec<String>) -> Self {
        Self::bounded(shared, sources, MAX_UNCONFIRMED_BYTES)
    }

    pub(super) fn bounded(shared: &Shared, sources: Vec<String>, max_unconfirmed_bytes: usize) -> Self {
        let lost = shared.telemetry.with("reason", "not_confirmed").counter(
            "trueline_hop_dropped_messages",
            "Messages between the ingest and the analysis process that were given up.",
            "{message}",
        );
        let too_large = shared.telemetry.with("reason", "too_large").counter(
            "trueline_hop_dropped_partials",
            "Partial aggregates that were dropped, by reason.",
            "{partial}",
        );
        let edition = shared.edition();
        let hop = &edition.plan.settings.hop;
        let telemetry = shared.telemetry.with("client", "hop");
        let tls = hop.tls.get();
        let tls = tls.map(|tls| ClientTls::new(tls.client(), Arc::clone(&shared.clock), &telemetry));
        Self {
            address: hop.endpoint.clone(),
            tls,
            sources: sources.into_iter().map(|source| (source, 0)).collect(),
            unconfirmed: VecDeque::new(),
            unconfirmed_bytes: 0,
            max_unconfirmed_bytes,
            max_message_bytes: MAX_MESSAGE_BYTES,
            lost,
            too_large,
        }
    }

    /// Passes on what shards tell until all have ended and everything is confirmed.
    pub(crate) async fn relay(&mut self, told: &mut mpsc::Receiver<HopMessage>, shared: &Arc<Shared>) {
        let mut is_open = true;
        while is_open || !self.unconfirmed.is_empty() {
            let connected = self.connect().await;
            if let Err(problem) = self.converse(connected, told, &mut is_open, shared).await {
                warn!(error = %problem, "the connection to the analysis process was lost");
            }
        }
    }

    /// Counts what will never be confirmed, with what is still to come.
    pub(crate) fn give_up(&mut self, told: &mut mpsc::Receiver<HopMessage>) {
        let mut n_lost = self.unconfirmed.len() as u64;
        while told.try_recv().is_ok() {
            n_lost += 1;
        }
        self.lost.add(n_lost);
        error!(messages = n_lost, "the analysis process did not confirm the last partials in time");
    }

    /// Connects, for as long as it takes.
    async fn connect(&self) -> Box<dyn Duplex> {
        loop {
            match self.open().await {
                Ok(stream) => return stream,
                Err(problem) => {
                    warn!(address = self.address, error = %problem, "no connection to the analysis process, trying again");
                }
            }
            sleep(RECONNECT_PAUSE).await;
        }
    }

    async fn open(&self) -> std::io::Result<Box<dyn Duplex>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let name = tls.config().server_name(host).map_err(std::io::Error::other)?;
        let trust = tls.get().await.map_err(std::io::Error::other)?;
        let agreed = timeout(HANDSHAKE, TlsConnector::from(trust).connect(name, stream)).await?;
        Ok(Box::new(agreed?))
    }

    /// Tells over one connection: first what is unconfirmed, then what comes.
    pub(super) async fn converse(
        &mut self,
        stream: impl AsyncRead + AsyncWrite + 'static,
        told: &mut mpsc::Receiver<HopMessage>,
        is_open: &mut bool,
        shared: &Arc<Shared>,
    ) -> std::io::Result<()> {
        let mut connection = Connection::begin(stream, Listener::new(Arc::clone(shared)));
        for source in self.sources.keys() {
            // Number 0 tells nothing, but from then on every second waits for this source.
            let hello = HopMessage { version: hop::VERSION, source: source.clone(), ..HopMessage::default() };
            connection.write(&frame(&hello)).await?;
        }
        for message in &self.unconfirmed {
            connection.write(&message.frame).await?;
        }
        let mut patience = pin!(sleep(CONFIRMATION_PATIENCE));
        while *is_open || !self.unconfirmed.is_empty() {
            let has_room = self.unconfirmed_bytes < self.max_unconfirmed_bytes;
            tokio::select! {
                message = told.recv(), if *is_open && has_room => match message {
                    Some(message) => {
                        shared.told_bytes.fetch_sub(message.size(), Ordering::Relaxed);
                        if self.unconfirmed.is_empty() {
                            patience.set(sleep(CONFIRMATION_PATIENCE));
                        }
                        // Also what is not written yet is kept, should the connection end here.
                        for frame in self.keep(message) {
                            connection.write(&frame).await?;
                        }
                    }
                    None => *is_open = false,
                },
                confirmed = connection.confirmations.recv() => match confirmed {
                    Some(confirmed) => {
                        self.forget(&confirmed, shared);
                        patience.set(sleep(CONFIRMATION_PATIENCE));
                    }
                    None => return Err(std::io::ErrorKind::ConnectionAborted.into()),
                },
                () = &mut patience, if !self.unconfirmed.is_empty() => {
                    return Err(std::io::ErrorKind::TimedOut.into());
                }
            }
        }
        Ok(())
    }

    /// Keeps a message until it is confirmed. Returns the frames in which it travels.
    fn keep(&mut self, mut message: HopMessage) -> Vec<Bytes> {
        self.drop_too_large(&mut message);
        let (source, at, is_last) = (message.source.clone(), message.at(), message.last);
        let mut number = self.sources.get(&source).copied().unwrap_or(0);
        let mut frames = Vec::new();
        // Number 0 only says that the source is there.
        let tells = message.sequence > 0;
        for mut part in message.cut(self.max_message_bytes) {
            number += u64::from(tells);
            part.sequence = if tells { number } else { 0 };
            let frame = frame(&part);
            self.unconfirmed_bytes += frame.len();
            let (source, sequence) = (source.clone(), part.sequence);
            self.unconfirmed.push_back(Unconfirmed { source, sequence, at, frame: frame.clone() });
            frames.push(frame);
        }
        match is_last {
            true => self.sources.remove(&source),
            false => self.sources.insert(source, number),
        };
        frames
    }

    /// What no frame can hold would be refused again and again.
    fn drop_too_large(&self, message: &mut HopMessage) {
        let (source, at) = (&message.source, message.at_unix_nano);
        message.partials.retain(|part| {
            let fits = part.partial.len() + part.stage.len() + source.len() + HEADS <= MAX_FRAME;
            if !fits {
                let (stage, bytes) = (&part.stage, part.partial.len());
                self.too_large.add(1);
                error!(
                    stage,
                    bytes,
                    at,
                    "what the stage tells of a second is too large for another process and is dropped"
                );
            }
            fits
        });
    }

    fn forget(&mut self, confirmed: &Confirmation, shared: &Shared) {
        self.unconfirmed.retain(|message| {
            let is_done = message.source == confirmed.source && message.sequence <= confirmed.sequence;
            if is_done {
                self.unconfirmed_bytes -= message.frame.len();
                shared.reached(message.at);
            }
            !is_done
        });
    }
}

impl<S: AsyncRead + AsyncWrite + 'static> Connection<S> {
    fn begin(stream: S, mut listener: Listener) -> Self {
        let (mut reader, writer) = split(stream);
        let (sender, confirmations) = mpsc::unbounded_channel();
        let reading = spawn_local(async move {
            // The end of the connection, however it comes, ends the channel.
            loop {
                let answer = match read_frame_up_to(&mut reader, MAX_ANSWER).await {
                    Ok(Some(answer)) => answer,
                    Ok(None) => return,
                    Err(problem) => return warn!(error = %problem, "answers can not be read any more"),
                };
                if let Some(confirmed) = listener.take(answer)
                    && sender.send(confirmed).is_err()
                {
                    return;
                }
            }
        });
        Self { writer, confirmations, reading }
    }

    async fn write(&mut self, frame: &Bytes) -> std::io::Result<()> {
        // TLS keeps what the socket did not take at once, until it is flushed.
        let write = async {
            self.writer.write_all(frame).await?;
            self.writer.flush().await
        };
        timeout(CONFIRMATION_PATIENCE, write).await?
    }
}
