//! What was found of each fault.

use super::case::{Case, Corpus};
use super::references;
use super::subject::{Incident, Told};

/// What was found of one fault.
pub(super) struct Found {
    /// The place of the service at fault by what was told while the fault lasted; none where it is not named.
    pub(super) rank: Option<usize>,
    /// Its place by what was told last, which may be long after.
    pub(super) last_rank: Option<usize>,
    /// Its place by the largest deviation of a metric.
    pub(super) max_z_rank: Option<usize>,
    /// The services that were named while it lasted, the most likely first.
    pub(super) named: Vec<String>,
    /// Incidents that were told of while the fault lasted.
    pub(super) n_incidents: usize,
    /// Incidents that were told of before.
    pub(super) n_before: usize,
    /// Events of the incidents that were told of while the fault lasted.
    pub(super) n_events: usize,
    /// Of each incident that was told of while the fault lasted and has a cause: its confidence, and whether the cause is right.
    pub(super) sureness: Vec<(f64, bool)>,
    /// From the beginning of the fault to the first line about an incident. *Units*: nanoseconds of its source.
    pub(super) delay: Option<u64>,
}

impl Found {
    pub(super) fn of(corpus: &Corpus, case: &Case, incidents: &[Incident]) -> Self {
        let lasting = told_within(incidents, case.begin, case.judged_at);
        let last = told_within(incidents, case.begin, u64::MAX);
        let firsts = incidents.iter().map(Incident::first_told);
        let delay = firsts.filter(|first| *first >= case.begin).min().map(|first| first - case.begin);
        let named = ranked(&lasting);
        Self {
            rank: place(case, &lasting),
            last_rank: place(case, &last),
            max_z_rank: rank(&references::max_z(&corpus.baseline, &case.telemetry), &case.cause),
            named: named.iter().map(|(service, _)| (*service).to_owned()).collect(),
            n_incidents: lasting.len(),
            n_before: incidents.iter().filter(|incident| incident.first_told() < case.begin).count(),
            n_events: lasting.iter().map(|told| told.n_events).sum(),
            sureness: lasting.iter().filter_map(|told| sureness(case, told)).collect(),
            delay: delay.map(|delay| delay * corpus.time_factor),
        }
    }
}

/// Returns how sure an incident is of its cause, and whether that is right; none where nothing is said.
fn sureness(case: &Case, told: &Told) -> Option<(f64, bool)> {
    let first = told.causes.first()?;
    Some((told.confidence, first.service == case.cause))
}

/// Returns the last line of each incident in a range of time.
fn told_within(incidents: &[Incident], from: u64, to: u64) -> Vec<&Told> {
    incidents.iter().filter_map(|incident| incident.until(to)).filter(|told| told.at >= from).collect()
}

/// Returns the place of the service at fault.
fn place(case: &Case, told: &[&Told]) -> Option<usize> {
    rank(&ranked(told), &case.cause)
}

/// Ranks the candidates of all incidents together, as somebody does who has all of them on the screen: of a service the
/// highest score counts, of equal scores the first.
fn ranked<'a>(told: &[&'a Told]) -> Vec<(&'a str, f64)> {
    let mut all: Vec<(&str, f64)> = Vec::new();
    for cause in told.iter().flat_map(|told| &told.causes) {
        match all.iter_mut().find(|(service, _)| *service == cause.service) {
            Some((_, score)) => *score = score.max(cause.score),
            None => all.push((&cause.service, cause.score)),
        }
    }
    all.sort_by(|one, other| other.1.total_cmp(&one.1));
    all
}

/// Returns the place of a service, behind all that score as high; none where it scores nothing.
pub(super) fn rank(scores: &[(&str, f64)], service: &str) -> Option<usize> {
    let (_, own) = scores.iter().find(|(name, score)| *name == service && *score > 0.0)?;
    Some(1 + scores.iter().filter(|(name, score)| *name != service && score >= own).count())
}

/// Returns the part of faults whose cause is among the first.
pub(super) fn among(ranks: impl Iterator<Item = Option<usize>>, first: usize) -> f64 {
    let (mut n_faults, mut n_found) = (0, 0);
    for rank in ranks {
        n_faults += 1;
        n_found += usize::from(rank.is_some_and(|rank| rank <= first));
    }
    f64::from(n_found as u32) / f64::from(n_faults.max(1))
}

/// Returns the part of instants after which nothing is called a cause, in a recording without a fault.
pub(super) fn specificity(splits: &[u64], incidents: &[Incident]) -> f64 {
    let told = || incidents.iter().flat_map(|incident| &incident.told);
    let is_calm = |split: &&u64| !told().any(|told| told.at >= **split && !told.causes.is_empty());
    splits.iter().filter(is_calm).count() as f64 / splits.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::subject::Cause;
    use super::*;
    use crate::incidents::telemetry::Telemetry;

    fn incident(services: &[&str], told: (u64, u64), causes: &[(&str, f64)]) -> Incident {
        let cause = |(service, score): &(&str, f64)| Cause { service: (*service).to_owned(), score: *score };
        let line = |at| Told {
            at,
            causes: causes.iter().map(cause).collect(),
            services: services.iter().map(|name| (*name).to_owned()).collect(),
            confidence: 0.7,
            n_events: 3,
        };
        Incident { id: services.concat(), told: vec![line(told.0), line(told.1)] }
    }

    fn corpus() -> Corpus {
        Corpus {
            title: String::new(),
            baseline: Telemetry::default(),
            begin: 0,
            end: 100,
            copies: 1,
            calls: Vec::new(),
            time_factor: 5,
            splits: Vec::new(),
            cases: Vec::new(),
        }
    }

    fn case() -> Case {
        Case {
            name: String::new(),
            kind: String::new(),
            cause: "cart".to_owned(),
            telemetry: Telemetry::default(),
            begin: 100,
            end: 200,
            again: 0,
            judged_at: 200,
        }
    }

    #[test]
    fn services_with_equal_scores_stand_before_the_cause() {
        let scores = [("web", 2.0), ("cart", 2.0), ("pay", 1.0), ("idle", 0.0)];
        assert_eq!(rank(&scores, "cart"), Some(2));
        assert_eq!(rank(&scores, "pay"), Some(3));
        assert_eq!(rank(&scores, "idle"), None);
    }

    #[test]
    fn candidates_of_all_incidents_are_ranked_together() {
        let told = [
            incident(&["old"], (10, 50), &[("old", 9.0)]),
            incident(&["a", "b", "c"], (120, 130), &[("a", 1.0), ("cart", 0.5)]),
            incident(&["site"], (140, 150), &[("cart", 2.0)]),
        ];
        let found = Found::of(&corpus(), &case(), &told);
        assert_eq!((found.rank, found.n_incidents, found.n_before), (Some(1), 2, 1));
        assert_eq!((found.delay, found.n_events), (Some(20 * 5), 6));
        assert_eq!(found.named, ["cart", "a"]);
        assert_eq!(found.sureness, [(0.7, false), (0.7, true)]);
    }

    #[test]
    fn what_is_told_when_the_fault_is_over_is_the_last_word_only() {
        let mut told = [incident(&["web"], (120, 130), &[("cart", 1.0)])];
        let over = Told { at: 300, causes: Vec::new(), ..told[0].told[1].clone() };
        told[0].told.push(over);
        let found = Found::of(&corpus(), &case(), &told);
        assert_eq!((found.rank, found.last_rank), (Some(1), None));
    }

    #[test]
    fn a_time_without_a_fault_is_calm_after_the_last_incident() {
        let told = [incident(&["a"], (10, 50), &[("a", 1.0)]), incident(&["b"], (70, 80), &[])];
        assert!((specificity(&[20, 51, 60, 90], &told) - 0.75).abs() < 1e-12);
    }

    #[test]
    fn a_cause_that_is_not_named_is_not_among_the_first() {
        let ranks = [Some(1), Some(3), None, Some(6)];
        assert_eq!([1, 3, 5].map(|first| among(ranks.into_iter(), first)), [0.25, 0.5, 0.5]);
    }
}
