//! What survives a restart: `SlaSnapshot` of `proto/sla.proto`.

use component::RestoreError;
use model::Timestamp;
use prost::{
    Message,
    encoding::{DecodeContext, decode_key},
};

use super::{
    calendar::Period,
    config::SliType,
    plan::{Objective, Plan},
    ring::{Count, Filled},
    state::{Flows, Outage, PeriodCount, Record, Told, Worst},
    workflows::{Batch, Flow, Followed, Queue},
};

/// The layout of [`SlaSnapshot`].
pub(super) const VERSION: u32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(super) struct SlaSnapshot {
    #[prost(message, repeated, tag = "1")]
    pub(super) objectives: Vec<SavedObjective>,
    #[prost(message, repeated, tag = "2")]
    pub(super) workflows: Vec<SavedFlow>,
    /// Since when counts are missing because they could not be read, 0 when they are not.
    #[prost(fixed64, tag = "3")]
    pub(super) unreadable_since: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedObjective {
    #[prost(fixed64, tag = "1")]
    fingerprint: u64,
    #[prost(message, repeated, tag = "2")]
    tiers: Vec<SavedTier>,
    /// From and until, in turns.
    #[prost(fixed64, repeated, tag = "3")]
    observed: Vec<u64>,
    /// The present period of the calendar, last, and those before it.
    #[prost(message, repeated, tag = "4")]
    periods: Vec<SavedPeriod>,
    #[prost(message, repeated, tag = "5")]
    outages: Vec<SavedOutage>,
    #[prost(fixed64, tag = "6")]
    next_minute: u64,
    #[prost(fixed64, tag = "7")]
    next_slice: u64,
    /// Slices that are being filled: start, good and total, in turns.
    #[prost(uint64, repeated, tag = "8")]
    slices: Vec<u64>,
    #[prost(fixed64, tag = "9")]
    newest: u64,
    #[prost(message, repeated, tag = "10")]
    excluded: Vec<SavedExcluded>,
    #[prost(fixed64, tag = "11")]
    worst_at: u64,
    #[prost(double, tag = "12")]
    worst_error_ratio: f64,
    #[prost(bool, optional, tag = "13")]
    is_breached: Option<bool>,
    #[prost(bool, repeated, tag = "14")]
    burning: Vec<bool>,
    #[prost(uint64, tag = "15")]
    n_budgets: u64,
    #[prost(double, repeated, tag = "16")]
    fractions: Vec<f64>,
    #[prost(uint64, tag = "17")]
    n_late: u64,
    #[prost(uint64, tag = "18")]
    events_good: u64,
    #[prost(uint64, tag = "19")]
    events_total: u64,
    #[prost(fixed64, tag = "20")]
    since: u64,
    /// Of workflows that counters tell of: start, number and whether they were counted, in turns.
    #[prost(uint64, repeated, tag = "21")]
    batches: Vec<u64>,
    #[prost(double, repeated, tag = "22")]
    batch_fractions: Vec<f64>,
    /// What is counted, empty where an earlier release stored it.
    #[prost(string, tag = "23")]
    counted: String,
    /// Workflows that began, that ended and that failed.
    #[prost(uint64, repeated, tag = "24")]
    flows: Vec<u64>,
}

/// Slots of one tier that hold something.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedTier {
    #[prost(uint32, tag = "1")]
    tier: u32,
    /// Slots since the one before, events, and bad events, in turns.
    #[prost(uint64, repeated, tag = "2")]
    slots: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedPeriod {
    #[prost(fixed64, tag = "1")]
    from: u64,
    #[prost(fixed64, tag = "2")]
    until: u64,
    #[prost(uint64, tag = "3")]
    good: u64,
    #[prost(uint64, tag = "4")]
    total: u64,
    #[prost(uint64, tag = "5")]
    next_good: u64,
    #[prost(uint64, tag = "6")]
    next_total: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedOutage {
    #[prost(fixed64, tag = "1")]
    from: u64,
    #[prost(fixed64, tag = "2")]
    until: u64,
    #[prost(bool, tag = "3")]
    is_planned: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedExcluded {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint64, tag = "2")]
    good: u64,
    #[prost(uint64, tag = "3")]
    total: u64,
    /// The hour since the epoch, good and total, in turns. Sums alone, as earlier releases stored them, are of no period.
    #[prost(uint64, repeated, tag = "4")]
    hours: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SavedFlow {
    #[prost(fixed64, tag = "1")]
    objective: u64,
    #[prost(fixed64, tag = "2")]
    key: u64,
    #[prost(fixed64, optional, tag = "3")]
    start: Option<u64>,
    #[prost(fixed64, optional, tag = "4")]
    end: Option<u64>,
    #[prost(uint64, tag = "5")]
    weight: u64,
    #[prost(bytes = "vec", tag = "6")]
    trace: Vec<u8>,
    #[prost(bool, tag = "7")]
    is_counted: bool,
    #[prost(fixed64, tag = "8")]
    seen: u64,
}

/// An objective with counts of 90 days takes 130 kB until it is written.
const OBJECTIVES_PER_PIECE: usize = 4;
const WORKFLOWS_PER_PIECE: usize = 1024;

/// All state, as the half keeps it.
pub(super) struct Memory {
    /// By objective of the plan.
    pub(super) records: Vec<Record>,
    pub(super) queues: Vec<Queue>,
    pub(super) followed: Followed,
    pub(super) unreadable_since: Option<Timestamp>,
    /// Objectives whose stored counts were left behind, as they are of something else.
    pub(super) n_left_behind: u64,
}

impl Memory {
    pub(super) fn new(plan: &Plan) -> Self {
        let n = plan.objectives.len();
        Self {
            records: vec![Record::default(); n],
            queues: vec![Queue::default(); n],
            followed: Followed::default(),
            unreadable_since: None,
            n_left_behind: 0,
        }
    }

    /// Returns what was saved in pieces, each a message; behind one another they are one, as its lists go on.
    pub(super) fn pieces<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = Vec<u8>> + 'a {
        let rest = SlaSnapshot {
            unreadable_since: self.unreadable_since.map_or(0, Timestamp::as_nanos),
            ..SlaSnapshot::default()
        };
        let objectives = (0..plan.objectives.len()).step_by(OBJECTIVES_PER_PIECE).map(|first| {
            let end = plan.objectives.len().min(first + OBJECTIVES_PER_PIECE);
            let objectives =
                (first..end).map(|at| saved(&plan.objectives[at], &self.records[at], &self.queues[at]));
            SlaSnapshot { objectives: objectives.collect(), ..SlaSnapshot::default() }
        });
        let mut flows = self.followed.flows.iter().map(|((objective, key), flow)| {
            saved_flow(plan.objectives[*objective as usize].fingerprint, *key, flow)
        });
        let workflows = std::iter::from_fn(move || {
            let workflows: Vec<_> = flows.by_ref().take(WORKFLOWS_PER_PIECE).collect();
            (!workflows.is_empty()).then(|| SlaSnapshot { workflows, ..SlaSnapshot::default() })
        });
        objectives.chain(workflows).chain([rest]).map(|message| message.encode_to_vec())
    }

    /// Reads what was saved, an objective at a time. Objectives that are no longer configured are forgotten.
    pub(super) fn load(plan: &Plan, mut bytes: &[u8]) -> Result<Self, RestoreError> {
        let mut memory = Self::new(plan);
        while !bytes.is_empty() {
            memory.load_field(plan, &mut bytes)?;
        }
        Ok(memory)
    }

    /// Reads the next field of [`SlaSnapshot`].
    fn load_field(&mut self, plan: &Plan, bytes: &mut &[u8]) -> Result<(), RestoreError> {
        let mut part = SlaSnapshot::default();
        decode_key(bytes)
            .and_then(|(tag, kind)| part.merge_field(tag, kind, bytes, DecodeContext::default()))
            .map_err(|problem| RestoreError::Damaged(problem.to_string()))?;
        for saved in part.objectives {
            self.load_objective(plan, saved)?;
        }
        for flow in part.workflows {
            self.load_flow(plan, flow)?;
        }
        if part.unreadable_since > 0 {
            self.unreadable_since = Some(Timestamp(part.unreadable_since));
        }
        Ok(())
    }

    fn load_objective(&mut self, plan: &Plan, saved: SavedObjective) -> Result<(), RestoreError> {
        let Some(at) = place(plan, saved.fingerprint) else { return Ok(()) };
        let objective = &plan.objectives[at];
        if !saved.counted.is_empty() && saved.counted != objective.counted() {
            self.n_left_behind += 1;
            return Ok(());
        }
        (self.records[at], self.queues[at]) = loaded(saved)?;
        self.records[at].adopt(objective);
        Ok(())
    }

    fn load_flow(&mut self, plan: &Plan, flow: SavedFlow) -> Result<(), RestoreError> {
        let Some(at) = place(plan, flow.objective) else { return Ok(()) };
        if plan.objectives[at].sli_type != SliType::Workflow {
            return Ok(());
        }
        let trace = flow.trace.as_slice().try_into();
        let loaded = Flow {
            start: flow.start.map(Timestamp),
            end: flow.end.map(Timestamp),
            weight: flow.weight,
            trace: trace.map_err(|_| RestoreError::Damaged("a trace id has not 16 bytes".to_owned()))?,
            is_counted: flow.is_counted,
            seen: Timestamp(flow.seen),
        };
        self.followed.flows.insert((at as u32, flow.key), loaded);
        Ok(())
    }
}

fn place(plan: &Plan, fingerprint: u64) -> Option<usize> {
    plan.objectives.iter().position(|it| it.fingerprint == fingerprint)
}

fn saved_flow(objective: u64, key: u64, flow: &Flow) -> SavedFlow {
    SavedFlow {
        objective,
        key,
        start: flow.start.map(Timestamp::as_nanos),
        end: flow.end.map(Timestamp::as_nanos),
        weight: flow.weight,
        trace: flow.trace.to_vec(),
        is_counted: flow.is_counted,
        seen: flow.seen.as_nanos(),
    }
}

fn saved(objective: &Objective, record: &Record, queue: &Queue) -> SavedObjective {
    let periods = record.past.iter().chain(&record.period).map(|it| SavedPeriod {
        from: it.period.from.as_nanos(),
        until: it.period.until.as_nanos(),
        good: it.count.good,
        total: it.count.total,
        next_good: it.next.good,
        next_total: it.next.total,
    });
    let outages = record.outages.all.iter().map(|outage| SavedOutage {
        from: outage.from.as_nanos(),
        until: outage.until.as_nanos(),
        is_planned: outage.is_planned,
    });
    let excluded = record.excluded.by_name.iter().map(|(name, hours)| SavedExcluded {
        name: name.clone(),
        good: hours.values().map(|count| count.good).sum(),
        total: hours.values().map(|count| count.total).sum(),
        hours: hours.iter().flat_map(|(at, count)| [hour_of(*at), count.good, count.total]).collect(),
    });
    let slices = record.slices.open.iter();
    let batches = queue.batches.iter();
    SavedObjective {
        fingerprint: objective.fingerprint,
        counted: objective.counted(),
        flows: vec![record.flows.started, record.flows.completed, record.flows.failed],
        tiers: tiers(record),
        observed: record.coverage.spans.iter().flat_map(|(from, until)| [from.0, until.0]).collect(),
        periods: periods.collect(),
        outages: outages.collect(),
        next_minute: record.outages.next.as_nanos(),
        next_slice: record.slices.next.as_nanos(),
        slices: slices.flat_map(|(start, count)| [start.0, count.good, count.total]).collect(),
        newest: record.newest.as_nanos(),
        excluded: excluded.collect(),
        worst_at: record.worst.map_or(0, |worst| worst.at.as_nanos()),
        worst_error_ratio: record.worst.map_or(0.0, |worst| worst.error_ratio),
        is_breached: record.told.is_breached,
        burning: record.told.burning.clone(),
        n_budgets: record.told.n_budgets as u64,
        fractions: record.fractions.to_vec(),
        n_late: record.n_late,
        events_good: record.events.good,
        events_total: record.events.total,
        since: record.since.as_nanos(),
        batches: batches.flat_map(|it| [it.start.0, it.n, u64::from(it.is_counted)]).collect(),
        batch_fractions: queue.fractions.to_vec(),
    }
}

fn tiers(record: &Record) -> Vec<SavedTier> {
    let mut tiers = Vec::<SavedTier>::new();
    let mut last = 0;
    for Filled { tier, number, count } in record.ring.filled() {
        if tiers.last().is_none_or(|saved| saved.tier != tier as u32) {
            tiers.push(SavedTier { tier: tier as u32, slots: Vec::new() });
            last = 0;
        }
        let saved = tiers.last_mut().expect("one was pushed");
        saved.slots.extend([number - last, count.total, count.bad()]);
        last = number;
    }
    tiers
}

fn loaded(saved: SavedObjective) -> Result<(Record, Queue), RestoreError> {
    let damaged = |what: &str| RestoreError::Damaged(what.to_owned());
    let mut record = Record::default();
    for tier in &saved.tiers {
        let mut number = 0_u64;
        for slot in tier.slots.chunks(3) {
            let [gap, total, bad] = *slot else { return Err(damaged("a slot is cut short")) };
            number = number.checked_add(gap).ok_or_else(|| damaged("a slot is beyond all time"))?;
            let count = Count { good: total.saturating_sub(bad), total };
            if bad > total
                || number > u64::from(u32::MAX)
                || !record.ring.restore(Filled { tier: tier.tier as usize, number, count })
            {
                return Err(damaged("a slot can not be"));
            }
        }
    }
    for span in saved.observed.chunks(2) {
        let [from, until] = *span else { return Err(damaged("an observed time has no end")) };
        record.coverage.spans.push((Timestamp(from), Timestamp(until)));
    }
    let periods = saved.periods.iter().map(|it| PeriodCount {
        period: Period { from: Timestamp(it.from), until: Timestamp(it.until) },
        count: Count { good: it.good, total: it.total },
        next: Count { good: it.next_good, total: it.next_total },
    });
    record.past = periods.collect();
    record.period = record.past.pop();
    record.outages.all = saved
        .outages
        .iter()
        .map(|it| Outage { from: Timestamp(it.from), until: Timestamp(it.until), is_planned: it.is_planned })
        .collect();
    record.outages.next = Timestamp(saved.next_minute);
    record.slices.next = Timestamp(saved.next_slice);
    for slice in saved.slices.chunks(3) {
        let [start, good, total] = *slice else { return Err(damaged("a slice is cut short")) };
        record.slices.open.insert(Timestamp(start), Count { good, total });
    }
    for excluded in &saved.excluded {
        for hour in excluded.hours.chunks(3) {
            let [hour, good, total] = *hour else { return Err(damaged("an excluded hour is cut short")) };
            let at = Timestamp::from_secs(hour.min(u64::from(u32::MAX)).saturating_mul(3600));
            record.excluded.note(&excluded.name, at, Count { good, total });
        }
    }
    record.newest = Timestamp(saved.newest);
    let worst = Worst { at: Timestamp(saved.worst_at), error_ratio: saved.worst_error_ratio };
    record.worst = (saved.worst_at > 0).then_some(worst);
    let (is_breached, burning, n_budgets) = (saved.is_breached, saved.burning, saved.n_budgets as usize);
    record.told = Told { is_breached, burning, n_budgets };
    record.fractions = two(&saved.fractions);
    record.n_late = saved.n_late;
    record.events = Count { good: saved.events_good, total: saved.events_total };
    record.since = Timestamp(saved.since);
    if let [started, completed, failed] = saved.flows[..] {
        record.flows = Flows { started, completed, failed };
    }
    let mut queue = Queue { fractions: two(&saved.batch_fractions), ..Queue::default() };
    for batch in saved.batches.chunks(3) {
        let [start, n, is_counted] = *batch else { return Err(damaged("a batch is cut short")) };
        queue.batches.push_back(Batch { start: Timestamp(start), n, is_counted: is_counted > 0 });
    }
    Ok((record, queue))
}

fn hour_of(at: Timestamp) -> u64 {
    at.as_nanos() / 3_600_000_000_000
}

fn two(list: &[f64]) -> [f64; 2] {
    list.try_into().unwrap_or_default()
}
