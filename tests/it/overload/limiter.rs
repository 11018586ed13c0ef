//! `memory_limiter` of the running program refuses while clients make it hold too much, and takes again when they are gone.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use model::Signal;
use testbed::{Trueline, Watch, eventually, free_port};

use crate::{
    rig::Client,
    watched::{peak_resident_mib, resident_mib},
};

const SOON: Duration = Duration::from_secs(30);
/// After the memory is given back requests are taken within.
const RECOVERY: Duration = Duration::from_secs(5);
/// What the clients make it hold. *Units*: MiB.
const HELD: usize = 128;
/// What it may hold beyond what it has at the start. *Units*: MiB.
const ROOM: u64 = 80;
/// A sixth of it may be in flight: more than is held. *Units*: MiB.
const SPIKE: u64 = 800;

/// Refuses above so many MiB.
fn start(most_mib: u64) -> Result<(Trueline, SocketAddr)> {
    let limit_mib = most_mib + SPIKE;
    let [http, health, metrics] = std::array::from_fn(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
    let port = metrics.port();
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{http}'}}}}}}}}
processors: {{memory_limiter: {{check_interval: 50ms, limit_mib: {limit_mib}, spike_limit_mib: {SPIKE}}}}}
exporters: {{nop: }}
extensions: {{health_check: {{endpoint: '{health}'}}}}
service:
  extensions: [health_check]
  trueline: {{shards: 2, max_in_flight: 512MiB}}
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {port}}}}}}}}}]}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [memory_limiter], exporters: [nop]}}
"
    );
    let program = Trueline::start(&yaml, Watch { health, metrics: Some(metrics) })?;
    export(http)?;
    Ok((program, http))
}

fn status(address: SocketAddr) -> Result<u16> {
    Client::connect(address)?.send(Signal::Traces, &wire::testing::trace_request(7, 40))
}

fn export(address: SocketAddr) -> Result<()> {
    let status = status(address)?;
    ensure!(status == 200, "status {status}");
    Ok(())
}

/// Announces a request of a mebibyte and sends it but for the last byte.
fn unfinished(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        1 << 20
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&vec![7; (1 << 20) - 1])?;
    Ok(stream)
}

#[test]
fn a_limiter_that_refuses_takes_again_when_the_memory_is_given_back() -> Result<()> {
    let usual = {
        let (program, _) = start(100_000)?;
        resident_mib(program.id())?
    };
    let (program, http) = start(usual + ROOM)?;
    for round in 0..3 {
        let mut held = Vec::new();
        for _ in 0..HELD {
            held.push(unfinished(http)?);
        }
        eventually("a refusal", Duration::from_secs(8), || {
            let status = status(http)?;
            ensure!(status == 503, "status {status} with {} MiB", resident_mib(program.id())?);
            Ok(())
        })?;
        drop(held);
        eventually("requests are taken again", RECOVERY, || {
            export(http).map_err(|refused| {
                let resident = resident_mib(program.id()).unwrap_or_default();
                refused.context(format!("round {round}: {resident} MiB, at the start {usual}"))
            })
        })?;
    }
    eventually("the refusals are counted", SOON, || {
        let metrics = program.metrics()?;
        let counted = metrics.sum("otelcol_processor_memory_limiter_refused_requests", &[]);
        ensure!(counted.is_some_and(|counted| counted >= 3.0), "{counted:?}");
        Ok(())
    })
}

/// Sends large requests for a while, one after the other. Returns how many were refused.
fn pour(address: SocketAddr, time: Duration) -> Result<u32> {
    let (request, begun) = (wire::testing::trace_request(7, 2000), Instant::now());
    let (mut client, mut n_refused) = (Client::connect(address)?, 0);
    while begun.elapsed() < time {
        match client.send(Signal::Traces, &request)? {
            200 => {}
            503 => n_refused += 1,
            other => anyhow::bail!("status {other}"),
        }
    }
    Ok(n_refused)
}

/// With the interval that the documentation of the collector shows, a queue that would take far more than the limit, and
/// more clients than there is room for at a time.
#[test]
fn memory_stays_below_the_limit_while_a_queue_fills_within_a_second() -> Result<()> {
    const LIMIT: u64 = 400;
    let [http, health] = std::array::from_fn(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
    let hangs = TcpListener::bind("127.0.0.1:0")?;
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{http}'}}}}}}}}
processors:
  memory_limiter: {{check_interval: 1s, limit_mib: {LIMIT}}}
  batch:
exporters:
  otlp_grpc: {{endpoint: '{hangs}', tls: {{insecure: true}}, sending_queue: {{max_bytes: 4GiB, queue_size: 1000000}}}}
extensions: {{health_check: {{endpoint: '{health}'}}}}
service:
  extensions: [health_check]
  trueline: {{shards: 2}}
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [memory_limiter, batch], exporters: [otlp_grpc]}}
",
        hangs = hangs.local_addr()?,
    );
    let program = Trueline::start(&yaml, Watch { health, metrics: None })?;
    let n_refused = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..32).map(|_| scope.spawn(|| pour(http, Duration::from_secs(6)))).collect();
        clients.into_iter().map(|client| client.join().expect("no client panics")).sum::<Result<u32>>()
    })?;
    ensure!(n_refused > 0, "nothing was refused: {} MiB", resident_mib(program.id())?);
    let peak = peak_resident_mib(program.id())?;
    ensure!(peak <= LIMIT, "{peak} MiB of {LIMIT}");
    Ok(())
}
