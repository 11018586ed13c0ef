//! Which service is behind an incident: what moved, where it began, and whether one stands out.

use std::collections::{BTreeMap, BTreeSet};

use model::{Timestamp, TraceId};

use super::{
    config::RcaConfig,
    events::Event,
    graph::{CallGraph, Name},
    moves::{Moved, Windows, moved, moved_lines},
    output::SERVED,
    shift::Shift,
    signals::{Aspect, Signals},
};

/// What was found, the most likely first.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Finding {
    pub(super) candidates: Vec<Candidate>,
    /// How far the first stands out, 0 to 1.
    pub(super) confidence: f64,
    /// Whether the first does not stand out enough to be called the cause.
    pub(super) is_undetermined: bool,
    /// By kind, what all that moved cost at the worst.
    pub(super) costs: Costs,
}

/// Extra milliseconds or failures a window, by the kind of what moved.
pub(super) type Costs = BTreeMap<CauseKind, f64>;

impl Finding {
    /// Returns what has more evidence for its first: while a fault ends there is less and less to see of it, and
    /// chance always moves something.
    pub(super) fn or_stronger(self, other: Self) -> Self {
        let strength = |finding: &Self| finding.candidates.first().map_or(0.0, |first| first.score);
        let costs = other.costs.clone();
        let stronger = if strength(&other) > strength(&self) { other } else { self };
        Self { costs, ..stronger }
    }
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
    /// It, or its host, is used up.
    Resource,
    /// It no longer writes what it wrote, or writes something new: it does something else.
    Logs,
    /// Something was changed.
    Change,
}

impl CauseKind {
    pub(super) const ALL: [Self; 9] = [
        Self::Latency,
        Self::Errors,
        Self::Unavailable,
        Self::Network,
        Self::Database,
        Self::Traffic,
        Self::Resource,
        Self::Logs,
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
            Self::Logs => "logs",
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
    /// What was found so far.
    pub(super) known: &'a Finding,
}

/// What counts of a signal whatever its part in the whole.
const REGARDLESS: f64 = 0.25;
/// Evidence that is kept of a candidate.
const MOST_EVIDENCE: usize = 5;

/// Ranks the services in reach of an incident. *Cost*: a walk over their signals.
pub(super) fn find(sight: &Sight<'_>, reach: &BTreeSet<Name>) -> Finding {
    let mut gathered = Gathered::default();
    let windows = Windows::of(sight.signals, sight.start, sight.end);
    for service in reach {
        gathered.look_at(service, sight.signals, &windows);
        gathered.look_for_silence(service, sight, &windows);
    }
    gathered.blame_ways();
    gathered.keep_own_part(sight.graph);
    gathered.look_at_traffic(sight.graph);
    gathered.look_at_changes(sight);
    let costs = gathered.costs(&sight.known.costs);
    conclude(gathered.weigh(&costs), costs, sight)
}

/// What moved, by whom it concerns.
#[derive(Default)]
struct Gathered {
    of: BTreeMap<Name, Vec<Moved>>,
    /// By callee: all its callers, with how the way from each of them moved.
    ways: BTreeMap<(Name, Aspect), Vec<FromCaller>>,
    /// What includes the part of callees.
    totals: BTreeMap<(Aspect, Name), Moved>,
    traffic: BTreeMap<Name, Moved>,
}

/// A caller, and how the way from it moved if it did.
type FromCaller = (Name, Option<Moved>);

impl Gathered {
    fn look_at(&mut self, service: &Name, signals: &Signals, windows: &Windows) {
        for (key, track) in signals.of(service) {
            let moved = moved(key, track, windows);
            match (key.aspect, moved) {
                (Aspect::Way | Aspect::Lost | Aspect::Store | Aspect::StoreLost, moved) => {
                    let ways = self.ways.entry((Name::clone(service), key.aspect)).or_default();
                    ways.push((Name::clone(&key.name), moved));
                }
                (Aspect::Total | Aspect::TotalFailing, Some(moved)) => {
                    self.totals.insert((key.aspect, Name::clone(service)), moved);
                }
                (Aspect::Traffic, Some(moved)) => {
                    self.traffic.insert(Name::clone(service), moved);
                }
                (_, Some(moved)) => self.blame(service, moved),
                (_, None) => {}
            }
        }
        for moved in moved_lines(service, signals, windows) {
            self.blame(service, moved);
        }
    }

    fn blame(&mut self, service: &Name, moved: Moved) {
        self.of.entry(Name::clone(service)).or_default().push(moved);
    }

    /// A service that no longer does what it did in most windows before, while those who call it go on.
    fn look_for_silence(&mut self, service: &Name, sight: &Sight<'_>, windows: &Windows) {
        let served = |service: &Name, windows| sight.signals.served(service, windows);
        // The first window of an incident may be half before it.
        let quiet = windows.after.start + 1..windows.after.end;
        let (n_before, n_quiet) = (windows.known_before() as f64, quiet.clone().count() as f64);
        let usual = served(service, &windows.before) / n_before.max(1.0) * n_quiet;
        let callers_go_on = sight.graph.callers(service).any(|caller| served(caller, &quiet) > 0.0);
        if n_quiet < 2.0 || usual < LEAST_MISSED || served(service, &quiet) > 0.0 || !callers_go_on {
            return;
        }
        self.blame(
            service,
            Moved {
                kind: CauseKind::Unavailable,
                what: SERVED.into(),
                unit: "1",
                shift: Shift { before: 1.0, after: 0.0, deviations: usual },
                weight: 0.0,
                exemplar: None,
                since: windows.after.start,
            },
        );
    }

    /// A way that is slow, or lost, from most callers is the callee's; one that is so from few is theirs. A database
    /// with one caller belongs to that.
    fn blame_ways(&mut self) {
        for ((server, aspect), ways) in std::mem::take(&mut self.ways) {
            let n_callers = ways.len();
            let moved: Vec<_> =
                ways.into_iter().filter_map(|(client, moved)| Some((client, moved?))).collect();
            let is_private = matches!(aspect, Aspect::Store | Aspect::StoreLost) && n_callers == 1;
            let is_callees = !is_private && 2 * moved.len() > n_callers;
            for (client, moved) in moved {
                match is_callees {
                    true => self.blame(&server, moved),
                    false => self.blame(&client, Moved { what: Name::clone(&server), ..moved }),
                }
            }
        }
    }

    /// Of time and failures that include those of callees, what callees that moved do not explain.
    fn keep_own_part(&mut self, graph: &CallGraph) {
        let totals = std::mem::take(&mut self.totals);
        for ((aspect, service), moved) in &totals {
            let is_mutual = |callee: &Name| graph.callees(callee).any(|back| back == service);
            let callees = graph.callees(service).filter(|callee| !is_mutual(callee));
            let theirs = callees.filter_map(|callee| totals.get(&(*aspect, Name::clone(callee))));
            let weight = moved.weight - theirs.map(|moved| moved.weight).sum::<f64>();
            if weight > 0.0 {
                self.blame(service, Moved { weight, ..moved.clone() });
            }
        }
    }

    /// More traffic is a cause where it begins: at a service none of whose callers has more as well.
    fn look_at_traffic(&mut self, graph: &CallGraph) {
        let traffic = std::mem::take(&mut self.traffic);
        for (service, moved) in &traffic {
            let is_passed_on = graph.callers(service).any(|caller| traffic.contains_key(caller));
            if !is_passed_on {
                self.blame(service, moved.clone());
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
            moved.push(Moved {
                kind: CauseKind::Change,
                what: change.title.as_str().into(),
                unit: "",
                shift: Shift { before: f64::NAN, after: f64::NAN, deviations: 1.0 },
                weight: 0.0,
                exemplar: change.trace,
                since: sight.signals.window_of(change.start),
            });
        }
    }

    /// What all that moved costs now, or cost when that was more: beside the worst, what chance moves is little.
    fn costs(&self, before: &Costs) -> Costs {
        let mut costs = Costs::new();
        for moved in self.of.values().flatten() {
            *costs.entry(moved.kind).or_default() += moved.weight;
        }
        for (kind, cost) in before {
            let now = costs.entry(*kind).or_default();
            *now = now.max(*cost);
        }
        costs
    }

    /// Makes scores of what moved: of each kind the strongest counts, of all kinds but the first a part.
    fn weigh(self, costs: &Costs) -> Vec<Candidate> {
        let weighed = self.of.into_iter().filter(|(_, moved)| !moved.is_empty()).map(|(service, moved)| {
            let mut evidence: Vec<_> = moved.into_iter().map(|moved| evidence_of(moved, costs)).collect();
            evidence.sort_by(|a, b| b.strength.total_cmp(&a.strength).then_with(|| a.what.cmp(&b.what)));
            let mut best: BTreeMap<CauseKind, f64> = BTreeMap::new();
            for one in &evidence {
                let best = best.entry(one.kind).or_default();
                *best = best.max(one.strength);
            }
            let kind = evidence.first().map_or(CauseKind::Latency, |strongest| strongest.kind);
            evidence.truncate(MOST_EVIDENCE);
            let strongest = best.values().copied().fold(0.0, f64::max);
            let score = strongest + OTHERS * (best.values().sum::<f64>() - strongest);
            Candidate { service, kind, score, evidence }
        });
        weighed.collect()
    }
}

/// What other kinds of evidence add to the strongest: several weak ones are no strong one.
const OTHERS: f64 = 0.25;
/// Requests that a service that is silent should have had.
const LEAST_MISSED: f64 = 3.0;

/// The logarithm of how far it moved, by its part in what moved in all.
fn evidence_of(moved: Moved, costs: &Costs) -> Evidence {
    let total = costs.get(&moved.kind).copied().unwrap_or_default();
    let share = if total > 0.0 { moved.weight / total } else { 1.0 };
    let strength = match moved.kind {
        CauseKind::Change => 1.0,
        kind => {
            weight_of(kind) * moved.shift.deviations.abs().ln_1p() * (REGARDLESS + (1.0 - REGARDLESS) * share)
        }
    };
    Evidence {
        kind: moved.kind,
        what: moved.what.to_string(),
        unit: moved.unit.to_owned(),
        before: moved.shift.before,
        after: moved.shift.after,
        strength,
        exemplar: moved.exemplar,
    }
}

/// How much a kind of evidence counts: traffic is mostly an effect, and lines do not cease by chance.
const fn weight_of(kind: CauseKind) -> f64 {
    match kind {
        CauseKind::Traffic => 0.8,
        CauseKind::Logs => 2.4,
        _ => 1.6,
    }
}

/// Ranks, and says how far the first stands out.
fn conclude(mut ranked: Vec<Candidate>, costs: Costs, sight: &Sight<'_>) -> Finding {
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.service.cmp(&b.service)));
    ranked.truncate(sight.config.top_k as usize);
    let score = |place: usize| ranked.get(place).map_or(0.0, |one: &Candidate| one.score);
    let confidence = if score(0) > 0.0 { (score(0) - score(1)) / score(0) } else { 0.0 };
    let is_undetermined = confidence < sight.config.abstain_below;
    Finding { candidates: ranked, confidence, is_undetermined, costs }
}
