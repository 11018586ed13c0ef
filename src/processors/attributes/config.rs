//! The collector's keys.

use component::{Checks, Config};
use config::{NotSupported, NotSupportedKeys};
use model::{Signal, SignalSet};
use serde::Deserialize;

use super::matching::MatchProperties;
use crate::{
    actions::{ActionConfig, validate},
    ottl::Chosen,
};

const CACHE: &[NotSupported] =
    &[NotSupported::new("regexp", "patterns are run as they are, without a cache of results", "remove it")];

/// Settings of `attributes`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AttributesConfig {
    /// Steps, taken in order.
    pub(crate) actions: Vec<ActionConfig>,
    /// For which items; all when it is not set.
    pub(crate) include: Option<MatchProperties>,
    /// For which of those it is not.
    pub(crate) exclude: Option<MatchProperties>,
}

impl Config for AttributesConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[("include", CACHE), ("exclude", CACHE)];

    fn validate(&self, checks: &mut Checks) {
        validate("actions", &self.actions, checks);
        for (path, properties) in self.lists() {
            properties.check(path, checks);
        }
    }
}

impl AttributesConfig {
    fn lists(&self) -> impl Iterator<Item = (&'static str, &MatchProperties)> {
        let lists = [("include", self.include.as_ref()), ("exclude", self.exclude.as_ref())];
        lists.into_iter().filter_map(|(path, properties)| Some((path, properties?)))
    }

    /// Whether the actions are meant for every item.
    pub(super) fn is_for_all(&self) -> bool {
        self.include.is_none() && self.exclude.is_none()
    }

    /// The signals whose items have all that is asked.
    pub(super) fn signals(&self) -> SignalSet {
        let able = Signal::ALL.into_iter().filter(|signal| self.lists().all(|(_, it)| it.is_for(*signal)));
        able.fold(SignalSet::NONE, |all, signal| all.union(SignalSet::of(signal)))
    }

    /// For which items of a signal the actions are meant.
    pub(super) fn chosen(&self, signal: Signal) -> Chosen {
        let properties = |of: &Option<MatchProperties>| {
            let properties = of.as_ref()?.properties(signal);
            // Of metrics nothing may be left that is asked.
            (!properties.is_empty()).then_some(properties)
        };
        Chosen { included: properties(&self.include), excluded: properties(&self.exclude) }
    }
}
