//! Which of the words of a line change from record to record: a place with many different words has none of its own.
//!
//! *Source*: P. He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree" (ICWS 2017): a tree by words,
//! of which a node with too many children has one for all.

use std::collections::BTreeMap;

use super::{graph::Name, lines::is_place};

/// What stands for a word that changes.
const ANY: &str = "*";
/// Different first words of lines: a program has many. Drain's.
const MOST_FIRST: usize = 100;
/// Different words in one place after the same words: more are names of what the lines are about.
const MOST_NEXT: usize = 20;
/// Nodes of one service, and of all.
const MOST_OF_SERVICE: usize = 1_000;
const MOST_OF_ALL: usize = 100_000;

/// What is known of the lines of services. *Cost*: a look-up for each of three words; some 100 bytes a node.
#[derive(Clone, Debug, Default)]
pub(super) struct Templates {
    of: BTreeMap<Name, Tree>,
    n_nodes: usize,
}

#[derive(Clone, Debug, Default)]
struct Tree {
    root: Node,
    n_nodes: usize,
}

#[derive(Clone, Debug, Default)]
struct Node {
    next: BTreeMap<Box<str>, Node>,
    /// After a word that names a place in the program, whichever.
    code: Option<Box<Node>>,
    is_any: bool,
}

/// What a line is one of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Template {
    pub(super) key: String,
    /// Whether lines that were told apart so far are one from now on.
    pub(super) has_joined: bool,
}

impl Templates {
    /// Returns what a line is one of; none when too much is known to tell it from others.
    pub(super) fn of(&mut self, service: &Name, line: &str) -> Option<Template> {
        let tree = self.of.entry(Name::clone(service)).or_default();
        let before = tree.n_nodes;
        let has_room = before < MOST_OF_SERVICE && self.n_nodes < MOST_OF_ALL;
        let found = tree.template(line, has_room);
        self.n_nodes = self.n_nodes + tree.n_nodes - before;
        found
    }

    /// Forgets services of which no line is remembered.
    pub(super) fn keep(&mut self, is_known: impl Fn(&Name) -> bool) {
        self.of.retain(|service, _| is_known(service));
        self.n_nodes = self.of.values().map(|tree| tree.n_nodes).sum();
    }
}

impl Tree {
    fn template(&mut self, line: &str, has_room: bool) -> Option<Template> {
        let (mut key, mut has_joined, mut gone) = (String::with_capacity(line.len()), false, 0);
        let mut node = &mut self.root;
        for (depth, word) in line.split(' ').enumerate() {
            if depth > 0 {
                key.push(' ');
            }
            if is_of_code(word) {
                key.push_str(word);
                if node.code.is_none() {
                    if !has_room {
                        return None;
                    }
                    self.n_nodes += 1;
                }
                node = node.code.get_or_insert_default();
                continue;
            }
            let most = if depth == 0 { MOST_FIRST } else { MOST_NEXT };
            let is_new = !node.next.contains_key(word);
            if !node.is_any && (word == ANY || is_new && node.next.len() >= most) {
                gone += node.next.values().map(Node::size).sum::<usize>();
                (node.is_any, has_joined) = (true, !node.next.is_empty());
                node.next.clear();
            }
            let word = if node.is_any { ANY } else { word };
            key.push_str(word);
            if !node.next.contains_key(word) {
                if !has_room && gone == 0 {
                    return None;
                }
                self.n_nodes += 1;
            }
            node = node.next.entry(word.into()).or_default();
        }
        self.n_nodes = self.n_nodes.saturating_sub(gone);
        Some(Template { key, has_joined })
    }
}

impl Node {
    /// It with all after it: lines have three words.
    fn size(&self) -> usize {
        1 + self.next.values().chain(self.code.as_deref()).map(Self::size).sum::<usize>()
    }
}

/// Whether a word is a name of the program, as `cart.go:34` or `com.shop.Cart`: such words are many and all tell
/// something.
fn is_of_code(word: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_$".contains(&byte))
    };
    let name = word.trim_end_matches(':');
    is_place(word) || name.contains('.') && name.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(lines: impl Iterator<Item = String>) -> Vec<String> {
        let mut templates = Templates::default();
        let service: Name = "shop".into();
        lines.filter_map(|line| Some(templates.of(&service, &line)?.key)).collect()
    }

    /// A word without digits for each number.
    fn word(n: usize) -> String {
        n.to_string().bytes().map(|digit| char::from(b'a' + digit - b'0')).collect()
    }

    #[test]
    fn a_place_with_many_words_has_none_of_its_own() {
        let found = keys((0..30).map(|n| format!("user {} logged", word(n))));
        assert_eq!(found[19], "user bj logged");
        assert!(found[20..].iter().all(|key| key == "user * logged"), "{found:?}");
    }

    #[test]
    fn many_lines_of_a_program_are_told_apart() {
        let lines = (0..60).map(|n| format!("{} was done", word(n)));
        assert_eq!(keys(lines.clone()), lines.collect::<Vec<_>>());
        let names = (0..90).map(|n| format!("INFO com.shop.{}: served", word(n)));
        assert_eq!(keys(names.clone()), names.collect::<Vec<_>>());
    }

    #[test]
    fn what_was_told_apart_before_is_one_of_the_same_when_it_is_asked_for_again() {
        let mut templates = Templates::default();
        let service: Name = "shop".into();
        let joined: Vec<bool> = (0..25)
            .map(|n| templates.of(&service, &format!("user {} left", word(n))).unwrap().has_joined)
            .collect();
        assert_eq!(joined.iter().position(|joined| *joined), Some(20));
        for line in ["user a left", "user * left"] {
            let again = templates.of(&service, line).unwrap();
            assert_eq!((&*again.key, again.has_joined), ("user * left", false));
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_what_is_counted_is_what_there_is() {
        let mut templates = Templates::default();
        for service in 0..200 {
            let service: Name = word(service).as_str().into();
            for n in 0..3_000 {
                let line = format!("{} {} {}", word(n % 90), word(n % 17), word(n % 19));
                templates.of(&service, &line);
            }
        }
        let size = |tree: &Tree| tree.root.size() - 1;
        assert!(templates.of.values().all(|tree| size(tree) == tree.n_nodes));
        assert!(templates.of.values().all(|tree| size(tree) <= MOST_OF_SERVICE + 3));
        assert!((MOST_OF_ALL..MOST_OF_ALL + 3).contains(&templates.n_nodes), "{}", templates.n_nodes);
        templates.keep(|service| **service == *"a");
        assert_eq!((templates.of.len(), templates.n_nodes), (1, templates.of[&Name::from("a")].n_nodes));
    }
}
