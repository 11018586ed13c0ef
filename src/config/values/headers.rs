//! Headers of requests, as a map or as a list of names with values.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

use super::Secret;

/// The name by which the reader knows that a value is headers.
pub(crate) const HEADERS: &str = "config::Headers";

#[derive(Deserialize)]
struct Header {
    name: String,
    #[serde(default)]
    value: Secret,
}

/// Reads `{name: value}`, and `[{name: …, value: …}]`, as the collector writes it. Of one name the last holds.
pub fn headers<'de, D: Deserializer<'de>, T: From<BTreeMap<String, Secret>>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_newtype_struct(HEADERS, Both).map(T::from)
}

struct Both;

impl<'de> Visitor<'de> for Both {
    type Value = BTreeMap<String, Secret>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut headers = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            headers.insert(name, value);
        }
        Ok(headers)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut headers = BTreeMap::new();
        while let Some(Header { name, value }) = list.next_element()? {
            headers.insert(name, value);
        }
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Effective, Problems, Redaction, Source, decode, parse, render};

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Settings {
        #[serde(deserialize_with = "headers")]
        headers: BTreeMap<String, Secret>,
        #[serde(deserialize_with = "headers")]
        more: Option<BTreeMap<String, Secret>>,
    }

    fn read(yaml: &str) -> (Option<Settings>, String, String) {
        let node =
            parse(&Source::new("x.yaml", yaml)).unwrap_or_else(|problem| panic!("{}", problem.title()));
        let mut problems = Problems::default();
        let settings = decode(&node, "", &mut problems);
        let redaction = Redaction::of(problems.opaque().iter().map(|secret| secret.path.clone()));
        let shown = serde_json::to_string(&Effective::new(&node, &redaction)).unwrap_or_default();
        (settings, render(&problems.sorted()), shown)
    }

    #[test]
    fn a_list_of_names_with_values_is_the_same_as_a_map_and_as_secret() {
        let (map, told, _) = read("headers: {a: s3cret, b: two}");
        assert_eq!(told, "");
        let (list, told, shown) =
            read("headers: [{name: a, value: s3cret}, {name: b, value: two}]\nmore: [{name: c, value: }]");
        assert_eq!(told, "");
        let list = list.expect("it is sound");
        assert_eq!(map.expect("it is sound").headers, list.headers);
        assert_eq!(list.more.map(|more| more.len()), Some(1));
        assert!(!shown.contains("s3cret") && shown.contains(r#""name":"a""#), "{shown}");
        let (nothing, told, _) = read("headers:\n");
        assert_eq!((nothing.map(|it| it.headers.len()), told.as_str()), (Some(0), ""));
    }

    #[test]
    fn what_is_wrong_in_a_list_is_told_at_its_item() {
        let (_, told, _) = read("headers:\n  - {nam: a, value: b}\n  - {name: c, value: 5}\n");
        assert!(told.contains("headers::0: unknown key `nam`"), "{told}");
        assert!(told.contains("headers::1::value"), "{told}");
    }
}
