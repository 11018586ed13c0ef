//! What a rule compared in the last 24 hours, so that it can be said later why it did or did not fire.
//!
//! *Shape*: the last 360 evaluations (an hour of 10 s) each with seven digits and whether the condition held; before,
//! the least and the greatest of each five minutes, rounded outwards to two digits and a half.
//!
//! *Cost*: 2.7 kB.

use std::time::Duration;

use model::Timestamp;

const EVALUATIONS: usize = 360;
const SLOTS: usize = 288;
pub(super) const SLOT: Duration = Duration::from_secs(300);

/// A ring of evaluations and one of slots; both know a place by its number since the epoch.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Tape {
    every_nanos: u64,
    /// The newest evaluation and the newest slot.
    evaluation: u64,
    slot: u64,
    values: [f32; EVALUATIONS],
    is_true: [u8; EVALUATIONS / 8],
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
    /// The same twice when it was one evaluation.
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

    pub(super) fn new(every: Duration) -> Self {
        Self {
            every_nanos: u64::try_from(every.as_nanos()).unwrap_or(u64::MAX).max(1),
            evaluation: 0,
            slot: 0,
            values: [f32::NAN; EVALUATIONS],
            is_true: [0; EVALUATIONS / 8],
            least: [NONE; SLOTS],
            greatest: [NONE; SLOTS],
            was_true: [0; SLOTS / 8],
        }
    }

    /// Notes an evaluation. One without a value leaves a gap.
    pub(super) fn note(&mut self, at: Timestamp, value: f64, is_true: bool) {
        let (evaluation, slot) = (at.as_nanos() / self.every_nanos, slot_of(at));
        if evaluation <= self.evaluation && self.evaluation > 0 && slot + SLOTS as u64 > self.slot {
            return;
        }
        self.wind(evaluation, slot);
        self.values[(evaluation % EVALUATIONS as u64) as usize] = value as f32;
        set(&mut self.is_true, evaluation % EVALUATIONS as u64, is_true);
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

    /// Empties what is passed over.
    fn wind(&mut self, evaluation: u64, slot: u64) {
        let steps = evaluation.abs_diff(self.evaluation).min(EVALUATIONS as u64);
        for number in (evaluation + 1 - steps.min(evaluation))..=evaluation {
            self.values[(number % EVALUATIONS as u64) as usize] = f32::NAN;
            set(&mut self.is_true, number % EVALUATIONS as u64, false);
        }
        let steps = slot.abs_diff(self.slot).min(SLOTS as u64);
        for number in (slot + 1 - steps.min(slot))..=slot {
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
        if evaluation <= self.evaluation && evaluation + EVALUATIONS as u64 > self.evaluation {
            let value = self.values[(evaluation % EVALUATIONS as u64) as usize];
            if value.is_nan() {
                return None;
            }
            let from = Timestamp(evaluation * self.every_nanos);
            let was_true = get(&self.is_true, evaluation % EVALUATIONS as u64);
            let value = f64::from(value);
            return Some(Played { from, until: from, least: value, greatest: value, was_true, is_one: true });
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
        const { assert!(Tape::BYTES <= 2750) };
    }

    proptest! {
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
