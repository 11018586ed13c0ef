//! The two halves of the connector.

use component::{BuildCx, Counter, Cx, Gauge, Processor, ProcessorDef, RestoreError, Snapshot};
use model::{Batch, KeySet, Partial, Payload, SignalSet, Slot, SpanRec, Timestamp, Traces};
use prost::Message;
use wire::view::AnyValue;

use super::{
    ServiceGraphConfig,
    edges::{Half, HalfWriter},
    partial::{HalfRow, ServiceGraphPartial, ServiceGraphSnapshot, VERSION},
    plan::{plan, rows},
    store::{Fate, Store},
};
use crate::aggregation::{
    attributes::find, halves::Ledger, partial::ResourceRow, spec::service_of, weight::weight_drawn_by,
};

/// Pairs the spans of clients and servers into edges.
pub struct ServiceGraph;

impl ProcessorDef for ServiceGraph {
    const KIND: &'static str = "service_graph";
    const ALIASES: &'static [&'static str] = &["servicegraph"];
    type Config = ServiceGraphConfig;

    fn consumes(_: &ServiceGraphConfig) -> SignalSet {
        SignalSet::TRACES
    }

    fn emits(_: &ServiceGraphConfig) -> SignalSet {
        SignalSet::METRICS
    }

    fn ingest(config: &ServiceGraphConfig, _: &BuildCx<'_>) -> Box<dyn Processor> {
        let slots = Slots::default();
        Box::new(IngestHalf {
            config: config.clone(),
            slots,
            writer: HalfWriter::default(),
            resources: Vec::new(),
            untold: 0,
        })
    }

    fn analysis(config: &ServiceGraphConfig, cx: &BuildCx<'_>) -> Option<Box<dyn Processor>> {
        Some(Box::new(AnalysisHalf::new(config.clone(), cx)))
    }
}

/// Reads the spans of clients and servers; tells them every tick.
struct IngestHalf {
    config: ServiceGraphConfig,
    slots: Slots,
    writer: HalfWriter,
    /// Per resource of the request: its service and its values of the dimensions and of database names.
    resources: Vec<OfResource>,
    /// Spans taken since the last tick.
    untold: u64,
}

/// Where the wanted attributes stand.
#[derive(Default)]
struct Slots {
    dimensions: Vec<Slot>,
    peers: Vec<Slot>,
    databases: Vec<Slot>,
}

/// Places of texts; 0 is no text.
struct OfResource {
    service: u32,
    dimensions: Vec<u32>,
    database: u32,
}

/// So many halves are told at once, before the next tick, so that a partial stays small.
const HALVES_PER_PARTIAL: usize = 4096;

const SERVER: u8 = 2;
const PRODUCER: u8 = 4;
const CONSUMER: u8 = 5;
const STATUS_ERROR: u8 = 2;

impl IngestHalf {
    fn read(&mut self, traces: &Traces, cx: &mut Cx<'_>) {
        self.resources.clear();
        for (index, span) in traces.table.spans.iter().enumerate() {
            if !(SERVER..=CONSUMER).contains(&span.kind) {
                continue;
            }
            if self.writer.len() >= HALVES_PER_PARTIAL {
                self.tell(cx);
            }
            if self.resources.is_empty() {
                self.read_resources(traces);
            }
            if let Some(row) = self.half(traces, index, span) {
                self.writer.push(row);
            }
        }
    }

    /// Texts have places in one partial, so resources are read anew for each.
    fn read_resources(&mut self, traces: &Traces) {
        for resource in &traces.table.resources {
            let bytes = resource.resource.of(&traces.bytes);
            let value = |writer: &mut HalfWriter, name: &String| {
                find(bytes, name).map_or(0, |entry| writer.text(&entry.value().to_label_string()))
            };
            let service = self.writer.text(&service_of(bytes));
            let dimensions =
                self.config.dimensions.iter().map(|name| value(&mut self.writer, name)).collect();
            let databases = self.config.database_name_attributes.iter();
            let database =
                databases.map(|name| value(&mut self.writer, name)).find(|&place| place > 0).unwrap_or(0);
            self.resources.push(OfResource { service, dimensions, database });
        }
    }

    /// Reads a span; none when it can not be paired because it has no ids.
    fn half(&mut self, traces: &Traces, index: usize, span: &SpanRec) -> Option<HalfRow> {
        let request = &traces.bytes[..];
        let values = traces.table.values_of(index);
        let is_server = matches!(span.kind, SERVER | CONSUMER);
        let trace = u128::from_be_bytes(*span.trace_id(request)?);
        let own_id = span.span_id(request);
        let client_id = if is_server { span.parent_id(request) } else { Some(own_id?) };
        // The client's id decides for both sides, so that both round alike.
        let draws = client_id.or(own_id).map_or(&[][..], |id| id);
        let weight = weight_drawn_by(span, request, draws).unwrap_or(1);
        let writer = &mut self.writer;
        let mut text = |slot: &Slot| {
            let value = values.get(slot.0).filter(|value| !value.is_absent())?;
            Some(writer.text(&AnyValue::of(value.of(request)).to_label_string()))
        };
        let of_resource = self.resources.get(span.resource as usize)?;
        let dimension = |(slot, &of_resource): (&Slot, &u32)| match of_resource {
            // The resource comes first here, unlike in span metrics: the collector's rule.
            0 => text(slot).unwrap_or(0),
            place => place,
        };
        let dimensions = self.slots.dimensions.iter().zip(&of_resource.dimensions).map(dimension).collect();
        let (mut database, mut peer) = (0, 0);
        if !is_server {
            let of_span = self.slots.databases.iter().find_map(&mut text);
            database = if of_resource.database > 0 { of_resource.database } else { of_span.unwrap_or(0) };
            peer = self.slots.peers.iter().find_map(&mut text).unwrap_or(0);
        }
        Some(HalfRow {
            trace_high: (trace >> 64) as u64,
            trace_low: trace as u64,
            span: u64::from_be_bytes(client_id.copied().unwrap_or_default()),
            is_server,
            failed: span.status == STATUS_ERROR,
            is_messaging: matches!(span.kind, PRODUCER | CONSUMER),
            service: of_resource.service,
            database,
            peer,
            nanos: span.duration_nanos(),
            dimensions,
            unseen: weight - 1,
        })
    }

    fn tell(&mut self, cx: &mut Cx<'_>) {
        self.resources.clear();
        let items = self.writer.len() as u64;
        let message = self.writer.take(self.config.dimensions.len() as u32);
        if items > 0 {
            cx.emit(Payload::Partial(Partial { bytes: message.encode_to_vec().into(), at: cx.now() }), items);
        }
    }
}

impl Processor for IngestHalf {
    fn want(&mut self, keys: &mut KeySet) {
        let mut slots = |names: &[String]| names.iter().map(|name| keys.want(name)).collect();
        self.slots = Slots {
            dimensions: slots(&self.config.dimensions),
            peers: slots(&self.config.virtual_node_peer_attributes),
            databases: slots(&self.config.database_name_attributes),
        };
    }

    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        if let Payload::Traces(traces) = &batch.payload {
            self.read(traces, cx);
        }
        self.untold += batch.items;
        cx.absorb(batch);
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.tell(cx);
        self.untold = 0;
    }

    fn untold(&self) -> u64 {
        self.untold
    }
}

/// Pairs the halves of all shards and counts the edges.
struct AnalysisHalf {
    config: ServiceGraphConfig,
    store: Store,
    /// Halves of the present tick.
    came: Vec<Half>,
    ledger: Ledger,
    total: Counter,
    expired: Counter,
    dropped: Counter,
    waiting: Gauge,
}

/// So many halves are paired before the tick ends, to bound what is held.
const HALVES_PER_TICK: usize = 65_536;

impl AnalysisHalf {
    fn new(config: ServiceGraphConfig, cx: &BuildCx<'_>) -> Self {
        let counter = |name: &str, description, unit| {
            cx.telemetry.counter(&format!("otelcol_connector_servicegraph_{name}"), description, unit)
        };
        Self {
            store: Store::new(config.store.ttl.get(), config.store.max_items as usize),
            came: Vec::new(),
            ledger: Ledger::new(plan(&config), cx),
            total: counter("total_edges", "Edges counted", "{edge}"),
            expired: counter(
                "expired_edges",
                "Halves of edges whose other half did not come in time",
                "{edge}",
            ),
            dropped: counter(
                "dropped_spans",
                "Spans dropped because store.max_items halves were waiting",
                "{span}",
            ),
            waiting: cx.telemetry.gauge(
                "otelcol_connector_servicegraph_waiting_spans",
                "Spans that wait for the other half of their edge",
                "{span}",
            ),
            config,
        }
    }

    fn merge(&mut self, partial: &Partial, cx: &mut Cx<'_>) {
        let Ok(message) = ServiceGraphPartial::decode(&partial.bytes[..]) else {
            return cx.reject(1, "damaged_partial");
        };
        if message.version != VERSION || message.n_dimensions as usize != self.config.dimensions.len() {
            return cx.reject(message.halves.len() as u64, "foreign_partial");
        }
        self.came.extend(message.halves.iter().map(|row| Half::of(row, &message)));
        if self.came.len() >= HALVES_PER_TICK {
            self.pair(cx);
        }
    }

    /// Pairs what has come and ends the wait of what came too long ago.
    fn pair(&mut self, cx: &mut Cx<'_>) {
        let (now, mut edges) = (cx.now(), 0);
        let Self { config, store, came, ledger, .. } = self;
        let layout = ledger.plan.families[0].spec.layout.clone();
        let nobody = ResourceRow::default();
        let mut complete = |edge: super::edges::Edge<'_>| {
            edges += 1;
            for row in rows(&edge, config, &layout) {
                let added = ledger.add(&nobody, &row, now);
                debug_assert!(added, "rows are made for the plan");
            }
        };
        let taken = store.take(std::mem::take(came), now, &mut complete);
        let ended = store.expire(now, &mut complete);
        self.note(edges, taken, ended, cx);
    }

    fn note(&self, edges: u64, taken: Fate, ended: Fate, cx: &mut Cx<'_>) {
        self.total.add(edges);
        self.expired.add(ended.expired);
        self.dropped.add(taken.dropped);
        self.waiting.set(self.store.len() as u64);
        if taken.dropped > 0 {
            cx.reject(taken.dropped, "service_graph_store_full");
        }
    }

    fn save(&self) -> ServiceGraphSnapshot {
        let mut writer = HalfWriter::default();
        let mut waiting: Vec<_> = self.store.iter().collect();
        waiting.sort_by_key(|(_, arrived, _)| *arrived);
        let (mut arrived, mut met) = (Vec::new(), Vec::new());
        for (half, at, has_met) in waiting {
            writer.push_half(half);
            arrived.push(at.as_nanos());
            met.push(has_met);
        }
        let n_dimensions = self.config.dimensions.len() as u32;
        let waiting = writer.take(n_dimensions);
        self.came.iter().for_each(|half| writer.push_half(half));
        let came = writer.take(n_dimensions);
        ServiceGraphSnapshot { series: self.ledger.save(), waiting, arrived, met, came }
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
        self.pair(cx);
        self.ledger.tick(cx);
    }

    /// Tells what is counted. Halves that wait go into the snapshot, so that a restart loses no edge.
    fn drain(&mut self, cx: &mut Cx<'_>) {
        self.pair(cx);
        self.ledger.emit(cx);
    }

    fn snapshot(&self) -> Option<Snapshot> {
        Some(Snapshot { version: VERSION, bytes: self.save().encode_to_vec() })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), RestoreError> {
        if snapshot.version != VERSION {
            return Err(RestoreError::Version { found: snapshot.version, readable: "1" });
        }
        let damaged = |what: &str| RestoreError::Damaged(what.to_owned());
        let message =
            ServiceGraphSnapshot::decode(&snapshot.bytes[..]).map_err(|error| damaged(&error.to_string()))?;
        let halves = &message.waiting.halves;
        if halves.len() != message.arrived.len() || halves.len() != message.met.len() {
            return Err(damaged("the halves of edges are inconsistent"));
        }
        let mut store = Store::new(self.config.store.ttl.get(), self.config.store.max_items as usize);
        let n_dimensions = self.config.dimensions.len();
        let fits = |halves: &ServiceGraphPartial| halves.n_dimensions as usize == n_dimensions;
        if !fits(&message.waiting) || !fits(&message.came) {
            return Err(damaged("it was taken with other dimensions; counters begin at zero"));
        }
        self.ledger.restore(&message.series)?;
        for ((row, &arrived), &met) in halves.iter().zip(&message.arrived).zip(&message.met) {
            store.put_back(Half::of(row, &message.waiting), Timestamp(arrived), met);
        }
        self.store = store;
        self.came = message.came.halves.iter().map(|row| Half::of(row, &message.came)).collect();
        Ok(())
    }
}
