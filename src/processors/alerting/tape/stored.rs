//! A tape as it is stored: what is alike stands once, so that a quiet one takes a few bytes.

use super::{
    BLOCKS, SLOT, SLOTS, Tape,
    block::{BLOCK, Block, Open},
    get, place_of, set,
};
use crate::alerting::record::{BlockRecord, TapeRecord};

/// Neighbouring slots that are alike.
#[derive(Clone, Copy, PartialEq)]
struct Slot {
    least: u16,
    greatest: u16,
    was_true: bool,
}

impl Tape {
    /// *Cost*: 60 bytes for one that always had the same value, 2 kB of noise, never more than 2.7 kB; some 3 µs.
    pub(in crate::alerting) fn record(&self) -> TapeRecord {
        let known = self.open.values().iter().rposition(|value| !value.is_nan()).map_or(0, |last| last + 1);
        TapeRecord {
            every_nanos: self.every_nanos,
            evaluation: self.evaluation,
            slot: self.slot,
            slots: self.slot_runs(),
            blocks: self.block_runs(),
            open: self.open.values()[..known].to_vec(),
            open_true: self.open.is_true(),
        }
    }

    /// Takes one back; none when it says what no tape can say.
    pub(in crate::alerting) fn restored(record: &TapeRecord) -> Option<Self> {
        let begin = record.evaluation.checked_mul(record.every_nanos.max(1))?;
        let end = begin.checked_add(record.every_nanos.max(1) - 1)?;
        let slots = begin / SLOT.as_nanos() as u64..=end / SLOT.as_nanos() as u64;
        if !slots.contains(&record.slot) {
            return None;
        }
        let mut tape = Self::new(std::time::Duration::from_nanos(record.every_nanos));
        (tape.evaluation, tape.slot) = (record.evaluation, record.slot);
        tape.open = Open::restored(&record.open, record.open_true)?;
        tape.take_slots(&record.slots)?;
        tape.take_blocks(&record.blocks)?;
        Some(tape)
    }

    /// The places of slots, the oldest first.
    fn slot_places(&self) -> impl Iterator<Item = u64> + use<> {
        let slot = self.slot;
        (1..=SLOTS as u64).map(move |age| (slot % SLOTS as u64 + age) % SLOTS as u64)
    }

    /// The places of full blocks, the oldest first.
    fn block_places(&self) -> impl Iterator<Item = usize> + use<> {
        let open = place_of(self.evaluation / BLOCK);
        (0..BLOCKS).map(move |age| (open + age) % BLOCKS)
    }

    fn slot_runs(&self) -> Vec<i64> {
        let mut runs: Vec<(i64, Slot)> = Vec::new();
        for place in self.slot_places() {
            let (least, greatest) = (self.least[place as usize], self.greatest[place as usize]);
            let slot = Slot { least, greatest, was_true: get(&self.was_true, place) };
            match runs.last_mut() {
                Some((n, last)) if *last == slot => *n += 1,
                _ => runs.push((1, slot)),
            }
        }
        let mut before = 0;
        let triple = |(n, slot): (i64, Slot)| {
            let (least, greatest) = (i64::from(slot.least), i64::from(slot.greatest));
            [
                n * 2 + i64::from(slot.was_true),
                least - std::mem::replace(&mut before, least),
                greatest - least,
            ]
        };
        runs.into_iter().flat_map(triple).collect()
    }

    fn take_slots(&mut self, runs: &[i64]) -> Option<()> {
        let mut places = self.slot_places();
        let mut least = 0_i64;
        for run in runs.chunks(3) {
            let [n, above, spread] = *run else { return None };
            least = least.checked_add(above)?;
            let (low, high) = (u16::try_from(least).ok()?, u16::try_from(least.checked_add(spread)?).ok()?);
            for _ in 0..n >> 1 {
                let place = places.next()?;
                (self.least[place as usize], self.greatest[place as usize]) = (low, high);
                set(&mut self.was_true, place, n & 1 == 1);
            }
        }
        places.next().is_none().then_some(())
    }

    fn block_runs(&self) -> Vec<BlockRecord> {
        let mut runs: Vec<BlockRecord> = Vec::new();
        for place in self.block_places() {
            let block = self.blocks[place].record();
            match runs.last_mut() {
                Some(last) if (BlockRecord { n: 1, ..last.clone() }) == block => last.n += 1,
                _ => runs.push(block),
            }
        }
        runs
    }

    fn take_blocks(&mut self, runs: &[BlockRecord]) -> Option<()> {
        let mut places = self.block_places();
        for run in runs {
            let block = Block::restored(run)?;
            for _ in 0..run.n {
                self.blocks[places.next()?] = block;
            }
        }
        places.next().is_none().then_some(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::Timestamp;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;

    const BEGIN: u64 = 1_704_110_400;
    const EVERY: Duration = Duration::from_secs(10);

    fn noted(values: impl Iterator<Item = (u64, f64, bool)>) -> Tape {
        let mut tape = Tape::new(EVERY);
        values.for_each(|(second, value, held)| tape.note(Timestamp::from_secs(BEGIN + second), value, held));
        tape
    }

    fn stored(tape: &Tape) -> Vec<u8> {
        tape.record().encode_to_vec()
    }

    fn back(bytes: &[u8]) -> Option<Tape> {
        Tape::restored(&TapeRecord::decode(bytes).ok()?)
    }

    /// NaN is not itself, so tapes are compared by what they tell.
    fn assert_tells_the_same(one: &Tape, other: &Tape, from: u64, until: u64) {
        for second in (from..until).step_by(5) {
            let at = Timestamp::from_secs(BEGIN + second);
            assert_eq!(one.play(at), other.play(at), "{second}");
        }
    }

    #[test]
    fn a_day_of_noise_takes_two_kilobytes_and_of_quiet_next_to_nothing() {
        let noise = |second: u64| 100.0 + (second.wrapping_mul(2_654_435_761) >> 7 & 0xff) as f64;
        let day = (0..86_400).step_by(10);
        let noisy = stored(&noted(day.clone().map(|it| (it, noise(it), noise(it) > 300.0))));
        assert!(noisy.len() < 2100, "{}", noisy.len());
        let quiet = stored(&noted(day.map(|it| (it, 5.0, false))));
        assert!(quiet.len() < 160, "{}", quiet.len());
        assert!(stored(&Tape::new(EVERY)).len() < 60, "{}", stored(&Tape::new(EVERY)).len());
    }

    #[test]
    fn a_tape_goes_on_where_it_was_stored() {
        let values =
            |from: u64, until: u64| (from..until).step_by(10).map(|it| (it, it as f64, it % 70 == 0));
        let mut tape = back(&stored(&noted(values(0, 5000)))).expect("it is sound");
        for (second, value, held) in values(5000, 9000) {
            tape.note(Timestamp::from_secs(BEGIN + second), value, held);
        }
        assert_tells_the_same(&tape, &noted(values(0, 9000)), 0, 9100);
    }

    #[test]
    fn what_no_tape_says_is_refused() {
        let sound = noted((0..5000).step_by(10).map(|it| (it, it as f64, false))).record();
        assert!(Tape::restored(&sound).is_some());
        let wrong = |change: fn(&mut TapeRecord)| {
            let mut record = sound.clone();
            change(&mut record);
            Tape::restored(&record)
        };
        assert!(wrong(|it| it.slot += 5).is_none(), "another time");
        assert!(wrong(|it| it.evaluation = u64::MAX).is_none());
        assert!(wrong(|it| it.slots.truncate(2)).is_none());
        assert!(wrong(|it| it.slots[0] += 2).is_none(), "a slot too much");
        assert!(wrong(|it| it.slots[1] = -7).is_none());
        assert!(wrong(|it| it.blocks.truncate(1)).is_none());
        assert!(wrong(|it| it.blocks[0].parts.truncate(5)).is_none());
        assert!(wrong(|it| it.open = vec![1.0; 25]).is_none());
    }

    proptest! {
        #[test]
        fn a_tape_that_is_taken_back_tells_the_same(
            noted_at in prop::collection::btree_map(0_u64..9000, (any::<f32>(), any::<bool>()), 0..300)
        ) {
            let tape = noted(noted_at.iter().map(|(at, (value, held))| (at * 10, f64::from(*value), *held)));
            let back = back(&stored(&tape)).expect("it is sound");
            assert_tells_the_same(&tape, &back, 0, 90_300);
        }

        #[test]
        fn bytes_of_any_kind_are_refused_or_can_be_gone_on_with(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(mut tape) = back(&bytes) {
                tape.note(Timestamp::from_secs(BEGIN), 1.0, true);
                tape.play(Timestamp::from_secs(BEGIN));
            }
        }
    }
}
