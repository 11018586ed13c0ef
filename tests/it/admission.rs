//! What may be received at once: bytes in flight and connections, from outside.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use component::testing::ManualClock;
use model::{Signal, Timestamp};
use testbed::{eventually, free_port};

use crate::rig::{Client, Folder, Rig, total};

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const SOON: Duration = Duration::from_secs(120);
const MIB: usize = 1 << 20;

/// A service with one of the engine's settings changed, and where it listens.
fn start(folder: &Folder, setting: &str) -> Result<(Rig, SocketAddr)> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let yaml = format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '{address}'}}}}}}
connectors:
  span_metrics: {{metrics_flush_interval: 1s}}
exporters:
  file: {{path: {out:?}}}
service:
  trueline: {{shards: 2, {setting}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics]}}
    metrics: {{receivers: [span_metrics], exporters: [file]}}
",
        out = folder.file("out.json").display().to_string(),
    );
    Ok((Rig::start(&yaml, &ManualClock::new(START))?, address))
}

/// A request that was announced and has not been sent to its end.
struct Slow {
    stream: TcpStream,
    rest: Vec<u8>,
}

impl Slow {
    /// Announces a request of spans and sends half of it.
    fn begin(address: SocketAddr, request: &[u8]) -> Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(SOON))?;
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            request.len()
        );
        let (half, rest) = request.split_at(request.len() / 2);
        stream.write_all(head.as_bytes())?;
        stream.write_all(half)?;
        Ok(Self { stream, rest: rest.to_vec() })
    }

    /// Sends the rest and returns the first line of the answer.
    fn end(mut self) -> Result<String> {
        self.stream.write_all(&self.rest)?;
        let mut answer = [0; 4096];
        let read = self.stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned())
    }
}

/// Spans that take at least so many bytes.
fn request_of(bytes: usize) -> (Vec<u8>, u64) {
    let n_spans = bytes / 500;
    let request = wire::testing::trace_request(bytes as u64, n_spans);
    assert!(request.len() >= bytes, "{} bytes", request.len());
    (request, n_spans as u64)
}

/// Sends until it is refused: what was announced over another connection has then claimed its room.
fn until_refused(client: &mut Client, request: &[u8]) -> Result<u64> {
    for taken in 0..10_000 {
        match client.send(Signal::Traces, request)? {
            200 => {}
            503 => return Ok(taken),
            status => bail!("status {status}"),
        }
    }
    bail!("it was taken 10,000 times beside a request that fills all room")
}

#[test]
fn above_max_in_flight_requests_are_refused_and_taken_when_there_is_room_again() -> Result<()> {
    let folder = Folder::new()?;
    let (rig, address) = start(&folder, "max_in_flight: 1MiB")?;
    let (large, n_large) = request_of(MIB);
    let (small, n_small) = request_of(10_000);
    let slow = Slow::begin(address, &large)?;
    let mut client = Client::connect(address)?;
    let mut taken = until_refused(&mut client, &small)? * n_small;
    // Refused for its bytes, before anything was read of it: no span was seen, none is counted.
    assert_eq!(rig.metric("otelcol_receiver_accepted_spans"), taken);
    // A request beyond all room gets all of it and is taken: 1 MiB and more.
    assert_eq!(slow.end()?, "HTTP/1.1 200 OK");
    assert_eq!(client.send(Signal::Traces, &small)?, 200, "on the same connection");
    taken += n_large + n_small;
    rig.advance_to(START + Duration::from_secs(1))?;
    assert_eq!(rig.metric("otelcol_receiver_accepted_spans"), taken);
    rig.stop();
    assert_eq!(total(&folder.file("out.json"), "traces.span.metrics.calls")?, taken);
    Ok(())
}

#[test]
fn a_client_that_leaves_in_the_middle_gives_its_room_back() -> Result<()> {
    let folder = Folder::new()?;
    let (rig, address) = start(&folder, "max_in_flight: 1MiB")?;
    let (small, n_small) = request_of(10_000);
    let slow = Slow::begin(address, &request_of(MIB).0)?;
    let mut client = Client::connect(address)?;
    let taken = until_refused(&mut client, &small)? * n_small;
    drop(slow);
    client.insist(Signal::Traces, &small)?;
    assert_eq!(rig.metric("otelcol_receiver_accepted_spans"), taken + n_small);
    rig.stop();
    Ok(())
}

#[test]
fn above_max_connections_new_ones_are_closed_and_counted_and_old_ones_go_on() -> Result<()> {
    let folder = Folder::new()?;
    let (rig, address) = start(&folder, "max_connections: 2")?;
    let (request, _) = request_of(1000);
    let mut first = Client::connect(address)?;
    let mut second = Client::connect(address)?;
    for client in [&mut first, &mut second] {
        assert_eq!(client.send(Signal::Traces, &request)?, 200);
    }
    for refused in 1..=3 {
        let mut third = TcpStream::connect(address)?;
        third.set_read_timeout(Some(SOON))?;
        // Closed, with or without a reset.
        let read = third.read(&mut [0; 1]);
        ensure!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        assert_eq!(rig.metric("trueline_refused_connections"), refused);
    }
    for client in [&mut first, &mut second] {
        assert_eq!(client.send(Signal::Traces, &request)?, 200);
    }
    drop(first);
    eventually("a place that became free is taken", SOON, || {
        ensure!(Client::connect(address)?.send(Signal::Traces, &request)? == 200, "refused");
        Ok(())
    })?;
    assert_eq!(second.send(Signal::Traces, &request)?, 200);
    rig.stop();
    Ok(())
}

/// Connects and tells whether the other end stays.
fn stays(address: SocketAddr) -> Result<Option<TcpStream>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    match stream.read(&mut [0]) {
        Err(waiting) if matches!(waiting.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(Some(stream))
        }
        Ok(0) | Err(_) => Ok(None),
        Ok(_) => bail!("it spoke first"),
    }
}

#[test]
fn an_address_that_is_full_keeps_nobody_from_another() -> Result<()> {
    let [http, second, health] = std::array::from_fn(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
    let yaml = format!(
        "
receivers:
  otlp:
    protocols:
      http: {{endpoint: '{http}'}}
  otlp/second:
    protocols:
      http: {{endpoint: '{second}', max_connections: 2}}
exporters:
  nop:
extensions:
  health_check: {{endpoint: '{health}', max_connections: 1}}
service:
  extensions: [health_check]
  trueline: {{shards: 2, max_connections: 8}}
  pipelines:
    traces: {{receivers: [otlp, otlp/second], exporters: [nop]}}
",
    );
    let rig = Rig::start(&yaml, &ManualClock::new(START))?;
    let refused = |label: &str, of: &str, reason: &str| -> u64 {
        let has = |labels: &[(String, String)], name: &str, value: &str| {
            labels.iter().any(|label| label == &(name.to_owned(), value.to_owned()))
        };
        let rows = rig.telemetry.read().into_iter().filter(|row| {
            row.name == "trueline_refused_connections"
                && has(&row.labels, label, of)
                && has(&row.labels, "reason", reason)
        });
        rows.map(|row| row.value).sum()
    };
    // Of several addresses none takes more than three quarters: 6 of 8.
    let open: Vec<_> = (0..7).filter_map(|_| stays(http).transpose()).collect::<Result<_>>()?;
    assert_eq!((open.len(), refused("receiver", "otlp", "listener")), (6, 1));
    let _small: Vec<_> = (0..3).filter_map(|_| stays(second).transpose()).collect::<Result<_>>()?;
    assert_eq!(refused("receiver", "otlp/second", "listener"), 1);
    drop(open);
    eventually("others have them now", SOON, || stays(http)?.context("closed"))?;
    let _probe = stays(health)?.context("the first probe has a place")?;
    assert!(stays(health)?.is_none(), "the second has none");
    assert_eq!(refused("extension", "health_check", "listener"), 1);
    rig.stop();
    Ok(())
}

/// Every process holds more than a mebibyte: its first limiter refuses all, its second nothing.
#[test]
fn pipelines_refuse_while_the_process_holds_more_than_their_memory_limiter_allows() -> Result<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let yaml = format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '{address}'}}}}}}
processors:
  memory_limiter: {{check_interval: 20ms, limit_mib: 2, spike_limit_mib: 1}}
  memory_limiter/large: {{check_interval: 1s, limit_mib: 4000000}}
exporters:
  nop:
service:
  trueline: {{shards: 2}}
  pipelines:
    traces: {{receivers: [otlp], processors: [memory_limiter], exporters: [nop]}}
    logs: {{receivers: [otlp], processors: [memory_limiter/large], exporters: [nop]}}
",
    );
    let rig = Rig::start(&yaml, &ManualClock::new(START))?;
    let (request, _) = request_of(1000);
    let mut client = Client::connect(address)?;
    eventually("a refusal", SOON, || {
        let status = client.send(Signal::Traces, &request)?;
        ensure!(status == 503, "status {status}");
        Ok(())
    })?;
    assert_eq!(client.send(Signal::Logs, &[])?, 200, "another pipeline has a limit of its own");
    assert!(rig.metric("otelcol_processor_memory_limiter_refused_requests") >= 1);
    assert!(rig.state().is_ready(), "{}", rig.state().reason());
    rig.stop();
    Ok(())
}
