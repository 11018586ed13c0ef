//! `sla` and `alerting` one behind the other, each timed, under a clock that does not wait.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use component::{BuildCx, Cx, Processor, Question, Telemetry, Workbench};
use model::{Ack, Batch, KeySet, Payload, Rollups, SpanTable, Timestamp, Traces};
use wire::Matcher;

use crate::analysis::{configured, thread_cpu_time};

/// Routes of a service in the pool of spans: together with the services a thousand.
const ROUTES_PER_SERVICE: u32 = 25;
/// As the pool names them.
const NOUNS: [&str; ROUTES_PER_SERVICE as usize] = crate::spans::NOUNS;

/// Writes the section of `sla`: an objective for each route of each service, success and latency in turns.
///
/// The pool fails a fifth of its requests, and a fifth takes longer than a second: budgets are spent, and nobody is
/// called.
pub(super) fn objectives(n: u32) -> String {
    let mut yaml = String::from("slos:\n");
    for number in 0..n {
        let (service, route) = (number / ROUTES_PER_SERVICE, NOUNS[(number % ROUTES_PER_SERVICE) as usize]);
        let sli = ["{type: latency, within: 1s}", "{type: success_rate}"][number as usize % 2];
        writeln!(
            yaml,
            "  - {{name: {route}, service: shop-service-{service:03}, match: {{span.kind: server, \
             http.route: '/api/v2/{route}/{{id}}'}}, sli: {sli}, target: 0.7}}"
        )
        .expect("a String takes everything");
    }
    yaml
}

/// Writes as many objectives that each take every span, each latency with a limit of its own.
pub(super) fn objectives_of_everything(n: u32) -> String {
    let mut yaml = String::from("slos:\n");
    for number in 0..n {
        let within = format!("{{type: latency, within: {}ms}}", 100 + 20 * number);
        let sli = [within.as_str(), "{type: success_rate}"][number as usize % 2];
        writeln!(
            yaml,
            "  - {{name: slo-{number}, service: '*', match: {{span.kind: server}}, sli: {sli}, target: 0.7}}"
        )
        .expect("a String takes everything");
    }
    yaml
}

/// Writes the section of `alerting`: quiet rules of one series each, of ten one looks at a change, one at a trend.
pub(super) fn rules(n: u32) -> String {
    let mut yaml = String::from("rules:\n");
    for number in 0..n {
        let when = match number % 10 {
            8 => "{op: rate_of_change, over: 30m, pct: 500}",
            9 => "{op: trend_up, over: 30m, slope: 100%/m}",
            _ => "{op: gt, value: 5}",
        };
        writeln!(yaml, "  - {{name: R{number}, metric: metric.{number}, stat: mean, when: {when}}}")
            .expect("a String takes everything");
    }
    if n == 0 { "{}".to_owned() } else { yaml }
}

/// CPU time by what it was spent on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spent {
    pub(super) counting: Duration,
    pub(super) sla: Duration,
    pub(super) alerting: Duration,
    pub(super) snapshots: Duration,
}

pub(super) struct Stages {
    ingest: Box<dyn Processor>,
    sla: Box<dyn Processor>,
    alerting: Box<dyn Processor>,
    matcher: Matcher,
    bench: Workbench,
    table: Box<SpanTable>,
    pub(super) spent: Spent,
    /// Records of alerts that were told, and bytes of metrics: that there is something to pay for.
    pub(super) n_log_batches: u64,
    pub(super) metric_bytes: u64,
}

impl Stages {
    pub(super) fn new(objectives: String, rules: String, start: Timestamp) -> Result<Self> {
        let telemetry = Telemetry::default();
        let cx = |id: &'static str| BuildCx {
            id,
            telemetry: &telemetry,
            instance_id: "bench",
            started_at: start,
            is_watched: false,
        };
        let (sla, alerting) = (configured("sla", objectives)?, configured("alerting", rules)?);
        let mut ingest = sla.ingest(&cx("sla"));
        let mut keys = KeySet::default();
        ingest.want(&mut keys);
        Ok(Self {
            ingest,
            sla: sla.analysis(&cx("sla")).context("sla has an analysis half")?,
            alerting: alerting.analysis(&cx("alerting")).context("alerting has an analysis half")?,
            matcher: Matcher::new(&keys),
            bench: Workbench::default(),
            table: Box::default(),
            spent: Spent::default(),
            n_log_batches: 0,
            metric_bytes: 0,
        })
    }

    /// Fills the hours before with counts, as `backfill` does.
    pub(super) fn fill(&mut self, id: &str, slots: &Bytes, now: Timestamp) -> Result<()> {
        let question = Question {
            method: "POST".to_owned(),
            path: vec!["slos".to_owned(), id.to_owned(), "backfill".to_owned()],
            body: slots.clone(),
            ..Question::default()
        };
        let answer = self.sla.answer(&question, &mut Cx::new(now, &mut self.bench));
        ensure!(answer.status == 200, "backfill answers {}: {:?}", answer.status, answer.body);
        Ok(())
    }

    /// Walks a request and returns how long that took.
    pub(super) fn walk(&mut self, request: &Bytes) -> Result<Duration> {
        self.table.clear();
        let begin = thread_cpu_time();
        wire::scan_traces(request, &self.matcher, &mut self.table)
            .context("a request of the pool is malformed")?;
        Ok(thread_cpu_time() - begin)
    }

    /// Walks a request and counts its spans. Returns how many they are.
    pub(super) fn count(&mut self, request: &Bytes, now: Timestamp) -> Result<usize> {
        self.walk(request)?;
        let n_spans = self.table.spans.len();
        let table = std::mem::take(&mut self.table);
        let payload = Payload::Traces(Traces { bytes: request.clone(), table });
        let batch = Batch { payload, items: n_spans as u64, ack: Ack::none() };
        let begin = thread_cpu_time();
        self.ingest.process(batch, &mut Cx::new(now, &mut self.bench));
        self.spent.counting += thread_cpu_time() - begin;
        for batch in std::mem::take(&mut self.bench.out) {
            match batch.payload {
                Payload::Traces(traces) => self.table = traces.table,
                _ => self.merge(batch, now),
            }
        }
        Ok(n_spans)
    }

    fn merge(&mut self, partial: Batch, now: Timestamp) {
        let begin = thread_cpu_time();
        self.sla.process(partial, &mut Cx::new(now, &mut self.bench));
        self.spent.sla += thread_cpu_time() - begin;
    }

    /// Lets a second end: as the engine does, a stage stores its state before it tells what must not be lost.
    pub(super) fn tick(&mut self, now: Timestamp) -> Result<()> {
        let begin = thread_cpu_time();
        self.ingest.tick(&mut Cx::new(now, &mut self.bench));
        self.spent.counting += thread_cpu_time() - begin;
        for partial in std::mem::take(&mut self.bench.out) {
            self.merge(partial, now);
        }
        self.spent.snapshots += store(&*self.sla, now)?;
        let begin = thread_cpu_time();
        self.sla.tick(&mut Cx::new(now, &mut self.bench));
        self.spent.sla += thread_cpu_time() - begin;
        for told in std::mem::take(&mut self.bench.out) {
            match &told.payload {
                Payload::Conditions(_) => self.alert(told, now),
                _ => self.note(&told),
            }
        }
        self.spent.snapshots += store(&*self.alerting, now)?;
        let begin = thread_cpu_time();
        self.alerting.tick(&mut Cx::new(now, &mut self.bench));
        self.spent.alerting += thread_cpu_time() - begin;
        for told in std::mem::take(&mut self.bench.out) {
            self.note(&told);
        }
        ensure!(self.bench.rejected.is_empty(), "{:?}", self.bench.rejected);
        Ok(())
    }

    fn alert(&mut self, batch: Batch, now: Timestamp) {
        let begin = thread_cpu_time();
        self.alerting.process(batch, &mut Cx::new(now, &mut self.bench));
        self.spent.alerting += thread_cpu_time() - begin;
        self.bench.out.clear();
    }

    /// Gives the rules a closed window, and returns its table.
    pub(super) fn judge(&mut self, window: Box<Rollups>, now: Timestamp) -> Result<Box<Rollups>> {
        let items = window.len() as u64;
        let batch = Batch { payload: Payload::Rollups(window), items, ack: Ack::none() };
        let begin = thread_cpu_time();
        self.alerting.process(batch, &mut Cx::new(now, &mut self.bench));
        self.spent.alerting += thread_cpu_time() - begin;
        let passed = std::mem::take(&mut self.bench.out).into_iter().find_map(|batch| match batch.payload {
            Payload::Rollups(window) => Some(window),
            _ => None,
        });
        passed.context("alerting does not pass the window on")
    }

    fn note(&mut self, told: &Batch) {
        match &told.payload {
            Payload::Logs(_) => self.n_log_batches += 1,
            Payload::Metrics(bytes) => self.metric_bytes += bytes.len() as u64,
            _ => {}
        }
    }
}

/// Takes the state of a stage where the engine would store it, piece by piece as it does.
fn store(half: &dyn Processor, now: Timestamp) -> Result<Duration> {
    if !half.closes_at(now) {
        return Ok(Duration::ZERO);
    }
    let begin = thread_cpu_time();
    let pieces = half.snapshot_pieces().context("there is no state to store")?;
    let n_bytes: usize = pieces.bytes.map(|piece| piece.len()).sum();
    let spent = thread_cpu_time() - begin;
    ensure!(n_bytes > 0, "there is no state to store");
    Ok(spent)
}
