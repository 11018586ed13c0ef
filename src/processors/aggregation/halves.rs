//! The two halves of everything that is counted from spans.

use std::time::Duration;

use bytes::Bytes;
use component::{Counter, Cx, Gauge, Processor, RestoreError, Snapshot, Telemetry};
use model::{Batch, KeySet, Partial, Payload, Timestamp};
use prost::Message;
use wire::view::Temporality;

use super::{
    cumulative::{Counts, Cumulative, Expiry, Point, is_sound},
    emit::Output,
    flush::FlushClock,
    fold::Fold,
    partial::{ResourceRow, Row, SavedSeries, SpanMetricsPartial, SpanMetricsSnapshot, VERSION},
    refused::Demand,
    spec::SeriesSpec,
};

/// A family of series as a face configures it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Family {
    pub(crate) spec: SeriesSpec,
    pub(crate) counted: Counted,
}

/// What the series of a family count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Counted {
    Spans,
    /// The events of spans.
    Events,
}

/// Everything that both halves must agree on, and what the analysis half adds.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Plan {
    /// The component in the names of its own metrics: `spanmetrics`.
    pub(crate) telemetry_name: &'static str,
    pub(crate) families: Vec<Family>,
    pub(crate) output: Output,
    pub(crate) flush_interval: Duration,
    pub(crate) expiry: Expiry,
    /// How far the times of data points are put back.
    pub(crate) timestamp_offset: Duration,
}

impl Plan {
    /// Distinguishes plans whose rows can not be added.
    pub(crate) fn layout(&self) -> u64 {
        let shape: Vec<_> = self
            .families
            .iter()
            .map(|family| (&family.spec.layout, family.spec.unit, family.counted == Counted::Events))
            .collect();
        super::hashing::mix_bytes(0, format!("{shape:?}").as_bytes())
    }
}

/// Sees spans, on every shard.
pub(crate) struct IngestHalf {
    folds: Vec<(Fold, Counted)>,
    clock: FlushClock,
    layout: u64,
    overflowed: Counter,
    n_series: Gauge,
    /// Spans that are counted here and in no partial.
    counted: u64,
    /// Spans in partials that leave with the next tick.
    leaving: u64,
}

impl IngestHalf {
    pub(crate) fn new(plan: &Plan, cx: &component::BuildCx<'_>) -> Self {
        let seed = super::hashing::seed(cx);
        let folds = plan.families.iter().map(|family| (Fold::new(family.spec.clone(), seed), family.counted));
        let telemetry = cx.telemetry;
        Self {
            folds: folds.collect(),
            clock: FlushClock::new(plan.flush_interval, cx.started_at),
            layout: plan.layout(),
            overflowed: overflow_counter(plan, telemetry),
            n_series: telemetry.gauge(
                &format!("otelcol_connector_{}_shard_series", plan.telemetry_name),
                "Series that the shards count at present",
                "{series}",
            ),
            counted: 0,
            leaving: 0,
        }
    }

    fn flush(&mut self, cx: &mut Cx<'_>) {
        let (layout, at) = (self.layout, cx.now());
        let mut n_series = 0;
        let tell = |cx: &mut Cx<'_>, message: &SpanMetricsPartial, items: u64| {
            cx.emit(Payload::Partial(Partial { bytes: message.encode_to_vec().into(), at }), items);
        };
        for (family, (fold, _)) in self.folds.iter_mut().enumerate() {
            let refused = fold.refused();
            if !refused.is_empty() {
                let message = SpanMetricsPartial { version: VERSION, layout, refused, ..Default::default() };
                tell(cx, &message, 0);
            }
            let overflowed = fold.flush(family as u32, |resources, rows| {
                let items = rows.len() as u64;
                let (version, refused) = (VERSION, Vec::new());
                tell(cx, &SpanMetricsPartial { version, layout, resources, rows, refused }, items);
            });
            self.overflowed.add(overflowed);
            n_series += fold.n_series();
        }
        self.n_series.set(n_series as u64);
        self.leaving += std::mem::take(&mut self.counted);
    }
}

fn overflow_counter(plan: &Plan, telemetry: &Telemetry) -> Counter {
    telemetry.counter(
        &format!("otelcol_connector_{}_overflowed_spans", plan.telemetry_name),
        "Spans counted in an overflow series because their own had no room",
        "{span}",
    )
}

impl Processor for IngestHalf {
    fn want(&mut self, keys: &mut KeySet) {
        self.folds.iter_mut().for_each(|(fold, _)| fold.want(keys));
    }

    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        if let Payload::Traces(traces) = &batch.payload {
            for (fold, counted) in &mut self.folds {
                match counted {
                    Counted::Spans => fold.fold(&traces.bytes, &traces.table),
                    Counted::Events => fold.fold_events(&traces.bytes, &traces.table),
                }
            }
        }
        self.counted += batch.items;
        cx.absorb(batch);
        if self.folds.iter().any(|(fold, _)| fold.is_full()) {
            self.flush(cx);
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        if self.clock.is_due(cx.now()) {
            self.flush(cx);
        }
        self.leaving = 0;
    }

    fn drain(&mut self, cx: &mut Cx<'_>) {
        self.flush(cx);
        self.leaving = 0;
    }

    fn untold(&self) -> u64 {
        self.counted + self.leaving
    }
}

/// Merges the partials of all shards.
pub(crate) struct AnalysisHalf {
    ledger: Ledger,
}

impl AnalysisHalf {
    pub(crate) fn new(plan: Plan, cx: &component::BuildCx<'_>) -> Self {
        Self { ledger: Ledger::new(plan, cx) }
    }

    fn merge(&mut self, partial: &Partial, cx: &mut Cx<'_>) {
        let Ok(message) = SpanMetricsPartial::decode(&partial.bytes[..]) else {
            cx.reject(1, "damaged_partial");
            return;
        };
        if message.version != VERSION || message.layout != self.ledger.plan.layout() {
            cx.reject(message.rows.len() as u64, "foreign_partial");
            return;
        }
        for row in &message.rows {
            let resource = message.resources.get(row.resource as usize);
            if !resource.is_some_and(|resource| self.ledger.add(resource, row, partial.at)) {
                cx.reject(1, "damaged_partial");
            }
        }
        let unsound = message.refused.iter().filter(|row| !self.ledger.demand.merge(row)).count();
        if unsound > 0 {
            cx.reject(unsound as u64, "damaged_partial");
        }
    }
}

impl Processor for AnalysisHalf {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        if let Payload::Partial(partial) = &batch.payload {
            self.merge(partial, cx);
        }
        cx.absorb(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.ledger.tick(cx);
    }

    fn drain(&mut self, cx: &mut Cx<'_>) {
        self.ledger.emit(cx);
    }

    fn closes_at(&self, now: Timestamp) -> bool {
        self.ledger.closes_at(now)
    }

    fn snapshot(&self) -> Option<Snapshot> {
        Some(Snapshot { version: VERSION, bytes: self.ledger.save().encode_to_vec() })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        if snapshot.version != VERSION {
            return Err(RestoreError::Version { found: snapshot.version, readable: "1" });
        }
        let message = SpanMetricsSnapshot::decode(&snapshot.bytes[..]);
        self.ledger.restore(&message.map_err(|error| RestoreError::Damaged(error.to_string()))?)
    }
}

/// The series of a plan as they are told, and what must survive a restart of them.
pub(crate) struct Ledger {
    pub(crate) plan: Plan,
    series: Cumulative,
    clock: FlushClock,
    /// What came first after it was zero then: the start of new series.
    last_flush: Timestamp,
    overflowed: Counter,
    expired: Counter,
    n_series: Gauge,
    demand: Demand,
}

impl Ledger {
    pub(crate) fn new(plan: Plan, cx: &component::BuildCx<'_>) -> Self {
        let series = Cumulative::new(plan.families.iter().map(|family| family.spec.clone()).collect());
        let clock = FlushClock::new(plan.flush_interval, cx.started_at);
        let (telemetry, name) =
            (cx.telemetry, |what: &str| format!("otelcol_connector_{}_{what}", plan.telemetry_name));
        Self {
            series,
            clock,
            last_flush: cx.started_at,
            overflowed: overflow_counter(&plan, telemetry),
            expired: telemetry.counter(
                &name("expired_series"),
                "Series forgotten because nothing came for them for too long",
                "{series}",
            ),
            n_series: telemetry.gauge(&name("series"), "Series that the output holds at present", "{series}"),
            demand: Demand::new(telemetry, name("overflow_values"), cx.started_at),
            plan,
        }
    }

    /// Adds a row. Returns whether it was one that the plan allows.
    pub(crate) fn add(&mut self, resource: &ResourceRow, row: &Row, at: Timestamp) -> bool {
        self.series.add(resource, row, self.last_flush, at)
    }

    /// Whether the tick at `now` will tell all series.
    pub(crate) fn closes_at(&self, now: Timestamp) -> bool {
        self.clock.ends_by(now)
    }

    /// Tells all series when an interval has ended.
    pub(crate) fn tick(&mut self, cx: &mut Cx<'_>) {
        if self.clock.is_due(cx.now()) {
            self.emit(cx);
            self.last_flush = cx.now();
        }
    }

    /// Tells all series. The interval does not end: what follows, after a restart too, continues it.
    pub(crate) fn emit(&mut self, cx: &mut Cx<'_>) {
        self.overflowed.add(self.series.admit(&mut self.demand));
        self.demand.tell(cx.now());
        let at = cx.now() - self.plan.timestamp_offset;
        self.plan.output.write(&self.series, at, |bytes, points| {
            cx.emit(Payload::Metrics(Bytes::from(bytes)), points);
        });
        if self.is_delta() {
            self.series.clear();
            self.last_flush = cx.now();
        } else {
            self.expired.add(self.series.expire(cx.now(), self.plan.expiry) as u64);
        }
        self.n_series.set(self.series.n_series() as u64);
    }

    fn is_delta(&self) -> bool {
        self.plan.output.temporality == Temporality::Delta
    }

    pub(crate) fn save(&self) -> SpanMetricsSnapshot {
        // What a delta told before a crash must not be told again; what it did not tell is lost with the
        // process, which is less than one interval.
        let (resources, series) =
            if self.is_delta() { (Vec::new(), Vec::new()) } else { saved(&self.series) };
        let last_flush = self.last_flush.as_nanos();
        SpanMetricsSnapshot { version: VERSION, layout: self.plan.layout(), last_flush, resources, series }
    }

    /// Takes back what [`Self::save`] returned.
    ///
    /// # Errors
    /// When it is of another plan or inconsistent; nothing has changed then.
    pub(crate) fn restore(&mut self, message: &SpanMetricsSnapshot) -> Result<(), RestoreError> {
        let damaged = |what: &str| RestoreError::Damaged(what.to_owned());
        if message.version != VERSION || message.layout != self.plan.layout() {
            return Err(damaged("its histograms are of another configuration; counters begin at zero"));
        }
        let mut series = Cumulative::new(self.series.specs.clone());
        for saved in &message.series {
            let resource = message.resources.get(saved.row.resource as usize);
            let (start, last_seen) = (Timestamp(saved.start), Timestamp(saved.last_seen));
            let spec = series.specs.get(saved.row.family as usize);
            let point =
                spec.and_then(|spec| Point::restored(&saved.row, spec, saved.scale, start, last_seen));
            let resource = resource.filter(|resource| is_sound(resource, &saved.row));
            let (Some(resource), Some(point)) = (resource, point) else {
                return Err(damaged("a series is inconsistent"));
            };
            series.restore(resource, saved.row.family as usize, &saved.row.attributes, point);
        }
        self.series = series;
        self.last_flush = Timestamp(message.last_flush);
        Ok(())
    }
}

fn saved(series: &Cumulative) -> (Vec<ResourceRow>, Vec<SavedSeries>) {
    let (mut resources, mut all) = (Vec::new(), Vec::new());
    for (attributes, service, family, key, point) in series.every_point() {
        let row = ResourceRow { attributes: attributes.to_vec(), service: service.to_vec() };
        if resources.last() != Some(&row) {
            resources.push(row);
        }
        let mut row = point.row(family as u32, key);
        row.resource = (resources.len() - 1) as u32;
        let scale = match &point.counts {
            Counts::Exponential(histogram) => histogram.scale(),
            Counts::None | Counts::Explicit(_) => 0,
        };
        let (start, last_seen) = (point.start.as_nanos(), point.last_seen.as_nanos());
        all.push(SavedSeries { row, start, last_seen, scale });
    }
    (resources, all)
}
