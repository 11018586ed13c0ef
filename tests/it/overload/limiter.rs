//! `memory_limiter` of the running program refuses while clients make it hold too much, and takes again when they are gone.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Result, ensure};
use model::Signal;
use testbed::{Trueline, Watch, eventually, free_port};

use crate::{rig::Client, watched::resident_mib};

const SOON: Duration = Duration::from_secs(30);
/// After the memory is given back requests are taken within.
const RECOVERY: Duration = Duration::from_secs(5);
/// What the clients make it hold. *Units*: MiB.
const HELD: usize = 128;
/// What it may hold beyond what it has at the start. *Units*: MiB.
const ROOM: u64 = 80;

fn start(limit_mib: u64) -> Result<(Trueline, SocketAddr)> {
    let [http, health, metrics] = std::array::from_fn(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
    let port = metrics.port();
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{http}'}}}}}}}}
processors: {{memory_limiter: {{check_interval: 50ms, limit_mib: {limit_mib}, spike_limit_mib: 10}}}}
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
