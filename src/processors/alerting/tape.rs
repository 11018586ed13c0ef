//! What a rule compared in the last 24 hours, so that it can be said later why it did or did not fire.
//!
//! *Shape*: the last 360 evaluations (an hour of 10 s), each with whether the condition held: the newest, up to 24, with
//! seven digits, others within a hundredth of what 24 of them range over. Before, the least and the greatest of each five
//! minutes, rounded outwards to two digits and a half.
//!
//! *Cost*: 1.8 kB, as much as fits a size of the allocator: the next one is a seventh more.

mod block;
mod stored;

use std::time::Duration;

use model::Timestamp;

use self::block::{BLOCK, Block, Open};

const EVALUATIONS: u64 = 360;
/// Blocks of evaluations behind the open one.
const BLOCKS: usize = (EVALUATIONS / BLOCK) as usize;
/// Of five minutes each.
const SLOTS: usize = 288;
pub(super) const SLOT: Duration = Duration::from_secs(300);

/// A ring of blocks of evaluations and one of slots; both know a place by its number since the epoch.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Tape {
    every_nanos: u64,
    /// The newest evaluation and the newest slot.
    evaluation: u64,
    slot: u64,
    open: Open,
    blocks: [Block; BLOCKS],
    /// The upper halves of f32; NaN for none.
    least: [u16; SLOTS],
    greatest: [u16; SLOTS],
    was_true: [u8; SLOTS / 8],
}

/// What a tape says of an instant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Played {
    /// The time that it is about.
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
    /// The same twice when one value is known exactly.
    pub(super) least: f64,
    pub(super) greatest: f64,
    /// Whether the condition held, at least once.
    pub(super) was_true: bool,
    pub(super) is_one: bool,
}

/// So many evaluations after the last one, that one still tells how things are.
const YOUNG: u64 = 6;
const NONE: u16 = 0x7fc0;

impl Tape {
    pub(super) const BYTES: u64 = size_of::<Self>() as u64;
    /// How far back it reaches.
    pub(super) const LENGTH: Duration = SLOT.saturating_mul(SLOTS as u32);

    pub(super) fn new(every: Duration) -> Self {
        Self {
            every_nanos: nanos_of(every),
            evaluation: 0,
            slot: 0,
            open: Open::EMPTY,
            blocks: [Block::EMPTY; BLOCKS],
            least: [NONE; SLOTS],
            greatest: [NONE; SLOTS],
            was_true: [0; SLOTS / 8],
        }
    }

    /// Goes on at another pace: what was noted evaluation by evaluation is then known by five minutes.
    pub(super) fn keep_pace(&mut self, every: Duration, at: Timestamp) {
        let every_nanos = nanos_of(every);
        if every_nanos != self.every_nanos {
            self.every_nanos = every_nanos;
            self.evaluation = (at.as_nanos() / every_nanos).saturating_sub(1);
            (self.open, self.blocks) = (Open::EMPTY, [Block::EMPTY; BLOCKS]);
        }
    }

    /// Returns the end of the last five minutes of which something is known.
    pub(super) fn end(&self) -> Timestamp {
        Timestamp(self.slot.saturating_add(1).saturating_mul(SLOT.as_nanos() as u64))
    }

    /// Notes an evaluation. One without a value leaves a gap.
    pub(super) fn note(&mut self, at: Timestamp, value: f64, is_true: bool) {
        let (evaluation, slot) = (at.as_nanos() / self.every_nanos, slot_of(at));
        if evaluation <= self.evaluation && self.evaluation > 0 {
            if slot + SLOTS as u64 > self.slot {
                return;
            }
            // The time was set back by more than is remembered.
            *self = Self::new(Duration::from_nanos(self.every_nanos));
        }
        self.wind(evaluation, slot);
        self.open.note((evaluation % BLOCK) as usize, value, is_true);
        if is_true {
            set(&mut self.was_true, slot % SLOTS as u64, true);
        }
        if !value.is_finite() {
            return;
        }
        let place = (slot % SLOTS as u64) as usize;
        let (least, greatest) = (wide(self.least[place]), wide(self.greatest[place]));
        if least.is_nan() || value < least {
            self.least[place] = below(value);
        }
        if greatest.is_nan() || value > greatest {
            self.greatest[place] = above(value);
        }
    }

    /// Closes the open block when another begins, and empties what is passed over.
    fn wind(&mut self, evaluation: u64, slot: u64) {
        let (last, open) = (self.evaluation / BLOCK, evaluation / BLOCK);
        if open > last {
            self.blocks[place_of(last)] = Block::of(&self.open);
            self.open = Open::EMPTY;
            for number in (last + 1).max(open.saturating_sub(BLOCKS as u64))..open {
                self.blocks[place_of(number)] = Block::EMPTY;
            }
        }
        let steps = (slot - self.slot).min(SLOTS as u64);
        for number in slot + 1 - steps..=slot {
            let place = (number % SLOTS as u64) as usize;
            (self.least[place], self.greatest[place]) = (NONE, NONE);
            set(&mut self.was_true, number % SLOTS as u64, false);
        }
        (self.evaluation, self.slot) = (evaluation, slot);
    }

    /// Returns what is known of an instant.
    pub(super) fn play(&self, at: Timestamp) -> Option<Played> {
        let mut evaluation = at.as_nanos() / self.every_nanos;
        // Windows come late: of this moment the last evaluation is all that is known.
        if (1..=YOUNG).contains(&evaluation.saturating_sub(self.evaluation)) {
            evaluation = self.evaluation;
        }
        let (block, open) = (evaluation / BLOCK, self.evaluation / BLOCK);
        if evaluation <= self.evaluation && evaluation + EVALUATIONS > self.evaluation {
            let place = (evaluation % BLOCK) as usize;
            let known =
                if block == open { self.open.get(place) } else { self.blocks[place_of(block)].get(place) };
            let (least, greatest, was_true) = known?;
            let from = Timestamp(evaluation * self.every_nanos);
            return Some(Played { from, until: from, least, greatest, was_true, is_one: true });
        }
        let slot = slot_of(at);
        if slot > self.slot || slot + SLOTS as u64 <= self.slot {
            return None;
        }
        let place = (slot % SLOTS as u64) as usize;
        let from = Timestamp(slot * SLOT.as_nanos() as u64);
        let (least, greatest) = (wide(self.least[place]), wide(self.greatest[place]));
        let was_true = get(&self.was_true, slot % SLOTS as u64);
        (!least.is_nan()).then_some(Played {
            from,
            until: from + SLOT,
            least,
            greatest,
            was_true,
            is_one: false,
        })
    }
}

fn nanos_of(every: Duration) -> u64 {
    u64::try_from(every.as_nanos()).unwrap_or(u64::MAX).max(1)
}

const fn place_of(block: u64) -> usize {
    (block % BLOCKS as u64) as usize
}

fn slot_of(at: Timestamp) -> u64 {
    at.as_nanos() / SLOT.as_nanos() as u64
}

fn set(bits: &mut [u8], place: u64, is: bool) {
    let byte = &mut bits[place as usize / 8];
    let mask = 1 << (place % 8);
    *byte = if is { *byte | mask } else { *byte & !mask };
}

fn get(bits: &[u8], place: u64) -> bool {
    bits[place as usize / 8] & (1 << (place % 8)) != 0
}

fn wide(half: u16) -> f64 {
    f64::from(f32::from_bits(u32::from(half) << 16))
}

/// Returns the upper half of an f32 that is not above the value.
fn below(value: f64) -> u16 {
    let half = ((value as f32).to_bits() >> 16) as u16;
    // Below zero a greater magnitude is less.
    if wide(half) <= value { half } else { outwards(half) }
}

fn above(value: f64) -> u16 {
    let half = ((value as f32).to_bits() >> 16) as u16;
    if wide(half) >= value { half } else { outwards(half) }
}

/// The next greater magnitude of the same sign; infinity is the greatest.
const fn outwards(half: u16) -> u16 {
    let magnitude = half & 0x7fff;
    (half & 0x8000) | if magnitude < 0x7f80 { magnitude + 1 } else { 0x7f80 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_secs(1_700_000_100 + seconds)
    }

    #[test]
    fn the_last_hour_is_told_by_evaluations_and_what_was_before_by_five_minutes() {
        let mut tape = Tape::new(Duration::from_secs(10));
        for second in (0..2 * 3600).step_by(10) {
            tape.note(at(second), second as f64, second.is_multiple_of(600));
        }
        let now = tape.play(at(7190)).expect("it was noted");
        assert_eq!((now.least, now.greatest, now.was_true, now.is_one), (7190.0, 7190.0, false, true));
        assert!(tape.play(at(6605)).expect("it was noted").was_true);
        let before = tape.play(at(700)).expect("it was noted");
        assert!(!before.is_one && before.was_true);
        assert!(before.least <= 600.0 && before.least > 590.0, "{before:?}");
        assert!(before.greatest >= 890.0 && before.greatest < 900.0, "{before:?}");
        assert_eq!((before.from, before.until), (at(600), at(900)));
        assert_eq!(tape.play(at(7230)), tape.play(at(7190)), "what was known last");
        assert_eq!(tape.play(at(7300)), None, "the future");
    }

    #[test]
    fn a_gap_is_a_gap() {
        let mut tape = Tape::new(Duration::from_secs(10));
        tape.note(at(0), 1.0, true);
        tape.note(at(1000), 2.0, false);
        tape.note(at(1010), f64::NAN, true);
        assert_eq!(tape.play(at(500)), None);
        assert_eq!(tape.play(at(1010)), None);
        assert_eq!(tape.play(at(0)).map(|it| it.least), Some(1.0));
        tape.note(at(30 * 3600), 3.0, false);
        assert_eq!(tape.play(at(0)), None, "more than a day ago");
    }

    #[test]
    fn a_tape_has_the_size_that_is_promised() {
        const { assert!(Tape::BYTES <= 1792) };
    }

    #[test]
    fn a_day_that_is_lived_again_is_told_anew() {
        let mut tape = Tape::new(Duration::from_secs(10));
        tape.note(at(90_000), 1.0, true);
        tape.note(at(89_000), 2.0, true);
        assert_eq!(tape.play(at(89_000)), None, "what comes late is left out");
        tape.note(at(0), 3.0, false);
        assert_eq!(tape.play(at(0)).map(|it| it.least), Some(3.0));
        assert_eq!(tape.play(at(90_000)), None);
    }

    proptest! {
        #[test]
        fn an_evaluation_of_the_last_hour_lies_where_it_is_told_within_a_hundredth(
            values in prop::collection::vec((0..5_u64, prop::num::f32::NORMAL), 1..360),
            first in 0..240_u64,
        ) {
            let mut tape = Tape::new(Duration::from_secs(10));
            let mut noted = Vec::new();
            let mut second = 10 * first;
            for (gap, value) in values {
                second += 10 + 10 * gap.saturating_sub(3);
                tape.note(at(second), f64::from(value), value > 0.0);
                noted.push((second, f64::from(value)));
            }
            for (then, value) in noted.iter().filter(|(then, _)| then + 3600 > second) {
                let told = tape.play(at(*then)).expect("it was noted");
                prop_assert!(told.is_one && told.was_true == (*value > 0.0));
                prop_assert!(told.least <= *value && *value <= told.greatest, "{value} {told:?}");
                // All that lies in the same block or in one beside it.
                let near = noted.iter().filter(|(other, _)| other.abs_diff(*then) < 240);
                let (least, greatest) = near.fold((*value, *value), |(least, greatest), (_, value)| {
                    (least.min(*value), greatest.max(*value))
                });
                prop_assert!(told.greatest - told.least <= (greatest - least) / 100.0, "{value} {told:?}");
            }
        }

        #[test]
        fn five_minutes_hold_all_their_values(
            values in prop::collection::vec(prop::num::f64::NORMAL.prop_map(|it| it % 1e30), 1..30)
        ) {
            let mut tape = Tape::new(Duration::from_secs(10));
            for (index, value) in values.iter().enumerate() {
                tape.note(at(10 * index as u64), *value, false);
            }
            tape.note(at(10_000), 0.0, false);
            let told = tape.play(at(0)).expect("it was noted");
            for value in values {
                prop_assert!(told.least <= value && value <= told.greatest, "{value} {told:?}");
            }
        }
    }
}
