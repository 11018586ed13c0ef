//! Which spans are events of which objectives.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use model::{KeySet, Slot};
use rapidhash::RapidHashMap;

use super::{
    spot::{Choice, Place, Probe, Spot},
    tally::Tally,
};
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
    tallies: Vec<Tally>,
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
    takes: Choice,
    /// Those that count its spans.
    pub(super) tallies: Range<usize>,
    /// The first objective that promises a percentile of how long its spans take.
    pub(super) timed: Option<u32>,
}

/// A selector while objectives are put to it.
struct Gathered {
    service: String,
    selects: Vec<Probe>,
    excludes: Vec<Probe>,
    members: Vec<(u32, Verdict)>,
    timed: Option<u32>,
}

/// An objective on workflows.
pub(super) struct Follower {
    service: String,
    pub(super) objective: u32,
    takes: Choice,
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
            tallies: Vec::new(),
            followers: Vec::new(),
            by_service: RapidHashMap::default(),
            nothing: Arc::default(),
        };
        let mut gathered = Vec::new();
        for (at, objective) in plan.objectives.iter().enumerate() {
            made.add(at as u32, objective, &mut gathered);
        }
        for Gathered { service, selects, excludes, members, timed } in gathered {
            let first = made.tallies.len();
            made.tallies.extend(Tally::all(&members, &mut made.keys));
            let (takes, tallies) = (Choice::of(&selects, &excludes), first..made.tallies.len());
            made.selectors.push(Selector { service, selects, takes, tallies, timed });
        }
        made
    }

    fn add(&mut self, at: u32, objective: &Objective, gathered: &mut Vec<Gathered>) {
        let keys = &mut self.keys;
        let mut probes = |list: &[_]| list.iter().map(|it| Probe::of(it, keys)).collect::<Vec<_>>();
        match &objective.indicator {
            Indicator::Spans(spans) => {
                let (selects, excludes) = (probes(&spans.selects), probes(&spans.excludes));
                let it = gather(gathered, &objective.service, selects, excludes);
                it.members.push((at, spans.verdict.clone()));
                it.timed = it.timed.or(objective.percentile.is_some().then_some(at));
            }
            Indicator::Workflow(workflow) => {
                let WorkflowSource::Spans { selects, excludes, start, end, key, started_event, ended_event } =
                    &workflow.source
                else {
                    return;
                };
                let any_begins = start.is_empty() && started_event.is_none();
                let root_ends = end.is_empty() && ended_event.is_none();
                let takes = Choice::of(&probes(selects), &probes(excludes));
                let (start, end) = (probes(start), probes(end));
                let key = key.as_ref().map(|field| Place::of(field, keys));
                let service = objective.service.clone();
                let objective = at;
                self.followers.push(Follower {
                    service,
                    objective,
                    takes,
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

    pub(super) fn want(&mut self, keys: &mut KeySet) {
        self.slots = self.keys.iter().map(|key| keys.want(key)).collect();
    }

    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// All tallies, those of a selector behind one another.
    pub(super) fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    pub(super) fn tallies_mut(&mut self) -> &mut [Tally] {
        &mut self.tallies
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

/// Returns the selector of these spans, made anew where there is none.
fn gather<'a>(
    gathered: &'a mut Vec<Gathered>,
    service: &str,
    selects: Vec<Probe>,
    excludes: Vec<Probe>,
) -> &'a mut Gathered {
    // Objectives come by id, so those of one service stand together; the last few are enough to look at.
    let near = gathered.len().saturating_sub(64);
    let same = |it: &Gathered| it.service == service && it.selects == selects && it.excludes == excludes;
    let place = match gathered[near..].iter().position(same) {
        Some(place) => near + place,
        None => {
            let (service, members) = (service.to_owned(), Vec::new());
            gathered.push(Gathered { service, selects, excludes, members, timed: None });
            gathered.len() - 1
        }
    };
    &mut gathered[place]
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
        self.takes.holds(spot)
    }
}

impl Follower {
    /// Returns what the span tells of its workflow; none when it tells nothing.
    pub(super) fn told_by(&self, spot: &Spot<'_>, ended: u64) -> Option<Told> {
        if !self.takes.holds(spot) {
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
