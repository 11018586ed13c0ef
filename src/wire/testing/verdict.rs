//! Who accepts what, ours and the oracle, and why not both.

use prost::DecodeError;

use crate::Malformed;

/// Who accepts a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    Both,
    Neither,
    OnlyOurs,
    OnlyTheirs,
}

/// What the oracle refuses and we take: text that is not UTF-8. To look at every text of every span would cost
/// more than all the rest of the walk, and whoever shows a text replaces what is none.
const LENIENT: &str = "data is not UTF-8 encoded";

/// What we refuse and the oracle takes: groups, which proto3 does not have, and nesting beyond our depth.
const STRICT: [&str; 2] = ["bad unknown field", "messages nested deeper than 64"];

/// Says who accepts a request.
///
/// *Panics* when only one does, and for none of the reasons above.
pub(crate) fn verdict(ours: Option<Malformed>, theirs: Option<&DecodeError>) -> Verdict {
    match (ours, theirs) {
        (None, None) => Verdict::Both,
        (Some(_), Some(_)) => Verdict::Neither,
        (None, Some(problem)) => {
            assert!(problem.to_string().contains(LENIENT), "we take what the oracle refuses: {problem}");
            Verdict::OnlyOurs
        }
        (Some(malformed), None) => {
            assert!(STRICT.contains(&malformed.reason), "we refuse what the oracle takes: {malformed}");
            Verdict::OnlyTheirs
        }
    }
}

/// Every request that differs from this one in one bit.
pub(crate) fn flips(request: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..request.len() * 8).map(|bit| {
        let mut flipped = request.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

/// The first of arbitrary requests that holds an item and is short, so that all of its flips are soon done.
pub(crate) fn small<M: prost::Message>(
    make: impl Fn(&mut super::Random) -> M,
    n_items: impl Fn(&[u8]) -> u64,
) -> Vec<u8> {
    const SHORT: usize = 1000;
    let made = (1..).map(|seed| make(&mut super::Random(seed)).encode_to_vec());
    made.into_iter().find(|request| request.len() < SHORT && n_items(request) > 0).expect("seeds do not end")
}
