//! Earlier states of a stage behind `baseline`, so that a range of time can be excluded afterwards.
//!
//! `baseline` says when a state is kept and to which one it went back ([`model::Recall`]); a stage keeps its own at the
//! same moments and follows. What it went back from it notes, so that it does so once however often it is told, and
//! whichever of the stages a crash has set back.

use std::collections::VecDeque;

use bytes::Bytes;
use model::{Checkpoint, Recall, Timestamp};

/// States as they were, and how far forgetting was followed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Earlier {
    /// The oldest first.
    pub(crate) states: VecDeque<EarlierState>,
    /// End of the time that was last forgotten.
    pub(crate) followed: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EarlierState {
    /// End of the last window that was learned.
    pub(crate) until: Timestamp,
    /// The layout of the bytes.
    pub(crate) version: u32,
    /// As the stage writes them.
    pub(crate) bytes: Bytes,
}

/// What a stage is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Return {
    /// To take the place of what is remembered.
    To(EarlierState),
    /// No state is from before: all is learned anew.
    Nothing,
}

impl Earlier {
    /// Returns where to go back to before a window is taken, if there is something that is not forgotten yet.
    pub(crate) fn follow(&mut self, recall: &Recall) -> Option<Return> {
        let forgotten = recall.forgotten.filter(|forgotten| forgotten.until != self.followed)?;
        self.followed = forgotten.until;
        self.states.retain(|state| state.until <= forgotten.from);
        Some(self.states.back().cloned().map_or(Return::Nothing, Return::To))
    }

    /// Keeps a state, in place of the oldest if there is no room for more.
    pub(crate) fn keep(&mut self, checkpoint: Checkpoint, version: u32, bytes: Vec<u8>) {
        while self.states.len() as u64 >= checkpoint.most.max(1) {
            self.states.pop_front();
        }
        self.states.push_back(EarlierState { until: checkpoint.until, version, bytes: bytes.into() });
    }

    /// *Units*: bytes.
    pub(crate) fn size(&self) -> u64 {
        self.states.iter().map(|state| state.bytes.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use model::Forgotten;

    use super::*;

    const HOUR: u64 = 3600;

    fn kept(hours: &[u64]) -> Earlier {
        let mut earlier = Earlier::default();
        for hour in hours {
            let checkpoint = Checkpoint { until: Timestamp::from_secs(hour * HOUR), most: 2 };
            earlier.keep(checkpoint, 1, vec![*hour as u8]);
        }
        earlier
    }

    fn forgotten(from: u64, until: u64) -> Recall {
        let [from, until] = [from, until].map(|hour| Timestamp::from_secs(hour * HOUR));
        Recall { forgotten: Some(Forgotten { from, until }), checkpoint: None }
    }

    fn place(found: Option<Return>) -> Option<u8> {
        match found? {
            Return::To(state) => Some(state.bytes[0]),
            Return::Nothing => Some(0),
        }
    }

    #[test]
    fn the_oldest_gives_way() {
        let earlier = kept(&[1, 2, 3]);
        assert_eq!(earlier.states.iter().map(|state| state.bytes[0]).collect::<Vec<_>>(), [2, 3]);
        assert_eq!(earlier.size(), 2);
    }

    #[test]
    fn it_goes_back_once_to_the_newest_state_that_is_not_younger() {
        let mut earlier = kept(&[3, 6]);
        assert_eq!(earlier.follow(&Recall::default()), None);
        assert_eq!(place(earlier.follow(&forgotten(6, 8))), Some(6));
        assert_eq!(earlier.follow(&forgotten(6, 8)), None, "it was followed");
        // What is younger than the state that was gone back to is gone too.
        assert_eq!(place(earlier.follow(&forgotten(3, 9))), Some(3));
        assert_eq!(earlier.states.len(), 1);
    }

    #[test]
    fn without_a_state_from_before_nothing_remains() {
        assert_eq!(place(kept(&[3, 6]).follow(&forgotten(2, 8))), Some(0));
        assert_eq!(place(kept(&[]).follow(&forgotten(0, 8))), Some(0));
    }
}
