//! A running program, an ordinary client of it, and what both notice of an attack.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use model::Signal;
use testbed::{Trueline, Watch, free_port};

use crate::{
    rig::Client,
    watched::{Observed, Observer, cpu_seconds, percentile, resident_mib},
};

pub(super) const SOON: Duration = Duration::from_secs(60);
/// No attack may make the process grow by more: on each of the two shards a body is decompressed into room for a quarter of the
/// largest size, 64 MiB, and then for all of it, in memory that the allocator keeps for the next.
const MOST_GROWTH_MIB: u64 = 2 * (64 + 16) + 40;
/// Half of all health checks during an attack must be answered within.
const HEALTHY: Duration = Duration::from_millis(100);

/// Something that a client does who means harm.
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) sent: &'static str,
    /// How many connections each address may have; 0 is the default.
    pub(super) max_connections: usize,
    /// Returns what was answered.
    pub(super) run: fn(&Bed) -> Result<String>,
}

/// What an attack came to.
pub(super) struct Toll {
    pub(super) answered: String,
    pub(super) growth_mib: u64,
    pub(super) cpu_seconds: f64,
    pub(super) lasted: Duration,
    pub(super) beside: Beside,
    pub(super) seen: Observed,
}

/// What an ordinary client saw meanwhile.
#[derive(Default)]
pub(super) struct Beside {
    /// How long each request took until it was acknowledged.
    pub(super) acknowledged: Vec<Duration>,
    /// Requests that had to be sent again.
    pub(super) turned_away: usize,
}

pub(super) struct Bed {
    pub(super) program: Trueline,
    pub(super) http: SocketAddr,
    pub(super) grpc: SocketAddr,
    health: SocketAddr,
}

impl Bed {
    pub(super) fn start(max_connections: usize) -> Result<Self> {
        let [http, grpc, health, metrics] =
            std::array::from_fn(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let port = metrics.port();
        let yaml = format!(
            "
receivers:
  otlp:
    protocols:
      http: {{endpoint: '{http}', max_connections: {max_connections}}}
      grpc: {{endpoint: '{grpc}', max_connections: {max_connections}}}
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

    /// Runs an attack and watches what others notice of it.
    pub(super) fn suffers(&self, attack: &Attack) -> Result<Toll> {
        let pid = self.program.id();
        let (before, worked, begun) = (resident_mib(pid)?, cpu_seconds(pid)?, Instant::now());
        let (observer, is_over) = (Observer::start(pid, self.health), AtomicBool::new(false));
        let (answered, beside) = std::thread::scope(|scope| {
            let client = scope.spawn(|| self.go_on(&is_over));
            let answered = (attack.run)(self);
            is_over.store(true, Ordering::Release);
            (answered, client.join())
        });
        let (lasted, worked) = (begun.elapsed(), cpu_seconds(pid)? - worked);
        let seen = observer.finish()?;
        Ok(Toll {
            answered: answered.with_context(|| format!("the attack itself, {}", attack.name))?,
            growth_mib: seen.peak_mib.saturating_sub(before),
            cpu_seconds: worked,
            lasted,
            beside: beside.map_err(|_| anyhow::anyhow!("the ordinary client panicked"))??,
            seen,
        })
    }

    /// Exports until the attack is over, at least five times; what is refused is sent again.
    fn go_on(&self, is_over: &AtomicBool) -> Result<Beside> {
        let mut beside = Beside::default();
        while !is_over.load(Ordering::Acquire) || beside.acknowledged.len() < 5 {
            let begun = Instant::now();
            while let Err(refused) = self.export() {
                beside.turned_away += 1;
                ensure!(begun.elapsed() < SOON, "an ordinary client is kept out: {refused:#}");
                std::thread::sleep(Duration::from_millis(100));
            }
            beside.acknowledged.push(begun.elapsed());
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(beside)
    }

    pub(super) fn closed(&self, reason: &str) -> Result<f64> {
        let metrics = self.program.metrics()?;
        Ok(metrics.sum("trueline_receiver_closed_connections", &[("reason", reason)]).unwrap_or_default())
    }

    /// Posts a body and returns the status.
    pub(super) fn post(&self, signal: &str, kind: &str, encoding: &str, body: &[u8]) -> Result<String> {
        let mut stream = connect(self.http)?;
        let head = format!(
            "POST /v1/{signal} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[9..]).into_owned())
    }
}

impl Toll {
    /// What holds on a machine that others use too.
    pub(super) fn check(&self) -> Result<()> {
        let median = percentile(&self.seen.health, 0.5);
        ensure!(
            median < HEALTHY,
            "half of {} health checks took {median:?} and more",
            self.seen.health.len()
        );
        ensure!(self.growth_mib <= MOST_GROWTH_MIB, "it grew by {} MiB", self.growth_mib);
        Ok(())
    }
}

pub(super) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.set_write_timeout(Some(SOON))?;
    Ok(stream)
}
