//! What was found of each fault.

use super::case::{Case, Corpus};
use super::references;
use super::subject::Incident;

/// What was found of one fault.
pub(super) struct Found {
    /// The place of the service at fault; none where it is not named.
    pub(super) rank: Option<usize>,
    /// Its place by the largest deviation of a metric.
    pub(super) max_z_rank: Option<usize>,
    /// The services that were named, the most likely first.
    pub(super) named: Vec<String>,
    /// Incidents that were told of after the fault began.
    pub(super) n_incidents: usize,
    /// Incidents that were told of before.
    pub(super) n_before: usize,
    /// Events of the incidents that were told of after the fault began.
    pub(super) n_events: usize,
    /// From the beginning of the fault to the first line about an incident. *Units*: nanoseconds of its source.
    pub(super) delay: Option<u64>,
}

impl Found {
    pub(super) fn of(corpus: &Corpus, case: &Case, told: &[Incident]) -> Self {
        let of_fault: Vec<_> = told.iter().filter(|incident| incident.last_told >= case.begin).collect();
        let new = of_fault.iter().filter(|incident| incident.first_told >= case.begin);
        let delay = new.map(|incident| incident.first_told - case.begin).min();
        let judged = judged(case, &of_fault);
        let named = judged.map(|incident| &incident.causes[..]).unwrap_or_default();
        let scores: Vec<_> = named.iter().map(|cause| (&*cause.service, cause.score)).collect();
        let max_z = references::max_z(&corpus.baseline, &case.telemetry);
        Self {
            rank: rank(&scores, &case.cause),
            max_z_rank: rank(&max_z, &case.cause),
            named: named.iter().map(|cause| cause.service.clone()).collect(),
            n_incidents: of_fault.len(),
            n_before: told.iter().filter(|incident| incident.first_told < case.begin).count(),
            n_events: of_fault.iter().map(|incident| incident.n_events).sum(),
            delay: delay.map(|delay| delay * corpus.time_factor),
        }
    }
}

/// Returns the incident that somebody looks at: the one in which what users felt takes part, else the one with the most
/// services, of these the first.
fn judged<'a>(case: &Case, of_fault: &[&'a Incident]) -> Option<&'a Incident> {
    let has_target =
        |incident: &Incident| case.target.as_ref().is_some_and(|target| incident.services.contains(target));
    let place = |incident: &&&Incident| (has_target(incident), incident.services.len());
    of_fault.iter().rev().max_by_key(place).copied()
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
pub(super) fn specificity(splits: &[u64], told: &[Incident]) -> f64 {
    let is_calm = |split: &&u64| !told.iter().any(|it| it.last_told >= **split && !it.causes.is_empty());
    splits.iter().filter(is_calm).count() as f64 / splits.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::super::subject::Cause;
    use super::*;
    use crate::incidents::telemetry::Telemetry;

    fn incident(services: &[&str], told: (u64, u64), causes: &[(&str, f64)]) -> Incident {
        let cause = |(service, score): &(&str, f64)| Cause { service: (*service).to_owned(), score: *score };
        Incident {
            id: services.concat(),
            first_told: told.0,
            last_told: told.1,
            causes: causes.iter().map(cause).collect(),
            services: services.iter().map(|name| (*name).to_owned()).collect(),
            n_events: 3,
        }
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

    fn case(target: Option<&str>) -> Case {
        Case {
            name: String::new(),
            kind: String::new(),
            cause: "cart".to_owned(),
            target: target.map(str::to_owned),
            telemetry: Telemetry::default(),
            begin: 100,
            end: 200,
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
    fn the_incident_in_which_users_felt_it_is_judged() {
        let told = [
            incident(&["old"], (10, 50), &[("old", 1.0)]),
            incident(&["a", "b", "c"], (120, 130), &[("a", 1.0)]),
            incident(&["site"], (140, 150), &[("cart", 1.0)]),
        ];
        let found = Found::of(&corpus(), &case(Some("site")), &told);
        assert_eq!((found.rank, found.n_incidents, found.n_before), (Some(1), 2, 1));
        assert_eq!((found.delay, found.n_events), (Some(20 * 5), 6));
        let found = Found::of(&corpus(), &case(None), &told);
        assert_eq!((found.rank, &*found.named), (None, &["a".to_owned()][..]));
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
