//! Log records that tell when workflows begin and end: what has no spans, or has them only when it is over.

use wire::view::{Group, LogRecord, groups};

use super::{selection::Told, workflow_key};
use crate::{
    aggregation::{attributes, spec::service_of},
    glob::fits,
    sla::{
        expression::{Condition, Field, Seen, Test},
        plan::{Indicator, Objective, Plan, Workflow, WorkflowSource},
    },
};

/// All objectives on workflows that log records tell of.
pub(super) struct Events {
    listeners: Vec<Listener>,
}

struct Listener {
    service: String,
    objective: u32,
    started: Option<String>,
    ended: Option<String>,
    selects: Vec<(String, Test)>,
    excludes: Vec<(String, Test)>,
    /// None for the trace.
    key: Option<String>,
}

/// What a record tells of a workflow.
pub(super) struct Heard<'a> {
    pub(super) objective: u32,
    pub(super) key: u64,
    pub(super) told: Told,
    pub(super) trace: &'a [u8],
}

impl Events {
    pub(super) fn new(plan: &Plan) -> Self {
        let objectives = plan.objectives.iter().enumerate();
        Self { listeners: objectives.filter_map(|(at, it)| Listener::of(at as u32, it)).collect() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listeners.is_empty()
    }

    /// Reads a request; `time` says when a record counts as written.
    pub(super) fn hear<'a>(
        &self,
        request: &'a [u8],
        time: impl Fn(u64) -> u64,
        mut tell: impl FnMut(Heard<'a>),
    ) {
        for group in groups(request) {
            let service = service_of(group.resource.body);
            let listeners: Vec<&Listener> =
                self.listeners.iter().filter(|listener| fits(&listener.service, &service)).collect();
            if listeners.is_empty() {
                continue;
            }
            for record in group.items().map(LogRecord::of).filter(|record| !record.event_name.is_empty()) {
                let written = time(if record.time == 0 { record.observed_time } else { record.time });
                listeners.iter().filter_map(|it| it.hear(&group, &record, written)).for_each(&mut tell);
            }
        }
    }
}

impl Listener {
    fn of(objective: u32, of: &Objective) -> Option<Self> {
        let Indicator::Workflow(Workflow { source, .. }) = &of.indicator else { return None };
        let WorkflowSource::Spans { selects, excludes, key, started_event, ended_event, .. } = source else {
            return None;
        };
        if started_event.is_none() && ended_event.is_none() {
            return None;
        }
        Some(Self {
            service: of.service.clone(),
            objective,
            started: started_event.clone(),
            ended: ended_event.clone(),
            selects: on_attributes(selects),
            excludes: on_attributes(excludes),
            key: key.as_ref().map(|field| match field {
                Field::Attribute(name) => name.clone(),
                // No record has what only spans have.
                _ => String::new(),
            }),
        })
    }

    fn hear<'a>(&self, group: &Group<'a>, record: &LogRecord<'a>, written: u64) -> Option<Heard<'a>> {
        let is =
            |name: &Option<String>| name.as_ref().is_some_and(|name| name.as_bytes() == record.event_name);
        let told =
            Told { start: is(&self.started).then_some(written), end: is(&self.ended).then_some(written) };
        if told.start.is_none() && told.end.is_none() {
            return None;
        }
        let holds =
            |(name, test): &(String, Test)| test.holds(value(group, record, name).and_then(Seen::of_value));
        if !self.selects.iter().all(holds) || self.excludes.iter().any(holds) {
            return None;
        }
        let named = match &self.key {
            None => Some(record.trace_id).filter(|trace| trace.len() == 16),
            Some(name) => value(group, record, name),
        };
        Some(Heard { objective: self.objective, key: workflow_key(named?), told, trace: record.trace_id })
    }
}

/// Conditions on what only spans have say nothing of records.
fn on_attributes(conditions: &[Condition]) -> Vec<(String, Test)> {
    let named = |condition: &Condition| match &condition.field {
        Field::Attribute(name) => Some((name.clone(), condition.test.clone())),
        _ => None,
    };
    conditions.iter().filter_map(named).collect()
}

/// Returns the body of the `AnyValue` of an attribute of the record, or of its resource where it has none.
fn value<'a>(group: &Group<'a>, record: &LogRecord<'a>, name: &str) -> Option<&'a [u8]> {
    let own = record.attributes().find(|attribute| attribute.key == name.as_bytes());
    own.map(|attribute| attribute.value)
        .or_else(|| attributes::find(group.resource.body, name).map(|attribute| attribute.value))
}
