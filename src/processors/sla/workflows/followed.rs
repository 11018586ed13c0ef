//! Workflows that spans tell of.

use std::{collections::BTreeMap, time::Duration};

use model::{Timestamp, TraceId};

use super::{Outcome, Running};
use crate::sla::{partial::WorkflowRow, plan::Workflow};

/// Workflows of all objectives, by objective and key.
#[derive(Clone, PartialEq, Debug, Default)]
pub(in crate::sla) struct Followed {
    pub(in crate::sla) flows: BTreeMap<(u32, u64), Flow>,
}

/// What is known of one workflow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sla) struct Flow {
    /// None until something told when it began.
    pub(in crate::sla) start: Option<Timestamp>,
    pub(in crate::sla) end: Option<Timestamp>,
    pub(in crate::sla) weight: u64,
    pub(in crate::sla) trace: TraceId,
    /// Whether it is an event already: what runs too long is bad before it ends.
    pub(in crate::sla) is_counted: bool,
    pub(in crate::sla) seen: Timestamp,
}

/// How long an ended workflow is remembered, so that a late span does not begin it again, and how long one
/// waits that has ended without having begun.
const REMEMBERED: Duration = Duration::from_secs(600);
const MAX_TRACES: usize = 5;

impl Followed {
    /// Merges what a shard saw. Returns whether there was room.
    pub(in crate::sla) fn take(
        &mut self,
        objective: u32,
        row: &WorkflowRow,
        limit: usize,
        now: Timestamp,
    ) -> bool {
        let place = (objective, row.key);
        if self.flows.len() >= limit && !self.flows.contains_key(&place) {
            return false;
        }
        let trace = row.trace.as_slice().try_into().unwrap_or_default();
        let fresh = || Flow { start: None, end: None, weight: 0, trace, is_counted: false, seen: now };
        let flow = self.flows.entry(place).or_insert_with(fresh);
        if row.start != u64::MAX && row.start > 0 {
            let start = Timestamp(row.start);
            flow.start = Some(flow.start.map_or(start, |known| known.min(start)));
        }
        if row.end > 0 {
            flow.end = flow.end.max(Some(Timestamp(row.end)));
        }
        flow.weight = flow.weight.max(row.weight);
        flow.trace = flow.trace.min(trace);
        flow.seen = now;
        true
    }

    /// Judges the workflows of an objective, forgets what is over, and returns those that became events.
    pub(in crate::sla) fn advance(
        &mut self,
        objective: u32,
        workflow: &Workflow,
        at: Timestamp,
    ) -> (Vec<Outcome>, Running) {
        let mut outcomes = Vec::new();
        let mut open = Vec::new();
        let mut over = Vec::new();
        for (place, flow) in self.flows.range_mut((objective, 0)..=(objective, u64::MAX)) {
            outcomes.extend(flow.judge(workflow, at));
            let is_given_up = flow.start.is_some_and(|start| at.since(start) > workflow.give_up_after);
            let is_old = at.since(flow.seen) > REMEMBERED;
            match (flow.start, flow.end) {
                (Some(start), None) if !is_given_up => open.push((start, flow.trace)),
                (Some(_), None) => over.push(*place),
                (_, Some(_)) if is_old => over.push(*place),
                (None, None) => over.push(*place),
                _ => {}
            }
        }
        over.iter().for_each(|place| {
            self.flows.remove(place);
        });
        (outcomes, running(&mut open, workflow, at))
    }
}

impl Flow {
    fn judge(&mut self, workflow: &Workflow, at: Timestamp) -> Option<Outcome> {
        let start = self.start.filter(|_| !self.is_counted)?;
        let took = self.end.unwrap_or(at).since(start);
        let is_good = took <= workflow.within;
        if self.end.is_none() && is_good {
            return None;
        }
        self.is_counted = true;
        // One that still runs failed at the moment at which it should have ended.
        let at = self.end.unwrap_or(start + workflow.within);
        Some(Outcome { at, is_good, weight: self.weight, trace: Some(self.trace), took })
    }
}

fn running(open: &mut [(Timestamp, TraceId)], workflow: &Workflow, at: Timestamp) -> Running {
    open.sort_unstable();
    let age = |(start, _): &(Timestamp, TraceId)| at.since(*start);
    let n_older = |than: Duration| open.iter().take_while(|it| age(it) > than).count() as u64;
    Running {
        n_open: open.len() as u64,
        n_overdue: n_older(workflow.within),
        n_escalated: n_older(workflow.escalate_after),
        oldest: open.first().map(age).unwrap_or_default(),
        traces: open.iter().take(MAX_TRACES).map(|(_, trace)| *trace).collect(),
    }
}
