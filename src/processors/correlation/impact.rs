//! What an incident takes of the budgets of objectives, and what that costs.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use model::{Budget, Conditions, Spending, Timestamp};

use super::incident::Incident;

/// What an incident took, by objective.
pub(super) type Impact = BTreeMap<Arc<str>, Loss>;

/// What one objective lost since it began to burn for an incident.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Loss {
    /// From when on it is counted.
    pub(super) start: Timestamp,
    pub(super) events: u64,
    pub(super) bad_events: u64,
    /// The share of the whole budget that its bad events took.
    pub(super) budget_consumed: Option<f64>,
    /// What is left of the budget, with all that was bad before.
    pub(super) budget_remaining: Option<f64>,
    pub(super) cost: Option<Spending>,
    /// Up to which evaluation it is counted.
    pub(super) counted: Sample,
}

/// What was counted of an objective up to an evaluation.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Sample {
    pub(super) at: Timestamp,
    pub(super) events: u64,
    pub(super) bad_events: u64,
    /// Money.
    pub(super) spent: f64,
}

/// What evaluations told of objectives lately.
#[derive(Clone, Debug, Default)]
pub(super) struct Budgets {
    of_objectives: BTreeMap<Arc<str>, Course>,
    /// Whether something was told that incidents were not charged with.
    has_news: bool,
}

#[derive(Clone, Debug)]
struct Course {
    latest: Budget,
    /// The oldest first, the last as `latest` has it.
    samples: VecDeque<Sample>,
}

/// Evaluations of an objective that are remembered: a quarter of an hour, one each ten seconds.
const MOST_SAMPLES: usize = 90;
/// An objective that is not told for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

impl Budgets {
    pub(super) fn take(&mut self, told: &Conditions) {
        for budget in &told.budgets {
            let sample = Sample::of(budget, told.at);
            let course = self.of_objectives.entry(Arc::clone(&budget.slo_id));
            let course =
                course.or_insert_with(|| Course { latest: budget.clone(), samples: VecDeque::new() });
            course.latest.clone_from(budget);
            if course.samples.len() >= MOST_SAMPLES {
                course.samples.pop_front();
            }
            course.samples.push_back(sample);
        }
        self.of_objectives.retain(|_, course| course.last().at + FORGOTTEN_AFTER >= told.at);
        self.has_news = true;
    }

    /// Charges all incidents, once for each evaluation.
    pub(super) fn charge_all<'a>(&mut self, incidents: impl Iterator<Item = &'a mut Incident>) {
        if std::mem::take(&mut self.has_news) {
            incidents.for_each(|incident| self.charge(incident));
        }
    }

    /// Adds to an incident what its objectives have lost since they were last looked at.
    pub(super) fn charge(&self, incident: &mut Incident) {
        let objectives: Vec<Arc<str>> = incident.objectives().into_iter().map(Arc::from).collect();
        for objective in objectives {
            let Some(course) = self.of_objectives.get(&objective) else { continue };
            let begin = || Loss::since(course.beginning(incident.start));
            let loss = incident.impact.entry(objective).or_insert_with(begin);
            let lasts = incident.end.is_none_or(|end| loss.counted.at < end);
            loss.add(course, lasts);
        }
    }
}

impl Sample {
    fn of(budget: &Budget, at: Timestamp) -> Self {
        let spent = budget.spending.as_ref().map_or(0.0, |spending| spending.amount);
        Self { at, events: budget.events, bad_events: budget.bad_events, spent }
    }
}

impl Course {
    fn last(&self) -> Sample {
        self.samples.back().copied().unwrap_or_default()
    }

    /// What was counted when that began which an incident tells of from `start` on. An alert fires when its budget has
    /// burned for some time: the evaluations directly before in which more was bad than may be belong to it.
    fn beginning(&self, start: Timestamp) -> Sample {
        let n = self.samples.partition_point(|sample| sample.at <= start);
        let known = self.samples.range(..n.max(1).min(self.samples.len()));
        let mut later = known.rev();
        let Some(mut found) = later.next().copied() else { return Sample::default() };
        let mut reached = found;
        for sample in later {
            let events = reached.events.saturating_sub(sample.events);
            let bad = reached.bad_events.saturating_sub(sample.bad_events);
            if bad as f64 > self.latest.allowed * events as f64 {
                found = *sample;
            } else if events > 0 {
                break;
            }
            reached = *sample;
        }
        found
    }
}

impl Loss {
    fn since(counted: Sample) -> Self {
        let (events, bad_events) = (0, 0);
        let (budget_consumed, budget_remaining, cost) = (None, None, None);
        let start = counted.at;
        Self { start, events, bad_events, budget_consumed, budget_remaining, cost, counted }
    }

    /// Counts what came since the evaluation before, if the incident still lasted then.
    fn add(&mut self, course: &Course, lasts: bool) {
        let (before, now) = (self.counted, course.last());
        if now.at <= before.at {
            return;
        }
        self.counted = now;
        if !lasts {
            return;
        }
        self.budget_remaining = course.latest.remaining;
        let spent = self.cost.as_ref().map_or(0.0, |cost| cost.amount);
        let spending = course.latest.spending.as_ref();
        // Counts that were lost in a crash are lower than before: what came since then is not known.
        let is_known = now.events >= before.events && now.bad_events >= before.bad_events;
        if is_known {
            self.events += now.events - before.events;
            self.bad_events += now.bad_events - before.bad_events;
        }
        let more = if is_known { now.spent - before.spent } else { 0.0 };
        self.cost = spending.map(|it| Spending { amount: spent + more, currency: Arc::clone(&it.currency) });
        self.budget_consumed = course.latest.share_of_event.map(|share| share * self.bad_events as f64);
    }

    /// The share of its events that were bad; none without events of its own.
    pub(super) fn bad_share(&self) -> Option<f64> {
        (self.events > 0).then(|| self.bad_events as f64 / self.events as f64)
    }
}

/// Joins what two incidents took that turned out to be one: of each objective what was counted for longer.
pub(super) fn join(impact: &mut Impact, other: Impact) {
    for (objective, loss) in other {
        match impact.get_mut(&objective) {
            Some(known) if known.events >= loss.events => {}
            Some(known) => *known = loss,
            None => {
                impact.insert(objective, loss);
            }
        }
    }
}
