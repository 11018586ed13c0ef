//! What the Go collector has, read from the table beside.

use std::{collections::BTreeMap, sync::LazyLock};

use config::{ComponentKind, Problems, Source};
use serde::Deserialize;

/// The table, which names its source.
const TEXT: &str = include_str!("contrib.yaml");

/// The collector that is compared with.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Contrib {
    pub(super) version: String,
    components: BTreeMap<String, Vec<String>>,
    pub(super) defaults: Vec<OtherDefault>,
    pub(super) meanings: Vec<OtherMeaning>,
}

/// A default that is another here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct OtherDefault {
    /// Section and kind: `receivers/otlp`.
    pub(super) component: String,
    /// Keys from the component's section on, joined by dots.
    pub(super) key: String,
    pub(super) there: String,
    pub(super) here: String,
    pub(super) why: String,
}

/// What a component does otherwise here with the same settings.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct OtherMeaning {
    /// Section and kind: `processors/batch`.
    pub(super) component: String,
    pub(super) there: String,
    pub(super) here: String,
}

pub(super) static CONTRIB: LazyLock<Contrib> = LazyLock::new(|| {
    let mut problems = Problems::default();
    let node = config::parse(&Source::new("contrib.yaml", TEXT));
    let read = node.ok().and_then(|node| config::decode(&node, "", &mut problems));
    debug_assert!(!problems.has_errors(), "{}", config::render(&problems.sorted()));
    read.unwrap_or_default()
});

impl Contrib {
    /// Whether the collector has a component of this type, under its old name or its new one.
    pub(super) fn has(&self, kind: ComponentKind, component_type: &str) -> bool {
        let plain = |name: &str| name.replace('_', "");
        let known = self.components.get(kind.section());
        known.is_some_and(|names| names.iter().any(|name| plain(name) == plain(component_type)))
    }
}
