//! Which of what a minute shows is a bottleneck.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::{Timestamp, TraceId};

use super::{
    config::BottleneckConfig,
    episodes::{Episodes, Event},
    minute::{Minute, Tally},
    queues,
    subject::{Method, Operation, Subject, Type},
    usual::{Bounds, MINUTE, Recent, UNUSUAL_OF_RECENT, Usual},
};

/// A part of less than a twentieth of an operation's latency does not hold it up.
const MIN_PART: f64 = 0.05;
/// Observations from which on a score is not lowered for their number.
const FULL_NUMBER: f64 = 30.0;
/// What lasts longer than this becomes usual.
const BECOMES_USUAL: Duration = Duration::from_secs(60 * 60);
/// What is silent for a day is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);
/// A shape that is open stays so above this share of what opens it.
const STAYS_ABOVE: f64 = 0.5;
/// A wait that explains so much of what a step lost stands for it.
const EXPLAINS: f64 = 0.7;
/// Share of an operation's calls that are tried again and again: the load alone is worth telling.
const MUCH_RETRIED: f64 = 0.1;

/// What is remembered of subjects, and what of them is open.
pub(super) struct Judge {
    config: BottleneckConfig,
    pub(super) usuals: BTreeMap<Subject, Usual>,
    pub(super) episodes: Episodes,
}

/// A subject that holds something up in a minute.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Sighting {
    /// In the last minutes.
    pub(super) n: u64,
    /// The 95th percentile in milliseconds; of shapes what would be saved, half of the time more; of resources
    /// the utilisation.
    pub(super) current: f64,
    /// In the same unit: what is usual, or where the resource counts as saturated. NaN for shapes.
    pub(super) usual: f64,
    /// Share of the latency of the operation that it holds up most.
    pub(super) share: f64,
    /// What it holds up, the most first.
    pub(super) roots: Vec<Operation>,
    /// 0 to 100.
    pub(super) score: f64,
    /// 0 to 1.
    pub(super) confidence: f64,
    /// Share of that operation's latency that would be saved.
    pub(super) saving: f64,
    /// A resource that is used up while no operation of its service is slow.
    pub(super) is_risk: bool,
    pub(super) exemplar: Option<TraceId>,
    /// Whether half of what was seen in the minute is as bad: no accident of a few. Not kept over a restart.
    pub(super) is_typical: bool,
}

impl Judge {
    pub(super) fn new(config: &BottleneckConfig) -> Self {
        Self { config: config.clone(), usuals: BTreeMap::new(), episodes: Episodes::default() }
    }

    /// Whether a root took longer than 95 % of them usually do; all count while that is not known.
    pub(super) fn is_slow(&self, (service, operation): &Operation, nanos: u64) -> bool {
        let (service, operation) = (Arc::clone(service), Arc::clone(operation));
        let subject = Subject { kind: Type::Root, service, operation };
        let bounds = self.usuals.get(&subject).and_then(|usual| usual.bounds(1.0, 0.0));
        bounds.is_none_or(|bounds| nanos as f64 / 1e6 >= bounds.usual)
    }

    /// Judges a minute that began at `start`. `share` of all traces are sampled. Returns what opened and what
    /// ended, and how many subjects are not remembered for want of room.
    pub(super) fn close(&mut self, minute: &Minute, start: Timestamp, share: f64) -> (Vec<Event>, u64) {
        let coverage = minute.coverage() * share;
        let (mut sightings, mut without_room) = (BTreeMap::new(), 0);
        let mut slow_services = BTreeSet::new();
        for (subject, tally) in minute.tallies.iter() {
            let Some(usual) = remembered(&mut self.usuals, subject, &self.config) else {
                without_room += 1;
                continue;
            };
            let is_open = self.episodes.open.contains_key(subject);
            let seen = Seen { subject, tally, minute, coverage, is_open, config: &self.config };
            let found = match subject.kind.method() {
                Method::Timing => {
                    let bounds = usual.bounds(self.config.slow_factor, self.config.min_abs_millis());
                    seen.slow(bounds)
                }
                Method::Share => {
                    seen.missing(usual.bounds(self.config.slow_factor, self.config.patterns.cache_misses))
                }
                _ if subject.kind == Type::Throttled => seen.throttled(),
                Method::Shape | Method::Level | Method::Growth => seen.shape(),
            };
            if found.is_some() && matches!(subject.kind, Type::Root | Type::SlowStep) {
                slow_services.insert(Arc::clone(&subject.service));
            }
            usual.note(Recent { start, n: tally.n, is_over: found.is_some() });
            let is_old = self.episodes.age(subject, start).is_some_and(|age| age >= BECOMES_USUAL);
            let is_enough = tally.n >= self.config.min_calls_of_minute();
            if is_enough && (found.is_none() || is_old) {
                match subject.kind.method() {
                    Method::Timing => usual.learn(tally.values.quantile(0.95)),
                    Method::Share => usual.learn(seen.share_of_hits()),
                    _ => {}
                }
            }
            if let Some(sighting) = found.filter(|_| subject.kind != Type::Root) {
                sightings.insert(subject.clone(), sighting);
            }
        }
        without_room += self.levels(minute, start, &slow_services, &mut sightings);
        without_room += self.queues(minute, start, coverage, &mut sightings);
        leave_out_explained(&mut sightings);
        let settled = self.settled(sightings);
        let ended = start + MINUTE;
        self.usuals.retain(|_, usual| usual.seen + FORGOTTEN > ended);
        (self.episodes.update(settled, ended), without_room)
    }

    fn levels(
        &mut self,
        minute: &Minute,
        start: Timestamp,
        slow_services: &BTreeSet<Arc<str>>,
        sightings: &mut BTreeMap<Subject, Sighting>,
    ) -> u64 {
        let mut without_room = 0;
        for (subject, level) in &minute.levels {
            let Some(usual) = remembered(&mut self.usuals, subject, &self.config) else {
                without_room += 1;
                continue;
            };
            let value = level.mean();
            let limit = self.config.saturation.of(subject.kind);
            let is_over = value >= limit;
            usual.note(Recent { start, n: level.n, is_over });
            if is_over {
                let is_risk = !slow_services.contains(&subject.service);
                sightings.insert(subject.clone(), saturated(subject, value, limit, is_risk));
            }
        }
        without_room
    }

    fn queues(
        &mut self,
        minute: &Minute,
        start: Timestamp,
        coverage: f64,
        sightings: &mut BTreeMap<Subject, Sighting>,
    ) -> u64 {
        let mut without_room = 0;
        for reading in queues::readings(minute, &self.config) {
            let Some(usual) = remembered(&mut self.usuals, &reading.subject, &self.config) else {
                without_room += 1;
                continue;
            };
            usual.learn(reading.value);
            let found = queues::growth(usual, &reading, start, &self.config);
            usual.note(Recent { start, n: reading.n, is_over: found.is_some() });
            if let Some(mut sighting) = found {
                let of_waits = reading.subject.kind == Type::QueueGrowth;
                sighting.confidence *= if of_waits { coverage } else { 1.0 };
                sightings.insert(reading.subject, sighting);
            }
        }
        without_room
    }

    /// Keeps what lasts, and what is so gross that nobody should wait for that.
    fn settled(&self, sightings: BTreeMap<Subject, Sighting>) -> Vec<(Subject, Sighting, Timestamp)> {
        let settled = |(subject, mut sighting): (Subject, Sighting)| {
            let usual = self.usuals.get(&subject)?;
            let (over, n) = usual.recent();
            let method = subject.kind.method();
            let needs_calls = !matches!(method, Method::Level | Method::Growth);
            let is_enough = !needs_calls || n >= self.config.min_calls;
            let began = usual.began()?;
            let is_open = self.episodes.open.contains_key(&subject);
            let is_enough_now = !needs_calls || sighting.n >= self.config.min_calls;
            // What grows has done so for minutes already.
            let is_gross = sighting.is_gross(subject.kind) || method == Method::Growth;
            let is_urgent = is_enough_now && is_gross && sighting.is_typical;
            if needs_calls {
                let of_full = (n as f64 / FULL_NUMBER).min(1.0);
                (sighting.n, sighting.score) = (n, sighting.score * of_full);
                sighting.confidence *= of_full;
            }
            let is_much = sighting.score >= self.config.min_score;
            let lasts = over >= UNUSUAL_OF_RECENT && is_enough && is_much;
            (lasts || is_open || is_urgent).then_some((subject, sighting, began))
        };
        sightings.into_iter().filter_map(settled).collect()
    }
}

/// Returns what is known of a subject, if there is room for it.
fn remembered<'a>(
    usuals: &'a mut BTreeMap<Subject, Usual>,
    subject: &Subject,
    config: &BottleneckConfig,
) -> Option<&'a mut Usual> {
    if !usuals.contains_key(subject) && usuals.len() as u64 >= config.max_subjects() {
        return None;
    }
    Some(usuals.entry(subject.clone()).or_default())
}

/// What a minute shows of a subject.
struct Seen<'a> {
    subject: &'a Subject,
    tally: &'a Tally,
    minute: &'a Minute,
    coverage: f64,
    is_open: bool,
    config: &'a BottleneckConfig,
}

impl Seen<'_> {
    /// Whether it takes longer than it usually does, and somebody waits for it.
    fn slow(&self, bounds: Option<Bounds>) -> Option<Sighting> {
        let Bounds { usual, most } = bounds?;
        let current = self.tally.values.quantile(0.95);
        if self.tally.n < self.config.min_calls_of_minute() || current < most {
            return None;
        }
        let (roots, share) = self.roots(MIN_PART)?;
        let growth = (current / usual).log2() / 3.0;
        Some(Sighting {
            current,
            usual,
            score: 100.0 * share * growth.clamp(0.0, 1.0),
            saving: share * (1.0 - usual / current),
            is_typical: self.tally.values.quantile(0.5) >= most,
            ..self.sighting(roots, share)
        })
    }

    /// Whether a shape costs more than it may.
    fn shape(&self) -> Option<Sighting> {
        let current = self.tally.values.quantile(0.5);
        let least_millis = if self.is_open { STAYS_ABOVE } else { 1.0 } * self.config.min_abs_millis();
        if current < least_millis {
            return None;
        }
        // What is open ends well below where it began, or it would begin and end all day.
        let least = if self.is_open { STAYS_ABOVE * self.config.min_share } else { self.config.min_share };
        let least = if self.is_retried_much() { 0.0 } else { least };
        let (roots, share) = self.roots(least)?;
        Some(Sighting {
            current,
            usual: f64::NAN,
            score: 100.0 * share,
            saving: share,
            ..self.sighting(roots, share)
        })
    }

    fn share_of_hits(&self) -> f64 {
        self.tally.n_hits as f64 / self.tally.n.max(1) as f64
    }

    /// Whether more reads of a cache than usual are followed by a query, and somebody waits for that.
    fn missing(&self, bounds: Option<Bounds>) -> Option<Sighting> {
        let Bounds { usual, most } = bounds?;
        let current = self.share_of_hits();
        if self.tally.n < self.config.min_calls_of_minute() || current < most {
            return None;
        }
        let (roots, share) = self.roots(MIN_PART)?;
        let saving = share * (1.0 - usual / current);
        Some(Sighting { current, usual, score: 100.0 * saving, saving, ..self.sighting(roots, share) })
    }

    /// Whether more calls are refused than may be.
    fn throttled(&self) -> Option<Sighting> {
        let usual = self.config.patterns.throttled;
        let least = if self.is_open { STAYS_ABOVE * usual } else { usual };
        let current = self.tally.n as f64 / self.minute.calls(self.subject).max(self.tally.n) as f64;
        if current < least {
            return None;
        }
        let (roots, share) = self.roots(0.0).unwrap_or_default();
        let score = 100.0 * current;
        Some(Sighting { current, usual, score, saving: f64::NAN, ..self.sighting(roots, share) })
    }

    fn is_retried_much(&self) -> bool {
        if self.subject.kind != Type::RetryStorm {
            return false;
        }
        let all = self.minute.calls(self.subject);
        // Each storm has so many attempts at least.
        let retried = self.tally.n * self.config.patterns.retries;
        retried as f64 >= MUCH_RETRIED * all as f64
    }

    /// Returns the roots of whose latency it has a share, and the greatest; none when that is too small.
    fn roots(&self, least: f64) -> Option<(Vec<Operation>, f64)> {
        let shares = self.minute.shares(self.subject);
        let greatest = shares.first().map(|(_, share)| *share)?;
        let roots = shares.into_iter().filter(|(_, share)| *share >= MIN_PART.min(greatest));
        (greatest >= least).then(|| (roots.map(|(root, _)| root).collect(), greatest))
    }

    fn sighting(&self, roots: Vec<Operation>, share: f64) -> Sighting {
        let confidence = self.subject.kind.certainty() * self.coverage;
        let exemplar = self.tally.exemplar.map(|example| example.trace);
        Sighting { n: self.tally.n, share, roots, confidence, exemplar, ..Sighting::default() }
    }
}

fn saturated(subject: &Subject, value: f64, limit: f64, is_risk: bool) -> Sighting {
    let beyond = ((value - limit) / (1.0 - limit).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0);
    let score = 50.0 + 50.0 * beyond;
    Sighting {
        current: value,
        usual: limit,
        score: if is_risk { score / 2.0 } else { score },
        confidence: if is_risk { 0.5 } else { subject.kind.certainty() },
        is_risk,
        is_typical: true,
        ..Sighting::default()
    }
}

/// Leaves out what another says better. A step that is slow as it waits before a call, when that wait explains what
/// it lost; a wait that does not, as it is a part of what became slow. A call that takes long as one of several at
/// the same time does.
fn leave_out_explained(sightings: &mut BTreeMap<Subject, Sighting>) {
    let lost = |sighting: &Sighting| sighting.current - sighting.usual;
    let mut most = BTreeMap::new();
    for (subject, sighting) in &*sightings {
        let known = most.entry((subject.kind, Arc::clone(&subject.service))).or_insert(0.0);
        *known = lost(sighting).max(*known);
    }
    let most = |kind, service: &Arc<str>| most.get(&(kind, Arc::clone(service))).copied().unwrap_or(0.0);
    let stragglers = sightings.keys().filter(|subject| subject.kind == Type::Straggler);
    let stragglers: BTreeSet<Operation> = stragglers.map(Subject::of).collect();
    sightings.retain(|subject, sighting| match subject.kind {
        Type::SlowStep => most(Type::CallWait, &subject.service) < EXPLAINS * lost(sighting),
        Type::CallWait => lost(sighting) >= EXPLAINS * most(Type::SlowStep, &subject.service),
        Type::SlowPeer | Type::SlowDatabase | Type::Network => !stragglers.contains(&subject.of()),
        _ => true,
    });
}
