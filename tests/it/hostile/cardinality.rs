//! A service that makes up a name for each of its spans: tables overflow, promises are still counted to the unit.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, ensure};
use model::Signal;
use testbed::{Exposition, Trueline, Watch, eventually, free_port, get};
use wire::build::{Attributes, Span, SpansWriter};

use crate::{
    rig::Client,
    watched::{Observer, cpu_seconds, percentile, resident_mib},
};

const SOON: Duration = Duration::from_secs(180);
const SPANS_OF_A_REQUEST: u64 = 500;
/// Every so many spans of a service fails.
const SERVICES: [(&str, u64); 3] = [("frontend", 7), ("cart", 11), ("payment", 13)];
/// Every table is full long before the attack is over.
const MAX_SERIES: usize = 2_000;
/// What the tables may grow by. *Units*: MiB.
const MOST_GROWTH_MIB: u64 = 400;

struct Bed {
    program: Trueline,
    http: SocketAddr,
    page: SocketAddr,
    health: SocketAddr,
}

/// What the attack came to.
pub(super) struct Toll {
    pub(super) n_spans: u64,
    pub(super) growth_mib: u64,
    pub(super) cpu_seconds: f64,
    pub(super) lasted: Duration,
    pub(super) refused: u64,
    pub(super) health: Vec<Duration>,
    /// Of each service: spans sent and failed, and what objectives and span metrics say of both.
    pub(super) services: Vec<Service>,
}

pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) sent: Counts,
    pub(super) objectives: Counts,
    pub(super) span_metrics: Counts,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Counts {
    pub(super) good: u64,
    pub(super) bad: u64,
}

fn start() -> Result<Bed> {
    let [http, page, health] = std::array::from_fn(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
    let slos: String = SERVICES
        .iter()
        .map(|(name, _)| {
            format!(
                "      - {{name: {name}, service: {name}, sli: {{type: success_rate}}, target: 0.9, burn_alerts: none}}\n"
            )
        })
        .collect();
    let yaml = format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '{http}'}}}}}}
processors:
  aggregation: {{windows: [10s, 1m], max_series: {MAX_SERIES}}}
  baseline: {{max_series: {MAX_SERIES}}}
  anomaly: {{max_series: {MAX_SERIES}}}
  sla:
    emit: {{interval: 10s}}
    state: {{snapshot_interval: 10s}}
    slos:
{slos}
  alerting:
connectors:
  span_metrics:
    metrics_flush_interval: 5s
    max_series: {MAX_SERIES}
    histogram: {{disable: true}}
    dimensions: [{{name: session.id}}]
  service_graph: {{}}
exporters:
  prometheus: {{endpoint: '{page}'}}
  nop: {{}}
extensions:
  health_check: {{endpoint: '{health}'}}
service:
  extensions: [health_check]
  trueline: {{shards: 2}}
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    analysis:
      receivers: [otlp]
      processors: [aggregation, baseline, anomaly]
      exporters: [nop]
    objectives:
      receivers: [otlp]
      processors: [sla, alerting]
      exporters: [prometheus]
    traces:
      receivers: [otlp]
      exporters: [span_metrics, service_graph]
    metrics:
      receivers: [span_metrics, service_graph]
      exporters: [prometheus]
"
    );
    let program = Trueline::start(&yaml, Watch { health, metrics: None })?;
    Ok(Bed { program, http, page, health })
}

/// Spans of which none has a name or a session that another had.
fn one_shots(first: u64) -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let end = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
    let mut writer = SpansWriter::new();
    for (place, (service, every)) in (0..).zip(SERVICES) {
        let mut resource = Attributes::new();
        resource.push_str("service.name", service);
        writer.resource(&resource);
        writer.scope("hostile", "");
        for number in (first..first + SPANS_OF_A_REQUEST).filter(|number| number % 3 == place) {
            let mut attributes = Attributes::new();
            attributes.push_str("session.id", &format!("{number:016x}"));
            writer.span(&Span {
                trace_id: u128::from(number + 1).to_be_bytes(),
                span_id: (number + 1).to_be_bytes(),
                trace_state: "",
                parent_id: None,
                name: &format!("GET /item/{number}"),
                kind: 2,
                start: end - 1_000_000,
                end,
                attributes: &attributes,
                events: &[],
                links: &[],
                status: if is_bad(number, every) { 2 } else { 0 },
                status_message: "",
                flags: 0,
            });
        }
    }
    writer.take()
}

fn is_bad(number: u64, every: u64) -> bool {
    (number / 3).is_multiple_of(every)
}

/// What the page of Prometheus says of each service, by a label that is of one value for what is bad.
fn told(page: &Exposition, metric: &str, service: &str, label: (&str, &str)) -> Counts {
    let mut counts = Counts::default();
    for line in page.find(metric, &[]) {
        if line.labels.get("service_name").is_none_or(|it| it != service) {
            continue;
        }
        let is_bad = line.labels.get(label.0).is_some_and(|value| value == label.1);
        *(if is_bad { &mut counts.bad } else { &mut counts.good }) += line.value as u64;
    }
    counts
}

/// Sends spans of so many series that come once, and waits until all of them are told.
pub(super) fn attack(n_spans: u64) -> Result<Toll> {
    let bed = start()?;
    let pid = bed.program.id();
    let (before, worked, begun) = (resident_mib(pid)?, cpu_seconds(pid)?, Instant::now());
    let observer = Observer::start(pid, bed.health);
    let (mut client, mut refused) = (Client::connect(bed.http)?, 0);
    let mut sent = BTreeMap::<&str, Counts>::new();
    for first in (0..n_spans).step_by(SPANS_OF_A_REQUEST as usize) {
        refused += client.insist(Signal::Traces, &one_shots(first))?;
        for number in first..first + SPANS_OF_A_REQUEST {
            let (service, every) = SERVICES[(number % 3) as usize];
            let counts = sent.entry(service).or_default();
            *(if is_bad(number, every) { &mut counts.bad } else { &mut counts.good }) += 1;
        }
    }
    let (lasted, worked) = (begun.elapsed(), cpu_seconds(pid)? - worked);
    let services = || -> Result<Vec<Service>> {
        let page = Exposition::parse(&get(&format!("http://{}/metrics", bed.page))?.success()?)?;
        let of = |(name, _): (&'static str, u64)| Service {
            name,
            sent: sent[name],
            objectives: told(&page, "trueline_slo_events_total", name, ("slo_outcome", "bad")),
            span_metrics: told(
                &page,
                "traces_span_metrics_calls_total",
                name,
                ("status_code", "STATUS_CODE_ERROR"),
            ),
        };
        Ok(SERVICES.map(of).into())
    };
    eventually("everything is told", SOON, || {
        for Service { name, sent, objectives, span_metrics } in services()? {
            let sum = |counts: Counts| counts.good + counts.bad;
            ensure!(sum(objectives) >= sum(sent), "{name}: {objectives:?} of {sent:?} by objectives");
            ensure!(sum(span_metrics) >= sum(sent), "{name}: {span_metrics:?} of {sent:?} by span metrics");
        }
        Ok(())
    })?;
    let seen = observer.finish()?;
    Ok(Toll {
        n_spans,
        growth_mib: seen.peak_mib.saturating_sub(before),
        cpu_seconds: worked,
        lasted,
        refused,
        health: seen.health,
        services: services()?,
    })
}

impl Toll {
    pub(super) fn table(&self) -> String {
        let mut table = format!(
            "\nSeries that come once: {} spans, each with a name and a session of its own, {} requests refused and sent again; \
             memory + {} MiB, CPU {:.1} of {:.1} s, p99 of health {:.1} ms.\n\n\
             | service | spans sent: good, bad | counted by objectives | counted by span metrics |\n|---|---:|---:|---:|\n",
            self.n_spans,
            self.refused,
            self.growth_mib,
            self.cpu_seconds,
            self.lasted.as_secs_f64(),
            percentile(&self.health, 0.99).as_secs_f64() * 1e3,
        );
        for service in &self.services {
            let counts = [service.sent, service.objectives, service.span_metrics];
            let [sent, objectives, span_metrics] = counts.map(|it| format!("{}, {}", it.good, it.bad));
            table.push_str(&format!("| {} | {sent} | {objectives} | {span_metrics} |\n", service.name));
        }
        table
    }

    pub(super) fn check(&self) -> Result<()> {
        for Service { name, sent, objectives, span_metrics } in &self.services {
            ensure!(objectives == sent, "{name}: objectives counted {objectives:?} of {sent:?}");
            ensure!(span_metrics == sent, "{name}: span metrics counted {span_metrics:?} of {sent:?}");
        }
        ensure!(self.growth_mib <= MOST_GROWTH_MIB, "it grew by {} MiB", self.growth_mib);
        let median = percentile(&self.health, 0.5);
        ensure!(median < Duration::from_millis(100), "half of the health checks took {median:?}");
        Ok(())
    }
}

#[test]
fn promises_are_counted_to_the_unit_while_every_span_makes_up_a_series() -> Result<()> {
    let toll = attack(60_000)?;
    eprint!("{}", toll.table());
    toll.check()
}
