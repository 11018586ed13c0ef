//! What is left of the program when twenty times as much comes as it takes, its disk is full, and where it sends to hangs.

mod generator;
mod limiter;

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{Trueline, Watch, eventually, free_port};

use self::generator::{Generator, Offer};
use crate::{
    peers::destination::Destination,
    watched::{Observed, Observer, peak_resident_mib, percentile, write_between_marks},
};

/// What `memory_limiter` allows. *Units*: MiB.
const LIMIT: u64 = 256;
/// How often objectives are judged.
const EVALUATION: Duration = Duration::from_secs(10);
/// Spans of a request, which takes 290 kB. Of all requests that are offered at once a twentieth may be in flight.
const SPANS: usize = 600;
const MAX_IN_FLIGHT_MIB: usize = 8;
const TIMES: usize = 20;
/// Enough to keep every core busy, and less than what may be in flight.
const SATURATING: Offer = Offer { grpc_connections: 4, streams: 2, http_connections: 4 };
const OVERLOAD: Offer = Offer { grpc_connections: 96, streams: 4, http_connections: 320 };
/// After it throughput is back within.
const RECOVERY: Duration = Duration::from_secs(5);
const HEALTHY: Duration = Duration::from_millis(100);

struct Bed {
    program: Trueline,
    grpc: SocketAddr,
    http: SocketAddr,
    health: SocketAddr,
    pager: Destination,
    /// Takes connections, and never a word that comes over them.
    _hangs: TcpListener,
}

impl Bed {
    fn start() -> Result<Self> {
        let [grpc, http, health, metrics] =
            std::array::from_fn(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let hangs = TcpListener::bind("127.0.0.1:0")?;
        let pager = Destination::good()?;
        let yaml = format!(
            "
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '{grpc}'}}, http: {{endpoint: '{http}'}}}}}}
processors:
  memory_limiter: {{check_interval: 100ms, limit_mib: {LIMIT}}}
  sla:
    slos:
      - name: availability
        service: shop
        sli: {{type: success_rate}}
        target: 0.99
        burn_alerts: [{{severity: page, long: 1m, factor: 10}}]
  alerting:
exporters:
  otlp_grpc:
    endpoint: '{hangs}'
    tls: {{insecure: true}}
    sending_queue: {{max_bytes: 16MiB, drop_on_overflow: true}}
  alert_webhook:
    queue: {{directory: disk/alerts}}
    destinations:
      - {{name: pager, format: alertmanager_v2, url: '{pager}', allow_private: [127.0.0.0/8]}}
extensions:
  health_check: {{endpoint: '{health}'}}
  file_storage: {{directory: disk/state}}
service:
  extensions: [health_check, file_storage]
  trueline: {{shards: 2, max_in_flight: {MAX_IN_FLIGHT_MIB}MiB}}
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {port}}}}}}}}}]}}}}
  pipelines:
    telemetry:
      receivers: [otlp]
      processors: [memory_limiter, sla, alerting]
      exporters: [otlp_grpc, alert_webhook]
",
            hangs = hangs.local_addr()?,
            pager = pager.url(),
            port = metrics.port(),
        );
        let watch = Watch { health, metrics: Some(metrics) };
        let program =
            Trueline::start_on_small_disk(&yaml, watch, 1024).with_context(|| format!("with\n{yaml}"))?;
        Ok(Self { program, grpc, http, health, pager, _hangs: hangs })
    }

    fn generator(&self, offer: Offer) -> Result<Generator> {
        Generator::start(self.grpc, self.http, offer, SPANS)
    }

    /// Writes to the disk until it takes nothing more.
    fn fill_the_disk(&self) -> Result<()> {
        let disk = self.program.disk();
        ensure!(disk.join("alerts").is_dir(), "{} is not the program's disk", disk.display());
        let mut file = std::fs::File::create(disk.join("filler"))?;
        let full = (0..1 << 20).find_map(|_| file.write_all(&[7; 512]).err());
        ensure!(
            full.is_some_and(|problem| problem.kind() == std::io::ErrorKind::StorageFull),
            "the disk is not full"
        );
        Ok(())
    }

    /// Whether the alert of the objective is at its destination.
    fn is_paged(&self) -> bool {
        let is_page = |alert: &Value| {
            alert["labels"]["slo"] == "availability" || alert["labels"]["alertname"] == "availability"
        };
        self.pager.look(|seen| {
            let alerts = seen.iter().filter_map(|seen| seen.body.as_array()).flatten();
            alerts.into_iter().any(|alert| is_page(alert) || alert["labels"]["sloth_severity"] == "page")
        })
    }
}

/// How fast requests are acknowledged. *Units*: per second.
fn pace(generator: &Generator, over: Duration) -> f64 {
    let (before, begun) = (generator.tally.acknowledged(), Instant::now());
    std::thread::sleep(over);
    (generator.tally.acknowledged() - before) as f64 / begun.elapsed().as_secs_f64()
}

/// What was measured.
struct Figures {
    saturated: f64,
    offered: f64,
    overloaded: f64,
    refused: u64,
    seen: Observed,
    peak_mib: u64,
    paged_after: Duration,
    recovered_after: Duration,
    recovered: f64,
    wrong: Vec<String>,
}

/// Offers twenty times as much as may be in flight. The burn begins a quarter of the time after the beginning.
fn overload(bed: &Bed, time: Duration) -> Result<Figures> {
    let calm = bed.generator(SATURATING)?;
    pace(&calm, Duration::from_secs(2));
    let saturated = pace(&calm, Duration::from_secs(2));
    let tally = calm.stop()?;
    let mut wrong = tally.wrong();

    bed.fill_the_disk()?;
    let observer = Observer::start(bed.program.id(), bed.health);
    let (generator, begun) = (bed.generator(OVERLOAD)?, Instant::now());
    std::thread::sleep(time / 4);
    generator.burn();
    let burns = Instant::now();
    let patience = EVALUATION * 6;
    eventually("the alert", patience, || {
        let (taken, told) = (generator.tally.acknowledged(), generator.tally.wrong());
        ensure!(bed.is_paged(), "nobody was paged; {taken} requests were taken, others were told {told:?}");
        Ok(())
    })?;
    let paged_after = burns.elapsed();
    std::thread::sleep(time.saturating_sub(begun.elapsed()));
    let lasted = begun.elapsed().as_secs_f64();
    let tally = generator.stop()?;
    let ended = Instant::now();
    let seen = observer.finish()?;
    wrong.extend(tally.wrong());
    let of = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Acquire);
    let (offered, overloaded) = (of(&tally.offered) as f64 / lasted, of(&tally.acknowledged) as f64 / lasted);

    let calm = bed.generator(SATURATING)?;
    let recovered = loop {
        let pace = pace(&calm, Duration::from_millis(500));
        if pace >= 0.8 * saturated || ended.elapsed() > 6 * RECOVERY {
            break pace;
        }
    };
    let recovered_after = ended.elapsed();
    wrong.extend(calm.stop()?.wrong());
    let peak_mib = peak_resident_mib(bed.program.id())?.max(seen.peak_mib);
    let refused = of(&tally.refused);
    Ok(Figures {
        saturated,
        offered,
        overloaded,
        refused,
        seen,
        peak_mib,
        paged_after,
        recovered_after,
        recovered,
        wrong,
    })
}

impl Figures {
    fn table(&self, time: Duration) -> String {
        let ms = |share| percentile(&self.seen.health, share).as_secs_f64() * 1e3;
        let rows = [
            ("offered at once, times what may be in flight", format!("{TIMES}"), "20"),
            ("requests acknowledged a second when saturated", format!("{:.0}", self.saturated), "–"),
            ("requests offered a second", format!("{:.0}", self.offered), "–"),
            ("requests acknowledged a second under overload", format!("{:.0}", self.overloaded), "–"),
            ("requests refused, to come back", format!("{}", self.refused), "–"),
            ("answers of any other kind", format!("{}", self.wrong.len()), "0"),
            ("most resident memory, MiB", format!("{}", self.peak_mib), "256"),
            (
                "health check, ms, p50 / p99 / most",
                format!("{:.1} / {:.1} / {:.1}", ms(0.5), ms(0.99), ms(1.0)),
                "100",
            ),
            (
                "from the first failing span to the page, s",
                format!("{:.1}", self.paged_after.as_secs_f64()),
                "22, two evaluations and a delivery",
            ),
            (
                "until 80 % of the saturated pace are back, s",
                format!("{:.1}", self.recovered_after.as_secs_f64()),
                "5",
            ),
            ("requests acknowledged a second then", format!("{:.0}", self.recovered), "–"),
        ];
        let rows: String =
            rows.iter().map(|(what, is, must)| format!("| {what} | {is} | {must} |\n")).collect();
        format!("| {} s of overload | was | at most |\n|---|---:|---:|\n{rows}", time.as_secs())
    }

    /// What holds on a machine that others use too.
    fn check(&self) -> Result<()> {
        ensure!(self.wrong.is_empty(), "answers that are none to come back on: {:?}", self.wrong);
        ensure!(self.refused > 0, "nothing was refused: that was no overload");
        ensure!(self.peak_mib <= LIMIT, "it held {} MiB", self.peak_mib);
        let median = percentile(&self.seen.health, 0.5);
        ensure!(median <= HEALTHY, "half of the health checks took {median:?}");
        let paged = self.paged_after;
        ensure!(paged <= 2 * EVALUATION + Duration::from_secs(2), "paged after {paged:?}");
        ensure!(self.recovered_after <= RECOVERY, "after {:?} {:.0}", self.recovered_after, self.recovered);
        Ok(())
    }
}

#[test]
fn under_twenty_times_its_load_it_stays_within_its_memory_refuses_kindly_and_pages() -> Result<()> {
    let bytes = OVERLOAD.requests() * generator::request_bytes(SPANS);
    ensure!(bytes >= (TIMES * MAX_IN_FLIGHT_MIB) << 20, "only {bytes} bytes are offered at once");
    let time = Duration::from_secs(8);
    let bed = Bed::start()?;
    let figures = overload(&bed, time)?;
    eprintln!("{}", figures.table(time));
    figures.check().with_context(|| figures.table(time))
}

/// Run it with `--release` on a quiet machine; it writes its figures into README.md.
#[test]
#[ignore = "takes two and a half minutes"]
fn two_minutes_of_overload() -> Result<()> {
    let time = Duration::from_secs(120);
    let bed = Bed::start()?;
    let figures = overload(&bed, time)?;
    let table = figures.table(time);
    eprintln!("{table}");
    write_between_marks(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("overload/README.md"),
        "overload",
        &table,
    )?;
    figures.check()?;
    let slow = percentile(&figures.seen.health, 0.99);
    ensure!(slow <= HEALTHY, "of a hundred health checks one took {slow:?}");
    Ok(())
}
