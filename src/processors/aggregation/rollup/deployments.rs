//! Which versions of a service run.

use std::collections::{BTreeMap, VecDeque};

use model::{Deployment, Timestamp};

use super::partial::VersionRow;

/// The versions of each service that were seen last.
#[derive(Default)]
pub(super) struct Deployments {
    known: BTreeMap<String, VecDeque<Version>>,
    limit: usize,
}

struct Version {
    name: String,
    /// None for the first of a service: it may have run for long before anybody looked.
    deployed_at: Option<Timestamp>,
}

/// Versions of a service that are remembered; an old one that comes back later counts as deployed anew.
const VERSIONS: usize = 8;

impl Deployments {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Takes what a shard has seen.
    pub(super) fn take(&mut self, row: VersionRow) {
        let VersionRow { service, version, seen } = row;
        if !self.known.contains_key(&service) && self.known.len() >= self.limit {
            return;
        }
        let versions = self.known.entry(service).or_default();
        if versions.iter().any(|known| known.name == version) {
            return;
        }
        let is_deployed = !versions.is_empty() && seen > 0;
        if versions.len() == VERSIONS {
            versions.pop_front();
        }
        versions.push_back(Version { name: version, deployed_at: is_deployed.then_some(Timestamp(seen)) });
    }

    /// Returns what was deployed from one instant until before another, in the order of services.
    pub(super) fn within(&self, from: Timestamp, until: Timestamp) -> Vec<Deployment> {
        let mut deployed = Vec::new();
        for (service, versions) in &self.known {
            for version in versions {
                if let Some(at) = version.deployed_at.filter(|at| (from..until).contains(at)) {
                    let (service, version) = (service.as_str().into(), version.name.as_str().into());
                    deployed.push(Deployment { service, version, at });
                }
            }
        }
        deployed
    }

    /// Spells what is known, for a snapshot, in an order that [`Self::take`] takes back.
    pub(super) fn save(&self) -> Vec<VersionRow> {
        let of_service = |(service, versions): (&String, &VecDeque<Version>)| {
            let row = |version: &Version| VersionRow {
                service: service.clone(),
                version: version.name.clone(),
                seen: version.deployed_at.map_or(0, Timestamp::as_nanos),
            };
            versions.iter().map(row).collect::<Vec<_>>()
        };
        self.known.iter().flat_map(of_service).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALWAYS: (Timestamp, Timestamp) = (Timestamp(0), Timestamp(u64::MAX));

    fn row(version: &str, seen: u64) -> VersionRow {
        VersionRow { service: "cart".to_owned(), version: version.to_owned(), seen }
    }

    #[test]
    fn the_first_version_is_no_deployment_the_second_is_one_in_its_window() {
        let mut deployments = Deployments::new(10);
        deployments.take(row("1", 5));
        assert!(deployments.within(ALWAYS.0, ALWAYS.1).is_empty());
        deployments.take(row("2", 6));
        deployments.take(row("2", 7));
        deployments.take(row("1", 8));
        let second = Deployment { service: "cart".into(), version: "2".into(), at: Timestamp(6) };
        assert_eq!(deployments.within(Timestamp(6), Timestamp(7)), [second]);
        assert!(deployments.within(Timestamp(7), ALWAYS.1).is_empty());
        assert!(deployments.within(ALWAYS.0, Timestamp(6)).is_empty());
    }

    #[test]
    fn what_was_known_before_a_restart_is_no_news_after_it() {
        let mut before = Deployments::new(10);
        before.take(row("1", 5));
        before.take(row("2", 6));
        let mut after = Deployments::new(10);
        before.save().into_iter().for_each(|row| after.take(row));
        assert_eq!(after.within(ALWAYS.0, ALWAYS.1), before.within(ALWAYS.0, ALWAYS.1));
        after.take(row("2", 9));
        after.take(row("3", 9));
        assert_eq!(after.within(Timestamp(7), ALWAYS.1).len(), 1);
    }

    #[test]
    fn services_beyond_the_limit_are_left_out() {
        let mut deployments = Deployments::new(1);
        deployments.take(row("1", 5));
        deployments.take(VersionRow { service: "pay".to_owned(), version: "1".to_owned(), seen: 5 });
        assert_eq!(deployments.save().len(), 1);
    }
}
