//! Which service is behind an incident: what moved, where it began, and whether one stands out.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use model::{Timestamp, TraceId};

use super::{
    config::RcaConfig,
    events::Event,
    graph::{CallGraph, Name},
    output::SERVED,
    shift::{Floors, Shift, shift},
    signals::{Aspect, SignalKey, Signals, Track},
};

/// What was found, the most likely first.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Finding {
    pub(super) candidates: Vec<Candidate>,
    /// How far the first stands out, 0 to 1.
    pub(super) confidence: f64,
    /// Whether the first does not stand out enough to be called the cause.
    pub(super) is_undetermined: bool,
}

/// A service that may be the cause.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Candidate {
    pub(super) service: Name,
    pub(super) kind: CauseKind,
    pub(super) score: f64,
    /// What speaks for it, the strongest first.
    pub(super) evidence: Vec<Evidence>,
}

/// One thing that speaks for a candidate.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Evidence {
    pub(super) kind: CauseKind,
    /// The operation, the caller, the metric, or what was changed.
    pub(super) what: String,
    pub(super) unit: String,
    pub(super) before: f64,
    pub(super) after: f64,
    /// How much it adds to the score.
    pub(super) strength: f64,
    pub(super) exemplar: Option<TraceId>,
}

/// What is wrong with a service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum CauseKind {
    /// It takes longer itself.
    Latency,
    /// It fails by itself.
    Errors,
    /// Calls do not come to it, or it has stopped.
    Unavailable,
    /// The way to it is slow.
    Network,
    /// Its database is slow.
    Database,
    /// More is asked of it.
    Traffic,
    /// A metric of it or its host left its range.
    Resource,
    /// Something was changed.
    Change,
}

impl CauseKind {
    pub(super) const ALL: [Self; 8] = [
        Self::Latency,
        Self::Errors,
        Self::Unavailable,
        Self::Network,
        Self::Database,
        Self::Traffic,
        Self::Resource,
        Self::Change,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Errors => "errors",
            Self::Unavailable => "unavailable",
            Self::Network => "network",
            Self::Database => "database",
            Self::Traffic => "traffic",
            Self::Resource => "resource",
            Self::Change => "change",
        }
    }

    /// Returns the kind of that name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// What is compared: the past of an incident with its course.
pub(super) struct Sight<'a> {
    pub(super) signals: &'a Signals,
    pub(super) graph: &'a CallGraph,
    pub(super) changes: &'a [Event],
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) config: &'a RcaConfig,
}

/// From so many usual deviations on a signal has moved.
const MOVED: f64 = 3.0;
/// Of what speaks against a service when one that it calls is worse.
const DISCOUNT: f64 = 0.6;
/// What counts of a signal whatever its part in the whole.
const REGARDLESS: f64 = 0.25;
/// Evidence that is kept of a candidate.
const MOST_EVIDENCE: usize = 5;

/// Ranks the services in reach of an incident. *Cost*: a walk over their signals.
pub(super) fn find(sight: &Sight<'_>, reach: &BTreeSet<Name>) -> Finding {
    let mut evidence = Gathered::default();
    let windows = Windows::of(sight);
    for service in reach {
        for (key, track) in sight.signals.of(service) {
            evidence.look_at(key, track, &windows);
        }
        evidence.look_for_silence(service, sight, &windows);
    }
    evidence.blame_ways();
    evidence.look_at_traffic(sight.graph);
    evidence.look_at_changes(sight);
    conclude(evidence.weigh(), sight)
}

/// The windows on both sides of the beginning.
struct Windows {
    before: Range<u64>,
    after: Range<u64>,
}

impl Windows {
    fn of(sight: &Sight<'_>) -> Self {
        let signals = sight.signals;
        let start = signals.window_of(sight.start);
        let oldest = start.saturating_sub(sight.config.windows());
        let end = signals.window_of(sight.end).max(start) + 1;
        Self { before: oldest..start, after: start..end }
    }
}

/// What moved, by whom it concerns.
#[derive(Default)]
struct Gathered {
    of: BTreeMap<Name, Vec<Moved>>,
    /// By callee: all its callers, with how the way from each of them moved.
    ways: BTreeMap<(Name, Aspect), Vec<FromCaller>>,
    traffic: BTreeMap<Name, Moved>,
}

/// A caller, and how the way from it moved if it did.
type FromCaller = (Name, Option<Moved>);

/// A signal that moved.
#[derive(Clone)]
struct Moved {
    kind: CauseKind,
    what: Name,
    unit: String,
    shift: Shift,
    /// What all of it costs: extra milliseconds or failures a second; 0 where that can not be told.
    weight: f64,
    exemplar: Option<TraceId>,
}

impl Gathered {
    fn look_at(&mut self, key: &SignalKey, track: &Track, windows: &Windows) {
        let moved = moved(key, track, windows);
        match key.aspect {
            Aspect::Way | Aspect::Store => {
                let ways = self.ways.entry((Name::clone(&key.service), key.aspect)).or_default();
                ways.push((Name::clone(&key.name), moved));
            }
            Aspect::Traffic => {
                let Some(moved) = moved else { return };
                let known = self.traffic.entry(Name::clone(&key.service)).or_insert_with(|| moved.clone());
                if moved.weight > known.weight {
                    *known = moved;
                }
            }
            _ => self.of.entry(Name::clone(&key.service)).or_default().extend(moved),
        }
    }

    /// A service that no longer does what it did in most windows before, while those who call it go on.
    fn look_for_silence(&mut self, service: &Name, sight: &Sight<'_>, windows: &Windows) {
        let has = |service: &Name, range: &Range<u64>| {
            let tracks = sight.signals.of(service).filter(|(key, _)| key.aspect == Aspect::Traffic);
            let mut busy = BTreeSet::new();
            tracks.for_each(|(_, track)| busy.extend(track.points(range.clone()).map(|point| point.window)));
            busy.len()
        };
        // The first window of an incident may be half before it, and spans of the last may still come.
        let quiet = windows.after.start + 1..windows.after.end;
        let n_before = has(service, &windows.before);
        let known = sight.signals.last.saturating_sub(windows.before.start).min(sight.config.windows());
        if n_before < 3
            || (n_before as u64) * 2 < known.min(n_before as u64 + 3)
            || quiet.start + 2 > quiet.end
        {
            return;
        }
        let callers_go_on = sight.graph.callers(service).any(|caller| has(caller, &quiet) > 0);
        if has(service, &quiet) > 0 || !callers_go_on {
            return;
        }
        let shift = Shift { before: 1.0, after: 0.0, deviations: 100.0 };
        self.of.entry(Name::clone(service)).or_default().push(Moved {
            kind: CauseKind::Unavailable,
            what: SERVED.into(),
            unit: "1".to_owned(),
            shift,
            weight: 0.0,
            exemplar: None,
        });
    }

    /// A way that is slow from most callers is the callee's; one that is slow from few is theirs. A database with
    /// one caller belongs to that.
    fn blame_ways(&mut self) {
        for ((server, aspect), ways) in std::mem::take(&mut self.ways) {
            let n_callers = ways.len();
            let slow: Vec<_> =
                ways.into_iter().filter_map(|(client, moved)| Some((client, moved?))).collect();
            let is_shared = aspect == Aspect::Way || n_callers > 1;
            if is_shared && 2 * slow.len() > n_callers {
                self.of.entry(server).or_default().extend(slow.into_iter().map(|(_, moved)| moved));
                continue;
            }
            for (client, moved) in slow {
                self.of.entry(client).or_default().push(Moved { what: Name::clone(&server), ..moved });
            }
        }
    }

    /// More traffic is a cause where it begins: at a service none of whose callers has more as well.
    fn look_at_traffic(&mut self, graph: &CallGraph) {
        let traffic = std::mem::take(&mut self.traffic);
        for (service, moved) in &traffic {
            let is_passed_on = graph.callers(service).any(|caller| traffic.contains_key(caller));
            if !is_passed_on {
                self.of.entry(Name::clone(service)).or_default().push(moved.clone());
            }
        }
    }

    fn look_at_changes(&mut self, sight: &Sight<'_>) {
        let since = sight.start - sight.config.changes_within.get();
        let made = sight.changes.iter().filter(|change| (since..=sight.end).contains(&change.start));
        for change in made {
            // A change alone is no trouble.
            let Some(moved) = self.of.get_mut(&change.service).filter(|moved| !moved.is_empty()) else {
                continue;
            };
            let shift = Shift { before: f64::NAN, after: f64::NAN, deviations: 1.0 };
            moved.push(Moved {
                kind: CauseKind::Change,
                what: change.title.as_str().into(),
                unit: String::new(),
                shift,
                weight: 0.0,
                exemplar: change.trace,
            });
        }
    }

    /// Makes scores of what moved: of each kind the strongest counts.
    fn weigh(self) -> Vec<Candidate> {
        let mut totals: BTreeMap<CauseKind, f64> = BTreeMap::new();
        for moved in self.of.values().flatten() {
            *totals.entry(moved.kind).or_default() += moved.weight;
        }
        let weighed = self.of.into_iter().filter(|(_, moved)| !moved.is_empty()).map(|(service, moved)| {
            let mut evidence: Vec<_> = moved.into_iter().map(|moved| moved.weigh(&totals)).collect();
            evidence.sort_by(|a, b| b.strength.total_cmp(&a.strength).then_with(|| a.what.cmp(&b.what)));
            let mut best: BTreeMap<CauseKind, f64> = BTreeMap::new();
            for one in &evidence {
                let best = best.entry(one.kind).or_default();
                *best = best.max(one.strength);
            }
            let kind = evidence.first().map_or(CauseKind::Latency, |strongest| strongest.kind);
            evidence.truncate(MOST_EVIDENCE);
            Candidate { service, kind, score: best.values().sum(), evidence }
        });
        weighed.collect()
    }
}

impl Moved {
    fn weigh(self, totals: &BTreeMap<CauseKind, f64>) -> Evidence {
        let total = totals.get(&self.kind).copied().unwrap_or_default();
        let share = if total > 0.0 { self.weight / total } else { 1.0 };
        let strength = match self.kind {
            CauseKind::Change => 1.0,
            kind => {
                weight_of(kind)
                    * self.shift.deviations.abs().ln_1p()
                    * (REGARDLESS + (1.0 - REGARDLESS) * share)
            }
        };
        Evidence {
            kind: self.kind,
            what: self.what.to_string(),
            unit: self.unit,
            before: self.shift.before,
            after: self.shift.after,
            strength,
            exemplar: self.exemplar,
        }
    }
}

/// How much a kind of evidence counts: metrics of hosts move for many reasons, and traffic is mostly an effect.
const fn weight_of(kind: CauseKind) -> f64 {
    match kind {
        CauseKind::Resource => 1.0,
        CauseKind::Traffic => 0.8,
        _ => 1.6,
    }
}

fn moved(key: &SignalKey, track: &Track, windows: &Windows) -> Option<Moved> {
    let kind = match key.aspect {
        Aspect::Own => CauseKind::Latency,
        Aspect::Failing => CauseKind::Errors,
        Aspect::Unreachable => CauseKind::Unavailable,
        Aspect::Way => CauseKind::Network,
        Aspect::Store => CauseKind::Database,
        Aspect::Traffic => CauseKind::Traffic,
        Aspect::Metric => CauseKind::Resource,
    };
    let shift = match key.aspect {
        Aspect::Failing | Aspect::Unreachable => ratio_shift(track, windows)?,
        _ => {
            let (mut before, mut after) =
                (track.values(windows.before.clone()), track.values(windows.after.clone()));
            shift(&mut before, &mut after, floors_of(key.aspect))?
        }
    };
    let strength = if key.aspect == Aspect::Metric { shift.deviations.abs() } else { shift.deviations };
    if strength < MOVED {
        return None;
    }
    let support = mean(track.points(windows.after.clone()).map(|point| f64::from(point.support)));
    let weight = match key.aspect {
        Aspect::Metric => 0.0,
        Aspect::Traffic => shift.after - shift.before,
        _ => (shift.after - shift.before) * support,
    };
    let (unit, exemplar) = (track.unit.to_string(), track.exemplar);
    Some(Moved { kind, what: Name::clone(&key.name), unit, shift, weight: weight.max(0.0), exemplar })
}

const fn floors_of(aspect: Aspect) -> Floors {
    match aspect {
        Aspect::Own | Aspect::Way | Aspect::Store => Floors { relative: 0.1, absolute: 0.5 },
        Aspect::Traffic => Floors { relative: 0.2, absolute: 0.2 },
        Aspect::Failing | Aspect::Unreachable => Floors { relative: 0.1, absolute: 0.01 },
        Aspect::Metric => Floors { relative: 0.05, absolute: 1e-6 },
    }
}

/// Compares parts of requests on the scale of what chance makes of so many. Before may be nothing: what fails where
/// nothing came before has failed from the first request on.
fn ratio_shift(track: &Track, windows: &Windows) -> Option<Shift> {
    let pooled = |range: &Range<u64>| {
        let (mut hits, mut all) = (0.0, 0.0);
        for point in track.points(range.clone()) {
            hits += f64::from(point.value) * f64::from(point.support);
            all += f64::from(point.support);
        }
        (hits, all)
    };
    let ((hits_before, n_before), (hits, n)) = (pooled(&windows.before), pooled(&windows.after));
    if n < 1.0 {
        return None;
    }
    // Half a failure in one request more keeps what never failed from being certain of it.
    let usual = (hits_before + 0.5) / (n_before + 1.0);
    let usual = if n_before < 1.0 { LEAST_USUAL } else { usual.min(1.0) };
    let scale = (usual * (1.0 - usual) / n).sqrt().max(LEAST_USUAL);
    let before = if n_before < 1.0 { 0.0 } else { hits_before / n_before };
    let after = hits / n;
    Some(Shift { before, after, deviations: (after - usual) / scale })
}

/// A part of failed requests that nobody would look at.
const LEAST_USUAL: f64 = 0.01;

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (n, sum) = values.fold((0.0, 0.0), |(n, sum), value| (n + 1.0, sum + value));
    if n > 0.0 { sum / n } else { 0.0 }
}

/// Discounts those whose callees are worse, ranks, and says how far the first stands out.
fn conclude(candidates: Vec<Candidate>, sight: &Sight<'_>) -> Finding {
    let raw: BTreeMap<Name, f64> =
        candidates.iter().map(|one| (Name::clone(&one.service), one.score)).collect();
    let mut ranked = candidates;
    for one in &mut ranked {
        let callees = sight.graph.callees(&one.service);
        let is_mutual = |callee: &Name| sight.graph.callees(callee).any(|back| *back == one.service);
        let worst = callees.filter(|callee| !is_mutual(callee)).filter_map(|callee| raw.get(callee));
        let worst = worst.copied().fold(0.0, f64::max);
        one.score = (one.score - DISCOUNT * worst).max(0.0);
    }
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.service.cmp(&b.service)));
    ranked.truncate(sight.config.top_k as usize);
    let score = |place: usize| ranked.get(place).map_or(0.0, |one: &Candidate| one.score);
    let confidence = if score(0) > 0.0 { (score(0) - score(1)) / score(0) } else { 0.0 };
    Finding { is_undetermined: confidence < sight.config.abstain_below, confidence, candidates: ranked }
}
