//! Prints what objectives cost, in memory: spans of services with and without objectives, and an evaluation of a
//! thousand objectives with their output and their stored form. Run it in release mode.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock and prints")]

use std::{fmt::Write as _, time::Instant};

use bytes::Bytes;
use component::{BuildCx, Cx, Processor, ProcessorDef, Telemetry, Workbench};
use model::{Ack, Batch, KeySet, Payload, SpanTable, Timestamp, Traces};
use processors::sla::{Sla, SlaConfig};
use wire::{Matcher, scan_traces, testing};

const SPANS: usize = 512;
const START: u64 = 1_700_006_400;

fn main() {
    let requests: Vec<Bytes> = (0..64).map(|seed| testing::trace_request(seed + 1, SPANS).into()).collect();
    for (label, yaml) in [
        ("1,000 objectives, none on the services that send", objectives(1000, "elsewhere", "")),
        ("10 objectives on every service that sends", objectives(10, "*", "")),
        ("1,000 objectives on every service, by route", objectives(1000, "*", "http.route")),
    ] {
        spans(label, &yaml, &requests);
    }
    evaluations(&requests);
}

/// Latency and success, in turns.
fn objectives(n: usize, service: &str, by: &str) -> String {
    let mut yaml = String::from("slos:\n");
    for number in 0..n {
        let sli = ["{type: latency, within: 300ms}", "{type: success_rate}"][number % 2];
        let of = if by.is_empty() { String::new() } else { format!("{by}: /route/{number}, ") };
        writeln!(
            yaml,
            "  - {{name: slo{number}, service: '{service}', match: {{{of}span.kind: server}}, sli: {sli}, target: 0.999, min_events: 1}}"
        )
        .expect("text takes text");
    }
    yaml
}

struct Halves {
    ingest: Box<dyn Processor>,
    analysis: Box<dyn Processor>,
    matcher: Matcher,
    bench: Workbench,
}

impl Halves {
    fn new(yaml: &str) -> Self {
        let source = config::Source::new("bench.yaml", yaml);
        let mut problems = config::Problems::default();
        let node = config::parse(&source).expect("the text is YAML");
        let settings = config::decode::<SlaConfig>(&node, "", &mut problems).expect("the settings are read");
        let telemetry = Telemetry::default();
        let started_at = Timestamp::from_secs(START);
        let cx =
            BuildCx { id: "sla", telemetry: &telemetry, instance_id: "bench", started_at, is_watched: false };
        let mut ingest = Sla::ingest(&settings, &cx);
        let mut keys = KeySet::default();
        ingest.want(&mut keys);
        let analysis = Sla::analysis(&settings, &cx).expect("it has one");
        Self { ingest, analysis, matcher: Matcher::new(&keys), bench: Workbench::default() }
    }

    fn count(&mut self, request: &Bytes) {
        let mut table = match self.bench.out.pop().map(|batch| batch.payload) {
            Some(Payload::Traces(traces)) => traces.table,
            _ => Box::<SpanTable>::default(),
        };
        table.clear();
        scan_traces(request, &self.matcher, &mut table).expect("a generated request is sound");
        let payload = Payload::Traces(Traces { bytes: request.clone(), table });
        let batch = Batch { payload, items: SPANS as u64, ack: Ack::none() };
        self.ingest.process(batch, &mut Cx::new(Timestamp::from_secs(START), &mut self.bench));
    }

    /// Moves both halves on. Returns the bytes of metrics that came out.
    fn tick(&mut self, second: u64) -> usize {
        let now = Timestamp::from_secs(START + second);
        self.bench.out.clear();
        self.ingest.tick(&mut Cx::new(now, &mut self.bench));
        for batch in std::mem::take(&mut self.bench.out) {
            if let Payload::Partial(_) = batch.payload {
                self.analysis.process(batch, &mut Cx::new(now, &mut self.bench));
            }
        }
        self.analysis.tick(&mut Cx::new(now, &mut self.bench));
        let bytes = |batch: &Batch| batch.payload.bytes().map_or(0, Bytes::len);
        let total = self.bench.out.iter().map(bytes).sum();
        self.bench.out.clear();
        total
    }
}

fn spans(label: &str, yaml: &str, requests: &[Bytes]) {
    let mut halves = Halves::new(yaml);
    let rounds = 2000;
    let started = Instant::now();
    for round in 0..rounds {
        halves.count(&requests[round % requests.len()]);
    }
    let nanos = started.elapsed().as_nanos() as f64 / (rounds * SPANS) as f64;
    let mut walk = SpanTable::default();
    let started = Instant::now();
    for round in 0..rounds {
        walk.clear();
        scan_traces(&requests[round % requests.len()], &halves.matcher, &mut walk)
            .expect("a generated request is sound");
    }
    let walked = started.elapsed().as_nanos() as f64 / (rounds * SPANS) as f64;
    println!("{label}: {:.1} ns/span beyond the walk of {walked:.1}", nanos - walked);
}

/// Rings are filled over ninety days first.
fn evaluations(requests: &[Bytes]) {
    let mut halves = Halves::new(&objectives(1000, "*", ""));
    halves.count(&requests[0]);
    halves.tick(0);
    fill(&mut halves);
    let (mut judging, mut telling, mut n_told) = (0.0_f64, 0.0_f64, 0);
    let mut rounds = 0_u32;
    for second in (10..610).step_by(10) {
        halves.count(&requests[second as usize % requests.len()]);
        let started = Instant::now();
        let bytes = halves.tick(second);
        let seconds = started.elapsed().as_secs_f64();
        // Every third evaluation is followed by metrics, as those are told every fifteen seconds.
        if bytes > 1_000_000 {
            telling += seconds;
            n_told += 1;
        } else {
            judging += seconds;
            rounds += 1;
        }
    }
    println!("1,000 objectives: {:.2} ms an evaluation", judging * 1e3 / f64::from(rounds.max(1)));
    println!(
        "1,000 objectives: {:.2} ms an evaluation with metrics",
        telling * 1e3 / f64::from(n_told.max(1))
    );
    let started = Instant::now();
    let bytes = halves.analysis.snapshot().expect("there is state").bytes.len();
    println!(
        "1,000 objectives: {:.1} ms and {:.1} MB a snapshot",
        started.elapsed().as_secs_f64() * 1e3,
        bytes as f64 / 1e6
    );
}

fn fill(halves: &mut Halves) {
    let day = 86_400;
    let slots: Vec<String> = (1..90 * 24)
        .map(|hour| {
            format!("{{\"start\":{},\"width\":3600,\"good\":99900,\"total\":100000}}", START - hour * 3600)
        })
        .collect();
    assert!(slots.len() as u64 * 3600 < 90 * day);
    let body = Bytes::from(format!("[{}]", slots.join(",")));
    for number in 0..1000 {
        let question = component::Question {
            method: "POST".to_owned(),
            path: vec!["slos".to_owned(), format!("*-slo{number}"), "backfill".to_owned()],
            body: body.clone(),
            ..component::Question::default()
        };
        let answer =
            halves.analysis.answer(&question, &mut Cx::new(Timestamp::from_secs(START), &mut halves.bench));
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
}
