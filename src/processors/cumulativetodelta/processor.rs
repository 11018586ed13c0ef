//! Both halves: one that finds what is to be converted, and one that knows every stream.

use std::{cell::RefCell, time::Duration};

use bytes::Bytes;
use component::{BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef, RestoreError, Snapshot};
use model::{Batch, Partial, Payload, Signal, SignalSet, Timestamp};
use prost::Message;
use wire::view::latest_time;

use super::{
    CumulativeToDeltaConfig,
    choice::Choice,
    convert::{Converted, concerns, convert},
    partial::{DeltaPartial, VERSION},
    snapshot,
    streams::Streams,
};

/// Turns cumulative metrics into differences.
pub struct CumulativeToDelta;

impl ProcessorDef for CumulativeToDelta {
    const KIND: &'static str = "cumulativetodelta";
    type Config = CumulativeToDeltaConfig;

    fn consumes(_: &CumulativeToDeltaConfig) -> SignalSet {
        SignalSet::METRICS
    }

    fn emits(_: &CumulativeToDeltaConfig) -> SignalSet {
        SignalSet::METRICS
    }

    fn ingest(config: &CumulativeToDeltaConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(IngestHalf { choice: Choice::new(config), requests: Vec::new(), n_bytes: 0, n_points: 0 })
    }

    fn analysis(config: &CumulativeToDeltaConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        let streams =
            Streams::new(config.max_streams, config.max_bytes.0, config.initial(), cx.started_at.as_nanos());
        Some(Box::new(AnalysisHalf {
            choice: Choice::new(config),
            state: RefCell::new(State { streams, requests: Vec::new(), converted: Vec::new() }),
            staleness: config.max_staleness.get(),
            swept_at: cx.started_at,
            tracked: cx.telemetry.gauge(
                "otelcol_cumulativetodelta_streams_tracked",
                "Streams whose last point is known",
                "{stream}",
            ),
            tracked_bytes: cx.telemetry.gauge(
                "otelcol_cumulativetodelta_streams_bytes",
                "What the streams take that are known",
                "By",
            ),
            unreadable: cx.telemetry.counter(
                "otelcol_cumulativetodelta_unreadable_partials",
                "Partials of another release and requests in them that are damaged, which are left out",
                "{partial}",
            ),
        }))
    }
}

/// What one shard may keep between two ticks.
const MAX_BYTES: usize = 128 << 20;
/// A partial is closed when it is so large.
const PARTIAL_BYTES: usize = 1 << 20;
/// Streams that ended are looked for so often.
const SWEEP: Duration = Duration::from_secs(60);

/// Keeps requests of one shard that are to be converted until the next tick.
struct IngestHalf {
    choice: Choice,
    requests: Vec<Bytes>,
    n_bytes: usize,
    n_points: u64,
}

impl Processor for IngestHalf {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        let request = match &batch.payload {
            Payload::Metrics(request) if concerns(request, &self.choice) => request.clone(),
            _ => return cx.pass(batch),
        };
        // One request is always taken, as else a large one never would be.
        if self.n_bytes > 0 && self.n_bytes + request.len() > MAX_BYTES {
            return cx.reject(batch.items, "more_than_a_shard_holds");
        }
        self.n_bytes += request.len();
        self.n_points += batch.items;
        self.requests.push(request);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        let mut message = DeltaPartial { version: VERSION, requests: Vec::new() };
        let mut n_bytes = 0;
        for request in std::mem::take(&mut self.requests) {
            n_bytes += request.len();
            message.requests.push(request);
            if n_bytes >= PARTIAL_BYTES {
                n_bytes = 0;
                emit(&mut message, cx);
            }
        }
        emit(&mut message, cx);
        (self.n_bytes, self.n_points) = (0, 0);
    }

    fn untold(&self) -> u64 {
        self.n_points
    }
}

fn emit(message: &mut DeltaPartial, cx: &mut Cx<'_>) {
    if message.requests.is_empty() {
        return;
    }
    let bytes = message.encode_to_vec().into();
    message.requests.clear();
    cx.emit(Payload::Partial(Partial { bytes, at: cx.now() }), 0);
}

/// Knows the last point of every stream.
struct AnalysisHalf {
    choice: Choice,
    /// Behind a cell, as what came is converted before the state is stored, and else at the tick.
    state: RefCell<State>,
    /// Zero for streams that never end.
    staleness: Duration,
    /// When streams that ended were looked for last.
    swept_at: Timestamp,
    tracked: Gauge,
    tracked_bytes: Gauge,
    unreadable: Counter,
}

struct State {
    streams: Streams,
    /// What came and is not converted yet.
    requests: Vec<Bytes>,
    /// What is to leave with the next tick.
    converted: Vec<Converted>,
}

impl AnalysisHalf {
    /// Converts what came, in the order of its times: which shard had a request does not matter. A state that is stored
    /// after this and before the tick knows of all that leaves then, so that a crash repeats nothing.
    fn settle(&self) {
        let mut state = self.state.borrow_mut();
        let State { streams, requests, converted } = &mut *state;
        let mut requests = std::mem::take(requests);
        requests.sort_by_cached_key(|request| (latest_time(Signal::Metrics, request), request.clone()));
        converted.extend(requests.iter().map(|request| convert(request, &self.choice, streams)));
    }
}

impl Processor for AnalysisHalf {
    fn process(&mut self, batch: Batch, _: &mut Cx<'_>) {
        let Payload::Partial(partial) = batch.payload else { return };
        match DeltaPartial::decode(partial.bytes) {
            Ok(message) if message.version == VERSION => {
                // Between processes bytes are as foreign as those of a sender.
                let is_sound = |request: &Bytes| wire::check_metrics(request).is_ok();
                let (sound, unsound): (Vec<_>, Vec<_>) = message.requests.into_iter().partition(is_sound);
                self.unreadable.add(unsound.len() as u64);
                self.state.get_mut().requests.extend(sound);
            }
            _ => self.unreadable.add(1),
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.settle();
        let state = self.state.get_mut();
        for Converted { bytes, n_points, dropped } in state.converted.drain(..) {
            dropped.into_iter().for_each(|reason| cx.reject(1, reason));
            if let Some(bytes) = bytes {
                cx.emit(Payload::Metrics(bytes), n_points);
            }
        }
        let now = cx.now();
        state.streams.advance(now.as_nanos());
        if !self.staleness.is_zero() && now >= self.swept_at + SWEEP {
            self.swept_at = now;
            state.streams.forget_before(now.as_nanos().saturating_sub(self.staleness.as_nanos() as u64));
        }
        self.tracked.set(state.streams.len() as u64);
        self.tracked_bytes.set(state.streams.n_bytes() as u64);
    }

    fn snapshot(&self) -> Option<Snapshot> {
        self.settle();
        Some(snapshot::take(&self.state.borrow().streams))
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        snapshot::restore(&mut self.state.get_mut().streams, &snapshot)
    }
}
