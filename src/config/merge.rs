//! Several documents become one.

use std::collections::HashMap;

use crate::{Map, Node, Value};

/// Lays `over` on `base`: maps merge key by key, anything else is replaced. Nothing written where
/// there was a map erases it. Every value keeps the place where it was written.
///
/// *Cost*: linear in the keys of both.
pub fn merge(base: Node, over: Node) -> Node {
    match (base.value, over.value) {
        (Value::Map(below), Value::Map(above)) => Node::new(Value::Map(merge_maps(below, above)), base.place),
        (_, value) => Node { value, place: over.place, original: over.original },
    }
}

fn merge_maps(below: Map, above: Map) -> Map {
    let index: HashMap<String, usize> =
        below.entries.iter().enumerate().map(|(at, entry)| (entry.key.name.clone(), at)).collect();
    let mut entries = below.entries;
    for entry in above.entries {
        match index.get(&entry.key.name).and_then(|at| entries.get_mut(*at)) {
            Some(existing) => {
                let nothing = Node::new(Value::Null, existing.value.place.clone());
                let replaces = entry.value.as_map().is_none() || existing.value.as_map().is_none();
                existing.value = merge(std::mem::replace(&mut existing.value, nothing), entry.value);
                if replaces {
                    existing.key = entry.key;
                }
            }
            None => entries.push(entry),
        }
    }
    Map { entries }
}

#[cfg(test)]
mod tests;
