//! The processor's row in the table of its layer, and its analysis half.

use std::time::Duration;

use component::{BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef, RestoreError, Snapshot};
use model::{Batch, Columns, Payload, SignalSet, Timestamp};
use prost::Message;

use super::{
    AggregationConfig,
    catalog::Catalog,
    ingest::{IngestHalf, left_out_versions},
    output::write,
    partial::{RollupPartial, VERSION},
    rows::{Observed, tables},
    state::{Closed, State, Strays},
};

/// Rolls up metrics and durations of spans into windows.
pub struct Aggregation;

impl ProcessorDef for Aggregation {
    const KIND: &'static str = "aggregation";
    const ADDS: Columns = Columns::VALUES;
    type Config = AggregationConfig;

    fn consumes(config: &AggregationConfig) -> SignalSet {
        let metrics = if config.metrics { SignalSet::METRICS } else { SignalSet::NONE };
        metrics.union(if config.spans { SignalSet::TRACES } else { SignalSet::NONE })
    }

    fn emits(config: &AggregationConfig) -> SignalSet {
        Self::consumes(config).union(SignalSet::METRICS)
    }

    fn ingest(config: &AggregationConfig, cx: &BuildCx<'_>) -> Box<dyn Processor> {
        Box::new(IngestHalf::new(config, cx))
    }

    fn analysis(config: &AggregationConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(config, cx)))
    }
}

struct AnalysisHalf {
    state: State,
    started_at: Timestamp,
    late: Counter,
    early: Counter,
    out_of_order: Counter,
    overflowed: Counter,
    left_out_versions: Counter,
    n_series: Gauge,
    /// The series that later stages judge, when there are such stages.
    catalog: Option<Catalog>,
    n_watched: Gauge,
}

/// A series that was silent for so long gives its place to a new one when there is no other.
const WATCHED_IDLE: Duration = Duration::from_secs(15 * 60);

/// What survives a restart.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RollupSnapshot {
    /// One for each width.
    #[prost(message, repeated, tag = "1")]
    levels: Vec<RollupPartial>,
    /// Nanoseconds since the epoch.
    #[prost(fixed64, tag = "2")]
    closed_until: u64,
    /// What is not in its windows yet.
    #[prost(message, required, tag = "3")]
    came: RollupPartial,
}

impl AnalysisHalf {
    fn new(config: &AggregationConfig, cx: &BuildCx<'_>) -> Self {
        let counter = |name: &str, description| {
            cx.telemetry.counter(&format!("otelcol_processor_aggregation_{name}"), description, "{item}")
        };
        Self {
            state: State::new(config, cx.started_at),
            started_at: cx.started_at,
            late: counter(
                "late_items",
                "Data points and spans that came after their window and count in the next",
            ),
            early: counter(
                "early_items",
                "Data points and spans of the future, which count in the present window",
            ),
            out_of_order: counter(
                "out_of_order_items",
                "Points of counters left out because a newer one came before",
            ),
            overflowed: counter("overflowed_items", "Data points and spans counted in an overflow series"),
            left_out_versions: left_out_versions(cx),
            n_series: cx.telemetry.gauge(
                "otelcol_processor_aggregation_series",
                "Series that are rolled up at present",
                "{series}",
            ),
            catalog: cx.is_watched.then(|| Catalog::new(config.watched_limit(), WATCHED_IDLE)),
            n_watched: cx.telemetry.gauge(
                "otelcol_processor_aggregation_watched_series",
                "Series with a statistic each that later stages know",
                "{series}",
            ),
        }
    }

    /// Hands whole windows to the stages that judge them.
    fn watch(&mut self, closed: &[Closed], cx: &mut Cx<'_>) {
        let Some(catalog) = &mut self.catalog else { return };
        let observed = Observed { from: self.started_at, until: cx.now() };
        let (tables, dropped) = tables(closed, observed, catalog);
        self.n_watched.set(catalog.len() as u64);
        if dropped > 0 {
            cx.reject(dropped, "watched_series_limit");
        }
        for mut table in tables {
            table.deployments = self.state.deployments.within(table.start, table.end());
            // What a restart changes in the middle of a window shows in full in the next.
            table.restarts = self.state.restarts.within(table.start - table.width, table.end());
            let items = table.len() as u64;
            cx.emit(Payload::Rollups(Box::new(table)), items);
        }
    }

    fn tell(&self, closed: &[Closed], strays: Strays, cx: &mut Cx<'_>) {
        self.late.add(strays.late);
        self.early.add(strays.early);
        self.out_of_order.add(strays.out_of_order);
        self.overflowed.add(strays.overflowed);
        self.n_series.set(self.state.n_series() as u64);
        if strays.dropped > 0 {
            cx.reject(strays.dropped, "rollup_series_limit");
        }
        if strays.out_of_order > 0 {
            cx.reject(strays.out_of_order, "rollup_out_of_order");
        }
        let readable: Vec<&Closed> = closed.iter().filter(|window| !window.cell.is_unreadable()).collect();
        let (bytes, points) = write(&readable);
        if points > 0 {
            cx.emit(Payload::Metrics(bytes.into()), points);
        }
    }
}

impl Processor for AnalysisHalf {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        if let Payload::Partial(partial) = &batch.payload {
            match RollupPartial::decode(&partial.bytes[..]) {
                Ok(message) if self.state.fits(&message) => {
                    let damaged = self.state.take(message);
                    self.state.settle_what_is_too_much(cx.now());
                    self.left_out_versions.add(std::mem::take(&mut self.state.deployments.left_out));
                    if damaged > 0 {
                        cx.reject(damaged, "damaged_partial");
                    }
                }
                Ok(message) => {
                    cx.reject((message.windows.len() + message.points.len()) as u64, "foreign_partial")
                }
                Err(_) => cx.reject(1, "damaged_partial"),
            }
        }
        cx.absorb(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        let (closed, strays) = self.state.advance(cx.now());
        self.tell(&closed, strays, cx);
        self.watch(&closed, cx);
    }

    fn drain(&mut self, cx: &mut Cx<'_>) {
        let (closed, strays) = self.state.finish(cx.now());
        self.tell(&closed, strays, cx);
        self.watch(&closed, cx);
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let (levels, closed_until) = self.state.save();
        let message = RollupSnapshot { levels, closed_until, came: self.state.save_came() };
        Some(Snapshot { version: VERSION, bytes: message.encode_to_vec() })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        if snapshot.version != VERSION {
            return Err(RestoreError::Version { found: snapshot.version, readable: "1" });
        }
        let damaged = |what: String| RestoreError::Damaged(what);
        let message =
            RollupSnapshot::decode(&snapshot.bytes[..]).map_err(|error| damaged(error.to_string()))?;
        if !self.state.fits(&message.came)
            || !self.state.restore(message.levels, message.closed_until, self.started_at)
        {
            return Err(damaged("its windows are damaged or of other widths; they begin empty".to_owned()));
        }
        self.state.take(message.came);
        Ok(())
    }
}
