use proptest::prelude::*;

use super::ValueCells;

const RADIUS: f32 = 0.5;
const TIME_TO_LIVE: u8 = 40;

/// Gives one value after another, each a step of time.
fn give<const N: usize>(cells: &mut ValueCells<N>, value: f32, time_to_live: u8) -> Option<f32> {
    let distance = cells.update(value, RADIUS, time_to_live);
    cells.grow_older();
    distance
}

/// Rounds to 16 significant bits, by arithmetic.
fn rounded(value: f32) -> f32 {
    if value == 0.0 {
        return value;
    }
    let step = (f64::from(value).abs().log2().floor() - 15.0).exp2();
    ((f64::from(value) / step).round() * step) as f32
}

/// The same with a list of (value, when last near), plainly.
#[derive(Default)]
struct Plain {
    cells: Vec<(f32, usize)>,
    now: usize,
}

impl Plain {
    fn update(&mut self, value: f32, most: usize) -> Option<f32> {
        self.now += 1;
        let now = self.now;
        let young = |cell: &&mut (f32, usize)| now - cell.1 <= usize::from(TIME_TO_LIVE);
        let nearest = self
            .cells
            .iter_mut()
            .filter(young)
            .min_by(|a, b| (a.0 - value).abs().total_cmp(&(b.0 - value).abs()));
        let distance = nearest.as_ref().map(|cell| (cell.0 - value).abs());
        match nearest {
            Some(cell) if distance.is_some_and(|distance| distance <= RADIUS) => {
                *cell = (rounded(cell.0 + 0.1 * (value - cell.0)), now);
            }
            _ => {
                if self.cells.len() == most {
                    let oldest = self.cells.iter().enumerate().min_by_key(|(_, cell)| cell.1).unwrap().0;
                    self.cells.remove(oldest);
                }
                self.cells.push((rounded(value), now));
            }
        }
        distance
    }
}

#[test]
fn thirty_two_cells_take_128_bytes() {
    assert_eq!(size_of::<ValueCells<32>>(), 128);
}

#[test]
fn the_first_value_has_no_neighbour_and_the_second_has() {
    let mut cells = ValueCells::<32>::default();
    assert_eq!(cells.update(5.0, RADIUS, TIME_TO_LIVE), None);
    assert_eq!(cells.update(5.25, RADIUS, TIME_TO_LIVE), Some(0.25));
    let distance = cells.update(9.025, RADIUS, TIME_TO_LIVE).unwrap();
    assert!((distance - 4.0).abs() < 1e-4, "the cell moved a tenth of the way, to 5.025: {distance}");
}

#[test]
fn a_value_not_seen_for_its_time_is_new_again() {
    let mut cells = ValueCells::<4>::default();
    give(&mut cells, 100.0, 10);
    for _ in 0..9 {
        give(&mut cells, 0.0, 10);
    }
    assert_eq!(cells.clone().update(100.0, RADIUS, 10), Some(0.0));
    give(&mut cells, 0.0, 10);
    assert_eq!(cells.update(100.0, RADIUS, 10), Some(100.0));
}

#[test]
fn the_value_seen_the_longest_ago_gives_way() {
    let mut cells = ValueCells::<2>::default();
    for value in [0.0, 10.0, 0.0, 20.0] {
        give(&mut cells, value, TIME_TO_LIVE);
    }
    assert_eq!(cells.update(0.0, RADIUS, TIME_TO_LIVE), Some(0.0));
    assert_eq!(cells.update(20.0, RADIUS, TIME_TO_LIVE), Some(0.0));
}

#[test]
fn what_is_not_finite_teaches_nothing_and_far_values_do_not_confuse() {
    let mut cells = ValueCells::<2>::default();
    let before = cells;
    assert_eq!(cells.update(f32::NAN, RADIUS, TIME_TO_LIVE), None);
    assert_eq!(cells.update(f32::INFINITY, RADIUS, TIME_TO_LIVE), None);
    assert_eq!(cells, before);
    cells.update(f32::MAX, RADIUS, TIME_TO_LIVE);
    assert_eq!(cells.update(-f32::MAX, RADIUS, TIME_TO_LIVE), Some(f32::INFINITY));
}

#[test]
fn a_cell_that_is_older_than_ages_tell_is_one_never_used() {
    let mut cells = ValueCells::<2>::default();
    for _ in 0..1000 {
        give(&mut cells, 1.0, u8::MAX);
    }
    cells.update(7.0, RADIUS, u8::MAX);
    assert_eq!(cells.clone().update(1.0, RADIUS, u8::MAX), Some(0.0));
    for _ in 0..300 {
        cells.grow_older();
    }
    assert_eq!(cells.update(1.0, RADIUS, u8::MAX), None);
    assert_eq!(cells.update(3.0, RADIUS, u8::MAX), Some(2.0));
}

proptest! {
    #[test]
    fn the_distances_agree_with_a_plain_list(values in prop::collection::vec(-20.0..20.0_f32, 0..300)) {
        let (mut cells, mut plain) = (ValueCells::<16>::default(), Plain::default());
        for value in values {
            let (got, expected) = (give(&mut cells, value, TIME_TO_LIVE), plain.update(value, 16));
            match (got, expected) {
                (Some(got), Some(expected)) => prop_assert!((got - expected).abs() < 1e-3, "{got} {expected}"),
                _ => prop_assert_eq!(got, expected),
            }
        }
    }
}
