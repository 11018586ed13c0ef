//! From a label set to the resource, metric and attributes that OTLP would have brought.

use std::collections::BTreeMap;

use wire::build::Attributes;

/// Who a series is. Sorted by resource and metric, as requests are written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Identity {
    pub(super) resource: Vec<(String, String)>,
    pub(super) metric: String,
    pub(super) unit: String,
    pub(super) attributes: Vec<(String, String)>,
}

/// What people call otherwise than Prometheus does.
pub(super) struct Names {
    renamed: BTreeMap<String, String>,
    units: BTreeMap<String, String>,
}

const NAME: &str = "__name__";
const SERVICE_NAME: &str = "service.name";
/// Labels of the resource, where they are not `job` and `instance`.
const OF_RESOURCE: [(&str, &str); 3] = [
    ("service_name", SERVICE_NAME),
    ("service_namespace", "service.namespace"),
    ("service_instance_id", "service.instance.id"),
];

impl Names {
    pub(super) fn new(renamed: &[(String, String)], units: &[(String, String)]) -> Self {
        Self { renamed: renamed.iter().cloned().collect(), units: units.iter().cloned().collect() }
    }

    /// Undoes what the exporters for Prometheus do: `job` is `service.namespace/service.name` or
    /// `service.name` alone, `instance` is `service.instance.id`; labels of those names win. A label that
    /// is renamed is an attribute of the point. The result of an expression has no name and is called
    /// `query_1` by the place of the query.
    pub(super) fn identify(&self, labels: &BTreeMap<String, String>, query: usize) -> Identity {
        let (mut resource, mut attributes) = (BTreeMap::new(), BTreeMap::new());
        let has_service = labels.contains_key("service_name");
        for (label, value) in labels.iter().filter(|(label, _)| *label != NAME) {
            let known = OF_RESOURCE.iter().find(|(known, _)| known == label);
            match (self.renamed.get(label), known, label.as_str()) {
                (Some(name), ..) => drop(attributes.insert(name.clone(), value.clone())),
                (None, Some((_, key)), _) => drop(resource.insert((*key).to_owned(), value.clone())),
                (None, None, "instance") => {
                    resource.entry("service.instance.id".to_owned()).or_insert_with(|| value.clone());
                }
                (None, None, "job") if !has_service => {
                    let (namespace, service) = match value.split_once('/') {
                        Some((namespace, service)) => (Some(namespace), service),
                        None => (None, value.as_str()),
                    };
                    resource.insert(SERVICE_NAME.to_owned(), service.to_owned());
                    if let Some(namespace) = namespace {
                        resource.insert("service.namespace".to_owned(), namespace.to_owned());
                    }
                }
                _ => drop(attributes.insert(label.clone(), value.clone())),
            }
        }
        let metric = labels.get(NAME).cloned().unwrap_or_else(|| format!("query_{}", query + 1));
        let metric = self.renamed.get(&metric).cloned().unwrap_or(metric);
        let unit = self.units.get(&metric).cloned().unwrap_or_default();
        Identity {
            resource: resource.into_iter().collect(),
            metric,
            unit,
            attributes: attributes.into_iter().collect(),
        }
    }
}

impl Identity {
    pub(super) fn resource_attributes(&self) -> Attributes {
        list(&self.resource)
    }

    pub(super) fn point_attributes(&self) -> Attributes {
        list(&self.attributes)
    }
}

fn list(pairs: &[(String, String)]) -> Attributes {
    let mut out = Attributes::new();
    for (key, value) in pairs {
        out.push_str(key, value);
    }
    out
}
