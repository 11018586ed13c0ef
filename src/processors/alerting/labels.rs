//! The labels of an alert, kept small: there are as many as alerts.

use std::collections::BTreeMap;

/// Labels by name, each once.
///
/// *Cost*: 32 bytes and its texts for each label; a map takes half a kilobyte for the first.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Labels(Box<[(Box<str>, Box<str>)]>);

impl Labels {
    /// Makes labels of some and of those of others that they do not have.
    pub(super) fn with(own: &BTreeMap<String, String>, others: &BTreeMap<String, String>) -> Self {
        let more = others.iter().filter(|(name, _)| !own.contains_key(*name));
        let pair = |(name, value): (&String, &String)| (name.as_str().into(), value.as_str().into());
        let mut all: Box<[_]> = own.iter().chain(more).map(pair).collect();
        all.sort_unstable();
        Self(all)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let place = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        Some(&self.0[place].1)
    }

    /// Returns names and values, in the order of the names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl From<&BTreeMap<String, String>> for Labels {
    fn from(labels: &BTreeMap<String, String>) -> Self {
        Self::with(labels, &BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_of_the_maps_in_their_order() {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let labels =
            Labels::with(&map(&[("b", "2"), ("d", "4")]), &map(&[("a", "1"), ("b", "9"), ("e", "5")]));
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2"), ("d", "4"), ("e", "5")]);
        assert_eq!((labels.get("b"), labels.get("c"), labels.get("e")), (Some("2"), None, Some("5")));
    }
}
