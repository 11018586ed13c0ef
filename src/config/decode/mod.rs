//! From a tree to a component's settings, with every problem of the tree at once.
//!
//! Serde stops at the first error. So the value that caused it is reported and left out, and reading
//! starts again without it: its default takes its place, and the next error shows. Unknown keys are
//! reported in passing, as they stop nothing.

mod deserializer;
mod failure;
mod not_supported;
mod section;

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    marker::PhantomData,
};

use serde::de::DeserializeOwned;

pub(crate) use self::section::SECTION;
use self::{
    deserializer::Reader,
    failure::{Failure, Reason},
};
pub use self::{
    not_supported::{NOT_HERE, NotSupported, NotSupportedKeys},
    section::Section,
};
use crate::{Node, Opaque, Problem, Problems, Value, problem::join};

/// Reads `node`, which stands at `path`, as a `T`.
///
/// Rules, the collector's: no number is taken for a string, nor a string for a number or boolean; a
/// value from `${env:X}` may be either; `a,b` is a list of strings; nothing after the colon means the
/// default; an unknown key is an error.
///
/// *Errors*: all go to `problems`. None is returned if a required value is missing or wrong; a value
/// returned beside errors has defaults where those were.
///
/// *Cost*: one reading of the subtree per wrong or empty value.
pub fn decode<T: DeserializeOwned>(node: &Node, path: &str, problems: &mut Problems) -> Option<T> {
    decode_telling(node, path, &[], problems)
}

/// Reads as [`decode`] does, and says of a key in `not_supported` why it is refused and what to do instead.
pub fn decode_telling<T: DeserializeOwned>(
    node: &Node,
    path: &str,
    not_supported: NotSupportedKeys,
    problems: &mut Problems,
) -> Option<T> {
    let session = Session { root: path.to_owned(), not_supported, ..Session::default() };
    let decoded = session.read_repeatedly(node, path);
    for problem in session.problems.into_inner() {
        problems.push(problem);
    }
    for misread in session.misread.into_inner() {
        problems.push_misread(misread);
    }
    for opaque in session.opaque.into_inner() {
        problems.push_opaque(opaque);
    }
    decoded
}

/// Stops a file of thousands of mistakes from being read thousands of times.
const MOST_READINGS: usize = 500;

/// Identifies a node within one borrowed tree.
type NodeId = *const Node;

/// What the readings of one subtree have learned.
#[derive(Default)]
struct Session {
    /// Where the subtree stands.
    root: String,
    not_supported: NotSupportedKeys,
    left_out: RefCell<HashMap<NodeId, LeftOut>>,
    unknown_keys: RefCell<HashSet<NodeId>>,
    problems: RefCell<Vec<Problem>>,
    /// Paths of values that could not be read, and of keys that were meant by misspelt ones.
    misread: RefCell<Vec<String>>,
    opaque: RefCell<Vec<Opaque>>,
    known_opaque: RefCell<HashSet<NodeId>>,
}

/// Why a value is not read any more.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LeftOut {
    /// Its problem was reported.
    Wrong,
    /// Nothing was written after the colon.
    Empty,
}

impl Session {
    fn read_repeatedly<T: DeserializeOwned>(&self, root: &Node, path: &str) -> Option<T> {
        for _ in 0..MOST_READINGS {
            match Reader::new(root, path.to_owned(), self).read(PhantomData::<T>) {
                Ok(value) => return Some(value),
                Err(failure) => {
                    let culprit = self.settle(failure)?;
                    if culprit == std::ptr::from_ref(root) {
                        return None;
                    }
                }
            }
        }
        self.problems.borrow_mut().push(
            Problem::error(Some(root.place.clone()), path, "too many mistakes to read on")
                .with_help("mend those above first"),
        );
        None
    }

    /// Reports a failure and leaves its value out of the next reading. Returns that value, or none if
    /// it had been left out before and reading on would not end.
    fn settle(&self, failure: Failure) -> Option<NodeId> {
        let site = failure.site().expect("the reader says of every failure where it happened");
        let culprit = site.culprit;
        let reason = match failure.reason() {
            Reason::Empty => LeftOut::Empty,
            Reason::Missing(_) | Reason::Told => LeftOut::Wrong,
        };
        if reason == LeftOut::Wrong {
            self.misread.borrow_mut().push(site.path.clone());
        }
        if reason == LeftOut::Wrong && !site.already_told {
            let (place, path) = (site.place.clone(), site.path.clone());
            self.problems.borrow_mut().push(failure.into_problem(Some(place), path));
        }
        let before = self.left_out.borrow_mut().insert(culprit, reason);
        before.is_none().then_some(culprit)
    }

    fn is_left_out(&self, node: &Node) -> bool {
        self.left_out.borrow().contains_key(&std::ptr::from_ref(node))
    }

    /// Returns whether a key that serde misses is one that was reported, and so is no news.
    fn was_told_about(&self, owner: &Node, path: &str, key: &str) -> bool {
        let Value::Map(map) = &owner.value else { return false };
        if map.get(key).is_none() {
            // `endpont` is `endpoint`, and that has been told.
            return self.misread.borrow().contains(&join(path, key));
        }
        map.get(key).is_some_and(|value| {
            self.left_out.borrow().get(&std::ptr::from_ref(value)) == Some(&LeftOut::Wrong)
        })
    }

    /// Notes that a value is a secret, once, though readings come by many times.
    fn tell_opaque(&self, node: &Node, path: &str) {
        let id = std::ptr::from_ref(node);
        if !node.says_nothing() && self.known_opaque.borrow_mut().insert(id) {
            self.opaque.borrow_mut().push(Opaque { path: path.to_owned(), place: node.place.clone() });
        }
    }

    /// Notes it of every scalar below a value: headers, whose names are none.
    fn tell_all_opaque(&self, node: &Node, path: &str) {
        // What may be read as the text that it was written as is a secret as a whole.
        let tell = |node: &Node, path: &str| match &node.original {
            Some(_) => self.tell_opaque(node, path),
            None => self.tell_all_opaque(node, path),
        };
        match &node.value {
            Value::Map(map) => {
                for entry in map.entries.iter().filter(|entry| entry.key.name != "name") {
                    tell(&entry.value, &join(path, &entry.key.name));
                }
            }
            Value::Seq(items) => {
                for (index, item) in items.iter().enumerate() {
                    tell(item, &join(path, &index.to_string()));
                }
            }
            _ => self.tell_opaque(node, path),
        }
    }

    /// Reports a key once, though readings come by many times.
    fn tell_unknown_key(&self, value: &Node, problem: impl FnOnce() -> Problem) {
        let id = std::ptr::from_ref(value);
        if self.unknown_keys.borrow_mut().insert(id) {
            let problem = problem();
            self.problems.borrow_mut().push(problem);
        }
    }

    /// Notes which key a misspelt one stands for.
    fn note_meant(&self, path: &str, key: &str) {
        self.misread.borrow_mut().push(join(path, key));
    }
}

#[cfg(test)]
mod tests;
