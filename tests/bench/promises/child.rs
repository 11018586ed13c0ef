//! Measures the stages in a process of its own, so that its memory is theirs alone.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use model::{KeySet, Rollups, Series, SpanTable, Statistic, Timestamp};
use serde::{Deserialize, Serialize};
use wire::Matcher;
use wire::build::{encode_value, key_value};
use wire::view::AnyValue;

use super::stages::{Spent, Stages, objectives, objectives_of_everything, rules};
use super::{EVERY, OBJECTIVES, RULES};
use crate::analysis::{memory, thread_cpu_time};
use crate::spans::{Pool, Shape};

/// What was measured.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    /// *Units*: nanoseconds per span, walk included as far as objectives lengthen it.
    pub(super) by_objectives: Vec<(u32, f64)>,
    pub(super) spans_per_second: u64,
    /// Objectives, and no rules.
    pub(super) promises: Interval,
    /// Objectives and rules.
    pub(super) all: Interval,
    pub(super) rss_bytes: u64,
}

/// What an interval takes.
///
/// *Units*: seconds of CPU.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Interval {
    pub(super) counting: f64,
    pub(super) sla: f64,
    pub(super) alerting: f64,
    pub(super) snapshots: f64,
}

impl Interval {
    pub(super) fn seconds(&self) -> f64 {
        self.counting + self.sla + self.alerting + self.snapshots
    }
}

/// A whole hour.
const START: u64 = 4_070_908_800;
/// Hours before the start that objectives know: as far back as counts are kept.
const HOURS_BEFORE: u64 = 90 * 24 - 2;
/// More than an hour: the finest counts, the values of evaluations and what rules look back at are then whole. The room
/// for the values of a day is taken at once.
const WARM_UP: u64 = 70 * 60 / EVERY;
/// Intervals that count: half an hour, so that whatever comes each minute or quarter is in it.
const COUNTED: u64 = 30 * 60 / EVERY;
/// Ten spans per second of each objective.
const REQUESTS_PER_INTERVAL: u64 = 196;
const SHAPE: Shape = Shape { spans_per_request: 512, series: 5_000 };
/// The allocator returns what was freed after a second. Ten seconds of the clock take about a quarter of one here.
const PURGE_DELAY_MILLIS: &str = "25";
/// A closed window comes so many seconds after its end.
const LATENESS: u64 = 2;

/// What a process measures: each has one of its own, as what one has freed the next would find.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(super) enum Part {
    Spans,
    Promises,
    All,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Spans(Vec<(u32, f64)>),
    Interval(Interval, u64),
}

/// Starts processes that measure, and waits for their figures.
pub(super) fn figures() -> Result<Figures> {
    let spans_per_second = REQUESTS_PER_INTERVAL * SHAPE.spans_per_request as u64 / EVERY;
    let parts = ["spans", "promises", "all"].map(told);
    match parts {
        [
            Ok(Told::Spans(by_objectives)),
            Ok(Told::Interval(promises, _)),
            Ok(Told::Interval(all, rss_bytes)),
        ] => Ok(Figures { by_objectives, spans_per_second, promises, all, rss_bytes }),
        parts => {
            let problem = parts.into_iter().find_map(Result::err);
            Err(problem.context("what was measured is something else")?)
        }
    }
}

fn told(part: &str) -> Result<Told> {
    let own = std::env::current_exe().context("finding this program")?;
    let output = Command::new(own)
        .args(["promises", "--measure", part])
        .env("MIMALLOC_PURGE_DELAY", PURGE_DELAY_MILLIS)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("starting a process that measures")?;
    ensure!(output.status.success(), "the process that measures {part} ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("reading what was measured")
}

/// Measures in this process and returns JSON.
pub(super) fn measure(part: Part) -> Result<String> {
    // Whatever ended later than it can have counts as of now, so that one pool serves for all times.
    let pool = Pool::new(SHAPE, 1, (START + 400 * 86_400) * 1_000_000_000);
    let requests: Vec<Bytes> = pool.frames.iter().map(|frame| frame.slice(5..)).collect();
    let told = match part {
        Part::Spans => {
            let all = [1, 10, 100].map(|n| (n, objectives_of_everything(n))).into_iter();
            let all = all.chain([(OBJECTIVES, objectives(OBJECTIVES))]);
            Told::Spans(
                all.map(|(n, yaml)| Ok((n, nanos_per_span(yaml, &requests)?))).collect::<Result<_>>()?,
            )
        }
        Part::Promises | Part::All => {
            let n_rules = if part == Part::All { RULES } else { 0 };
            let (interval, rss_bytes) = intervals(n_rules, &requests, walk_of_objectives(&requests)?)?;
            Told::Interval(interval, rss_bytes)
        }
    };
    serde_json::to_string(&told).context("writing the figures")
}

/// Returns by how much objectives lengthen the way of a span through the ingest half.
fn nanos_per_span(objectives: String, requests: &[Bytes]) -> Result<f64> {
    const ROUNDS: usize = 5;
    let mut stages = Stages::new(objectives, rules(0), Timestamp::from_secs(START))?;
    let mut best = f64::INFINITY;
    for round in 0..ROUNDS as u64 {
        let now = Timestamp::from_secs(START + round + 1);
        let (mut walking, mut n_spans) = (Duration::ZERO, 0);
        stages.spent = Spent::default();
        for request in requests {
            walking += stages.walk(request)?;
            n_spans += stages.count(request, now)?;
        }
        stages.tick(now)?;
        let counting = walking + stages.spent.counting;
        best = best.min(counting.as_nanos() as f64 / n_spans as f64);
    }
    Ok(best - bare_walk(requests)?)
}

/// Returns the time of a walk that looks for no attributes, in nanoseconds per span.
fn bare_walk(requests: &[Bytes]) -> Result<f64> {
    walk_with(&Matcher::new(&KeySet::default()), requests)
}

fn walk_with(matcher: &Matcher, requests: &[Bytes]) -> Result<f64> {
    const ROUNDS: usize = 5;
    let mut table = SpanTable::default();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let (mut n_spans, begin) = (0, thread_cpu_time());
        for request in requests {
            table.clear();
            wire::scan_traces(request, matcher, &mut table).context("a request of the pool is malformed")?;
            n_spans += table.spans.len();
        }
        best = best.min((thread_cpu_time() - begin).as_nanos() as f64 / n_spans as f64);
    }
    Ok(best)
}

/// Returns what the attributes that the objectives look at cost in the walk, in nanoseconds per span.
fn walk_of_objectives(requests: &[Bytes]) -> Result<f64> {
    let mut keys = KeySet::default();
    keys.want("http.route");
    Ok((walk_with(&Matcher::new(&keys), requests)? - bare_walk(requests)?).max(0.0))
}

/// Runs the stages for more than an hour. Returns what an interval takes at its end, and by how much memory grew.
fn intervals(n_rules: u32, requests: &[Bytes], walk_nanos: f64) -> Result<(Interval, u64)> {
    let mut window = Box::new(Rollups { width: Duration::from_secs(EVERY), ..Rollups::default() });
    for number in 0..n_rules {
        window.push(series(number), number, 0.0, 0);
    }
    let before = memory("VmRSS:")?;
    let mut stages = Stages::new(objectives(OBJECTIVES), rules(n_rules), Timestamp::from_secs(START))?;
    fill(&mut stages)?;
    for interval in 0..WARM_UP + COUNTED {
        let is_counted = interval >= WARM_UP;
        if interval == WARM_UP {
            stages.spent = Spent::default();
        }
        // Before it counts, few spans do: those of half of the services, so that slots are filled.
        let n_requests = if is_counted { REQUESTS_PER_INTERVAL } else { 4 };
        for second in 1..=EVERY {
            let now = Timestamp::from_secs(START + interval * EVERY + second);
            let of_second = n_requests * (second - 1) / EVERY..n_requests * second / EVERY;
            for number in of_second {
                let at = (interval * n_requests + number) as usize % requests.len();
                stages.count(&requests[at], now)?;
            }
            if second == LATENESS && n_rules > 0 {
                fill_window(&mut window, START + (interval - interval.min(1)) * EVERY, interval);
                window = stages.judge(window, now)?;
            }
            stages.tick(now)?;
        }
    }
    let rss_bytes = memory("VmRSS:")?.saturating_sub(before);
    ensure!(stages.metric_bytes > 0 && stages.n_log_batches > 0, "nothing was told");
    let of_interval = |spent: Duration| spent.as_secs_f64() / COUNTED as f64;
    let Spent { counting, sla, alerting, snapshots } = stages.spent;
    let walk = walk_nanos / 1e9 * (REQUESTS_PER_INTERVAL * SHAPE.spans_per_request as u64) as f64;
    let interval = Interval {
        counting: of_interval(counting) + walk,
        sla: of_interval(sla),
        alerting: of_interval(alerting),
        snapshots: of_interval(snapshots),
    };
    Ok((interval, rss_bytes))
}

/// Fills the rings of all objectives.
fn fill(stages: &mut Stages) -> Result<()> {
    let slot = |hour: u64| {
        format!(r#"{{"start":{},"width":3600,"good":80000,"total":100000}}"#, START - hour * 3600)
    };
    let slots = Bytes::from(format!("[{}]", (1..=HOURS_BEFORE).map(slot).collect::<Vec<_>>().join(",")));
    let yaml = objectives(OBJECTIVES);
    let ids = yaml.lines().filter_map(|line| {
        let (_, rest) = line.split_once("{name: ")?;
        let (name, rest) = rest.split_once(", service: ")?;
        Some(format!("{}-{name}", rest.split_once(',')?.0))
    });
    for id in ids {
        stages.fill(&id, &slots, Timestamp::from_secs(START))?;
    }
    Ok(())
}

fn series(number: u32) -> Arc<Series> {
    let service = format!("shop-{}", number % 100);
    let pair = key_value(b"service.name", &encode_value(AnyValue::Str(service.as_bytes())));
    const ATTRIBUTES: u8 = 1 << 3 | 2;
    let length = u8::try_from(pair.len()).expect("a name is short");
    Arc::new(Series {
        resource: [&[ATTRIBUTES, length], &pair[..]].concat().into(),
        metric: format!("metric.{number}").into(),
        unit: "1".into(),
        attributes: Arc::default(),
        statistic: Statistic::Mean,
        service: service.as_str().into(),
        fingerprint: u64::from(number) + 1,
    })
}

/// Writes a window of values that no rule minds.
fn fill_window(window: &mut Rollups, start: u64, interval: u64) {
    window.start = Timestamp::from_secs(start);
    for row in 0..window.len() {
        let wave = ((row as u64 * 31 + interval * 17) % 13) as f64 / 13.0;
        window.values[row] = 1.0 + wave;
        window.support[row] = 100;
    }
}
