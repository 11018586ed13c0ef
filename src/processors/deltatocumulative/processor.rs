//! Both halves: one that finds what is to be converted, and one that knows every stream.

use std::{cell::RefCell, time::Duration};

use bytes::Bytes;
use component::{BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef, RestoreError, Snapshot, Telemetry};
use model::{Batch, Payload, Signal, SignalSet, Timestamp};
use wire::view::latest_time;

use super::{
    DeltaToCumulativeConfig,
    convert::{Converted, concerns, convert},
    snapshot,
    streams::{OLDER_START, OUT_OF_ORDER, Reason, Streams, TOO_MANY},
};
use crate::temporality::{IngestHalf, RequestsPartial};

/// Adds up metrics of delta temporality.
pub struct DeltaToCumulative;

impl ProcessorDef for DeltaToCumulative {
    const KIND: &'static str = "deltatocumulative";
    const ALIASES: &'static [&'static str] = &["delta_to_cumulative"];
    type Config = DeltaToCumulativeConfig;

    fn consumes(_: &DeltaToCumulativeConfig) -> SignalSet {
        SignalSet::METRICS
    }

    fn emits(_: &DeltaToCumulativeConfig) -> SignalSet {
        SignalSet::METRICS
    }

    fn ingest(_: &DeltaToCumulativeConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(IngestHalf::new(concerns))
    }

    fn analysis(config: &DeltaToCumulativeConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        let streams = Streams::new(config.max_streams, config.max_bytes.0, cx.started_at.as_nanos());
        let meters = Meters::new(cx.telemetry);
        meters.limit.set(config.max_streams);
        meters.max_stale.set(config.max_stale.get().as_secs());
        Some(Box::new(AnalysisHalf {
            state: RefCell::new(State { streams, requests: Vec::new(), converted: Vec::new() }),
            staleness: config.max_stale.get(),
            swept_at: cx.started_at,
            meters,
        }))
    }
}

/// Streams that ended are looked for so often.
const SWEEP: Duration = Duration::from_secs(60);

/// Knows what every stream has come to.
struct AnalysisHalf {
    /// Behind a cell, as what came is converted before the state is stored, and else at the tick.
    state: RefCell<State>,
    staleness: Duration,
    /// When streams that ended were looked for last.
    swept_at: Timestamp,
    meters: Meters,
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
    /// after this and before the tick knows of all that leaves then, so that a crash sets no total back.
    fn settle(&self) {
        let mut state = self.state.borrow_mut();
        let State { streams, requests, converted } = &mut *state;
        let mut requests = std::mem::take(requests);
        requests.sort_by_cached_key(|request| (latest_time(Signal::Metrics, request), request.clone()));
        converted.extend(requests.iter().map(|request| convert(request, streams)));
    }
}

impl Processor for AnalysisHalf {
    fn process(&mut self, batch: Batch, _: &mut Cx<'_>) {
        let Payload::Partial(partial) = batch.payload else { return };
        let (requests, n_unreadable) = RequestsPartial::read(partial.bytes);
        self.meters.unreadable.add(n_unreadable);
        self.state.get_mut().requests.extend(requests);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.settle();
        let state = self.state.get_mut();
        for Converted { bytes, n_points, dropped, n_taken } in state.converted.drain(..) {
            self.meters.points.add(n_taken - dropped.len() as u64);
            for reason in dropped {
                self.meters.failed(reason);
                cx.reject(1, reason);
            }
            if let Some(bytes) = bytes {
                cx.emit(Payload::Metrics(bytes), n_points);
            }
        }
        let now = cx.now();
        state.streams.advance(now.as_nanos());
        if now >= self.swept_at + SWEEP {
            self.swept_at = now;
            state.streams.forget_before(now.as_nanos().saturating_sub(self.staleness.as_nanos() as u64));
        }
        self.meters.tracked.set(state.streams.len() as u64);
        self.meters.tracked_bytes.set(state.streams.n_bytes() as u64);
    }

    fn snapshot(&self) -> Option<Snapshot> {
        self.settle();
        Some(snapshot::take(&self.state.borrow().streams))
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        snapshot::restore(&mut self.state.get_mut().streams, &snapshot)
    }
}

/// The collector's self-metrics of this processor, and what it does not have.
struct Meters {
    points: Counter,
    /// By error, as the collector calls it.
    errors: [Counter; 4],
    tracked: Gauge,
    tracked_bytes: Gauge,
    limit: Gauge,
    max_stale: Gauge,
    unreadable: Counter,
}

const ERRORS: [&str; 4] = ["limit", "delta.ErrOutOfOrder", "delta.ErrOlderStart", "value"];

impl Meters {
    fn new(telemetry: &Telemetry) -> Self {
        const POINTS: &str = "otelcol_deltatocumulative_datapoints";
        const POINTS_TEXT: &str = "Total number of datapoints processed";
        let gauge = |name: &str, description, unit| {
            telemetry.gauge(&format!("otelcol_deltatocumulative_{name}"), description, unit)
        };
        Self {
            points: telemetry.counter(POINTS, POINTS_TEXT, "{datapoint}"),
            errors: ERRORS
                .map(|error| telemetry.with("error", error).counter(POINTS, POINTS_TEXT, "{datapoint}")),
            tracked: gauge("streams_tracked", "Streams whose total is known", "{stream}"),
            tracked_bytes: gauge("streams_bytes", "What the streams take that are known", "By"),
            limit: gauge("streams_limit", "Upper limit of tracked streams", "{stream}"),
            max_stale: gauge("streams_max_stale", "Duration after which streams are dropped", "s"),
            unreadable: telemetry.counter(
                "otelcol_deltatocumulative_unreadable_partials",
                "Partials of another release and requests in them that are damaged, which are left out",
                "{partial}",
            ),
        }
    }

    fn failed(&self, reason: Reason) {
        let [limit, order, start, value] = &self.errors;
        let error = match reason {
            TOO_MANY => limit,
            OUT_OF_ORDER => order,
            OLDER_START => start,
            _ => value,
        };
        error.add(1);
    }
}
