//! The half that decides: traces come together, wait, and go on or not.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use component::{BuildCx, Cx, Processor, ProcessorDef};
use model::{Batch, Payload, SignalSet, Timestamp, Traces};
use prost::Message;

use super::{
    TailSamplingConfig,
    decisions::Remembered,
    held::{Arrived, Held, PART_BYTES, Spans, TRACE_BYTES},
    ingest::IngestHalf,
    meters::Meters,
    output::{Output, Request},
    partial::{TailPartial, TracePart, VERSION},
    policy::{Policy, compile},
    rules::{Decision, Facts},
};

/// Keeps whole traces by what is in them.
pub struct TailSampling;

impl ProcessorDef for TailSampling {
    const KIND: &'static str = "tail_sampling";
    type Config = TailSamplingConfig;

    fn consumes(_: &TailSamplingConfig) -> SignalSet {
        SignalSet::TRACES
    }

    fn emits(_: &TailSamplingConfig) -> SignalSet {
        SignalSet::TRACES
    }

    fn ingest(config: &TailSamplingConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(IngestHalf::new(config, cx))
    }

    fn analysis(config: &TailSamplingConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(config, cx)))
    }
}

/// Within a tick an eighth more than `max_bytes` may wait.
const ROOM_UNTIL_THE_TICK: usize = 8;

/// All traces that are known.
struct AnalysisHalf {
    config: TailSamplingConfig,
    policies: Vec<Policy>,
    /// Whether a policy asks how large traces are.
    asks_for_bytes: bool,
    meters: Meters,
    traces: HashMap<u128, Trace, rapidhash::fast::RandomState>,
    /// All of `traces` by when they came, the first to be dropped first.
    by_age: BTreeSet<(Timestamp, u128)>,
    /// Those that wait, by when they are decided.
    due: BTreeSet<(Timestamp, u128)>,
    held: Held,
    /// What traces and the places of their spans take.
    n_bytes: usize,
    sampled: Remembered,
    not_sampled: Remembered,
    /// Late spans of sampled traces, until the next tick, and their own bytes and places.
    late: Vec<(u128, Spans)>,
    late_bytes: usize,
}

struct Trace {
    first: Timestamp,
    state: State,
}

enum State {
    Waits(Waiting),
    Decided { is_sampled: bool },
}

struct Waiting {
    due: Timestamp,
    hits: u128,
    start: u64,
    end: u64,
    n_parts: u32,
    spans: Spans,
    /// While they are at most so large when encoded, they were found to be within the limit of a trace.
    fits_until: u64,
}

impl Waiting {
    /// What they take beside the bytes of spans.
    fn n_bytes(&self) -> usize {
        self.spans.n_bytes_beside() + self.n_parts as usize * PART_BYTES
    }
}

impl AnalysisHalf {
    fn new(config: &TailSamplingConfig, cx: &BuildCx<'_>) -> Self {
        let policies = compile(&config.policies).policies;
        Self {
            meters: Meters::new(&policies, cx),
            asks_for_bytes: policies.iter().any(|policy| policy.rule.asks_for_bytes()),
            policies,
            traces: HashMap::default(),
            by_age: BTreeSet::new(),
            due: BTreeSet::new(),
            held: Held::default(),
            n_bytes: 0,
            sampled: Remembered::new(config.decision_cache.sampled_cache_size),
            not_sampled: Remembered::new(config.decision_cache.non_sampled_cache_size),
            late: Vec::new(),
            late_bytes: 0,
            config: config.clone(),
        }
    }

    fn merge(&mut self, part: &TracePart, arrived: &mut Arrived, cx: &mut Cx<'_>) {
        let (id, now) = (part.trace(), cx.now());
        if self.sampled.has(id, now) {
            let n_spans = self.follow(part, arrived, cx);
            return self.meters.from_cache[0].add(n_spans);
        }
        if self.not_sampled.has(id, now) {
            let n_spans = Held::skip(arrived, part.n_spans);
            self.meters.from_cache[1].add(n_spans);
            return cx.reject(n_spans, "not_sampled");
        }
        match self.traces.get(&id).map(|trace| &trace.state) {
            Some(State::Decided { is_sampled: true }) => {
                self.follow(part, arrived, cx);
            }
            Some(State::Decided { is_sampled: false }) => {
                cx.reject(Held::skip(arrived, part.n_spans), "not_sampled");
            }
            Some(State::Waits(_)) | None => self.wait(part, arrived, cx),
        }
    }

    /// Takes late spans of a trace that is sampled. Returns how many they are.
    fn follow(&mut self, part: &TracePart, arrived: &mut Arrived, cx: &mut Cx<'_>) -> u64 {
        let spans = self.take(part, arrived, cx);
        let n_spans = spans.len();
        self.n_bytes += spans.n_bytes_beside();
        self.late_bytes += spans.n_bytes() + spans.n_bytes_beside();
        self.late.push((part.trace(), spans));
        // They are sampled already, and must not make those give way that wait.
        if self.late_bytes > self.config.max_bytes.0 as usize / ROOM_UNTIL_THE_TICK {
            self.tell_late(cx);
        }
        n_spans
    }

    fn take(&mut self, part: &TracePart, arrived: &mut Arrived, cx: &mut Cx<'_>) -> Spans {
        let (spans, left_out) = self.held.take(arrived, part.n_spans);
        if left_out > 0 {
            cx.reject(left_out, "unreadable");
        }
        spans
    }

    fn wait(&mut self, part: &TracePart, arrived: &mut Arrived, cx: &mut Cx<'_>) {
        let (id, now) = (part.trace(), cx.now());
        let spans = self.take(part, arrived, cx);
        let trace = self.traces.entry(id).or_insert_with(|| {
            self.meters.new_traces.add(1);
            self.n_bytes += TRACE_BYTES;
            self.by_age.insert((now, id));
            let due = now + Duration::from_secs(self.config.wait_secs());
            self.due.insert((due, id));
            let waiting = Waiting {
                due,
                hits: 0,
                start: 0,
                end: 0,
                n_parts: 0,
                spans: Spans::default(),
                fits_until: 0,
            };
            Trace { first: now, state: State::Waits(waiting) }
        });
        let State::Waits(waiting) = &mut trace.state else { return };
        self.n_bytes += spans.n_bytes_beside() + PART_BYTES;
        waiting.n_parts += 1;
        waiting.hits |= part.hits();
        waiting.start = [waiting.start, part.start].into_iter().filter(|start| *start > 0).min().unwrap_or(0);
        waiting.end = waiting.end.max(part.end);
        waiting.spans.append(spans);
        if let (true, Some(secs)) = (part.has_root, self.config.wait_after_root_secs()) {
            let sooner = (now + Duration::from_secs(secs)).min(waiting.due);
            self.due.remove(&(waiting.due, id));
            self.due.insert((sooner, id));
            waiting.due = sooner;
        }
        let most = self.config.maximum_trace_size_bytes;
        let at_most = waiting.spans.encoded_at_most();
        if most == 0 || at_most <= most.max(waiting.fits_until) {
            return;
        }
        let exact = waiting.spans.encoded_len(&self.held.heads);
        if exact <= most {
            // It takes at least as much more as it may grow by.
            waiting.fits_until = at_most + (most - exact);
            return;
        }
        self.meters.too_large.add(1);
        let Some(waiting) = self.conclude(id, false, now) else { return };
        cx.reject(waiting.spans.len(), "trace_too_large");
        self.held.release(&waiting.spans);
    }

    /// Ends a trace's wait and remembers how it was decided. Returns what waited; it is still held.
    fn conclude(&mut self, id: u128, is_sampled: bool, now: Timestamp) -> Option<Waiting> {
        let trace = self.traces.get_mut(&id)?;
        let State::Waits(waiting) = std::mem::replace(&mut trace.state, State::Decided { is_sampled }) else {
            return None;
        };
        self.due.remove(&(waiting.due, id));
        self.n_bytes -= waiting.n_bytes();
        let remembered = if is_sampled { &mut self.sampled } else { &mut self.not_sampled };
        if !remembered.is_off() {
            remembered.insert(id, now);
            self.forget(id);
        }
        Some(waiting)
    }

    /// Forgets a trace. Returns what waited; it is still held.
    fn forget(&mut self, id: u128) -> Option<Waiting> {
        let trace = self.traces.remove(&id)?;
        self.by_age.remove(&(trace.first, id));
        self.n_bytes -= TRACE_BYTES;
        let State::Waits(waiting) = trace.state else { return None };
        self.due.remove(&(waiting.due, id));
        self.n_bytes -= waiting.n_bytes();
        Some(waiting)
    }

    /// Decides the traces whose wait is over by an instant, in the order in which it is, and by id.
    fn decide_until(&mut self, until: Timestamp, cx: &mut Cx<'_>) {
        let mut output = Output::default();
        self.gather_late(&mut output, cx);
        while let Some((due, id)) = self.due.first().copied().filter(|(due, _)| *due <= until) {
            self.due.remove(&(due, id));
            let decision = self.decide(id, cx.now());
            self.meters.decided(decision);
            let Some(waiting) = self.conclude(id, decision == Decision::Sampled, cx.now()) else { continue };
            if decision == Decision::Sampled {
                emit(output.add(id, waiting.spans, &mut self.held), cx);
            } else {
                cx.reject(waiting.spans.len(), "not_sampled");
                self.held.release(&waiting.spans);
            }
        }
        emit(output.request(&mut self.held), cx);
    }

    /// Adds late spans to what leaves, those of a trace together.
    fn gather_late(&mut self, output: &mut Output, cx: &mut Cx<'_>) {
        self.late_bytes = 0;
        let mut late = std::mem::take(&mut self.late);
        late.sort_by_key(|(id, _)| *id);
        let mut late = late.into_iter().peekable();
        while let Some((id, mut spans)) = late.next() {
            while let Some((_, more)) = late.next_if(|(next, _)| *next == id) {
                spans.append(more);
            }
            self.n_bytes -= spans.n_bytes_beside();
            emit(output.add(id, spans, &mut self.held), cx);
        }
    }

    fn tell_late(&mut self, cx: &mut Cx<'_>) {
        let mut output = Output::default();
        self.gather_late(&mut output, cx);
        emit(output.request(&mut self.held), cx);
    }

    fn decide(&mut self, id: u128, now: Timestamp) -> Decision {
        let Some(State::Waits(waiting)) = self.traces.get(&id).map(|trace| &trace.state) else {
            return Decision::NotSampled;
        };
        let facts = Facts {
            id,
            hits: waiting.hits,
            start: waiting.start,
            end: waiting.end,
            n_spans: waiting.spans.len(),
            n_bytes: if self.asks_for_bytes { waiting.spans.encoded_len(&self.held.heads) } else { 0 },
        };
        let mut final_decision = Decision::NotSampled;
        for (place, policy) in self.policies.iter_mut().enumerate() {
            let decision = policy.rule.decide(&facts, now);
            self.meters.decided_by(place, decision);
            match decision {
                // Those that drop are asked first.
                Decision::Dropped => return decision,
                Decision::Sampled => final_decision = decision,
                Decision::NotSampled => {}
            }
            if decision == Decision::Sampled && self.config.sample_on_first_match {
                break;
            }
        }
        final_decision
    }

    /// What traces and what waits for their decisions take; late spans leave by themselves.
    fn waiting_bytes(&self) -> usize {
        (self.n_bytes + self.held.n_bytes()).saturating_sub(self.late_bytes)
    }

    /// Forgets the oldest traces until the others fit.
    fn make_room(&mut self, cx: &mut Cx<'_>) {
        self.sampled.make_room();
        self.not_sampled.make_room();
        let (most_traces, most_bytes) = (self.config.num_traces as usize, self.config.max_bytes.0 as usize);
        while self.traces.len() > most_traces || self.waiting_bytes() > most_bytes {
            let Some((_, id)) = self.by_age.first().copied() else { break };
            if let Some(waiting) = self.forget(id) {
                self.meters.dropped_too_early.add(1);
                cx.reject(waiting.spans.len(), "dropped_too_early");
                self.held.release(&waiting.spans);
            }
        }
        if self.held.is_sparse() {
            let waiting = self.traces.values_mut().filter_map(|trace| match &mut trace.state {
                State::Waits(waiting) => Some(&mut waiting.spans),
                State::Decided { .. } => None,
            });
            let late = self.late.iter_mut().map(|(_, spans)| spans);
            self.held.compact(late.chain(waiting));
        }
        self.meters.traces_on_memory.set(self.traces.len() as u64);
        self.meters.bytes_on_memory.set((self.n_bytes + self.held.n_bytes()) as u64);
    }
}

fn emit(request: Option<Request>, cx: &mut Cx<'_>) {
    if let Some(Request { bytes, n_spans }) = request {
        cx.emit(Payload::Traces(Traces::unread(bytes.into())), n_spans);
    }
}

impl Processor for AnalysisHalf {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        let Payload::Partial(partial) = batch.payload else { return };
        let n_bytes = partial.bytes.len();
        match TailPartial::decode(partial.bytes) {
            Ok(message) if message.version == VERSION && message.is_sound() => {
                let mut arrived = self.held.arrive(&message, n_bytes);
                for part in &message.traces {
                    self.merge(part, &mut arrived, cx);
                }
                self.held.let_go(arrived);
            }
            _ => {
                self.meters.unreadable.add(1);
                cx.reject(batch.items, "unreadable");
            }
        }
        let most = self.config.max_bytes.0 as usize;
        if self.waiting_bytes() > most + most / ROOM_UNTIL_THE_TICK {
            self.make_room(cx);
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.decide_until(cx.now(), cx);
        self.make_room(cx);
    }

    fn drain(&mut self, cx: &mut Cx<'_>) {
        if self.config.drop_pending_traces_on_shutdown {
            let waiting: Vec<u128> = self.due.iter().map(|(_, id)| *id).collect();
            for waiting in waiting.into_iter().filter_map(|id| self.forget(id)).collect::<Vec<_>>() {
                cx.reject(waiting.spans.len(), "dropped_at_the_stop");
                self.held.release(&waiting.spans);
            }
        }
        self.decide_until(Timestamp(u64::MAX), cx);
        self.make_room(cx);
    }

    /// Nothing of it is stored, so no tick has to wait for the disk.
    fn closes_at(&self, _: Timestamp) -> bool {
        false
    }
}
