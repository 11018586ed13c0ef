//! The end that is told: listens for processes that ingest.

use std::{collections::BTreeSet, rc::Rc, sync::Arc, time::Duration};

use component::{Places, Stop};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, split},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::spawn_local,
    time::timeout,
};
use tracing::{info, warn};
use transport::ServerTls;

use super::{
    answer::{Answer, Confirmation, Teller},
    frame::{MAX_FRAME, frame, read_body, read_length},
};
use crate::{
    hop::{HopMessage, MAX_SOURCES},
    listen::next_connection,
    service::Shared,
};

/// Every shard tells each second, also that it has nothing to tell: who is silent for so long is gone.
pub(super) const SILENCE: Duration = Duration::from_secs(15);
/// A peer that sends slower is as good as silent. *Units*: bytes in a second.
const SLOWEST_PEER: usize = 1 << 20;
const MAX_PEERS: usize = 256;
/// How long a peer may take to agree on keys.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The receiving end.
pub(crate) struct Gate {
    events: mpsc::Receiver<Event>,
}

/// What happens at the gate.
pub(crate) enum Event {
    Told(Told),
    /// A source's connection has ended without its last message.
    Lost {
        source: String,
        confirm: mpsc::UnboundedSender<Confirmation>,
    },
}

/// A message, where to confirm it, and its claim on the room for messages that are not merged yet.
pub(crate) struct Told {
    pub(crate) message: HopMessage,
    pub(crate) confirm: mpsc::UnboundedSender<Confirmation>,
    pub(crate) claim: OwnedSemaphorePermit,
}

impl Gate {
    /// Serves a bound socket.
    pub(crate) fn open(listener: std::net::TcpListener, shared: &Arc<Shared>, stop: &Stop) -> Self {
        let (events, happened) = mpsc::channel(MAX_PEERS);
        let (shared, stop) = (Arc::clone(shared), stop.clone());
        spawn_local(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => serve(listener, events, stop, &shared).await,
                Err(problem) => shared.health.fail(format!("can not listen for partials: {problem}")),
            }
        });
        Self { events: happened }
    }

    /// Returns the next event; never resolves without a gate.
    pub(crate) async fn next(gate: &mut Option<Self>) -> Option<Event> {
        match gate {
            Some(gate) => gate.events.recv().await,
            None => std::future::pending().await,
        }
    }
}

async fn serve(listener: TcpListener, events: mpsc::Sender<Event>, stop: Stop, shared: &Arc<Shared>) {
    let refused = shared.telemetry.counter(
        "trueline_hop_refused_connections",
        "Connections of ingest processes closed at once because too many were open.",
        "{connection}",
    );
    let peers = Places::new(MAX_PEERS);
    let failed = shared.telemetry.counter(
        "trueline_hop_failed_handshakes",
        "Connections of ingest processes on which no TLS was agreed.",
        "{connection}",
    );
    let edition = shared.edition();
    let tls = edition.plan.settings.hop.tls.get().map(|tls| {
        ServerTls::new(&tls.server(), &[], Arc::clone(&shared.clock), &shared.telemetry.with("server", "hop"))
    });
    let tls = match tls.transpose() {
        Ok(tls) => tls.map(Rc::new),
        Err(problem) => return shared.health.fail(format!("can not listen for partials: {problem}")),
    };
    // One message of the largest size, or many small ones.
    let room = Arc::new(Semaphore::new(MAX_FRAME));
    let seat = || {
        let place = peers.take();
        refused.add(u64::from(place.is_none()));
        place
    };
    while let Some((stream, peer, claim)) = next_connection(&listener, seat, &stop).await {
        info!(%peer, "a process that ingests has connected");
        let (events, room, teller) = (events.clone(), Arc::clone(&room), Teller::new(Arc::clone(shared)));
        let (tls, failed) = (tls.clone(), failed.clone());
        spawn_local(async move {
            match tls {
                None => {
                    let (reader, writer) = stream.into_split();
                    attend(reader, writer, teller, &events, &room).await;
                }
                Some(tls) => match timeout(HANDSHAKE, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let (reader, writer) = split(stream);
                        attend(reader, writer, teller, &events, &room).await;
                    }
                    Ok(Err(problem)) => {
                        failed.add(1);
                        warn!(%peer, error = %problem, "no TLS was agreed with a process that ingests");
                    }
                    Err(_elapsed) => failed.add(1),
                },
            }
            drop(claim);
        });
    }
}

/// Serves one connection to its end.
async fn attend(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin + 'static,
    teller: Teller,
    events: &mpsc::Sender<Event>,
    room: &Arc<Semaphore>,
) {
    let (confirm, confirmations) = mpsc::unbounded_channel();
    spawn_local(answer(writer, confirmations, teller));
    listen_to(reader, confirm, events, room).await;
}

pub(super) async fn listen_to(
    mut reader: impl AsyncRead + Unpin,
    confirm: mpsc::UnboundedSender<Confirmation>,
    events: &mpsc::Sender<Event>,
    room: &Arc<Semaphore>,
) {
    let mut open_sources = BTreeSet::new();
    loop {
        let (message, claim) = match read_message(&mut reader, room).await {
            Ok(Some(read)) => read,
            Ok(None) => break,
            Err(problem) => {
                warn!(error = %problem, "a connection for partials failed");
                break;
            }
        };
        match message.last {
            true => open_sources.remove(&message.source),
            false => open_sources.insert(message.source.clone()),
        };
        if open_sources.len() > MAX_SOURCES {
            warn!("a connection tells of more than {MAX_SOURCES} sources and is closed");
            break;
        }
        let told = Told { message, confirm: confirm.clone(), claim };
        if events.send(Event::Told(told)).await.is_err() {
            return;
        }
    }
    for source in open_sources {
        if events.send(Event::Lost { source, confirm: confirm.clone() }).await.is_err() {
            return;
        }
    }
}

async fn read_message(
    reader: &mut (impl AsyncRead + Unpin),
    room: &Arc<Semaphore>,
) -> std::io::Result<Option<(HopMessage, OwnedSemaphorePermit)>> {
    let Some(length) = timeout(SILENCE, read_length(reader, MAX_FRAME)).await?? else { return Ok(None) };
    let bytes = u32::try_from(length).map_err(std::io::Error::other)?;
    let claim = Arc::clone(room).acquire_many_owned(bytes).await.map_err(std::io::Error::other)?;
    let message = timeout(patience(length), read_body(reader, length)).await??;
    Ok(message.map(|message| (message, claim)))
}

/// How long so many bytes may take.
fn patience(bytes: usize) -> Duration {
    SILENCE + Duration::from_secs((bytes / SLOWEST_PEER) as u64)
}

/// Tells a connection what is confirmed and, from the start, what analysis halves have found.
pub(super) async fn answer(
    mut writer: impl AsyncWrite + Unpin,
    mut confirmations: mpsc::UnboundedReceiver<Confirmation>,
    mut teller: Teller,
) {
    let mut published = teller.watch();
    loop {
        let answers = tokio::select! {
            biased;
            confirmation = confirmations.recv() => match confirmation {
                Some(confirmation) => vec![Answer::confirmation(confirmation)],
                None => return,
            },
            changed = published.changed() => match changed {
                Ok(()) => teller.news(),
                Err(_ended) => return,
            },
        };
        for answer in answers {
            let frame = frame(&answer);
            // TLS keeps what the socket did not take at once, until it is flushed.
            let told = async {
                writer.write_all(&frame).await?;
                writer.flush().await
            };
            if !matches!(timeout(patience(frame.len()), told).await, Ok(Ok(()))) {
                // The sender tells again what it has no confirmation for, and hears the latest verdicts then.
                return;
            }
        }
    }
}
