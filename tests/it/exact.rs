//! No span is lost and none is counted twice.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use component::{Telemetry, testing::ManualClock};
use model::{Signal, Timestamp};

use crate::rig::{Client, Folder, Rig, total};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const CALLS: &str = "traces.span.metrics.calls";

fn yaml(out: &Path, state: &Path, exporter: &str) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
connectors:
  span_metrics: {{metrics_flush_interval: 1s}}
exporters:
  file: {{path: {out:?}, append: true}}
  {exporter}
extensions:
  file_storage: {{directory: {state:?}}}
service:
  extensions: [file_storage]
  trueline: {{shards: 4, shutdown_timeout: 4s}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics, otlp_http]}}
    metrics: {{receivers: [span_metrics], exporters: [file]}}
",
        out = out.display().to_string(),
        state = state.display().to_string(),
    )
}

/// Sends from several threads at once and returns how often requests were refused.
fn send_all(rig: &Rig, seeds: std::ops::Range<u64>, n_spans: usize) -> Result<u64> {
    let clients: Vec<Client> = (0..8).map(|_| rig.connect()).collect::<Result<_>>()?;
    let n_clients = clients.len() as u64;
    thread::scope(|scope| {
        let senders: Vec<_> = clients
            .into_iter()
            .zip(0..)
            .map(|(mut client, first)| {
                let seeds = seeds.clone().filter(move |seed| seed % n_clients == first);
                scope.spawn(move || -> Result<u64> {
                    let mut refused = 0;
                    for seed in seeds {
                        refused +=
                            client.insist(Signal::Traces, &wire::testing::trace_request(seed, n_spans))?;
                    }
                    Ok(refused)
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().expect("a sender does not panic")).sum()
    })
}

#[test]
fn spans_over_many_connections_shards_and_a_restart_are_all_counted() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let (out, state) = (folder.file("out.json"), folder.file("state"));
    let yaml = yaml(
        &out,
        &state,
        "otlp_http: {endpoint: 'http://127.0.0.1:9', sending_queue: {queue_size: 100000}}",
    );
    for (life, seeds) in [0..200, 200..400, 400..600].into_iter().enumerate() {
        let rig = Rig::start(&yaml, &clock)?;
        send_all(&rig, seeds.clone(), 25)?;
        rig.advance_to(START + Duration::from_secs(life as u64 + 1))?;
        // Some come after the last tick: only the drain tells of them.
        send_all(&rig, seeds.start + 10_000..seeds.start + 10_040, 25)?;
        rig.stop();
    }
    assert_eq!(total(&out, CALLS)?, 3 * (200 + 40) * 25);
    Ok(())
}

#[test]
fn a_refused_request_has_touched_no_counter() -> Result<()> {
    let (folder, clock) = (Folder::new()?, ManualClock::new(START));
    let (out, state) = (folder.file("out.json"), folder.file("state"));
    let destination = EvenServer::start()?;
    let exporter = format!(
        "otlp_http: {{endpoint: 'http://{}', compression: none, sending_queue: {{queue_size: 2, num_consumers: 1}}}}",
        destination.address
    );
    let rig = Rig::start(&yaml(&out, &state, &exporter), &clock)?;
    let refused_so_far = || metric(&rig.telemetry, "otelcol_receiver_refused_spans") / 20;
    let refused = destination.while_counting(refused_so_far, || send_all(&rig, 0..300, 20))?;
    rig.advance_to(START + Duration::from_secs(1))?;
    let (accepted, refused_spans) =
        (rig.metric("otelcol_receiver_accepted_spans"), rig.metric("otelcol_receiver_refused_spans"));
    rig.stop();
    ensure!(refused * 100 >= (300 + refused) * 45, "only {refused} refusals: not about half of all requests");
    assert_eq!(accepted, 300 * 20);
    assert_eq!(refused_spans, refused * 20);
    assert_eq!(total(&out, CALLS)?, 300 * 20);
    Ok(())
}

/// Adds up a self-metric over all its labels.
fn metric(telemetry: &Telemetry, name: &str) -> u64 {
    telemetry.read().iter().filter(|row| row.name == name).map(|row| row.value).sum()
}

/// A destination behind a short queue that makes about half of all requests be refused: it answers the first
/// when one has been refused, the second when two have, and so on.
pub(crate) struct EvenServer {
    pub(crate) address: std::net::SocketAddr,
    /// Requests that are known to have been refused.
    refused: Arc<AtomicU64>,
}

impl EvenServer {
    pub(crate) fn start() -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (refused, n_seen) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let shared = Arc::clone(&refused);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (refused, n_seen) = (Arc::clone(&shared), Arc::clone(&n_seen));
                thread::spawn(move || {
                    serve(stream, || {
                        let number = n_seen.fetch_add(1, Ordering::AcqRel) + 1;
                        while refused.load(Ordering::Acquire) < number {
                            thread::sleep(LOOK);
                        }
                    })
                });
            }
        });
        Ok(Self { address, refused })
    }

    /// Does some work while it looks how many requests have been refused. After that all are answered.
    pub(crate) fn while_counting<T>(&self, refused: impl Fn() -> u64 + Send, work: impl FnOnce() -> T) -> T {
        let end = End { is_done: AtomicBool::new(false), refused: &self.refused };
        thread::scope(|scope| {
            let end = &end;
            scope.spawn(move || {
                while !end.is_done.load(Ordering::Acquire) {
                    end.refused.fetch_max(refused(), Ordering::AcqRel);
                    thread::sleep(LOOK);
                }
            });
            let _told_also_by_a_panic = Told(end);
            work()
        })
    }
}

const LOOK: Duration = Duration::from_millis(5);

struct End<'a> {
    is_done: AtomicBool,
    refused: &'a AtomicU64,
}

/// Ends the counting when it is dropped.
struct Told<'a>(&'a End<'a>);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        self.0.is_done.store(true, Ordering::Release);
        self.0.refused.store(u64::MAX, Ordering::Release);
    }
}

/// Answers every request of a connection with 200, when it is time.
fn serve(mut stream: std::net::TcpStream, wait: impl Fn()) -> std::io::Result<()> {
    use std::io::{BufRead, BufReader, Read, Write};
    let mut reader = BufReader::new(stream.try_clone()?);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        reader.by_ref().take(length).read_to_end(&mut Vec::new())?;
        wait();
        stream.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
        )?;
    }
}

#[test]
fn an_exporter_in_a_pipeline_of_all_signals_gets_only_what_it_takes() -> Result<()> {
    let clock = ManualClock::new(START);
    let yaml = "
receivers:
  otlp: {protocols: {http: {endpoint: '127.0.0.1:0'}}}
exporters:
  prometheus: {endpoint: '127.0.0.1:0'}
  nop:
service:
  trueline: {shards: 1}
  pipelines:
    telemetry: {receivers: [otlp], exporters: [prometheus, nop]}
";
    let rig = Rig::start(yaml, &clock)?;
    send_all(&rig, 0..8, 10)?;
    testbed::eventually("the spans reach nop", Duration::from_secs(120), || {
        let sent = rig.metric("otelcol_exporter_sent_spans");
        ensure!(sent == 80, "{sent} spans were sent, not the 80 that nop takes");
        Ok(())
    })?;
    assert_eq!(rig.metric("otelcol_exporter_send_failed_spans"), 0);
    rig.stop();
    Ok(())
}
