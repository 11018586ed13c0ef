//! The half that sees spans: counts good and bad events, exactly, and tells them every second.

mod cells;
mod durations;
mod events;
mod selection;
mod spot;
mod tally;

use std::{cell::Cell, collections::BTreeMap, sync::Arc};

use component::{Cx, Processor};
use model::{Batch, KeySet, Partial, Payload, SpanRec, Timestamp, Traces};
use prost::Message;
use rapidhash::RapidHashMap;

use self::{
    cells::Cells,
    events::Events,
    selection::{Follower, Selection, Told, View},
    spot::{Spot, pair},
};
use super::{
    partial::{SlaPartial, VERSION, WorkflowRow},
    plan::Plan,
    ring::SLOT,
};
use crate::aggregation::{hashing::mix_bytes, weight::weight_of};

/// Counts spans.
pub(super) struct IngestHalf {
    selection: Selection,
    /// Resources as they were sent.
    views: RapidHashMap<Box<[u8]>, Arc<View>>,
    /// Those of the present request.
    of_request: Vec<Arc<View>>,
    cells: Cells,
    events: Events,
    workflows: BTreeMap<(u32, u64), Seen>,
    n_unplaced_workflows: u64,
    untold: u64,
}

/// What was seen of a workflow since the last tick.
#[derive(Clone, Copy, Default)]
struct Seen {
    start: u64,
    end: u64,
    weight: u64,
    trace: [u8; 16],
}

/// Resources that are remembered; more are looked at anew.
const MAX_VIEWS: usize = 8192;
/// Workflows that are noted between two ticks; spans of more are dropped and counted.
const MAX_WORKFLOWS_PER_TICK: usize = 65_536;
/// How far a clock may run ahead before what it dates counts as of now.
const MAX_AHEAD_SECONDS: u64 = 10;

impl IngestHalf {
    pub(super) fn new(plan: &Arc<Plan>) -> Self {
        let mut selection = Selection::new(plan);
        Self {
            cells: Cells::new(plan, selection.tallies_mut()),
            selection,
            views: RapidHashMap::default(),
            of_request: Vec::new(),
            events: Events::new(plan),
            workflows: BTreeMap::new(),
            n_unplaced_workflows: 0,
            untold: 0,
        }
    }

    fn read(&mut self, traces: &Traces, now: Timestamp) {
        self.resolve(traces);
        let latest = now.as_nanos().saturating_add(MAX_AHEAD_SECONDS * 1_000_000_000);
        for (at, span) in traces.table.spans.iter().enumerate() {
            let Some(view) = self.of_request.get(span.resource as usize) else { continue };
            if view.plan.is_empty() {
                continue;
            }
            let end = if span.end == 0 || span.end > latest { now.as_nanos() } else { span.end };
            let values = traces.table.values_of(at);
            let spot = Spot {
                span,
                pair: pair(span.kind, span.status),
                bytes: &traces.bytes,
                values,
                slots: self.selection.slots(),
                resource: &view.values,
            };
            let event = Event { spot, end, weight: Cell::new(None) };
            view.plan.for_each(&event.spot, |selector| {
                let selector = self.selection.selector(selector);
                if selector.takes(&event.spot) {
                    let tallies = self.selection.tallies();
                    self.cells.add(selector, tallies, &event.spot, event.end, event.weight());
                }
            });
            for follower in view.plan.followers() {
                let follower = self.selection.follower(*follower);
                follow(&mut self.workflows, &mut self.n_unplaced_workflows, follower, &event);
            }
        }
    }

    /// Notes what log records tell of workflows.
    fn hear(&mut self, request: &[u8], now: Timestamp) {
        let latest = now.as_nanos().saturating_add(MAX_AHEAD_SECONDS * 1_000_000_000);
        let time = |written: u64| if written == 0 || written > latest { now.as_nanos() } else { written };
        let Self { events, workflows, n_unplaced_workflows, .. } = self;
        events.hear(request, time, |heard| {
            let trace = heard.trace.try_into().unwrap_or_default();
            let place = (heard.objective, heard.key);
            note(workflows, n_unplaced_workflows, place, heard.told, || (1, trace));
        });
    }

    /// Looks up the resources of a request.
    fn resolve(&mut self, traces: &Traces) {
        if self.views.len() + traces.table.resources.len() > MAX_VIEWS {
            self.views.clear();
        }
        self.of_request.clear();
        for resource in &traces.table.resources {
            let bytes = resource.resource.of(&traces.bytes);
            if let Some(known) = self.views.get(bytes) {
                self.of_request.push(Arc::clone(known));
                continue;
            }
            let view = Arc::new(self.selection.view(bytes));
            self.views.insert(bytes.into(), Arc::clone(&view));
            self.of_request.push(view);
        }
    }

    fn tell(&mut self, cx: &mut Cx<'_>) {
        if self.n_unplaced_workflows > 0 {
            cx.reject(std::mem::take(&mut self.n_unplaced_workflows), "workflows_per_second_limit");
        }
        let (rows, histograms) = self.cells.take(self.selection.tallies());
        let fingerprint = |objective: u32| self.cells.fingerprint(objective);
        let workflows: Vec<_> = std::mem::take(&mut self.workflows)
            .into_iter()
            .map(|((objective, key), seen)| WorkflowRow {
                objective: fingerprint(objective),
                key,
                start: seen.start,
                end: seen.end,
                weight: seen.weight,
                trace: seen.trace.to_vec(),
            })
            .collect();
        let items = (rows.len() + workflows.len()) as u64;
        if items == 0 {
            return;
        }
        let message = SlaPartial { version: VERSION, rows, workflows, histograms };
        cx.emit(Payload::Partial(Partial { bytes: message.encode_to_vec().into(), at: cx.now() }), items);
    }
}

/// A span that may be an event.
struct Event<'a> {
    spot: Spot<'a>,
    /// When it ended, as it counts.
    end: u64,
    /// How many it stands for, once somebody asked.
    weight: Cell<Option<u64>>,
}

impl Event<'_> {
    fn weight(&self) -> u64 {
        let weight =
            self.weight.get().unwrap_or_else(|| weight_of(self.spot.span, self.spot.bytes).unwrap_or(1));
        self.weight.set(Some(weight));
        weight
    }
}

/// Notes what a span tells of a workflow.
fn follow(
    workflows: &mut BTreeMap<(u32, u64), Seen>,
    n_unplaced: &mut u64,
    follower: &Follower,
    event: &Event<'_>,
) {
    let Some(told) = follower.told_by(&event.spot, event.end) else { return };
    let named = match &follower.key {
        None => event.spot.span.trace_id(event.spot.bytes).map(|trace| &trace[..]),
        Some(field) => event.spot.value(*field),
    };
    let Some(named) = named else { return };
    let place = (follower.objective, workflow_key(named));
    note(workflows, n_unplaced, place, told, || {
        (event.weight(), event.spot.span.trace_id(event.spot.bytes).copied().unwrap_or_default())
    });
}

/// Adds what was told of a workflow, with the number that it stands for and its trace.
fn note(
    workflows: &mut BTreeMap<(u32, u64), Seen>,
    n_unplaced: &mut u64,
    place: (u32, u64),
    told: Told,
    of: impl FnOnce() -> (u64, [u8; 16]),
) {
    if workflows.len() >= MAX_WORKFLOWS_PER_TICK && !workflows.contains_key(&place) {
        *n_unplaced += 1;
        return;
    }
    let (weight, trace) = of();
    let fresh = || Seen { start: u64::MAX, end: 0, weight: 0, trace };
    let seen = workflows.entry(place).or_insert_with(fresh);
    seen.start = seen.start.min(told.start.unwrap_or(u64::MAX));
    seen.end = seen.end.max(told.end.unwrap_or(0));
    seen.weight = seen.weight.max(weight);
    seen.trace = seen.trace.min(trace);
}

/// The number of a workflow, by its trace or by the value that names it.
fn workflow_key(named: &[u8]) -> u64 {
    const SEED: u64 = 0x776f_726b_666c_6f77;
    mix_bytes(SEED, named)
}

impl Processor for IngestHalf {
    fn want(&mut self, keys: &mut KeySet) {
        self.selection.want(keys);
    }

    fn process(&mut self, batch: Batch, cx: &mut Cx<'_>) {
        match &batch.payload {
            Payload::Traces(traces) => self.read(traces, cx.now()),
            Payload::Logs(request) if !self.events.is_empty() => self.hear(request, cx.now()),
            _ => {}
        }
        self.untold += batch.items;
        cx.pass(batch);
        if self.cells.is_large() {
            self.tell(cx);
        }
    }

    fn tick(&mut self, cx: &mut Cx<'_>) {
        self.tell(cx);
        self.untold = 0;
    }

    fn untold(&self) -> u64 {
        self.untold
    }
}

/// The number of the slot that holds an instant.
fn slot_of(nanos: u64) -> u64 {
    nanos / SLOT.as_nanos() as u64
}

/// What the table of spans does not need to be asked for.
fn is_root(span: &SpanRec, bytes: &[u8]) -> bool {
    span.parent_id(bytes).is_none()
}
