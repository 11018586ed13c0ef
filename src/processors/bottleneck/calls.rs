//! Who called whom, and what was each one's own part, in the traces of a window.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use model::{Calls, Edge, EdgeKind, Portion, Spread, Step, Timestamp, TraceId};
use stats::ExponentialHistogram;

use super::{
    aliases::Aliases,
    errors::{self, Kinds, Known},
    names::ByName,
    sampling::{Shares, hash_of},
    span::{Kind, Peer, Span},
    trace::Trace,
    witnesses::failed_by_themselves,
};

/// Counts of windows that nobody has asked for yet.
pub(super) struct Windows {
    width: Duration,
    max_edges: usize,
    max_steps: usize,
    open: BTreeMap<Timestamp, Tally>,
    pub(super) aliases: Aliases,
    pub(super) errors: Known,
    /// Windows that end by then have been handed on.
    closed_until: Timestamp,
}

/// So many windows wait to be handed on, when whoever closes them is late.
const OPEN_WINDOWS: usize = 12;

/// Calls and steps without room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Overflow {
    pub(super) edges: u64,
    pub(super) steps: u64,
    /// Calls to addresses of which nobody remembers who answers there.
    pub(super) addresses: u64,
    /// Kinds of failures.
    pub(super) errors: u64,
    /// Of windows that nobody asked for.
    pub(super) unasked: u64,
}

impl Windows {
    pub(super) fn new(width: Duration, max_edges: usize, max_steps: usize) -> Self {
        let (open, closed_until) = (BTreeMap::new(), Timestamp::default());
        let (aliases, errors) = (Aliases::default(), Known::default());
        Self { width, max_edges, max_steps, open, aliases, errors, closed_until }
    }

    /// Adds a trace to the window in which it ended, or to the first that is open, as windows do not wait for ever.
    /// `shares` say what is sampled now.
    pub(super) fn add(&mut self, trace: &Trace, own: &[u64], shares: Shares, now: Timestamp) -> Overflow {
        let mut overflow = Overflow::default();
        let start = self.window_of(trace, now);
        for at in 0..trace.spans.len() as u32 {
            let has_room = self.aliases.learn(trace, at, start, self.max_edges);
            overflow.addresses += u64::from(!has_room);
        }
        let tally = self.open.entry(start).or_default();
        tally.n_assembled += 1;
        tally.n_counted += 1;
        tally.n_of_all += 1.0 / shares.whole;
        tally.n_whole += u64::from(trace.is_whole);
        // Of what did not fail less is kept than of what did, so that it stands for more.
        let weight = shares.failed / shares.whole;
        tally.is_weighed |= weight > 1.0;
        for at in 0..trace.spans.len() as u32 {
            tally.add_calls(trace, at, weight, &self.aliases, self.max_edges, &mut overflow);
            let failed_here = tally.add_step(trace, at, own, weight, self.max_steps, &mut overflow);
            overflow.errors +=
                see_error(failed_here, trace.span(at), start, &mut self.errors, self.max_steps);
        }
        self.leave_unasked(&mut overflow);
        overflow
    }

    /// Adds a trace that is left out but for the spans that failed: they are evidence, and count as failures among all.
    pub(super) fn add_failed(&mut self, trace: &Trace, shares: Shares, now: Timestamp) -> Overflow {
        let mut overflow = Overflow::default();
        let start = self.window_of(trace, now);
        let tally = self.open.entry(start).or_default();
        tally.n_witnesses += 1;
        tally.is_weighed |= shares.failed > shares.whole;
        let by_themselves = failed_by_themselves(trace);
        for (at, failed_here) in (0..).zip(by_themselves) {
            tally.add_failed_query(trace, at, self.max_edges, &mut overflow);
            let step = tally.add_failed_step(trace, at, failed_here, self.max_steps, &mut overflow);
            overflow.errors += see_error(step, trace.span(at), start, &mut self.errors, self.max_steps);
        }
        self.leave_unasked(&mut overflow);
        overflow
    }

    fn window_of(&self, trace: &Trace, now: Timestamp) -> Timestamp {
        let end = trace.roots.first().map_or(now, |root| Timestamp(trace.span(*root).end));
        let latest = now.window_start(self.width);
        end.window_start(self.width).max(self.closed_until).min(latest)
    }

    fn leave_unasked(&mut self, overflow: &mut Overflow) {
        while self.open.len() > OPEN_WINDOWS {
            overflow.unasked += self.open.pop_first().map_or(0, |(_, tally)| tally.n_traces());
        }
    }

    /// Counts traces that were given up. `shares` say what is sampled now.
    pub(super) fn miss(&mut self, n: u64, shares: Shares, now: Timestamp) {
        let start = now.window_start(self.width).max(self.closed_until);
        if n > 0 {
            let tally = self.open.entry(start).or_default();
            tally.n_assembled += n;
            tally.n_of_all += n as f64 / shares.whole;
        }
    }

    /// Returns what is known of a window, and counts nothing for it any more.
    ///
    /// None when it has been handed on before. Beside the calls the traces of windows that nobody asked for.
    pub(super) fn close(&mut self, start: Timestamp) -> Option<(Calls, u64)> {
        if start + self.width <= self.closed_until {
            return None;
        }
        self.closed_until = self.closed_until.max(start + self.width);
        self.errors.forget(self.closed_until);
        self.aliases.forget(self.closed_until);
        let later = self.open.split_off(&self.closed_until);
        let mut ended = std::mem::replace(&mut self.open, later);
        let calls = ended.remove(&start).map_or_else(Calls::default, |tally| tally.calls());
        Some((calls, ended.into_values().map(|tally| tally.n_traces()).sum()))
    }

    pub(super) const fn width(&self) -> Duration {
        self.width
    }
}

/// Notes what a span failed with that failed in a step. Returns 1 when there was no room.
fn see_error(
    failed_here: Option<&mut StepTally>,
    span: &Span,
    window: Timestamp,
    known: &mut Known,
    max: usize,
) -> u64 {
    let (Some(step), Some(kind)) = (failed_here, &span.error) else { return 0 };
    let since = known.see(&span.service, kind, window, max);
    u64::from(!since.is_some_and(|since| step.kinds.add(kind, since)))
}

/// One window.
#[derive(Default)]
struct Tally {
    edges: ByName<(Arc<str>, Arc<str>, EdgeKind), EdgeTally>,
    steps: ByName<(Arc<str>, Arc<str>), StepTally>,
    n_whole: u64,
    /// With those that were given up.
    n_assembled: u64,
    /// Those that are in the lists.
    n_counted: u64,
    /// All that there were, by the share that was sampled when each was assembled: it may change within a window.
    n_of_all: f64,
    /// Those that are left out but for spans that failed.
    n_witnesses: u64,
    /// Whether more is kept of what failed than of all else.
    is_weighed: bool,
}

#[derive(Default)]
struct EdgeTally {
    calls: u64,
    failed: u64,
    lost: u64,
    of_all: Portion,
    duration: Durations,
    gap: Durations,
    exemplar: Option<Example>,
}

#[derive(Default)]
struct StepTally {
    calls: u64,
    failed: u64,
    failed_here: u64,
    of_all: Portion,
    /// Whether some of them are calls, of which failures alone tell too little.
    is_of_calls: bool,
    kinds: Kinds,
    own: Durations,
    exemplar: Option<Example>,
}

/// One call.
struct Call<'a> {
    client: Arc<str>,
    server: &'a Arc<str>,
    kind: EdgeKind,
    failed: bool,
    /// Whether the callee has a span of it, and its answer came back.
    is_answered: bool,
    nanos: u64,
    gap: Option<u64>,
}

impl Tally {
    fn add_calls(
        &mut self,
        trace: &Trace,
        at: u32,
        weight: f64,
        aliases: &Aliases,
        max: usize,
        overflow: &mut Overflow,
    ) {
        let Some(mut call) = call_of(trace, at) else { return };
        if call.kind == EdgeKind::Peer
            && let Some(service) = aliases.service_at(call.server)
        {
            (call.server, call.kind) = (service, EdgeKind::Request);
        }
        let Some(place) = self.edges.of((call.client, Arc::clone(call.server), call.kind), max) else {
            overflow.edges += 1;
            return;
        };
        place.calls += 1;
        place.failed += u64::from(call.failed);
        let is_lost = call.failed && !call.is_answered;
        place.lost += u64::from(is_lost);
        place.of_all.add(is_lost, if call.failed { 1.0 } else { weight });
        place.duration.add(call.nanos);
        if let Some(gap) = call.gap {
            place.gap.add(gap);
        }
        place.exemplar = place.exemplar.max(Some(Example::new(trace, call.failed, call.nanos)));
    }

    /// Counts a statement to a database that failed: no other calls, as whether they reached their callee is not seen.
    fn add_failed_query(&mut self, trace: &Trace, at: u32, max: usize, overflow: &mut Overflow) {
        let call = called_peer(trace, at).filter(|call| call.kind == EdgeKind::Database);
        let Some(call) = call else { return };
        let Some(place) = self.edges.of((call.client, Arc::clone(call.server), call.kind), max) else {
            overflow.edges += 1;
            return;
        };
        place.of_all.add(true, 1.0);
        place.exemplar = place.exemplar.max(Some(Example::new(trace, true, 0)));
    }

    /// Counts a request that failed. Returns its step if it failed here.
    fn add_failed_step(
        &mut self,
        trace: &Trace,
        at: u32,
        failed_here: bool,
        max: usize,
        overflow: &mut Overflow,
    ) -> Option<&mut StepTally> {
        let span = trace.span(at);
        if span.kind.calls() {
            return None;
        }
        let Some(place) = self.steps.of((Arc::clone(&span.service), Arc::clone(&span.name)), max) else {
            overflow.steps += 1;
            return None;
        };
        place.of_all.add(failed_here, 1.0);
        // Its own time is not known: whole traces show more.
        place.exemplar = place.exemplar.max(Some(Example::new(trace, true, 0)));
        failed_here.then_some(place)
    }

    /// Returns the step if it failed, and failed here.
    fn add_step(
        &mut self,
        trace: &Trace,
        at: u32,
        own: &[u64],
        weight: f64,
        max: usize,
        overflow: &mut Overflow,
    ) -> Option<&mut StepTally> {
        let span = trace.span(at);
        if trace.answered[at as usize] || span.kind.calls() && span.peer.is_some() {
            // Its own time is the way there and back, or that of a database: the edge tells it.
            return None;
        }
        let Some(place) = self.steps.of((Arc::clone(&span.service), Arc::clone(&span.name)), max) else {
            overflow.steps += 1;
            return None;
        };
        let nanos = own.get(at as usize).copied().unwrap_or_default();
        place.calls += 1;
        place.failed += u64::from(span.failed);
        let failed_here = span.failed && !is_failed_below(trace, at);
        place.failed_here += u64::from(failed_here);
        place.of_all.add(failed_here, if span.failed { 1.0 } else { weight });
        place.is_of_calls |= span.kind.calls();
        place.own.add(nanos);
        place.exemplar = place.exemplar.max(Some(Example::new(trace, span.failed, nanos)));
        failed_here.then_some(place)
    }

    const fn n_traces(&self) -> u64 {
        self.n_assembled + self.n_witnesses
    }

    fn calls(&self) -> Calls {
        let weighed = |part: Portion| self.is_weighed.then_some(part);
        let of_all = |n: u64| (n as f64 / self.n_of_all.max(1.0)).min(1.0);
        let (coverage, share) = (of_all(self.n_whole), of_all(self.n_counted.max(1)));
        let edge = |((client, server, kind), tally): (&(Arc<str>, Arc<str>, EdgeKind), &EdgeTally)| Edge {
            client: Arc::clone(client),
            server: Arc::clone(server),
            kind: *kind,
            calls: tally.calls,
            failed: tally.failed,
            lost: tally.lost,
            // Of other calls nobody knows more than whole traces tell.
            lost_of_all: weighed(tally.of_all).filter(|_| *kind == EdgeKind::Database),
            duration: tally.duration.spread(),
            gap: tally.gap.spread(),
            exemplar: tally.exemplar.map(|example| example.trace),
        };
        let step = |((service, operation), tally): (&(Arc<str>, Arc<str>), &StepTally)| Step {
            service: Arc::clone(service),
            operation: Arc::clone(operation),
            calls: tally.calls,
            failed: tally.failed,
            failed_here: tally.failed_here,
            failed_here_of_all: weighed(tally.of_all).filter(|_| !tally.is_of_calls),
            failure: tally.kinds.commonest(),
            own: tally.own.spread(),
            exemplar: tally.exemplar.map(|example| example.trace),
        };
        let steps = self.steps.iter().map(step).collect();
        Calls { coverage, share, edges: self.edges.iter().map(edge).collect(), steps }
    }
}

/// Returns the call that a span is the end of: the callee's span where there is one, else the caller's.
fn call_of(trace: &Trace, at: u32) -> Option<Call<'_>> {
    let span = trace.span(at);
    let Some(caller) = trace.callers[at as usize].map(|caller| trace.span(caller)) else {
        return without_caller(trace, at);
    };
    let is_call = caller.kind.calls() && span.kind.answers();
    if !is_call && caller.service == span.service {
        return called_peer(trace, at);
    }
    let is_message = caller.kind == Kind::Producer || span.kind == Kind::Consumer;
    let measured = if is_call { caller } else { span };
    Some(Call {
        client: Arc::clone(&caller.service),
        server: &span.service,
        kind: if is_message { EdgeKind::Message } else { EdgeKind::Request },
        failed: measured.failed || span.failed,
        is_answered: !is_call || !lost_its_answer(caller, span),
        nanos: measured.duration(),
        gap: match is_message {
            // From when it was sent until somebody took it.
            true => Some(span.start.saturating_sub(caller.start)),
            false => is_call.then(|| caller.duration().saturating_sub(span.duration())),
        },
    })
}

/// Whether the caller failed although the callee had done its work before: the connection broke, say. A status that the
/// caller failed with is an answer, and what the caller no longer waited for is none of it.
fn lost_its_answer(caller: &Span, callee: &Span) -> bool {
    let has_no_status = caller.error.as_deref().is_some_and(|kind| !errors::is_status(kind));
    caller.failed && !callee.failed && callee.end <= caller.end && has_no_status
}

/// Whether a span failed by what it waited for. Spans within a service need not say that they failed: what is below
/// them does.
///
/// *Cost*: spans below that say nothing; each stands below one that failed at most.
fn is_failed_below(trace: &Trace, at: u32) -> bool {
    let mut open = trace.children(at).to_vec();
    while let Some(at) = open.pop() {
        let span = trace.span(at);
        if span.failed {
            return true;
        }
        if span.kind == Kind::Internal {
            open.extend(trace.children(at));
        }
    }
    false
}

fn without_caller(trace: &Trace, at: u32) -> Option<Call<'_>> {
    let span = trace.span(at);
    // Whoever called has no span here, as a gateway of somebody else, or is nobody. A span that waits below the root for
    // its own parent is called by somebody whose span is missing.
    if span.kind != Kind::Server || trace.waits[at as usize].is_some() {
        return called_peer(trace, at);
    }
    let (failed, nanos) = (span.failed, span.duration());
    let (client, server, kind) = (Arc::clone(&USER), &span.service, EdgeKind::Request);
    Some(Call { client, server, kind, failed, is_answered: true, nanos, gap: None })
}

/// Who is not instrumented.
static USER: LazyLock<Arc<str>> = LazyLock::new(|| "user".into());

/// A call of somebody who has no span.
fn called_peer(trace: &Trace, at: u32) -> Option<Call<'_>> {
    let span = trace.span(at);
    if !span.kind.calls() || trace.answered[at as usize] {
        return None;
    }
    let (server, kind) = match span.peer.as_ref()? {
        Peer::Database(name) => (name, EdgeKind::Database),
        Peer::Other(name) if span.kind == Kind::Producer => (name, EdgeKind::Message),
        Peer::Other(name) => (name, EdgeKind::Peer),
    };
    let (failed, nanos) = (span.failed, span.duration());
    let client = Arc::clone(&span.service);
    Some(Call { client, server, kind, failed, is_answered: false, nanos, gap: None })
}

/// Durations, kept as a histogram: a quantile is right within two percent.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Millis(pub(super) ExponentialHistogram);

/// Buckets that are 4 % wide, while values lie within a factor of a thousand.
const SCALE: i32 = 4;
const MAX_BUCKETS: u32 = 160;

impl Default for Millis {
    fn default() -> Self {
        Self(ExponentialHistogram::new(SCALE, MAX_BUCKETS))
    }
}

impl Millis {
    pub(super) fn add(&mut self, nanos: u64) {
        self.0.add(nanos as f64 / 1e6, 1);
    }

    /// *Units*: milliseconds. NaN where nothing was seen.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        self.0.quantile(share).unwrap_or(f64::NAN)
    }
}

/// Durations with their sum, which is exact.
#[derive(Default)]
struct Durations {
    millis: Millis,
    nanos: u64,
    n: u64,
}

impl Durations {
    fn add(&mut self, nanos: u64) {
        self.millis.add(nanos);
        self.nanos = self.nanos.saturating_add(nanos);
        self.n += 1;
    }

    fn spread(&self) -> Spread {
        if self.n == 0 {
            return Spread::EMPTY;
        }
        let mean = self.nanos as f64 / 1e6 / self.n as f64;
        Spread { mean, p50: self.millis.quantile(0.5), p95: self.millis.quantile(0.95) }
    }
}

/// A trace that shows something: failed before slow, slow before fast, of equals the one with the least hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Example {
    failed: bool,
    nanos: u64,
    rank: Reverse<u64>,
    pub(super) trace: TraceId,
}

impl Example {
    pub(super) fn new(trace: &Trace, failed: bool, nanos: u64) -> Self {
        let trace = trace.id_bytes();
        Self { failed, nanos, rank: Reverse(hash_of(&trace)), trace }
    }
}
