//! Both halves: one that finds what is to be converted, and one that knows every stream.

use std::{cell::RefCell, time::Duration};

use bytes::Bytes;
use component::{BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef, RestoreError, Snapshot};
use model::{Batch, Payload, Signal, SignalSet, Timestamp};
use wire::view::latest_time;

use super::{
    CumulativeToDeltaConfig,
    choice::Choice,
    convert::{Converted, concerns, convert},
    snapshot::{self, GoesOn},
    streams::Streams,
};
use crate::temporality::{IngestHalf, RequestsPartial};

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
        let choice = Choice::new(config);
        Box::new(IngestHalf::new(move |request| concerns(request, &choice)))
    }

    fn analysis(config: &CumulativeToDeltaConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        let streams =
            Streams::new(config.max_streams, config.max_bytes.0, config.initial(), cx.started_at.as_nanos());
        Some(Box::new(AnalysisHalf {
            choice: Choice::new(config),
            state: RefCell::new(State { streams, requests: Vec::new(), converted: Vec::new() }),
            staleness: config.max_staleness.get(),
            snapshot_interval: config.snapshot_interval.get(),
            has_ended: false,
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

/// Streams that ended are looked for so often.
const SWEEP: Duration = Duration::from_secs(60);

/// Knows the last point of every stream.
struct AnalysisHalf {
    choice: Choice,
    /// Behind a cell, as what came is converted before the state is stored, and else at the tick.
    state: RefCell<State>,
    /// Zero for streams that never end.
    staleness: Duration,
    /// Zero to store before anything leaves.
    snapshot_interval: Duration,
    /// All that will ever leave has left.
    has_ended: bool,
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
        let (requests, n_unreadable) = RequestsPartial::read(partial.bytes);
        self.unreadable.add(n_unreadable);
        self.state.get_mut().requests.extend(requests);
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
        let table = &mut state.streams.table;
        table.advance(now.as_nanos());
        if !self.staleness.is_zero() && now >= self.swept_at + SWEEP {
            self.swept_at = now;
            table.forget_before(now.as_nanos().saturating_sub(self.staleness.as_nanos() as u64));
        }
        self.tracked.set(table.len() as u64);
        self.tracked_bytes.set(table.n_bytes() as u64);
    }

    fn drain(&mut self, cx: &mut Cx<'_>) {
        self.tick(cx);
        self.has_ended = true;
    }

    fn closes_at(&self, now: Timestamp) -> bool {
        self.snapshot_interval.is_zero() || now == now.window_start(self.snapshot_interval)
    }

    fn snapshot(&self) -> Option<Snapshot> {
        self.settle();
        let goes_on = match self.snapshot_interval.is_zero() || self.has_ended {
            true => GoesOn::WithTheNext,
            false => GoesOn::BeyondIt,
        };
        Some(snapshot::take(&self.state.borrow().streams, goes_on))
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        snapshot::restore(&mut self.state.get_mut().streams, &snapshot)
    }
}
