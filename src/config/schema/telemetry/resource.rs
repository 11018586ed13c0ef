//! `service::telemetry::resource`, in both forms in which it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value as Json;

/// Attributes of everything the collector tells; a null takes away one that it has by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    pub attributes: BTreeMap<String, Option<Json>>,
}

/// A name with a value, the way the declarative configuration writes attributes and headers.
#[derive(Deserialize)]
pub(super) struct Named<T> {
    name: String,
    #[serde(default = "none")]
    value: Option<T>,
    /// Allowed, but the value's own type says as much.
    #[serde(default, rename = "type")]
    _type: Option<String>,
}

const fn none<T>() -> Option<T> {
    None
}

/// Both ways of writing pairs: a map, or a list of names with values.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Pairs<T> {
    List(Vec<Named<T>>),
    Map(BTreeMap<String, Option<T>>),
}

impl<T> Pairs<T> {
    pub(super) fn into_map(self) -> BTreeMap<String, Option<T>> {
        match self {
            Self::List(list) => list.into_iter().map(|pair| (pair.name, pair.value)).collect(),
            Self::Map(map) => map,
        }
    }
}

/// Keys of the declarative form that are not attributes.
pub(super) const NOT_ATTRIBUTES: [&str; 3] = ["schema_url", "detectors", "detection/development"];

impl<'de> Deserialize<'de> for Resource {
    /// Reads attributes as keys, or, as the declarative configuration has it, below `attributes`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut keys = BTreeMap::<String, Option<Json>>::deserialize(deserializer)?;
        let Some(listed @ Some(Json::Array(_) | Json::Object(_))) = keys.remove("attributes") else {
            return Ok(Self { attributes: keys });
        };
        let attributes = Pairs::<Json>::deserialize(listed.unwrap_or_default()).map_err(|_| {
            D::Error::custom("expected a list of attributes\nwrite `attributes: [{name: …, value: …}]`")
        })?;
        keys.retain(|key, _| !NOT_ATTRIBUTES.contains(&key.as_str()));
        keys.extend(attributes.into_map());
        Ok(Self { attributes: keys })
    }
}
