//! Two processes and the connection between them: whatever ends, nothing is lost and nothing counts twice.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use component::testing::ManualClock;
use model::{Signal, Timestamp};

use crate::rig::{Folder, Rig, total};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const CALLS: &str = "traces.span.metrics.calls";

/// A connection that a test can disturb.
pub(crate) struct Wire {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    target: Mutex<SocketAddr>,
    open: Mutex<Open>,
}

/// The connections since the last cut.
#[derive(Default)]
struct Open {
    streams: Vec<TcpStream>,
    /// What the target answers over them does not arrive.
    swallow_answers: Arc<AtomicBool>,
}

impl Wire {
    pub(crate) fn to(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let state = Arc::new(State { target: Mutex::new(target), open: Mutex::default() });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Without a target the client finds its connection closed, and tries again.
                let _refused = shared.join(&stream);
            }
        });
        Ok(Self { address, state })
    }

    fn lead_to(&self, target: SocketAddr) {
        *self.state.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Answers do not arrive any more, also over new connections, until the next cut.
    pub(crate) fn swallow_answers(&self) {
        self.state.open().swallow_answers.store(true, Ordering::Release);
    }

    /// Ends all connections; new ones are made and work.
    pub(crate) fn cut(&self) {
        let cut = std::mem::take(&mut *self.state.open());
        for stream in cut.streams {
            // One that has ended needs no end.
            let _ended = stream.shutdown(Shutdown::Both);
        }
    }
}

impl State {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, client: &TcpStream) -> std::io::Result<()> {
        let target = *self.target.lock().unwrap_or_else(PoisonError::into_inner);
        let server = TcpStream::connect(target)?;
        let mut open = self.open();
        open.streams.extend([client.try_clone()?, server.try_clone()?]);
        copy(client.try_clone()?, server.try_clone()?, Arc::default());
        copy(server, client.try_clone()?, Arc::clone(&open.swallow_answers));
        Ok(())
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, swallow: Arc<AtomicBool>) {
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            if !swallow.load(Ordering::Acquire) && to.write_all(&chunk[..read]).is_err() {
                break;
            }
        }
        let _ended = to.shutdown(Shutdown::Both);
    });
}

fn yaml(hop: &str, out: &Path, state: Option<&Path>) -> String {
    let (extension, used) = match state {
        Some(state) => (format!("extensions: {{file_storage: {{directory: {state:?}}}}}"), "[file_storage]"),
        None => (String::new(), "[]"),
    };
    format!(
        "
{extension}
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
connectors:
  span_metrics: {{metrics_flush_interval: 60s}}
exporters:
  file: {{path: {out:?}, sending_queue: {{enabled: true, num_consumers: 1}}}}
service:
  extensions: {used}
  trueline: {{shards: 2, instance_id: test, hop: {{{hop}}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics]}}
    metrics: {{receivers: [span_metrics], exporters: [file]}}
"
    )
}

fn start_analysis(clock: &ManualClock, out: &Path, state: &Path) -> Result<Rig> {
    Rig::start(&yaml("role: analysis, endpoint: '127.0.0.1:0'", out, Some(state)), clock)
}

fn start_ingest(clock: &ManualClock, wire: &Wire, folder: &Folder) -> Result<Rig> {
    let hop = format!("role: ingest, endpoint: '{}'", wire.address);
    Rig::start(&yaml(&hop, &folder.file("unused.json"), None), clock)
}

/// Sends 10 requests of 30 spans to both shards.
fn send(ingest: &Rig) -> Result<u64> {
    let mut clients = [ingest.connect()?, ingest.connect()?];
    for index in 0..10 {
        let request = wire::testing::trace_request(index, 30);
        let status = clients[index as usize % 2].send(Signal::Traces, &request)?;
        ensure!(status == 200, "status {status}");
    }
    Ok(300)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}

#[test]
fn what_was_stored_and_not_confirmed_counts_once_after_a_restart() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let (out, state) = (folder.file("out.json"), folder.file("state"));
    let analysis = start_analysis(&clock, &out, &state)?;
    let wire = Wire::to(analysis.hop_address()?)?;
    let ingest = start_ingest(&clock, &wire, &folder)?;
    let mut sent = send(&ingest)?;
    analysis.advance_to(START + Duration::from_secs(10))?;
    wire.swallow_answers();
    for seconds in [20, 30] {
        sent += send(&ingest)?;
        analysis.advance_to(START + Duration::from_secs(seconds))?;
    }
    analysis.stop();
    wire.cut();
    let out = folder.file("again.json");
    let analysis = start_analysis(&clock, &out, &state)?;
    wire.lead_to(analysis.hop_address()?);
    sent += send(&ingest)?;
    analysis.advance_to(START + Duration::from_secs(40))?;
    ingest.stop();
    analysis.stop();
    assert_eq!(total(&out, CALLS)?, sent);
    Ok(())
}

#[test]
fn what_was_merged_and_not_stored_comes_again_after_a_crash() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let (state, found) = (folder.file("state"), folder.file("found"));
    let analysis = start_analysis(&clock, &folder.file("out.json"), &state)?;
    let wire = Wire::to(analysis.hop_address()?)?;
    let ingest = start_ingest(&clock, &wire, &folder)?;
    let mut sent = send(&ingest)?;
    ingest.advance_to(START + Duration::from_secs(10))?;
    // Merged within the interval at which it is stored.
    for seconds in [11, 12] {
        sent += send(&ingest)?;
        analysis.advance_to(START + Duration::from_secs(seconds))?;
    }
    // What a crash would leave: the files as they are, and nothing of what the end would still do.
    wire.swallow_answers();
    copy_folder(&state, &found)?;
    analysis.stop();
    wire.cut();
    let out = folder.file("again.json");
    let analysis = start_analysis(&clock, &out, &found)?;
    wire.lead_to(analysis.hop_address()?);
    analysis.advance_to(START + Duration::from_secs(20))?;
    ingest.stop();
    analysis.stop();
    assert_eq!(total(&out, CALLS)?, sent);
    Ok(())
}

#[test]
fn a_lost_connection_and_a_restart_of_the_side_that_ingests_lose_nothing() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let out = folder.file("out.json");
    let analysis = start_analysis(&clock, &out, &folder.file("state"))?;
    let wire = Wire::to(analysis.hop_address()?)?;
    let ingest = start_ingest(&clock, &wire, &folder)?;
    let mut sent = send(&ingest)?;
    ingest.advance_to(START + Duration::from_secs(10))?;
    wire.cut();
    sent += send(&ingest)?;
    ingest.advance_to(START + Duration::from_secs(20))?;
    sent += send(&ingest)?;
    // The end tells and waits for the confirmation.
    ingest.stop();
    let ingest = start_ingest(&clock, &wire, &folder)?;
    sent += send(&ingest)?;
    ingest.advance_to(START + Duration::from_secs(30))?;
    assert_eq!(ingest.metric("trueline_hop_dropped_messages"), 0);
    ingest.stop();
    analysis.stop();
    assert_eq!(total(&out, CALLS)?, sent);
    Ok(())
}

#[test]
fn an_address_for_partials_that_is_taken_refuses_the_start() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let hop = format!("role: analysis, endpoint: '{}'", taken.local_addr()?);
    let refused = Rig::start(&yaml(&hop, &folder.file("out.json"), None), &clock);
    let message = refused.err().map(|problem| problem.to_string()).unwrap_or_default();
    assert!(message.starts_with("service::trueline::hop: can not listen on 127.0.0.1:"), "{message}");
    Ok(())
}

#[test]
fn what_is_no_message_ends_the_connection_and_nothing_else() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let out = folder.file("out.json");
    let analysis = start_analysis(&clock, &out, &folder.file("state"))?;
    let mut stranger = TcpStream::connect(analysis.hop_address()?)?;
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n")?;
    let mut answer = Vec::new();
    // Closed with or without a reset: unread bytes are left.
    let _closed = stranger.read_to_end(&mut answer);
    assert!(answer.is_empty());
    let wire = Wire::to(analysis.hop_address()?)?;
    let ingest = start_ingest(&clock, &wire, &folder)?;
    let sent = send(&ingest)?;
    analysis.advance_to(START + Duration::from_secs(10))?;
    ingest.stop();
    analysis.stop();
    assert_eq!(total(&out, CALLS)?, sent);
    Ok(())
}
