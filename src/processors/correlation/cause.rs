//! Which service is behind an incident: what moved, where it began, and whether one stands out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use model::{Timestamp, TraceId};

use super::{
    config::RcaConfig,
    events::Event,
    graph::{CallGraph, Name},
    moves::{APPEARED, Moved, Windows, moved, moved_lines},
    output::{SERVED, STATEMENTS_TO},
    shift::Shift,
    signals::{Aspect, Signals},
};

/// What was found, the most likely first.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Finding {
    pub(super) candidates: Vec<Candidate>,
    /// How likely the first is the cause, 0 to 1.
    pub(super) confidence: f64,
    /// Whether the first does not stand out enough to be called the cause.
    pub(super) is_undetermined: bool,
    /// By kind, what all that moved cost at the worst.
    pub(super) costs: Costs,
    /// The most that ever spoke for a first.
    pub(super) peak: f64,
}

/// Extra milliseconds or failures a window, by the kind of what moved.
pub(super) type Costs = BTreeMap<CauseKind, f64>;

impl Finding {
    /// The first, if it is called the cause.
    pub(super) fn root(&self) -> Option<&Candidate> {
        self.candidates.first().filter(|_| !self.is_undetermined)
    }

    /// The first, if so much speaks for it that it is a cause of something in any case.
    pub(super) fn lead(&self) -> Option<&Candidate> {
        self.candidates.first().filter(|first| first.is_sure)
    }

    /// Says of ranked candidates how likely the first is the cause.
    fn of(candidates: Vec<Candidate>, costs: Costs, abstain_below: f64) -> Self {
        let confidence = stands_out(&candidates) * is_something(&candidates);
        let peak = candidates.first().map_or(0.0, |first| first.score);
        Self { is_undetermined: confidence < abstain_below, candidates, confidence, costs, peak }
    }

    /// Returns the newer of two, unless it has far less evidence than there ever was, or chance may explain another
    /// cause: while a fault ends there is less and less to see of it, and chance always moves something.
    pub(super) fn or_newer(self, newer: Self) -> Self {
        let strength = newer.candidates.first().map_or(0.0, |first| first.score);
        let peak = self.peak.max(strength);
        let stays = |lead: &Candidate| newer.candidates.first().is_some_and(|it| it.service == lead.service);
        let is_doubtful = newer.lead().is_none() && self.lead().is_some_and(|lead| !stays(lead));
        if strength < KEPT * peak || is_doubtful {
            return Self { costs: newer.costs, peak, ..self };
        }
        let mut kept = Self { peak, ..newer };
        // What was no chance once is none.
        let was_sure = self.lead().map(|lead| Name::clone(&lead.service));
        for one in kept.candidates.iter_mut().filter(|one| Some(&one.service) == was_sure.as_ref()) {
            one.is_sure = true;
        }
        kept
    }

    /// Leaves out a service that is the cause of another incident.
    pub(super) fn without(self, service: &Name, abstain_below: f64) -> Self {
        let mut candidates = self.candidates;
        candidates.retain(|one| one.service != *service);
        Self::of(candidates, self.costs, abstain_below)
    }
}

/// A service that may be the cause.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Candidate {
    pub(super) service: Name,
    pub(super) kind: CauseKind,
    pub(super) score: f64,
    /// Whether it is the cause of something in any case: chance is no explanation, however little it costs beside others.
    pub(super) is_sure: bool,
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
    /// What more is to be told of it; empty for nothing.
    pub(super) note: String,
}

impl Evidence {
    /// What moved, with how much it counts.
    pub(super) fn of(moved: &Moved, strength: f64) -> Self {
        Self {
            kind: moved.kind,
            what: moved.what.to_string(),
            unit: moved.unit.to_owned(),
            before: moved.shift.before,
            after: moved.shift.after,
            strength,
            exemplar: moved.exemplar,
            note: moved.note.to_string(),
        }
    }
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
    pub(super) changes: &'a VecDeque<Event>,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) config: &'a RcaConfig,
    /// What was found so far.
    pub(super) known: &'a Finding,
    /// How far calls are followed.
    pub(super) hops: u32,
    /// Services in trouble.
    pub(super) troubled: &'a BTreeSet<Name>,
    /// Services that are the cause of other incidents.
    pub(super) claimed: &'a BTreeSet<Name>,
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
    gathered.dull_callers(sight.graph, sight.hops);
    gathered.look_at_complaints(sight.graph, sight.hops);
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
    /// Warnings and errors that it did not write before.
    complaints: BTreeMap<Name, Moved>,
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
        let lines = moved_lines(service, signals, windows);
        if let Some(moved) = lines.complaint {
            self.complaints.insert(Name::clone(service), moved);
        }
        lines.gone.into_iter().for_each(|moved| self.blame(service, moved));
        lines.appeared.into_iter().for_each(|moved| self.blame(service, moved.by(APPEARED)));
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
        // Of what would have come so many would have been sampled.
        let seen = sight.signals.share(&quiet);
        let usual = served(service, &windows.before) / n_before.max(1.0) * n_quiet * seen;
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
                note: "".into(),
                is_new: false,
                exemplar: None,
                since: windows.after.start,
            },
        );
    }

    /// A way that is slow, or lost, from most callers is the callee's; one that is so from few is theirs. A database
    /// with one caller belongs to that, and a callee that is new is the doing of who calls it.
    fn blame_ways(&mut self) {
        for ((server, aspect), ways) in std::mem::take(&mut self.ways) {
            let n_callers = ways.len();
            let moved: Vec<_> =
                ways.into_iter().filter_map(|(client, moved)| Some((client, moved?))).collect();
            let is_database = matches!(aspect, Aspect::Store | Aspect::StoreLost);
            let is_private = is_database && n_callers == 1;
            let is_new = moved.iter().all(|(_, moved)| moved.is_new);
            let is_callees = !is_private && !is_new && 2 * moved.len() > n_callers;
            for (client, moved) in moved {
                match is_callees {
                    true => self.blame(&server, moved),
                    false if is_database => {
                        let what = format!("{STATEMENTS_TO}{server}").into();
                        self.blame(&client, Moved { what, ..moved });
                    }
                    false => self.blame(&client, Moved { what: Name::clone(&server), ..moved }),
                }
            }
        }
    }

    /// Of time and failures that include those of callees, what callees that moved do not explain. What a new callee
    /// takes or fails is the doing of who calls it.
    fn keep_own_part(&mut self, graph: &CallGraph) {
        let totals = std::mem::take(&mut self.totals);
        for ((aspect, service), moved) in &totals {
            let is_mutual = |callee: &Name| graph.callees(callee).any(|back| back == service);
            let callees = graph.callees(service).filter(|callee| !is_mutual(callee));
            let theirs = callees.filter_map(|callee| totals.get(&(*aspect, Name::clone(callee))));
            let theirs = theirs.filter(|moved| !moved.is_new);
            let has_caller =
                graph.callers(service).any(|caller| totals.contains_key(&(*aspect, Name::clone(caller))));
            if moved.is_new && has_caller {
                continue;
            }
            let weight = moved.weight - theirs.map(|moved| moved.weight).sum::<f64>();
            if weight > 0.0 {
                self.blame(service, Moved { weight, ..moved.clone() });
            }
        }
    }

    /// Who calls what fails, or what is not reached, writes otherwise for that; less of it is so where a callee merely
    /// complains.
    fn dull_callers(&mut self, graph: &CallGraph, hops: u32) {
        let failing = self.of.keys().filter(|service| self.fails(service)).cloned().collect();
        let callers = callers_of(&failing, graph, hops);
        self.complaints.retain(|service, _| !callers.contains(service));
        for (_, moved) in self.of.iter_mut().filter(|(service, _)| callers.contains(*service)) {
            moved.retain(|moved| moved.kind != CauseKind::Logs);
        }
        let within = self.of.keys().filter(|service| self.fails_within(service)).cloned().collect();
        let callers = callers_of(&within, graph, hops);
        for (_, moved) in self.of.iter_mut().filter(|(service, _)| callers.contains(*service)) {
            for moved in moved.iter_mut().filter(|moved| moved.kind == CauseKind::Logs) {
                moved.shift.deviations *= CALLS_WHAT_COMPLAINS;
            }
        }
    }

    /// Whether a service fails requests, or is not reached.
    fn fails(&self, service: &Name) -> bool {
        let is_failing = |moved: &Moved| {
            matches!(moved.kind, CauseKind::Errors | CauseKind::Unavailable)
                && moved.shift.deviations >= FAILS
        };
        self.of.get(service).into_iter().flatten().any(is_failing)
    }

    /// Whether a service complains instead of doing what it did.
    fn fails_within(&self, service: &Name) -> bool {
        let complains = self.complaints.get(service).is_some_and(|it| it.shift.deviations >= FAILS_WITHIN);
        let is_gone = |moved: &Moved| {
            moved.kind == CauseKind::Logs
                && moved.shift.after == 0.0
                && moved.shift.deviations >= FAILS_WITHIN
        };
        complains && self.of.get(service).into_iter().flatten().any(is_gone)
    }

    /// Complaints are passed on to callers: they tell most where no callee does something else.
    fn look_at_complaints(&mut self, graph: &CallGraph, hops: u32) {
        let complaints = std::mem::take(&mut self.complaints);
        let does_else = |moved: &[Moved]| moved.iter().any(|moved| moved.kind == CauseKind::Logs);
        let others = self.of.iter().filter(|(_, moved)| does_else(moved)).map(|(service, _)| service);
        let failing = self.of.keys().filter(|service| self.fails(service));
        let sources = others.chain(failing).chain(complaints.keys()).cloned().collect();
        let callers = callers_of(&sources, graph, hops);
        for (service, moved) in complaints {
            let part = if callers.contains(&service) { APPEARED } else { 1.0 };
            self.blame(&service, moved.by(part));
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
                note: "".into(),
                is_new: false,
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
            let is_sure = moved.iter().any(|it| it.kind != CauseKind::Logs && strength_of(it, 1.0) >= SURE);
            let part = |moved: &Moved| match costs.get(&moved.kind) {
                Some(total) if *total > 0.0 => moved.weight / total,
                _ => 1.0,
            };
            let evidence = moved.iter().map(|moved| Evidence::of(moved, strength_of(moved, part(moved))));
            let mut evidence: Vec<_> = evidence.collect();
            evidence.sort_by(|a, b| b.strength.total_cmp(&a.strength).then_with(|| a.what.cmp(&b.what)));
            let mut best: BTreeMap<CauseKind, f64> = BTreeMap::new();
            for one in &evidence {
                let best = best.entry(one.kind).or_default();
                // That one line is gone and another new says the same twice.
                let is_summed = one.kind == CauseKind::Logs;
                *best = if is_summed { *best + one.strength } else { best.max(one.strength) };
            }
            let kind = kind_of(&best);
            evidence.truncate(MOST_EVIDENCE);
            let strongest = best.values().copied().fold(0.0, f64::max);
            let score = strongest + OTHERS * (best.values().sum::<f64>() - strongest);
            Candidate { service, kind, score, is_sure, evidence }
        });
        weighed.collect()
    }
}

/// A service fails within when a line is gone and a complaint is new, each by so much.
const FAILS_WITHIN: f64 = 2.0;
/// It fails, or is not reached, for so many deviations.
const FAILS: f64 = 10.0;
/// What the lines of callers count of a service that fails within.
const CALLS_WHAT_COMPLAINS: f64 = 0.3;
/// Returns those from whom calls lead to another of these.
fn callers_of(services: &BTreeSet<Name>, graph: &CallGraph, hops: u32) -> BTreeSet<Name> {
    let callers = |service: &Name| {
        let mut above = graph.above(service, hops);
        above.remove(service);
        above
    };
    services.iter().flat_map(callers).collect()
}

/// What is called wrong with a service: what its requests suffer, before what it writes of that.
fn kind_of(best: &BTreeMap<CauseKind, f64>) -> CauseKind {
    let felt = best.iter().filter(|(kind, strength)| **kind != CauseKind::Logs && **strength >= SURE);
    let strongest = felt.max_by(|a, b| a.1.total_cmp(b.1));
    let strongest = strongest.or_else(|| best.iter().max_by(|a, b| a.1.total_cmp(b.1)));
    strongest.map_or(CauseKind::Latency, |(kind, _)| *kind)
}

/// What other kinds of evidence add to the strongest: several weak ones are no strong one.
const OTHERS: f64 = 0.25;
/// Requests that a service that is silent should have had: chance leaves out seven once in a thousand times.
const LEAST_MISSED: f64 = 7.0;

/// The logarithm of how far it moved, by its part in what all that moved costs.
fn strength_of(moved: &Moved, share: f64) -> f64 {
    match moved.kind {
        CauseKind::Change => 1.0,
        CauseKind::Resource => USE * (moved.shift.after - moved.shift.before),
        CauseKind::Logs => LINES * certain(moved.shift.deviations),
        kind => {
            weight_of(kind) * moved.shift.deviations.abs().ln_1p() * (REGARDLESS + (1.0 - REGARDLESS) * share)
        }
    }
}

/// Of a whole resource.
const USE: f64 = 12.0;
/// Lines do not cease by chance: what they tell is not dulled until it is certain.
const LINES: f64 = 1.2;
const CERTAIN: f64 = 6.0;

fn certain(deviations: f64) -> f64 {
    if deviations > CERTAIN { CERTAIN * (1.0 + (deviations / CERTAIN).ln() / 2.0) } else { deviations }
}

/// How much a kind of evidence counts: traffic is mostly an effect.
const fn weight_of(kind: CauseKind) -> f64 {
    match kind {
        CauseKind::Traffic => 0.8,
        _ => 1.6,
    }
}

/// From so much evidence on a candidate is no chance. Lines change with what is asked of a service.
const SURE: f64 = 3.0;
const SURE_BY_LINES: f64 = 8.0;
/// The part of the most evidence that there ever was, below which a fault is taken to fade.
const KEPT: f64 = 0.7;
/// Candidates of which is looked at whom they explain.
const MOST_EXPLAINED: usize = 50;
/// What counts of a candidate that explains no trouble elsewhere, and of one that shows at the place itself: that may
/// have begun before anybody else suffers.
const UNEXPLAINED: f64 = 0.5;
const UNEXPLAINED_LOCAL: f64 = 0.75;

/// Ranks, and says how far the first stands out.
fn conclude(mut ranked: Vec<Candidate>, costs: Costs, sight: &Sight<'_>) -> Finding {
    let sort = |ranked: &mut Vec<Candidate>| {
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.service.cmp(&b.service)));
    };
    ranked.retain(|one| !sight.claimed.contains(&one.service));
    sort(&mut ranked);
    ranked.truncate(MOST_EXPLAINED);
    for one in &mut ranked {
        let least = match one.kind {
            CauseKind::Resource | CauseKind::Logs => UNEXPLAINED_LOCAL,
            _ => UNEXPLAINED,
        };
        one.score *= least + (1.0 - least) * explained(one, sight);
    }
    sort(&mut ranked);
    ranked.truncate(sight.config.top_k as usize);
    ranked.iter_mut().for_each(|one| one.is_sure |= one.score >= SURE_BY_LINES);
    Finding::of(ranked, costs, sight.config.abstain_below)
}

/// How far the first stands out, 0 to 1: from this part of its score on the second is no rival.
fn stands_out(ranked: &[Candidate]) -> f64 {
    let score = |place: usize| ranked.get(place).map_or(0.0, |one: &Candidate| one.score);
    if score(0) > 0.0 { ((score(0) - score(1)) / score(0) / NO_RIVAL).min(1.0) } else { 0.0 }
}

/// How often a first of such a score is the cause, 0 to 1: chance has moderate scores too, and stands alone with them.
fn is_something(ranked: &[Candidate]) -> f64 {
    let score = ranked.first().map_or(0.0, |one| one.score).powi(4);
    score / (score + EVEN_SCORE.powi(4))
}

/// Both fitted to 198 incidents of which the cause is known, in recordings and loads with faults and without, so that of those
/// told with a confidence the same part is right; the benchmark of incidents prints how far that holds.
const NO_RIVAL: f64 = 0.8;
const EVEN_SCORE: f64 = 2.0;

/// The part of the services in trouble that a candidate explains: those whose calls lead to it, and those that it asks for
/// more, or for something else.
fn explained(candidate: &Candidate, sight: &Sight<'_>) -> f64 {
    if sight.troubled.is_empty() {
        return 1.0;
    }
    let mut explained = sight.graph.above(&candidate.service, sight.hops);
    if matches!(candidate.kind, CauseKind::Traffic | CauseKind::Logs) {
        explained.append(&mut sight.graph.below(&candidate.service, sight.hops));
    }
    explained.intersection(sight.troubled).count() as f64 / sight.troubled.len() as f64
}
