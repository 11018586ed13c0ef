//! The processor's row in the table of its layer, and the half that assembles traces.

use std::sync::Arc;

use bytes::Bytes;
use component::{BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef, RestoreError, Snapshot};
use model::{Batch, Columns, Partial, Payload, Rollups, SignalSet, Timestamp};
use prost::Message;

use super::{
    BottleneckConfig,
    assembly::{Assembly, Losses},
    calls::{Overflow, Windows},
    ingest::{IngestHalf, left_out_spans},
    judge::Judge,
    minute::Minute,
    observe::Observed,
    output::{write_logs, write_metrics},
    partial::{BottleneckPartial, BottleneckVerdicts, VERSION},
    queues,
    sampling::{Sampling, Thresholds, hash_of},
    saturation, snapshot,
    span::{Interner, Span},
    trace::Trace,
    usual::MINUTE,
};

/// Tells what holds requests up.
pub struct Bottleneck;

impl ProcessorDef for Bottleneck {
    const KIND: &'static str = "bottleneck";
    const READS: Columns = Columns::VALUES;
    const HEARS: Columns = Columns::BASELINE;
    const ADDS: Columns = Columns::CALLS;
    type Config = BottleneckConfig;

    fn consumes(_: &BottleneckConfig) -> SignalSet {
        SignalSet::TRACES
    }

    fn emits(config: &BottleneckConfig) -> SignalSet {
        let logs = if config.emit_logs { SignalSet::LOGS } else { SignalSet::NONE };
        SignalSet::TRACES.union(SignalSet::METRICS).union(logs)
    }

    fn ingest(config: &BottleneckConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(IngestHalf::new(config, cx))
    }

    fn analysis(config: &BottleneckConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(config, cx)))
    }
}

/// Assembles traces, and judges what they show.
struct AnalysisHalf {
    config: BottleneckConfig,
    sampling: Sampling,
    /// What was admitted when traces were last given up for it.
    admitted: Thresholds,
    interner: Interner,
    /// Spans of the present tick.
    came: Vec<(u128, Span)>,
    assembly: Assembly,
    windows: Windows,
    /// When the present minute began, and what it shows.
    began: Timestamp,
    minute: Minute,
    judge: Judge,
    meters: Meters,
}

/// So many spans are taken before the tick ends, to bound what is held.
const SPANS_PER_TICK: usize = 65_536;

struct Meters {
    left_out: Counter,
    assembled: Counter,
    partial: Counter,
    witnesses: Counter,
    late: Counter,
    waiting: Gauge,
    waiting_traces: Gauge,
    subjects: Gauge,
    open: Gauge,
}

impl AnalysisHalf {
    fn new(config: &BottleneckConfig, cx: &BuildCx<'_>) -> Self {
        let trace = &config.trace;
        let (limit, share) = (trace.max_spans_per_second, trace.failed_share);
        Self {
            sampling: Sampling::new(limit, share, trace.max_wait.get(), cx.started_at),
            admitted: Thresholds::EVERYTHING,
            interner: Interner::default(),
            came: Vec::new(),
            assembly: Assembly::new(config),
            windows: Windows::new(config.window.get(), config.max_edges as usize, config.max_steps as usize),
            began: cx.started_at.window_start(MINUTE),
            minute: Minute::new(config.max_steps as usize),
            judge: Judge::new(config),
            meters: Meters::new(cx),
            config: config.clone(),
        }
    }

    fn merge(&mut self, partial: &Partial, cx: &mut Cx<'_>) {
        let Ok(message) = BottleneckPartial::decode(&partial.bytes[..]) else {
            return cx.reject(1, "damaged_partial");
        };
        if message.version != VERSION {
            return cx.reject(message.spans.len() as u64, "foreign_partial");
        }
        self.sampling.hear(&message);
        self.came.extend(self.interner.spans(&message));
        if self.came.len() >= SPANS_PER_TICK {
            self.gather(cx);
        }
    }

    /// Puts what has come to its traces.
    fn gather(&mut self, cx: &mut Cx<'_>) {
        let mut came = std::mem::take(&mut self.came);
        let n_came = came.len();
        let sampling = &self.sampling;
        came.retain(|(trace, span)| sampling.keeps(hash_of(&trace.to_be_bytes()), span.failed));
        let n_left_out = (n_came - came.len()) as u64;
        let is_whole = |trace: u128| sampling.is_whole(hash_of(&trace.to_be_bytes()));
        let losses = self.assembly.take(came, is_whole, cx.now());
        self.meters.left_out.add(n_left_out + losses.left_out);
        self.windows.miss(losses.given_up, sampling.shares(), cx.now());
        self.meters.late.add(losses.late);
        for (items, reason) in losses.reasons() {
            if items > 0 {
                cx.reject(items, reason);
            }
        }
    }

    fn tell_shards(&mut self, cx: &mut Cx<'_>) {
        if let Some(Thresholds { whole, failed }) = self.sampling.tick(cx.now()) {
            let verdicts =
                BottleneckVerdicts { version: VERSION, threshold: whole, failed_threshold: failed };
            cx.emit(Payload::Verdicts(Bytes::from(verdicts.encode_to_vec())), 0);
        }
        let admitted = self.sampling.admitted();
        let before = std::mem::replace(&mut self.admitted, admitted);
        if admitted.or_lower(before) == before {
            // What waits was admitted.
            return;
        }
        // What is no longer sampled is as if it had never been.
        let is_whole = |trace: u128| hash_of(&trace.to_be_bytes()) <= admitted.whole;
        let keeps_failed = |trace: u128| hash_of(&trace.to_be_bytes()) <= admitted.failed;
        let left_out = self.assembly.give_up(is_whole, keeps_failed);
        self.meters.left_out.add(left_out);
    }

    fn assemble(&mut self, cx: &mut Cx<'_>) {
        let (mut overflow, mut without_room) = (Overflow::default(), 0);
        let shares = self.sampling.shares();
        for gathered in self.assembly.complete(cx.now()) {
            let is_left_out = gathered.is_left_out;
            let Some(trace) = Trace::new(gathered) else { continue };
            if is_left_out {
                self.meters.witnesses.add(1);
                overflow = overflow.plus(self.windows.add_failed(&trace, shares, cx.now()));
                continue;
            }
            self.meters.assembled.add(1);
            self.meters.partial.add(u64::from(!trace.is_whole));
            let own = trace.own_times();
            overflow = overflow.plus(self.windows.add(&trace, &own, shares, cx.now()));
            self.minute.assembled += 1;
            // Of what is missing nobody knows how long it took.
            if trace.is_whole {
                self.minute.whole += 1;
                let observed = Observed::new(&trace, &own, |root, nanos| self.judge.is_slow(root, nanos));
                without_room += observed.tell(&mut self.minute, &self.config);
            }
        }
        if without_room > 0 {
            cx.reject(without_room, "subjects_limit");
        }
        for (items, reason) in overflow.reasons() {
            if items > 0 {
                cx.reject(items, reason);
            }
        }
    }

    fn add_calls(&mut self, rollups: &mut Rollups, cx: &mut Cx<'_>) {
        let Some((calls, unasked)) = self.windows.close(rollups.start) else { return };
        if unasked > 0 {
            cx.reject(unasked, "traces_without_window");
        }
        rollups.calls = Some(Arc::new(calls));
        self.minute.is_excluded |= rollups.baseline.as_ref().is_some_and(|baseline| baseline.is_excluded);
        let mut without_room = saturation::tell(rollups, &mut self.minute);
        without_room += queues::tell(rollups, &self.config.queue_metrics, &mut self.minute);
        if without_room > 0 {
            cx.reject(without_room, "subjects_limit");
        }
    }

    /// Judges the minute that has ended.
    fn close_minute(&mut self, cx: &mut Cx<'_>) {
        let present = cx.now().window_start(MINUTE);
        if present <= self.began {
            return;
        }
        let began = std::mem::replace(&mut self.began, present);
        let minute = std::mem::replace(&mut self.minute, Minute::new(self.config.max_steps as usize));
        if minute.is_excluded {
            return;
        }
        let share = self.sampling.shares().whole;
        let (events, without_room) = self.judge.close(&minute, began, share);
        if without_room > 0 {
            cx.reject(without_room, "subjects_limit");
        }
        self.meters.open.set(self.judge.episodes.open.len() as u64);
        self.meters.subjects.set(self.judge.usuals.len() as u64);
        if minute.assembled > 0 || !events.is_empty() || !self.judge.episodes.open.is_empty() {
            let (bytes, points) = write_metrics(&minute, &self.judge.episodes, &events, share, cx.now());
            cx.emit(Payload::Metrics(bytes.into()), points);
        }
        if !events.is_empty() && self.config.emit_logs {
            let (bytes, records) = write_logs(&events, cx.now());
            cx.emit(Payload::Logs(bytes.into()), records);
        }
    }

    fn work(&mut self, cx: &mut Cx<'_>) {
        self.gather(cx);
        self.tell_shards(cx);
        self.assemble(cx);
        self.close_minute(cx);
        self.interner.sweep();
        self.meters.waiting.set(self.assembly.n_spans() as u64);
        self.meters.waiting_traces.set(self.assembly.n_traces() as u64);
    }
}

impl Processor for AnalysisHalf {
    fn process(&mut self, mut batch: Batch, cx: &mut Cx<'_>) {
        match &mut batch.payload {
            Payload::Partial(partial) => {
                self.merge(partial, cx);
                return;
            }
            Payload::Rollups(rollups) if rollups.width == self.windows.width() => {
                // The last traces of the window are complete in the second in which it closes.
                self.gather(cx);
                self.assemble(cx);
                self.add_calls(rollups, cx);
            }
            _ => {}
        }
        cx.pass(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.work(cx);
    }

    fn closes_at(&self, now: Timestamp) -> bool {
        now.window_start(MINUTE) > self.began
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let bytes = snapshot::save(&self.judge, &self.windows, self.sampling.admitted());
        Some(Snapshot { version: snapshot::VERSION, bytes })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        if snapshot.version != snapshot::VERSION {
            return Err(RestoreError::Version { found: snapshot.version, readable: "1" });
        }
        let admitted = snapshot::restore(&mut self.judge, &mut self.windows, &snapshot.bytes)?;
        self.sampling.restore(admitted);
        Ok(())
    }
}

impl Losses {
    const fn reasons(self) -> [(u64, &'static str); 3] {
        [
            (self.late, "trace_was_assembled"),
            (self.over_trace, "spans_of_trace_limit"),
            (self.over_room, "waiting_traces_limit"),
        ]
    }
}

impl Overflow {
    const fn plus(self, other: Self) -> Self {
        Self {
            edges: self.edges + other.edges,
            steps: self.steps + other.steps,
            addresses: self.addresses + other.addresses,
            errors: self.errors + other.errors,
            unasked: self.unasked + other.unasked,
        }
    }

    const fn reasons(self) -> [(u64, &'static str); 5] {
        [
            (self.edges, "edges_limit"),
            (self.steps, "steps_limit"),
            (self.addresses, "addresses_limit"),
            (self.errors, "errors_limit"),
            (self.unasked, "traces_without_window"),
        ]
    }
}

impl Meters {
    fn new(cx: &BuildCx<'_>) -> Self {
        let name = |name: &str| format!("otelcol_processor_bottleneck_{name}");
        let counter = |it: &str, description, unit| cx.telemetry.counter(&name(it), description, unit);
        let gauge = |it: &str, description, unit| cx.telemetry.gauge(&name(it), description, unit);
        Self {
            left_out: left_out_spans(cx),
            assembled: counter("assembled_traces", "Traces that were assembled", "{trace}"),
            partial: counter("partial_traces", "Assembled traces of which something is missing", "{trace}"),
            witnesses: counter(
                "witness_traces",
                "Traces that were left out but for spans that failed",
                "{trace}",
            ),
            late: counter("late_spans", "Spans that came after their trace was assembled", "{span}"),
            waiting: gauge("waiting_spans", "Spans that wait for the rest of their trace", "{span}"),
            waiting_traces: gauge("waiting_traces", "Traces that are not assembled yet", "{trace}"),
            subjects: gauge(
                "subjects",
                "Steps, waits and shapes of which something is remembered",
                "{subject}",
            ),
            open: gauge("open", "Bottlenecks that are open", "{bottleneck}"),
        }
    }
}
