//! The half that sees data points and spans.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use component::{BuildCx, Counter, Cx, Processor};
use model::{Batch, Partial, Payload, Timestamp, Traces};
use prost::Message;

use super::{
    AggregationConfig,
    cell::Cell,
    partial::{CellRow, Kind, PointRow, RollupPartial, SeriesKey, VERSION, WindowRow},
    read::{Reading, point_row, read},
};
use crate::{
    aggregation::{
        attributes,
        deployments::{VERSIONED, VersionRow},
        hashing,
        spec::{
            Head, ResourceRule, SERVICE_NAME, SeriesSpec, UNKNOWN_KIND, UNKNOWN_STATUS, service_identity,
            service_of, text_of,
        },
        weight::weight_of,
    },
    text,
};
use wire::view::{AnyValue, groups};

/// Cells by series and start of the window, with the items in them.
pub(super) type Cells = BTreeMap<(SeriesKey, u64), (Cell, u64)>;

/// Measures, and tells at every tick.
pub(super) struct IngestHalf {
    width: Duration,
    config: AggregationConfig,
    cells: Cells,
    points: Vec<PointRow>,
    /// By service, what it has versions of, and version: when it was first seen since the last tick.
    versions: BTreeMap<(String, &'static str, String), u64>,
    /// Hashes of resources whose versions were looked at since the last tick.
    looked_at: HashSet<u64>,
    spans: SeriesSpec,
    left_out: Counter,
    left_out_versions: Counter,
    /// Items taken since the last tick.
    untold: u64,
}

/// So many rows are told at once, before the next tick, so that a partial stays small.
const ROWS_PER_PARTIAL: usize = 4096;

/// Versions noted between two ticks; more are noted later.
const VERSIONS_PER_TICK: usize = 1024;

/// Resources that are looked at once between two ticks; more are looked at again.
const LOOKED_AT: usize = 4096;
/// Longer versions are cut.
const MAX_VERSION_BYTES: usize = 256;

/// Both halves count versions without room.
pub(super) fn left_out_versions(cx: &BuildCx<'_>) -> Counter {
    cx.telemetry.counter(
        "otelcol_processor_aggregation_left_out_versions",
        "Versions of services that were not noted, as there were too many in a second, or too many services",
        "{version}",
    )
}

impl IngestHalf {
    pub(super) fn new(config: &AggregationConfig, cx: &BuildCx<'_>) -> Self {
        let width = config.windows.first().map_or(Duration::from_secs(10), |window| window.get());
        Self {
            width,
            config: config.clone(),
            cells: Cells::new(),
            points: Vec::new(),
            versions: BTreeMap::new(),
            looked_at: HashSet::new(),
            left_out_versions: left_out_versions(cx),
            spans: SeriesSpec::of_spans(ResourceRule::Only(Vec::new())),
            left_out: cx.telemetry.counter(
                "otelcol_processor_aggregation_unreadable_points",
                "Data points without a usable value: none recorded, NaN, or inconsistent buckets",
                "{datapoint}",
            ),
            untold: 0,
        }
    }

    fn read_metrics(&mut self, request: &[u8], now: Timestamp) {
        let Self { cells, points, width, .. } = self;
        let left_out = read(request, |series, reading| match reading {
            Reading::New { time, cell } => {
                let time = if time == 0 { now } else { Timestamp(time) };
                add(cells, series, time.window_start(*width).as_nanos(), &cell, 1);
            }
            Reading::Since { start, time, value, cell } => {
                let time = if time == 0 { now.as_nanos() } else { time };
                points.push(point_row(series, start, time, value, cell));
            }
        });
        self.left_out.add(left_out);
        for group in groups(request) {
            self.see_version(group.resource.body, now);
        }
    }

    /// Notes which versions of its service a resource is. *Cost*: a hash, but for the first time in a second.
    fn see_version(&mut self, resource: &[u8], now: Timestamp) {
        let hash = hashing::mix_bytes(0, resource);
        if self.looked_at.contains(&hash) {
            return;
        }
        if self.looked_at.len() < LOOKED_AT {
            self.looked_at.insert(hash);
        }
        let Some(service) = text_of(resource, SERVICE_NAME) else { return };
        for what in VERSIONED {
            let Some(version) = version_of(resource, what) else { continue };
            let key = (service.clone(), what, version);
            if self.versions.len() < VERSIONS_PER_TICK || self.versions.contains_key(&key) {
                self.versions.entry(key).or_insert(now.as_nanos());
            } else {
                self.left_out_versions.add(1);
            }
        }
    }

    fn read_spans(&mut self, traces: &Traces, now: Timestamp) {
        let mut found: BTreeMap<(u32, &[u8], u8, u8, u64), Cell> = BTreeMap::new();
        for span in &traces.table.spans {
            let end = if span.end == 0 { now } else { Timestamp(span.end) };
            let window = end.window_start(self.width).as_nanos();
            let (kind, status) = (span.kind.min(UNKNOWN_KIND), span.status.min(UNKNOWN_STATUS));
            let key = (span.resource, span.name.of(&traces.bytes), kind, status, window);
            let cell = found.entry(key).or_default();
            let millis = span.duration_nanos() as f64 / 1e6;
            match weight_of(span, &traces.bytes) {
                Some(weight) => cell.add_sampled(millis, weight),
                None => cell.add(millis),
            }
            if let Some(trace_id) = span.trace_id(&traces.bytes) {
                cell.offer(millis, *trace_id);
            }
        }
        for resource in &traces.table.resources {
            self.see_version(resource.resource.of(&traces.bytes), now);
        }
        for ((resource, name, kind, status, window), cell) in found {
            let resource =
                traces.table.resources.get(resource as usize).map(|it| it.resource.of(&traces.bytes));
            let resource = resource.unwrap_or_default();
            let head = Head { kind, status, is_extrapolated: false };
            let attributes = self.spans.attributes(&service_of(resource), head, &[Some(name), None, None]);
            let series = SeriesKey {
                resource: service_identity(resource).into(),
                name: "span.duration".to_owned(),
                unit: "ms".to_owned(),
                attributes: attributes.into(),
                kind: Kind::Spans.into(),
            };
            let items = cell.n_seen();
            add(&mut self.cells, series, window, &cell, items);
        }
    }

    fn tell(&mut self, cx: &mut Cx<'_>) {
        let items = (self.cells.len() + self.points.len()) as u64;
        if items == 0 && self.versions.is_empty() {
            return;
        }
        let row = |((series, start), (cell, items)): ((SeriesKey, u64), (Cell, u64))| WindowRow {
            series,
            start,
            cell: CellRow::of(&cell),
            items,
        };
        let windows = std::mem::take(&mut self.cells).into_iter().map(row).collect();
        let points = std::mem::take(&mut self.points);
        let row = |((service, what, version), seen): ((String, &str, String), u64)| VersionRow {
            service,
            version,
            seen,
            what: if what == VERSIONED[0] { String::new() } else { what.to_owned() },
            last_seen: 0,
        };
        let versions = std::mem::take(&mut self.versions).into_iter().map(row).collect();
        let width = self.width.as_nanos() as u64;
        let message = RollupPartial { version: VERSION, width, windows, points, versions };
        cx.emit(Payload::Partial(Partial { bytes: message.encode_to_vec().into(), at: cx.now() }), items);
    }
}

/// Returns the version that an attribute tells; of several tags all of them.
fn version_of(resource: &[u8], what: &str) -> Option<String> {
    let version = match attributes::find(resource, what)?.value() {
        AnyValue::Empty => return None,
        AnyValue::Array(tags) => tags.items().map(|tag| tag.to_label_string()).collect::<Vec<_>>().join(", "),
        value => value.to_label_string(),
    };
    (!version.is_empty()).then(|| text::cut(version, MAX_VERSION_BYTES))
}

/// Adds a cell to those of its series and window.
pub(super) fn add(cells: &mut Cells, series: SeriesKey, start: u64, cell: &Cell, items: u64) {
    match cells.entry((series, start)) {
        std::collections::btree_map::Entry::Occupied(mut known) => {
            let (known, n) = known.get_mut();
            known.merge(cell);
            *n = n.saturating_add(items);
        }
        std::collections::btree_map::Entry::Vacant(place) => {
            place.insert((cell.clone(), items));
        }
    }
}

impl Processor for IngestHalf {
    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        match &batch.payload {
            Payload::Metrics(bytes) if self.config.metrics => self.read_metrics(bytes, cx.now()),
            Payload::Traces(traces) if self.config.spans => self.read_spans(traces, cx.now()),
            _ => {}
        }
        self.untold += batch.items;
        cx.pass(batch);
        if self.cells.len() + self.points.len() >= ROWS_PER_PARTIAL {
            self.tell(cx);
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.tell(cx);
        self.looked_at.clear();
        self.untold = 0;
    }

    fn untold(&self) -> u64 {
        self.untold
    }
}
