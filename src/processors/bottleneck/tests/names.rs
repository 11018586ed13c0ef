//! Values by names, whatever handles the names come as.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use super::super::{names::ByName, subject::Operation};

fn name(number: u8) -> String {
    // Of other lengths, and one that is empty.
    "n".repeat(usize::from(number))
}

proptest! {
    #[test]
    fn a_name_has_one_value_however_many_handles_there_are_of_it(
        asked in prop::collection::vec((0..6_u8, 0..6_u8, 0..3_usize), 0..200),
        most in 1..12_usize,
    ) {
        // Three handles of each text, of which one is made anew each time, perhaps where another lay.
        let handles: Vec<[Arc<str>; 2]> = (0..6).map(|n| [name(n).into(), name(n).into()]).collect();
        let handle = |n: u8, which: usize| {
            handles[usize::from(n)].get(which).map_or_else(|| name(n).into(), Arc::clone)
        };
        let mut by_name: ByName<Operation, u64> = ByName::new();
        let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
        for (first, second, which) in asked {
            let found = by_name.of((handle(first, which), handle(second, 2 - which)), most);
            let key = (name(first), name(second));
            let is_room = expected.contains_key(&key) || expected.len() < most;
            prop_assert_eq!(found.is_some(), is_room);
            if let Some(count) = found {
                *count += 1;
                *expected.entry(key).or_default() += 1;
            }
        }
        let all: Vec<_> = by_name.iter().map(|((a, b), n)| ((a.to_string(), b.to_string()), *n)).collect();
        prop_assert_eq!(all, expected.into_iter().collect::<Vec<_>>());
    }
}
