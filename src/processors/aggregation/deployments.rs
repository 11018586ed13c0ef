//! Which versions run: of services, and of whatever else has versions that follow one another.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{Deployment, Timestamp};
use prost::Message;

/// What of a resource has versions, the most telling first: of those that change at once the first is told.
pub(crate) const VERSIONED: [&str; 4] =
    [super::spec::SERVICE_VERSION, "container.image.tags", "k8s.replicaset.name", "k8s.deployment.name"];

/// A version that was seen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Message)]
pub(crate) struct VersionRow {
    #[prost(string, tag = "1")]
    pub(crate) service: String,
    #[prost(string, tag = "2")]
    pub(crate) version: String,
    /// Nanoseconds since the epoch: when it was seen; in a snapshot when it came up, 0 when that is not known.
    #[prost(fixed64, tag = "3")]
    pub(crate) seen: u64,
    /// What it is a version of; empty for `service.version`.
    #[prost(string, tag = "4")]
    pub(crate) what: String,
    /// In a snapshot when it was seen last.
    #[prost(fixed64, tag = "5")]
    pub(crate) last_seen: u64,
}

/// The versions that were seen last.
#[derive(Debug, Default)]
pub(crate) struct Deployments {
    known: BTreeMap<(String, String), Vec<Version>>,
    limit: usize,
    /// Since when what is long gone has not been looked for.
    swept: Timestamp,
    /// Versions without room since this was last counted.
    pub(crate) left_out: u64,
}

#[derive(Debug)]
struct Version {
    name: String,
    /// None for the first: it may have run for long before anybody looked.
    deployed_at: Option<Timestamp>,
    last_seen: Timestamp,
}

/// Versions that are remembered of one thing.
const VERSIONS: usize = 8;
/// A version that was gone for so long, while another ran, was deployed again. What several instances run by turns is
/// seen more often; what is rolled back within this is told with what it replaces.
const BACK_AFTER: Duration = Duration::from_secs(600);
/// What was not seen for so long gives up its place when there is none.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);
const SWEEP_EVERY: Duration = Duration::from_secs(60);

impl Deployments {
    /// Remembers versions of so many things.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Takes what a shard has seen, or a snapshot has kept. Returns what came up.
    pub(crate) fn take(&mut self, row: VersionRow) -> Option<Deployment> {
        let VersionRow { service, version, seen, what, last_seen } = row;
        let what = if what.is_empty() { VERSIONED[0].to_owned() } else { what };
        let at = Timestamp(seen);
        let key = (service, what);
        if !self.known.contains_key(&key) && !self.has_room(at) {
            self.left_out += 1;
            return None;
        }
        let deployment = Deployment {
            service: key.0.as_str().into(),
            what: key.1.as_str().into(),
            version: version.as_str().into(),
            at,
        };
        let versions = self.known.entry(key).or_default();
        if last_seen > 0 {
            let (deployed_at, last_seen) = ((seen > 0).then_some(at), Timestamp(last_seen));
            versions.push(Version { name: version, deployed_at, last_seen });
            return None;
        }
        see(versions, version, at).then_some(deployment)
    }

    fn has_room(&mut self, now: Timestamp) -> bool {
        if self.known.len() >= self.limit && now >= self.swept + SWEEP_EVERY {
            self.swept = now;
            let lasts = |version: &Version| version.last_seen + FORGOTTEN_AFTER >= now;
            self.known.retain(|_, versions| versions.iter().any(lasts));
        }
        self.known.len() < self.limit
    }

    /// Returns what was deployed from one instant until before another, in the order of services. Of what changed of a
    /// service in the same instant, as it does with every rollout, the most telling is returned.
    pub(crate) fn within(&self, from: Timestamp, until: Timestamp) -> Vec<Deployment> {
        let mut deployed = BTreeSet::new();
        for ((service, what), versions) in &self.known {
            for version in versions {
                if let Some(at) = version.deployed_at.filter(|at| (from..until).contains(at)) {
                    let rank = VERSIONED.iter().position(|known| known == what);
                    deployed.insert((service, at, rank.unwrap_or(VERSIONED.len()), what, &version.name));
                }
            }
        }
        let mut told: Vec<Deployment> = Vec::new();
        for (service, at, _, what, version) in deployed {
            if told.last().is_some_and(|last| *last.service == **service && last.at == at) {
                continue;
            }
            let text = |text: &String| text.as_str().into();
            told.push(Deployment { service: text(service), what: text(what), version: text(version), at });
        }
        told
    }

    /// Spells what is known, for a snapshot, in an order that [`Self::take`] takes back.
    pub(crate) fn save(&self) -> Vec<VersionRow> {
        let of_one = |((service, what), versions): (&(String, String), &Vec<Version>)| {
            let row = |version: &Version| VersionRow {
                service: service.clone(),
                version: version.name.clone(),
                seen: version.deployed_at.map_or(0, Timestamp::as_nanos),
                what: if *what == VERSIONED[0] { String::new() } else { what.clone() },
                last_seen: version.last_seen.as_nanos(),
            };
            versions.iter().map(row).collect::<Vec<_>>()
        };
        self.known.iter().flat_map(of_one).collect()
    }
}

/// Sees a version among those of one thing. Returns whether it came up.
fn see(versions: &mut Vec<Version>, name: String, at: Timestamp) -> bool {
    if let Some(place) = versions.iter().position(|known| known.name == name) {
        let before = versions[place].last_seen;
        let is_replaced = versions.iter().any(|other| other.last_seen > before);
        let known = &mut versions[place];
        known.last_seen = before.max(at);
        // Releases before this one did not keep when a version was seen.
        let is_back = is_replaced && before > Timestamp(0) && at.since(before) >= BACK_AFTER;
        if is_back {
            known.deployed_at = Some(at);
        }
        return is_back;
    }
    let is_first = versions.is_empty();
    let mut are_many = false;
    if versions.len() >= VERSIONS
        && let Some(oldest) = (0..versions.len()).min_by_key(|place| versions[*place].last_seen)
    {
        // So many at once do not follow one another.
        are_many = at.since(versions.remove(oldest).last_seen) < BACK_AFTER;
    }
    let is_deployed = !is_first && !are_many && at > Timestamp(0);
    versions.push(Version { name, deployed_at: is_deployed.then_some(at), last_seen: at });
    is_deployed
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALWAYS: (Timestamp, Timestamp) = (Timestamp(0), Timestamp(u64::MAX));

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000 + seconds)
    }

    fn row(version: &str, seconds: u64) -> VersionRow {
        of("", version, seconds)
    }

    fn of(what: &str, version: &str, seconds: u64) -> VersionRow {
        VersionRow {
            service: "cart".to_owned(),
            version: version.to_owned(),
            seen: at(seconds).as_nanos(),
            what: what.to_owned(),
            last_seen: 0,
        }
    }

    fn deployed(what: &str, version: &str, seconds: u64) -> Deployment {
        Deployment { service: "cart".into(), what: what.into(), version: version.into(), at: at(seconds) }
    }

    #[test]
    fn the_first_version_is_no_deployment_the_second_is_one_in_its_window() {
        let mut deployments = Deployments::new(10);
        assert_eq!(deployments.take(row("1", 5)), None);
        assert!(deployments.within(ALWAYS.0, ALWAYS.1).is_empty());
        let second = deployed("service.version", "2", 6);
        assert_eq!(deployments.take(row("2", 6)), Some(second.clone()));
        assert_eq!(deployments.take(row("2", 7)), None);
        assert_eq!(deployments.take(row("1", 8)), None, "both run for a while");
        assert_eq!(deployments.within(at(6), at(7)), [second]);
        assert!(deployments.within(at(7), ALWAYS.1).is_empty());
        assert!(deployments.within(ALWAYS.0, at(6)).is_empty());
    }

    #[test]
    fn a_version_that_comes_back_after_another_is_a_rollback() {
        let mut deployments = Deployments::new(10);
        (0..600).step_by(10).for_each(|second| drop(deployments.take(row("1", second))));
        assert!(deployments.take(row("2", 600)).is_some());
        (610..1500).step_by(10).for_each(|second| drop(deployments.take(row("2", second))));
        let back = deployed("service.version", "1", 1500);
        assert_eq!(deployments.take(row("1", 1500)), Some(back.clone()));
        assert_eq!(deployments.take(row("1", 1510)), None, "once");
        assert_eq!(deployments.within(at(1490), at(1510)), [back]);
    }

    #[test]
    fn a_service_that_was_silent_comes_back_with_its_version_and_was_not_deployed() {
        let mut deployments = Deployments::new(10);
        deployments.take(row("1", 0));
        assert_eq!(deployments.take(row("1", 7200)), None);
    }

    #[test]
    fn what_changes_at_once_is_told_once_and_what_changes_alone_too() {
        let mut deployments = Deployments::new(10);
        for (what, before, after) in [
            ("k8s.replicaset.name", "cart-7d9", "cart-5c6"),
            ("container.image.tags", "v1", "v2"),
            ("service.version", "1", "2"),
        ] {
            deployments.take(of(what, before, 1));
            deployments.take(of(what, after, 9));
        }
        assert_eq!(deployments.within(ALWAYS.0, ALWAYS.1), [deployed("service.version", "2", 9)]);
        // The same image with another configuration.
        deployments.take(of("k8s.replicaset.name", "cart-9f8", 30));
        let rolled = deployed("k8s.replicaset.name", "cart-9f8", 30);
        assert_eq!(deployments.within(at(10), ALWAYS.1), [rolled]);
    }

    #[test]
    fn what_was_known_before_a_restart_is_no_news_after_it() {
        let mut before = Deployments::new(10);
        before.take(row("1", 5));
        before.take(row("2", 6));
        before.take(of("k8s.replicaset.name", "cart-7d9", 6));
        let mut after = Deployments::new(10);
        before.save().into_iter().for_each(|row| drop(after.take(row)));
        assert_eq!(after.within(ALWAYS.0, ALWAYS.1), before.within(ALWAYS.0, ALWAYS.1));
        assert_eq!(after.save(), before.save());
        after.take(row("2", 9));
        after.take(row("3", 9));
        assert_eq!(after.within(at(7), ALWAYS.1).len(), 1);
        // As releases before this one stored it.
        let mut upgraded = Deployments::new(10);
        for (version, seen) in [("1", 0), ("2", at(6).as_nanos())] {
            upgraded.take(VersionRow { seen, ..row(version, 0) });
        }
        upgraded.take(row("2", 2000));
        assert_eq!(upgraded.take(row("1", 2000)), None, "nobody knows that it was gone");
        assert_eq!(upgraded.within(ALWAYS.0, ALWAYS.1), [deployed("service.version", "2", 6)]);
    }

    #[test]
    fn versions_that_all_run_at_once_are_no_deployments() {
        let mut deployments = Deployments::new(10);
        let told = (0..1000).filter_map(|n| deployments.take(row(&n.to_string(), n))).count();
        assert_eq!(told, VERSIONS - 1, "no more than are remembered");
    }

    #[test]
    fn services_beyond_the_limit_are_left_out_and_counted_until_others_are_gone() {
        let mut deployments = Deployments::new(1);
        let pay = |seconds| VersionRow { service: "pay".to_owned(), ..row("1", seconds) };
        deployments.take(row("1", 5));
        deployments.take(pay(5));
        assert_eq!((deployments.save().len(), deployments.left_out), (1, 1));
        deployments.take(pay(2 * 24 * 3600));
        assert_eq!((&*deployments.save()[0].service, deployments.left_out), ("pay", 1));
    }
}
