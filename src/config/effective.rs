//! A configuration as it takes effect, written down again or set beside another.

use std::{borrow::Cow, collections::BTreeSet};

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};

use crate::{Node, REDACTED, Value, credentials::without_credentials, problem::join};

/// What must not be shown of a tree.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    /// Paths of values that are replaced whole, maps and lists too.
    paths: BTreeSet<String>,
    /// Whether credentials within URLs are taken out as well.
    is_on: bool,
}

impl Redaction {
    /// Shows everything.
    pub fn none() -> Self {
        Self::default()
    }

    /// Hides the values at these paths, and credentials within URLs wherever they stand.
    pub fn of(paths: impl IntoIterator<Item = String>) -> Self {
        Self { paths: paths.into_iter().collect(), is_on: true }
    }

    fn hides(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    fn shown<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.is_on { without_credentials(text) } else { Cow::Borrowed(text) }
    }
}

/// A tree that can be written as YAML or JSON.
pub struct Effective<'n> {
    node: &'n Node,
    redaction: &'n Redaction,
    path: String,
}

impl<'n> Effective<'n> {
    pub fn new(tree: &'n Node, redaction: &'n Redaction) -> Self {
        Self { node: tree, redaction, path: String::new() }
    }

    fn below(&self, node: &'n Node, key: &str) -> Self {
        Self { node, redaction: self.redaction, path: join(&self.path, key) }
    }
}

impl Serialize for Effective<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.redaction.hides(&self.path) && !self.node.says_nothing() {
            return serializer.serialize_str(REDACTED);
        }
        if let Some(text) = self.node.taken_text() {
            return serializer.serialize_str(&self.redaction.shown(text));
        }
        match &self.node.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => serializer.serialize_i64(value),
                (_, Ok(value)) => serializer.serialize_u64(value),
                _ => serializer.serialize_str(&value.to_string()),
            },
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::String(text) => serializer.serialize_str(&self.redaction.shown(text)),
            Value::Seq(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for (index, item) in items.iter().enumerate() {
                    list.serialize_element(&self.below(item, &index.to_string()))?;
                }
                list.end()
            }
            Value::Map(map) => {
                let mut written = serializer.serialize_map(Some(map.entries.len()))?;
                for entry in &map.entries {
                    written.serialize_entry(&entry.key.name, &self.below(&entry.value, &entry.key.name))?;
                }
                written.end()
            }
        }
    }
}

/// A value that is not the same in two configurations, as JSON on one line; none where it is in one alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    pub path: String,
    pub left: Option<String>,
    pub right: Option<String>,
}

/// Returns what two trees do not share, in the order of the left, then what only the right has.
pub fn differences(left: (&Node, &Redaction), right: (&Node, &Redaction)) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(Some(&Effective::new(left.0, left.1)), Some(&Effective::new(right.0, right.1)), &mut found);
    found
}

/// Maps are compared key by key and lists of one length item by item; all else as a whole.
fn compare(left: Option<&Effective<'_>>, right: Option<&Effective<'_>>, found: &mut Vec<Difference>) {
    let (Some(before), Some(after)) = (left, right) else {
        let Some(path) = left.or(right).map(|it| it.path.clone()) else { return };
        found.push(Difference { path, left: left.map(line), right: right.map(line) });
        return;
    };
    let is_text = |tree: &Effective<'_>| tree.node.taken_text().is_some();
    match (&before.node.value, &after.node.value) {
        _ if before.node == after.node => {}
        _ if is_text(before) || is_text(after) => found.push(Difference {
            path: before.path.clone(),
            left: Some(line(before)),
            right: Some(line(after)),
        }),
        (Value::Map(one), Value::Map(other)) => {
            for entry in &one.entries {
                let name = &entry.key.name;
                let there = other.get(name).map(|node| after.below(node, name));
                compare(Some(&before.below(&entry.value, name)), there.as_ref(), found);
            }
            for entry in other.entries.iter().filter(|entry| one.get(&entry.key.name).is_none()) {
                compare(None, Some(&after.below(&entry.value, &entry.key.name)), found);
            }
        }
        (Value::Seq(one), Value::Seq(other)) if one.len() == other.len() => {
            for (index, (a, b)) in one.iter().zip(other).enumerate() {
                let key = index.to_string();
                compare(Some(&before.below(a, &key)), Some(&after.below(b, &key)), found);
            }
        }
        _ => found.push(Difference {
            path: before.path.clone(),
            left: Some(line(before)),
            right: Some(line(after)),
        }),
    }
}

fn line(tree: &Effective<'_>) -> String {
    serde_json::to_string(tree).expect("keys are strings and numbers are finite or null")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, parse};

    fn tree(yaml: &str) -> Node {
        parse(&Source::new("x.yaml", yaml)).unwrap_or_else(|problem| panic!("{}", problem.title()))
    }

    #[test]
    fn what_is_written_is_read_back_as_the_same_tree() {
        let node =
            tree("a: {b: [1, 2.5, true, null, '007', 'x: y', 18446744073709551615], 'c d': {}}\ne: []");
        let written = crate::write(&Effective::new(&node, &Redaction::none())).unwrap();
        assert_eq!(tree(&written), node, "{written}");
    }

    #[test]
    fn secrets_are_hidden_whatever_they_are_and_the_rest_is_shown() {
        let node = tree("{a: {token: x, none: , all: {k: v}}, b: ['https://u:p@host/x?y=a@b', 'a@b']}");
        let redaction = Redaction::of(["a::token", "a::none", "a::all"].map(str::to_owned));
        assert_eq!(
            line(&Effective::new(&node, &redaction)),
            r#"{"a":{"token":"[REDACTED]","none":null,"all":"[REDACTED]"},"b":["https://[REDACTED]@host/x?y=a@b","a@b"]}"#
        );
        assert!(line(&Effective::new(&node, &Redaction::none())).contains("u:p@host"));
    }

    #[test]
    fn differences_stand_at_the_deepest_path_that_tells_them() {
        let (left, right) = (
            tree("{a: {same: 1, other: 2, gone: {x: 1}, secret: s}, l: [1, 2], m: [1, {k: 1}]}"),
            tree("{a: {other: 3, same: 1, new: y, secret: t}, l: [1], m: [1, {k: 2}]}"),
        );
        let redaction = Redaction::of(["a::secret".to_owned()]);
        let found = differences((&left, &redaction), (&right, &redaction));
        let lines: Vec<String> = found
            .iter()
            .map(|it| format!("{} {:?} {:?}", it.path, it.left.as_deref(), it.right.as_deref()))
            .collect();
        assert_eq!(
            lines,
            [
                r#"a::other Some("2") Some("3")"#,
                r#"a::gone Some("{\"x\":1}") None"#,
                r#"a::secret Some("\"[REDACTED]\"") Some("\"[REDACTED]\"")"#,
                r#"a::new None Some("\"y\"")"#,
                r#"l Some("[1,2]") Some("[1]")"#,
                r#"m::1::k Some("1") Some("2")"#,
            ]
        );
        assert_eq!(differences((&left, &redaction), (&left, &redaction)), []);
    }
}
