//! What happens to a healthy service in a year, and is no fault.

use rand::Rng;
use rand_pcg::Pcg64;

use super::{BEGIN_SECONDS, DAY_SECONDS, Fault, MINUTE_SECONDS, Year};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HappeningKind {
    /// A weekday with the load of a Sunday.
    Holiday,
    /// The level is another from here on.
    LevelShift,
    /// A restart, every second Tuesday at 10:00: a step of a few percent. A counter begins at zero.
    Deployment,
    /// Nothing is recorded.
    Gap,
}

/// One happening; `begin == end` for what has no length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Happening {
    pub kind: HappeningKind,
    pub begin: i64,
    pub end: i64,
    /// By which the level is multiplied from its begin on; 1 where it is not.
    pub factor: f64,
}

/// Days of the year that are holidays in much of the world: the turn of the year, spring, May, autumn, Christmas.
const HOLIDAYS: [i64; 8] = [0, 88, 91, 121, 227, 305, 359, 360];

/// Happenings keep this far from faults, so that the truth stays plain.
const DISTANCE_SECONDS: i64 = 6 * 3600;

/// Returns when nothing is recorded, in order: the same for all series of one length, as what records stops
/// for all of them at once.
pub(super) fn gaps(n_days: u32, random: &mut Pcg64) -> Vec<Happening> {
    let n_days = i64::from(n_days);
    let mut gaps: Vec<_> = (0..=n_days / 30)
        .map(|_| {
            let seconds = random.random_range(10..360) * MINUTE_SECONDS;
            happening(HappeningKind::Gap, any_minute(n_days, random), seconds, 1.0)
        })
        .collect();
    gaps.sort_by_key(|gap| gap.begin);
    gaps
}

/// Places what happens beside the gaps, and sorts them in.
pub(super) fn place(
    year: &Year,
    gaps: Vec<Happening>,
    faults: &[Fault],
    random: &mut Pcg64,
) -> Vec<Happening> {
    let n_days = i64::from(year.n_days);
    let mut all = gaps;
    for day in HOLIDAYS.into_iter().filter(|day| *day < n_days) {
        all.push(happening(HappeningKind::Holiday, day * DAY_SECONDS, DAY_SECONDS, 1.0));
    }
    for tuesday in (8..n_days).step_by(14) {
        let factor = random.random_range(0.98..1.02);
        all.push(happening(HappeningKind::Deployment, tuesday * DAY_SECONDS + 10 * 3600, 0, factor));
    }
    for _ in 0..=n_days / 90 {
        let change = random.random_range(0.1..0.25);
        let factor = if random.random_bool(0.5) { 1.0 + change } else { 1.0 - change };
        all.push(happening(HappeningKind::LevelShift, any_minute(n_days, random), 0, factor));
    }
    // A holiday stays where a fault falls on it: only the season differs, and faults are relative to it.
    let stays = |kind| matches!(kind, HappeningKind::Holiday | HappeningKind::Gap);
    all.retain(|happening| stays(happening.kind) || faults.iter().all(|fault| is_apart(happening, fault)));
    all.sort_by_key(|happening| (happening.begin, happening.end));
    all
}

fn happening(kind: HappeningKind, offset: i64, length: i64, factor: f64) -> Happening {
    let begin = BEGIN_SECONDS + offset;
    Happening { kind, begin, end: begin + length, factor }
}

fn any_minute(n_days: i64, random: &mut Pcg64) -> i64 {
    random.random_range(0..n_days * DAY_SECONDS / MINUTE_SECONDS) * MINUTE_SECONDS
}

pub(super) fn is_apart(happening: &Happening, fault: &Fault) -> bool {
    happening.end + DISTANCE_SECONDS <= fault.begin || fault.end + DISTANCE_SECONDS <= happening.begin
}

pub(super) fn is_holiday(happenings: &[Happening], now: i64) -> bool {
    is_within(happenings, HappeningKind::Holiday, now)
}

pub(super) fn is_gap(happenings: &[Happening], now: i64) -> bool {
    is_within(happenings, HappeningKind::Gap, now)
}

fn is_within(happenings: &[Happening], kind: HappeningKind, now: i64) -> bool {
    happenings
        .iter()
        .any(|happening| happening.kind == kind && (happening.begin..happening.end).contains(&now))
}

/// Returns by what the level is multiplied at an instant.
pub(super) fn factor(happenings: &[Happening], now: i64) -> f64 {
    happenings
        .iter()
        .take_while(|happening| happening.begin <= now)
        .map(|happening| happening.factor)
        .product()
}
