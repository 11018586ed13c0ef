//! A series of windows, as Prometheus would know it.

use std::{cell::OnceCell, collections::BTreeMap};

use model::{
    Series, Statistic,
    prometheus::{NameKind, Naming, label_name, metric_name},
};
use wire::view::{KeyValue, attributes};

/// A series with its names in Prometheus, which are made when they are first asked for.
pub(crate) struct Named<'a> {
    series: &'a Series,
    names: OnceCell<Vec<String>>,
}

const JOB: &str = "job";
const INSTANCE: &str = "instance";

impl<'a> Named<'a> {
    pub(crate) fn new(series: &'a Series) -> Self {
        Self { series, names: OnceCell::new() }
    }

    /// Returns every name that Prometheus may have for it: as it was sent, as an exporter or Prometheus itself
    /// writes it with its unit and type, and escaped alone. Of the rate of a series it is not known whether a
    /// counter or the observations of a histogram are counted, so both names count.
    pub(crate) fn names(&self) -> &[String] {
        self.names.get_or_init(|| {
            let Series { metric, unit, statistic, .. } = self.series;
            let named = |kind, naming| metric_name(metric, unit, kind, "", naming);
            let counted = |name: Option<String>| name.map(|name| format!("{name}_count"));
            let all: Vec<Option<String>> = match statistic {
                Statistic::Rate => vec![
                    named(NameKind::Counter, Naming::CLASSIC),
                    counted(named(NameKind::Other, Naming::CLASSIC)),
                    named(NameKind::Counter, Naming::ESCAPED),
                    counted(named(NameKind::Other, Naming::ESCAPED)),
                ],
                Statistic::Mean => vec![
                    named(NameKind::Gauge, Naming::CLASSIC),
                    named(NameKind::Other, Naming::CLASSIC),
                    named(NameKind::Gauge, Naming::ESCAPED),
                ],
                // Prometheus has no series of percentiles and shares.
                Statistic::ErrorRatio | Statistic::P50 | Statistic::P95 | Statistic::P99 => {
                    return Vec::new();
                }
            };
            let mut names = vec![metric.to_string()];
            names.extend(all.into_iter().flatten());
            names.sort_unstable();
            names.dedup();
            names
        })
    }

    /// Returns the value of a label, empty when there is none: of the point, and of the resource where the point has none.
    pub(crate) fn label(&self, label: &str) -> String {
        let identity = match label {
            JOB => job(self.series),
            INSTANCE => text_of(self.series, "service.instance.id"),
            _ => String::new(),
        };
        if !identity.is_empty() {
            return identity;
        }
        let mut lists = [&self.series.attributes, &self.series.resource].into_iter();
        lists.find_map(|list| joined(attributes(list, 1), label)).unwrap_or_default()
    }
}

/// Returns the labels that Prometheus would give to a series: those of its points, `job` and `instance`.
pub(crate) fn labels(series: &Series) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for attribute in attributes(&series.attributes, 1) {
        let Ok(key) = std::str::from_utf8(attribute.key) else { continue };
        let Some(name) = label_name(key, Naming::CLASSIC) else { continue };
        if !labels.contains_key(&name)
            && let Some(value) = joined(attributes(&series.attributes, 1), &name)
        {
            labels.insert(name, value);
        }
    }
    let identity = [(JOB, job(series)), (INSTANCE, text_of(series, "service.instance.id"))];
    labels.extend(
        identity
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(label, value)| (label.to_owned(), value)),
    );
    labels
}

/// As the exporters for Prometheus make it.
fn job(series: &Series) -> String {
    let (namespace, name) = (text_of(series, "service.namespace"), &*series.service);
    match (namespace.as_str(), name) {
        ("", _) | (_, "") => name.to_owned(),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

fn text_of(series: &Series, key: &str) -> String {
    let found = attributes(&series.resource, 1).find(|attribute| attribute.key == key.as_bytes());
    found.map(|attribute| attribute.value().to_label_string()).unwrap_or_default()
}

/// Returns the value of the attributes that come to one label. Several are joined by `;`, as the exporters do.
fn joined<'a>(list: impl Iterator<Item = KeyValue<'a>>, label: &str) -> Option<String> {
    let comes_to = |key: &[u8]| {
        std::str::from_utf8(key)
            .is_ok_and(|key| key == label || label_name(key, Naming::CLASSIC).as_deref() == Some(label))
    };
    let mut values: Vec<(Vec<u8>, String)> = list
        .filter(|attribute| comes_to(attribute.key))
        .map(|attribute| (attribute.key.to_vec(), attribute.value().to_label_string()))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    values.sort();
    let mut values: Vec<_> = values.into_iter().map(|(_, value)| value).collect();
    values.dedup();
    (!values.is_empty()).then(|| values.join(";"))
}
