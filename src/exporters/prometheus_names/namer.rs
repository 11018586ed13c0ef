//! Translated names, remembered: every flush asks for the same ones again.

use std::{collections::HashMap, rc::Rc};

use bytes::Bytes;
use model::prometheus::{NameKind, metric_name, target_info_name, unit_name};

use super::{TranslationStrategy, label_name};

/// How many translations of each kind are remembered. A full cache starts over, which costs one
/// translation each; the bound holds whatever senders make up.
const CAPACITY: usize = 16_384;

/// What Prometheus calls a metric and its series.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct MetricNames {
    /// The metric's own name, with its suffixes: `http_requests_total`.
    pub name: Bytes,
    pub bucket: Bytes,
    pub sum: Bytes,
    pub count: Bytes,
    /// The unit in words, for metadata.
    pub unit: Bytes,
}

/// Translates names by one strategy.
pub(crate) struct Namer {
    strategy: TranslationStrategy,
    namespace: String,
    metrics: HashMap<(String, String, NameKind), Option<Rc<MetricNames>>>,
    labels: HashMap<String, Option<Bytes>>,
}

impl Namer {
    pub(crate) fn new(namespace: &str, strategy: TranslationStrategy) -> Self {
        let namespace = namespace.to_owned();
        Self { strategy, namespace, metrics: HashMap::new(), labels: HashMap::new() }
    }

    /// Returns a metric's names, or none when its name holds nothing legal.
    pub(crate) fn metric(&mut self, name: &str, unit: &str, kind: NameKind) -> Option<Rc<MetricNames>> {
        let key = (name.to_owned(), unit.to_owned(), kind);
        if let Some(known) = self.metrics.get(&key) {
            return known.clone();
        }
        let made = metric_name(name, unit, kind, &self.namespace, self.strategy.naming())
            .map(|name| Rc::new(MetricNames::new(&name, &unit_name(unit, self.strategy.escapes()))));
        if self.metrics.len() >= CAPACITY {
            self.metrics.clear();
        }
        self.metrics.insert(key, made.clone());
        made
    }

    /// Returns the names of the metric that describes a resource.
    pub(crate) fn target_info(&self) -> MetricNames {
        MetricNames::new(&target_info_name(&self.namespace, self.strategy.naming()), "")
    }

    /// Returns a label's name, or none when it holds nothing but underscores.
    pub(crate) fn label(&mut self, key: &str) -> Option<Bytes> {
        if let Some(known) = self.labels.get(key) {
            return known.clone();
        }
        let made = label_name(key, self.strategy).map(Bytes::from);
        if self.labels.len() >= CAPACITY {
            self.labels.clear();
        }
        self.labels.insert(key.to_owned(), made.clone());
        made
    }
}

impl MetricNames {
    pub(crate) fn new(name: &str, unit: &str) -> Self {
        let with = |suffix: &str| Bytes::from(format!("{name}{suffix}"));
        let unit = Bytes::from(unit.to_owned());
        Self { name: with(""), bucket: with("_bucket"), sum: with("_sum"), count: with("_count"), unit }
    }
}
