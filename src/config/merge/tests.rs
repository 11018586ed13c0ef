use proptest::prelude::*;

use crate::{Entry, Key, Map, Node, Place, Source, Value, merge, parse};

fn tree(name: &str, yaml: &str) -> Node {
    parse(&Source::new(name, yaml)).unwrap()
}

#[test]
fn maps_merge_lists_are_replaced_and_nothing_erases() {
    let base = tree("a", "m: {x: 1, y: {z: 2}}\nl: [1, 2]\ngone: {k: v}\n");
    let over = tree("b", "m: {y: {w: 3}, x: 9}\nl: [3]\ngone:\nnew: 4\n");
    let expected = tree("c", "m: {x: 9, y: {z: 2, w: 3}}\nl: [3]\ngone:\nnew: 4\n");
    assert_eq!(merge(base, over), expected);
}

#[test]
fn values_keep_the_file_they_were_written_in() {
    let merged = merge(tree("a", "m: {x: 1, y: 2}\n"), tree("b", "\nm: {y: 3}\n"));
    let m = merged.get("m").and_then(Node::as_map).unwrap();
    let place = |key| m.entry(key).map(|e| format!("{} {}", e.key.place, e.value.place)).unwrap();
    assert_eq!(place("x"), "a:1:5 a:1:8");
    assert_eq!(place("y"), "b:2:5 b:2:8");
}

fn trees() -> impl Strategy<Value = Node> {
    let place = Place::start_of(&Source::new("t", ""));
    let leaf = {
        let place = place.clone();
        prop_oneof![Just(Value::Null), (0..5_i128).prop_map(Value::Int)]
            .prop_map(move |value| Node::new(value, place.clone()))
    };
    leaf.prop_recursive(4, 32, 4, move |inner| {
        let place = place.clone();
        proptest::collection::btree_map("[a-d]", inner, 0..4).prop_map(move |entries| {
            let entries = entries
                .into_iter()
                .map(|(name, value)| Entry { key: Key { name, place: place.clone() }, value });
            Node::new(Value::Map(Map { entries: entries.collect() }), place.clone())
        })
    })
}

fn maps() -> impl Strategy<Value = Node> {
    proptest::collection::vec(trees(), 0..4).prop_map(|values| {
        let place = Place::start_of(&Source::new("t", ""));
        let entries = values
            .into_iter()
            .zip('a'..)
            .map(|(value, name)| Entry { key: Key { name: name.to_string(), place: place.clone() }, value });
        Node::new(Value::Map(Map { entries: entries.collect() }), place.clone())
    })
}

proptest! {
    #![proptest_config(crate::testing::cases(500))]

    #[test]
    fn merging_with_oneself_changes_nothing(a in trees()) {
        prop_assert_eq!(merge(a.clone(), a.clone()), a);
    }

    #[test]
    fn what_is_laid_on_top_shows_through(a in trees(), b in trees()) {
        let once = merge(a, b.clone());
        prop_assert_eq!(merge(once.clone(), b), once);
    }

    #[test]
    fn an_empty_map_below_or_above_a_map_changes_nothing(a in maps()) {
        let empty = Node::new(Value::Map(Map::default()), a.place.clone());
        prop_assert_eq!(merge(a.clone(), empty.clone()), a.clone());
        prop_assert_eq!(merge(empty, a.clone()), a);
    }

    #[test]
    fn keys_of_both_are_all_there(a in maps(), b in maps()) {
        let merged = merge(a.clone(), b.clone());
        for entry in a.as_map().unwrap().entries.iter().chain(&b.as_map().unwrap().entries) {
            prop_assert!(merged.get(&entry.key.name).is_some());
        }
    }
}
