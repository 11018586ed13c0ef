//! Clients that mean harm. While each attack lasts, an ordinary client's request is taken and the health check answers, and
//! memory stays within a bound.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use model::Signal;
use testbed::{Trueline, Watch, eventually, free_port, get};

use crate::rig::Client;

const SOON: Duration = Duration::from_secs(60);
/// No attack may make the process grow by more: on each of the two shards a body is decompressed into room for a quarter of the
/// largest size, 64 MiB, and then for all of it, in memory that the allocator keeps for the next.
const MOST_GROWTH_MIB: u64 = 2 * (64 + 16) + 40;
/// Half of all health checks during an attack must be answered within.
const HEALTHY: Duration = Duration::from_millis(100);

struct Bed {
    program: Trueline,
    http: SocketAddr,
    grpc: SocketAddr,
    health: SocketAddr,
}

impl Bed {
    fn start() -> Result<Self> {
        let [http, grpc, health, metrics] =
            std::array::from_fn(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let port = metrics.port();
        let yaml = format!(
            "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{http}'}}, grpc: {{endpoint: '{grpc}'}}}}}}}}
exporters: {{nop: }}
extensions: {{health_check: {{endpoint: '{health}'}}}}
service:
  extensions: [health_check]
  trueline: {{shards: 2}}
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {port}}}}}}}}}]}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [nop]}}
    logs: {{receivers: [otlp], exporters: [nop]}}
"
        );
        let program = Trueline::start(&yaml, Watch { health, metrics: Some(metrics) })?;
        let bed = Self { program, http, grpc, health };
        // What the first request brings into memory stays there.
        bed.export()?;
        Ok(bed)
    }

    /// Sends an ordinary request over a connection of its own.
    fn export(&self) -> Result<()> {
        let status =
            Client::connect(self.http)?.send(Signal::Traces, &wire::testing::trace_request(7, 40))?;
        ensure!(status == 200, "an ordinary request was answered {status}");
        Ok(())
    }

    fn resident_mib(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: u64 = line.and_then(|rest| rest.trim().split(' ').next()).context("VmRSS")?.parse()?;
        Ok(kib >> 10)
    }

    /// Runs an attack, watches what others notice of it, and returns how much memory it took.
    fn withstands(&self, attack: impl FnOnce() -> Result<()> + Send) -> Result<()> {
        let (before, is_over) = (self.resident_mib()?, AtomicBool::new(false));
        let (outcome, watched) = std::thread::scope(|scope| {
            let watching = scope.spawn(|| self.watch(&is_over));
            let outcome = attack();
            is_over.store(true, Ordering::Release);
            (outcome, watching.join())
        });
        outcome.context("the attack itself")?;
        let (mut probes, most) = watched.map_err(|_| anyhow::anyhow!("the watch panicked"))??;
        probes.sort();
        let median = probes[probes.len() / 2];
        ensure!(median < HEALTHY, "half of {} health checks took {median:?} and more", probes.len());
        let growth = most.saturating_sub(before);
        ensure!(growth <= MOST_GROWTH_MIB, "it grew from {before} by {growth} MiB");
        Ok(())
    }

    /// Exports and asks for health until the attack is over; at least five times.
    fn watch(&self, is_over: &AtomicBool) -> Result<(Vec<Duration>, u64)> {
        let (mut probes, mut most) = (Vec::new(), 0);
        while !is_over.load(Ordering::Acquire) || probes.len() < 5 {
            self.export()?;
            let begun = Instant::now();
            let health = get(&format!("http://{}/", self.health))?;
            probes.push(begun.elapsed());
            ensure!(health.status == 200, "health is {}", health.status);
            most = most.max(self.resident_mib()?);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok((probes, most))
    }

    fn closed(&self, reason: &str) -> Result<f64> {
        let metrics = self.program.metrics()?;
        Ok(metrics.sum("trueline_receiver_closed_connections", &[("reason", reason)]).unwrap_or_default())
    }

    /// Posts a body and returns the status.
    fn post(&self, kind: &str, encoding: &str, body: &[u8]) -> Result<String> {
        let mut stream = connect(self.http)?;
        let head = format!(
            "POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[9..]).into_owned())
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.set_write_timeout(Some(SOON))?;
    Ok(stream)
}

/// Writes until the peer closes or everything is written; returns whether it closed.
fn pour(stream: &mut TcpStream, piece: &[u8], times: usize) -> bool {
    (0..times).any(|_| stream.write_all(piece).is_err())
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = (u32::try_from(body.len()).unwrap_or(u32::MAX)).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(body);
    frame
}

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
/// POST, http, `/` of HPACK's static table.
const HEAD: [u8; 3] = [0x83, 0x86, 0x84];
const CANCEL: [u8; 4] = [0, 0, 0, 8];

fn http2(address: SocketAddr) -> Result<TcpStream> {
    let mut stream = connect(address)?;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[]))?;
    Ok(stream)
}

#[test]
fn two_thousand_clients_that_send_a_letter_at_a_time_stop_nobody() -> Result<()> {
    let bed = Bed::start()?;
    bed.withstands(|| {
        let mut slow = (0..2000).map(|_| connect(bed.http)).collect::<Result<Vec<_>>>()?;
        let head = b"POST /v1/traces HTTP/1.1\r\nhost: a-name-that-goes-on-and-on";
        for letter in head.chunks(8) {
            for stream in &mut slow {
                stream.write_all(letter)?;
            }
        }
        Ok(())
    })
}

#[test]
fn headers_without_an_end_close_their_connection_alone() -> Result<()> {
    let bed = Bed::start()?;
    bed.withstands(|| {
        let mut http1 = connect(bed.http)?;
        http1.write_all(b"POST /v1/traces HTTP/1.1\r\n")?;
        let line = format!("x-bomb: {}\r\n", "x".repeat(4000));
        ensure!(pour(&mut http1, line.as_bytes(), 20_000), "80 MB of headers were taken");
        for address in [bed.grpc, bed.http] {
            let mut stream = http2(address)?;
            stream.write_all(&frame(HEADERS, 0, 1, &HEAD))?;
            // A literal header without indexing, again and again.
            let field: Vec<u8> = [&[0, 1, b'a', 120][..], &[b'x'; 120]].concat();
            let more = frame(CONTINUATION, 0, 1, &field.repeat(100));
            ensure!(pour(&mut stream, &more, 10_000), "120 MB of headers were taken");
        }
        Ok(())
    })?;
    eventually("the floods are counted", SOON, || {
        // Where the flood goes on, the other end may be found closed first.
        let counted = bed.closed("flood")?;
        ensure!(counted >= 1.0, "{counted}");
        Ok(())
    })
}

#[test]
fn ten_thousand_streams_that_are_taken_back_end_their_connection_and_are_counted() -> Result<()> {
    let bed = Bed::start()?;
    bed.withstands(|| {
        for round in 0..10 {
            let mut stream = http2(if round % 2 == 0 { bed.grpc } else { bed.http })?;
            let mut frames = Vec::new();
            for n in 0..10_000_u32 {
                let id = 2 * n + 1;
                frames.extend(frame(HEADERS, END_HEADERS, id, &HEAD));
                frames.extend(frame(RST_STREAM, 0, id, &CANCEL));
            }
            // The connection may end before everything is written.
            let _closed = stream.write_all(&frames);
            let mut rest = Vec::new();
            let _reset = stream.read_to_end(&mut rest);
        }
        Ok(())
    })?;
    eventually("the floods are counted", SOON, || {
        let counted = bed.closed("flood")?;
        ensure!(counted == 10.0, "{counted} of 10");
        Ok(())
    })
}

#[test]
fn bombs_of_a_gigabyte_are_refused_within_the_limit() -> Result<()> {
    let bed = Bed::start()?;
    let zeros = vec![0; 1 << 20];
    let mut zstd = zstd::Encoder::new(Vec::new(), 1)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..1024 {
        zstd.write_all(&zeros)?;
    }
    for _ in 0..256 {
        gzip.write_all(&zeros)?;
    }
    let bombs = [("zstd", zstd.finish()?), ("gzip", gzip.finish()?)];
    bed.withstands(|| {
        for (encoding, bomb) in bombs.iter().cycle().take(16) {
            let status = bed.post("application/x-protobuf", encoding, bomb)?;
            ensure!(status == "413", "a {encoding} bomb of {} bytes was answered {status}", bomb.len());
        }
        Ok(())
    })
}

#[test]
fn values_within_values_a_hundred_thousand_deep_do_not_overflow_the_stack() -> Result<()> {
    let bed = Bed::start()?;
    // Body of a record: an array of an array of … in protobuf, from the innermost out, backwards.
    let mut backwards: Vec<u8> = Vec::new();
    let wrap = |field: u8, backwards: &mut Vec<u8>| {
        let mut length = backwards.len();
        let mut prefix = vec![field << 3 | 2];
        while length >= 0x80 {
            prefix.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        prefix.push(length as u8);
        backwards.extend(prefix.iter().rev());
    };
    for _ in 0..100_000 {
        // ArrayValue.values, AnyValue.array_value.
        wrap(1, &mut backwards);
        wrap(5, &mut backwards);
    }
    // LogRecord.body, ScopeLogs.log_records, ResourceLogs.scope_logs, resource_logs.
    for field in [5, 2, 2, 1] {
        wrap(field, &mut backwards);
    }
    backwards.reverse();
    let value = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(100_000), "]}}".repeat(100_000));
    let json = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}}]}}]}}]}}"#);
    bed.withstands(|| {
        let status = bed.post("application/json", "identity", json.as_bytes())?;
        ensure!(status == "400", "nested JSON was answered {status}");
        let status = bed.post("application/x-protobuf", "identity", &backwards)?;
        ensure!(status == "400" || status == "200", "nested protobuf was answered {status}");
        Ok(())
    })
}
