//! What becomes of each component when one configuration follows another.

use component::AuthUse;
use model::Timestamp;

use super::{Plan, PlannedNode, Written};

/// What becomes of a component of the new plan; places are those in the old one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    /// Settings, the files that they name, and what else it is built of are the same: it goes on.
    Kept(usize),
    /// Another takes its place, and what it has.
    Changed(usize),
    Added,
}

/// The fate of every component of the new plan, by its place there.
pub(crate) struct Changes {
    pub(crate) receivers: Vec<Fate>,
    pub(crate) exporters: Vec<Fate>,
    pub(crate) extensions: Vec<Fate>,
    /// Of the halves of stages that own state; others are built anew.
    pub(crate) nodes: Vec<Fate>,
}

/// What a new configuration has changed, for people: `exporter otlp_grpc/tempo`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Difference {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    pub changed: Vec<String>,
    pub kept: Vec<String>,
}

impl Fate {
    /// `same` compares what two of the same name are built of.
    fn of<T>(old: &[T], is_it: impl Fn(&T) -> bool, same: impl Fn(&T) -> bool) -> Self {
        let place = old.iter().position(is_it);
        match place.and_then(|place| Some((place, same(old.get(place)?)))) {
            Some((place, true)) => Self::Kept(place),
            Some((place, false)) => Self::Changed(place),
            None => Self::Added,
        }
    }

    /// Returns its place in the old plan if it goes on.
    pub(crate) fn kept(self) -> Option<usize> {
        match self {
            Self::Kept(old) => Some(old),
            Self::Changed(_) | Self::Added => None,
        }
    }

    /// Returns the place in the old plan of the component of this name.
    pub(crate) fn before(self) -> Option<usize> {
        match self {
            Self::Kept(old) | Self::Changed(old) => Some(old),
            Self::Added => None,
        }
    }
}

impl Changes {
    pub(crate) fn between(old: &Plan, new: &Plan) -> Self {
        let same_written = |a: &Written, b: &Written| a == b;
        let watched = |plan: &Plan, node: &PlannedNode| plan.is_watched(&node.place);
        // Who asks an authenticator holds it.
        let written_of = |plan: &Plan, id: &str| {
            plan.extensions.iter().find(|it| it.id == id).map(|it| std::sync::Arc::clone(&it.written))
        };
        let same_auth = |uses: &[AuthUse]| {
            uses.iter().all(|wanted| written_of(old, &wanted.id) == written_of(new, &wanted.id))
        };
        Self {
            receivers: fates(
                &new.receivers,
                &old.receivers,
                |a, b| a.id == b.id,
                |a, b| {
                    same_written(&a.written, &b.written)
                        && a.signals == b.signals
                        && same_auth(&a.configured.auth())
                },
            ),
            exporters: fates(
                &new.exporters,
                &old.exporters,
                |a, b| a.id == b.id,
                |a, b| same_written(&a.written, &b.written) && same_auth(&a.configured.auth()),
            ),
            extensions: fates(
                &new.extensions,
                &old.extensions,
                |a, b| a.id == b.id,
                |a, b| same_written(&a.written, &b.written) && same_auth(&a.configured.auth()),
            ),
            nodes: fates(
                &new.nodes,
                &old.nodes,
                |a, b| a.key == b.key,
                |a, b| same_written(&a.written, &b.written) && watched(new, a) == watched(old, b),
            ),
        }
    }

    /// Says what is different.
    pub(crate) fn told(&self, old: &Plan, new: &Plan) -> Difference {
        let mut told = Difference::default();
        let names = |of: &Plan| Names {
            receivers: of.receivers.iter().map(|it| format!("receiver {}", it.id)).collect(),
            nodes: of.nodes.iter().map(|it| it.key.clone()).collect(),
            exporters: of.exporters.iter().map(|it| format!("exporter {}", it.id)).collect(),
            extensions: of.extensions.iter().map(|it| format!("extension {}", it.id)).collect(),
        };
        let (before, after) = (names(old), names(new));
        told.sort(&self.receivers, &before.receivers, &after.receivers);
        told.sort(&self.nodes, &before.nodes, &after.nodes);
        told.sort(&self.exporters, &before.exporters, &after.exporters);
        told.sort(&self.extensions, &before.extensions, &after.extensions);
        told
    }
}

struct Names {
    receivers: Vec<String>,
    nodes: Vec<String>,
    exporters: Vec<String>,
    extensions: Vec<String>,
}

fn fates<T>(
    new: &[T],
    old: &[T],
    is_it: impl Fn(&T, &T) -> bool,
    same: impl Fn(&T, &T) -> bool,
) -> Vec<Fate> {
    new.iter().map(|new| Fate::of(old, |old| is_it(new, old), |old| same(new, old))).collect()
}

impl Difference {
    fn sort(&mut self, fates: &[Fate], before: &[String], after: &[String]) {
        for (fate, name) in fates.iter().zip(after) {
            let list = match fate {
                Fate::Kept(_) => &mut self.kept,
                Fate::Changed(_) => &mut self.changed,
                Fate::Added => &mut self.added,
            };
            list.push(name.clone());
        }
        let stays = |place: usize| fates.iter().any(|fate| fate.before() == Some(place));
        self.removed.extend(
            before.iter().enumerate().filter(|(place, _)| !stays(*place)).map(|(_, name)| name.clone()),
        );
    }
}

impl Plan {
    /// Returns the settings in which a plan differs that only a start can change.
    pub(crate) fn needs_restart_for(&self, new: &Self) -> Vec<&'static str> {
        let (old, next) = (&self.settings, &new.settings);
        let differs = [
            ("service::trueline::shards", old.shards != next.shards),
            ("service::trueline::max_in_flight", old.max_in_flight_bytes != next.max_in_flight_bytes),
            ("service::trueline::max_connections", old.max_connections != next.max_connections),
            ("service::trueline::instance_id", old.instance_id != next.instance_id),
            ("service::trueline::hop", old.hop != next.hop),
            ("extensions::file_storage::directory", old.state_directory != next.state_directory),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
    }

    /// Stages that are kept count since when they did, others since `now`: what they restore has times of its own. What
    /// extensions that are kept offer is theirs.
    pub(crate) fn continue_from(&mut self, old: &Self, changes: &Changes, now: Timestamp) {
        for (node, fate) in self.nodes.iter_mut().zip(&changes.nodes) {
            let before = fate.kept().and_then(|place| old.nodes.get(place));
            node.since = before.map_or(Some(now), |before| before.since);
        }
        let goes_on = |id: &str| {
            let place = self.extensions.iter().position(|planned| planned.id == id);
            place.and_then(|place| changes.extensions.get(place)).is_some_and(|fate| fate.kept().is_some())
        };
        self.authenticators.keep(&old.authenticators, goes_on);
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::tests::{CHAIN, plan};

    use super::*;

    #[test]
    fn what_is_written_alike_is_kept_wherever_it_stands() {
        let (old, new) = (plan(CHAIN), plan(&format!("# a comment\n{CHAIN}")));
        let told = Changes::between(&old, &new).told(&old, &new);
        assert!(told.added.is_empty() && told.removed.is_empty() && told.changed.is_empty(), "{told:?}");
        assert!(!told.kept.is_empty());
        assert_eq!(old.hash, new.hash);
        assert!(old.needs_restart_for(&new).is_empty());
    }

    /// The receiver brings another signal, a stage is gone, one has somebody behind it who reads windows.
    #[test]
    fn what_else_a_component_is_built_of_counts_too() {
        let old = plan(
            "
    metrics: {receivers: [source], processors: [stage], exporters: [sink]}
    traces: {receivers: [source], processors: [roll], exporters: [sink]}
",
        );
        let mut new =
            plan("    traces: {receivers: [source], processors: [roll, learn], exporters: [sink, sink/2]}");
        let changes = Changes::between(&old, &new);
        let told = changes.told(&old, &new);
        assert_eq!(told.changed, ["receiver source", "pipeline/traces/roll"]);
        assert_eq!(told.removed, ["pipeline/metrics/stage"]);
        assert_eq!(told.added, ["pipeline/traces/learn", "exporter sink/2"]);
        assert_eq!(told.kept, ["exporter sink"]);
        assert_eq!(changes.exporters, [Fate::Kept(0), Fate::Added]);
        assert_ne!(old.hash, new.hash);
        let now = Timestamp::from_secs(9);
        new.continue_from(&old, &changes, now);
        assert!(new.nodes.iter().all(|node| node.since == Some(now)));
        let mut again = plan(CHAIN);
        let changes = Changes::between(&plan(CHAIN), &again);
        again.continue_from(&plan(CHAIN), &changes, now);
        assert!(again.nodes.iter().all(|node| node.since.is_none()), "as old as what they go on as");
    }
}
