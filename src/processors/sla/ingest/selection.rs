//! Which spans are events of which objectives.

use std::{collections::BTreeMap, sync::Arc};

use model::{KeySet, Slot};
use rapidhash::RapidHashMap;

use super::spot::{Place, Probe, Spot};
use crate::{
    aggregation::{attributes, spec::service_of},
    glob::fits,
    sla::{
        expression::{Seen, Test},
        plan::{Indicator, Objective, Plan, Verdict, WorkflowSource},
    },
};

/// All objectives on spans, by what they look at.
pub(super) struct Selection {
    /// Attributes that are looked at.
    keys: Vec<String>,
    /// By key, where the walk leaves its values.
    slots: Vec<Slot>,
    selectors: Vec<Selector>,
    followers: Vec<Follower>,
    by_service: RapidHashMap<String, Arc<ServicePlan>>,
    nothing: Arc<ServicePlan>,
}

/// Services whose plans are remembered.
const MAX_SERVICES: usize = 8192;

/// Objectives that select the same spans of a service.
pub(super) struct Selector {
    service: String,
    selects: Vec<Probe>,
    excludes: Vec<Probe>,
    pub(super) members: Vec<Member>,
}

/// An objective of a selector.
pub(super) struct Member {
    /// Its place in the plan.
    pub(super) objective: u32,
    pub(super) judge: Judge,
}

/// When a span is good.
pub(super) enum Judge {
    Success(Vec<Probe>),
    Within(u64),
    Value(Place, crate::sla::plan::Agreement),
    Came,
}

/// An objective on workflows.
pub(super) struct Follower {
    service: String,
    pub(super) objective: u32,
    selects: Vec<Probe>,
    excludes: Vec<Probe>,
    /// Whether every span tells that one runs, as nothing is said of what begins it.
    any_begins: bool,
    /// Whether the root span ends it, as nothing is said of what does.
    root_ends: bool,
    start: Vec<Probe>,
    end: Vec<Probe>,
    pub(super) key: Option<Place>,
}

/// What a span tells of a workflow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Told {
    pub(super) start: Option<u64>,
    pub(super) end: Option<u64>,
}

/// A resource, as objectives see it.
pub(super) struct View {
    pub(super) plan: Arc<ServicePlan>,
    /// By key, the resource's own value.
    pub(super) values: Vec<Option<Box<[u8]>>>,
}

/// By the text that they ask for, selectors.
type ByText = RapidHashMap<Box<[u8]>, Vec<u32>>;

/// The objectives of one service.
#[derive(Default)]
pub(super) struct ServicePlan {
    /// Selectors that every span is shown to.
    always: Vec<u32>,
    /// By an attribute and its text, the selectors that ask for it.
    by_text: Vec<(Place, ByText)>,
    followers: Vec<u32>,
}

impl Selection {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut made = Self {
            keys: Vec::new(),
            slots: Vec::new(),
            selectors: Vec::new(),
            followers: Vec::new(),
            by_service: RapidHashMap::default(),
            nothing: Arc::default(),
        };
        for (at, objective) in plan.objectives.iter().enumerate() {
            made.add(at as u32, objective);
        }
        made
    }

    fn add(&mut self, at: u32, objective: &Objective) {
        let keys = &mut self.keys;
        let mut probes = |list: &[_]| list.iter().map(|it| Probe::of(it, keys)).collect::<Vec<_>>();
        match &objective.indicator {
            Indicator::Spans(spans) => {
                let (selects, excludes) = (probes(&spans.selects), probes(&spans.excludes));
                let judge = match &spans.verdict {
                    Verdict::Success(bad) => Judge::Success(probes(bad)),
                    Verdict::Within(most) => Judge::Within(*most),
                    Verdict::Value(field, agreement) => Judge::Value(Place::of(field, keys), *agreement),
                    Verdict::Came => Judge::Came,
                };
                self.add_member(&objective.service, selects, excludes, Member { objective: at, judge });
            }
            Indicator::Workflow(workflow) => {
                let WorkflowSource::Spans { selects, excludes, start, end, key, started_event, ended_event } =
                    &workflow.source
                else {
                    return;
                };
                let any_begins = start.is_empty() && started_event.is_none();
                let root_ends = end.is_empty() && ended_event.is_none();
                let (selects, excludes) = (probes(selects), probes(excludes));
                let (start, end) = (probes(start), probes(end));
                let key = key.as_ref().map(|field| Place::of(field, keys));
                let service = objective.service.clone();
                let objective = at;
                self.followers.push(Follower {
                    service,
                    objective,
                    selects,
                    excludes,
                    any_begins,
                    root_ends,
                    start,
                    end,
                    key,
                });
            }
            Indicator::Counters(_) | Indicator::Metric(_) | Indicator::Composite(_) => {}
        }
    }

    fn add_member(&mut self, service: &str, selects: Vec<Probe>, excludes: Vec<Probe>, member: Member) {
        let same = |known: &&mut Selector| {
            known.service == service && known.selects == selects && known.excludes == excludes
        };
        // Objectives come by id, so those of one service stand together; the last few are enough to look at.
        if let Some(known) = self.selectors.iter_mut().rev().take(64).find(same) {
            known.members.push(member);
            return;
        }
        let service = service.to_owned();
        self.selectors.push(Selector { service, selects, excludes, members: vec![member] });
    }

    pub(super) fn want(&mut self, keys: &mut KeySet) {
        self.slots = self.keys.iter().map(|key| keys.want(key)).collect();
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(super) fn selector(&self, at: u32) -> &Selector {
        &self.selectors[at as usize]
    }

    pub(super) fn follower(&self, at: u32) -> &Follower {
        &self.followers[at as usize]
    }

    /// Makes the view of a resource.
    pub(super) fn view(&mut self, resource: &[u8]) -> View {
        let service = service_of(resource);
        if self.by_service.len() >= MAX_SERVICES {
            self.by_service.clear();
        }
        let plan = match self.by_service.get(&service) {
            Some(known) => Arc::clone(known),
            None => {
                let plan = self.plan_of(&service);
                self.by_service.insert(service, Arc::clone(&plan));
                plan
            }
        };
        if plan.is_empty() {
            return View { plan, values: Vec::new() };
        }
        let value = |key: &String| attributes::find(resource, key).map(|entry| entry.value.into());
        View { plan, values: self.keys.iter().map(value).collect() }
    }

    fn plan_of(&self, service: &str) -> Arc<ServicePlan> {
        let mut plan = ServicePlan::default();
        let mut by_text = BTreeMap::<Place, ByText>::new();
        for (at, selector) in self.selectors.iter().enumerate().filter(|(_, it)| fits(&it.service, service)) {
            let asked = selector.selects.iter().find_map(|probe| match (&probe.test, probe.place) {
                (Test::Is(text), Place::Key(_) | Place::Name) if is_only_text(text) => {
                    Some((probe.place, text))
                }
                _ => None,
            });
            match asked {
                Some((place, text)) => {
                    let texts = by_text.entry(place).or_default();
                    texts.entry(text.as_bytes().into()).or_default().push(at as u32);
                }
                None => plan.always.push(at as u32),
            }
        }
        plan.by_text = by_text.into_iter().collect();
        let followers = self.followers.iter().enumerate().filter(|(_, it)| fits(&it.service, service));
        plan.followers = followers.map(|(at, _)| at as u32).collect();
        if plan.is_empty() { Arc::clone(&self.nothing) } else { Arc::new(plan) }
    }
}

/// Whether only a text can be equal to it: no number and no truth value is written so.
fn is_only_text(text: &str) -> bool {
    // Nothing at all is an empty text too.
    !text.is_empty() && text.parse::<f64>().is_err() && text.parse::<bool>().is_err()
}

impl ServicePlan {
    pub(super) fn is_empty(&self) -> bool {
        self.always.is_empty() && self.by_text.is_empty() && self.followers.is_empty()
    }

    pub(super) fn followers(&self) -> &[u32] {
        &self.followers
    }

    /// Shows a span to every selector that may take it.
    pub(super) fn for_each(&self, spot: &Spot<'_>, mut show: impl FnMut(u32)) {
        self.always.iter().for_each(|at| show(*at));
        for (place, texts) in &self.by_text {
            if let Some(Seen::Text(text)) = spot.seen(*place)
                && let Some(selectors) = texts.get(text)
            {
                selectors.iter().for_each(|at| show(*at));
            }
        }
    }
}

impl Selector {
    /// Whether the span is an event.
    pub(super) fn takes(&self, spot: &Spot<'_>) -> bool {
        takes(&self.selects, &self.excludes, spot)
    }
}

fn takes(selects: &[Probe], excludes: &[Probe], spot: &Spot<'_>) -> bool {
    selects.iter().all(|probe| probe.holds(spot)) && !excludes.iter().any(|probe| probe.holds(spot))
}

impl Follower {
    /// Returns what the span tells of its workflow; none when it tells nothing.
    pub(super) fn told_by(&self, spot: &Spot<'_>, ended: u64) -> Option<Told> {
        if !takes(&self.selects, &self.excludes, spot) {
            return None;
        }
        let began = spot.span.start.min(ended);
        let is_root = super::is_root(spot.span, spot.bytes);
        let begins = self.any_begins || self.start.iter().any(|probe| probe.holds(spot));
        let ends = (self.root_ends && is_root) || self.end.iter().any(|probe| probe.holds(spot));
        let told = Told { start: begins.then_some(began), end: ends.then_some(ended) };
        (begins || ends).then_some(told)
    }
}
