//! The stored layout, byte by byte. Whoever changes it raises the version and keeps a reader of these bytes.

use component::Snapshot;
use model::{Forgotten, Statistic};
use proptest::prelude::*;
use stats::{Half, PageHinkley, Quantum};

use super::{
    super::{
        calendar::Calendar,
        exclusion::Exclusion,
        learn::Pace,
        record::{RECORD_BYTES, read_all, write_all},
        rhythm::{DayProfile, WeekProfile},
        row::{Row, Window},
        snapshot::{read, write},
        state::{Aside, SEASON_ON, SHIFTED_UP, SeriesState, WEEK_ON},
        window::Behind,
    },
    snapshots::{config, harness, learned, restored, table},
    *,
};
use crate::testing::of_hex;

/// A record of version 1 in which every field has a value of its own.
const RECORD: &str = "\
    07b8c9da5c10a61700000000006059400000000000d05840000000000000c03f00006040020101000000a0bf000020400000 \
    7040000084400000b0c00000d44071110100925f01000000f84000000e4100001841f5ff010213150d01013c023c033c043c \
    053c063c073c083c093c0a3c0b3c0c3c0d3c0e3c0f3c103c113c123c133c143c153c163c173c183c193c1a3c1b3c1c3c1d3c \
    1e3c1f3c203c213c223c233c243c253c263c273c283c293c2a3c2b3c2c3c2d3c2e3c2f3c303c1f202122232425262728292a \
    0140024003400440054006400740084009400a400b400c400d400e400f401040114012401340144015401640174018401940 \
    1a401b401c403d3e3f404142434445464748494a0144024403440444054406440744084409440a440b440c440d440e440f44 \
    1044114412441344144415441644174418440000703f83380100";

fn record() -> Vec<u8> {
    of_hex(RECORD)
}

fn state() -> SeriesState {
    let halves = |first: u16| move |at: usize| Half { bits: first + at as u16 };
    SeriesState {
        seen_at: Timestamp(1_704_067_500_000_000_007),
        level: 101.5,
        aside: Aside::Step(Quantum {
            last: 99.25,
            step: 0.125,
            greatest_difference: 3.5,
            agreeing: 258,
            seen: true,
            continuous: false,
        }),
        weekly_offset: -1.25,
        fast: 2.5,
        spread: 3.75,
        wander: 4.125,
        recent: -5.5,
        recent_spread: 6.625,
        n_samples: 70_001,
        covered_seconds: 90_002,
        shifted_seconds: 7.75,
        drift: PageHinkley { up: 8.875, down: 9.5 },
        unit_exponent: -11,
        n_shifts: 513,
        flags: SEASON_ON | WEEK_ON | SHIFTED_UP,
        bin: 21,
        part: 13,
        day: DayProfile {
            values: std::array::from_fn(halves(0x3c01)),
            visits: std::array::from_fn(|at| 31 + at as u8),
        },
        week: WeekProfile {
            values: std::array::from_fn(halves(0x4001)),
            visits: std::array::from_fn(|at| 61 + at as u8),
        },
        hours: std::array::from_fn(halves(0x4401)),
        presence: 0.9375,
        active_at: 80_003,
    }
}

fn entry(fingerprint: u64, record: &[u8]) -> Vec<u8> {
    [&fingerprint.to_le_bytes(), record].concat()
}

#[test]
fn a_record_of_version_1_is_read_and_written_as_ever() {
    let entry = entry(7, &record());
    assert_eq!(read_all(&entry).next(), Some(Some((7, state()))));
    assert_eq!(write_all([(7, &state())].into_iter()), entry);
}

#[test]
fn a_record_with_a_pool_is_read_and_written_as_ever() {
    let mut bytes = record();
    let pool = [&12.0_f64.to_le_bytes()[..], &345.0_f64.to_le_bytes(), &67.5_f32.to_le_bytes(), &[0; 4]];
    bytes[16..40].copy_from_slice(&pool.concat());
    bytes[91] = 2;
    let pooled =
        SeriesState { aside: Aside::Pool { errors: 12.0, support: 345.0, seconds: 67.5 }, ..state() };
    let entry = entry(7, &bytes);
    assert_eq!(read_all(&entry).next(), Some(Some((7, pooled))));
    assert_eq!(write_all([(7, &pooled)].into_iter()), entry);
}

/// Numbers and texts in their order, behind their hash.
#[derive(Default)]
struct Layout(Vec<u8>);

impl Layout {
    fn long(mut self, numbers: &[u64]) -> Self {
        numbers.iter().for_each(|number| self.0.extend(number.to_le_bytes()));
        self
    }

    fn short(mut self, numbers: &[u32]) -> Self {
        numbers.iter().for_each(|number| self.0.extend(number.to_le_bytes()));
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    fn hashed(self) -> Vec<u8> {
        [&rapidhash::v3::rapidhash_v3(&self.0).to_le_bytes()[..], &self.0].concat()
    }
}

#[test]
fn snapshots_of_versions_1_and_2_are_read_and_written_as_ever() {
    let second = 1_000_000_000_u64;
    let excluded = Exclusion { from: Timestamp::from_secs(111), to: Timestamp::from_secs(222) };
    let config = BaselineConfig {
        time_zone_offset: config::SignedDuration { nanoseconds: 3600 * second as i64 },
        exclude: vec![excluded],
        ..config()
    };
    let width = config.window.get();
    let calendar = Calendar::new(48, width, 3600 * second as i64);
    let record = record();
    let told = |forgotten: Layout| {
        Layout::default()
            .long(&[300 * second, 48, 3600 * second, 5000 * second, 4000 * second])
            .short(&[1234, 1200])
            .long(&[4700 * second])
            .short(&[17])
            .bytes(&forgotten.0)
            .long(&[1, 111 * second, 222 * second])
            .long(&[1, 5100 * second, 4])
            .bytes(b"shop")
            .long(&[1, 5200 * second, 3])
            .bytes(b"pay")
            .long(&[1, 31])
            .bytes(&record)
            .long(&[1, 32, 33])
            .bytes(&record)
            .long(&[1, 34])
            .bytes(&record)
            .long(&[1, 4900 * second, 1, 35])
            .bytes(&record)
            .hashed()
    };
    let of_version = |version, forgotten| {
        let snapshot = Snapshot { version, bytes: told(forgotten) };
        let (memory, rewound) = read(&snapshot, &config, &calendar).expect("it is readable");
        assert_eq!(rewound, None);
        memory
    };
    let none = || Layout::default().bytes(&[0]);
    let some = || Layout::default().bytes(&[1]).long(&[4100 * second, 4200 * second]);
    // Version 1 did not say whether something was forgotten.
    assert_eq!(write(&of_version(1, Layout::default()), &config, &calendar), told(none()));
    assert_eq!(write(&of_version(2, none()), &config, &calendar), told(none()));
    let memory = of_version(2, some());
    let at = Timestamp::from_secs;
    assert_eq!((memory.open_until, memory.learned_since), (at(5000), at(4000)));
    assert_eq!((memory.active_seconds, memory.swept_at), (1234, 1200));
    assert_eq!(memory.behind, Behind { until: at(4700), n_windows: 17 });
    assert_eq!(memory.deployments.recent, [("shop".into(), at(5100))].into());
    assert_eq!(memory.deployments.announced, [("pay".into(), at(5200))].into());
    assert_eq!(memory.priors.known, [(31, state())].into());
    assert_eq!(memory.priors.candidates, [(32, (33, state()))].into());
    let series: Vec<_> = memory.slots.iter().map(|(fingerprint, it)| (fingerprint, it.state)).collect();
    assert_eq!(series, [(34, state())]);
    assert_eq!((memory.checkpoints.len(), memory.checkpoints[0].until), (1, at(4900)));
    assert_eq!(*memory.checkpoints[0].records, entry(35, &record));
    assert_eq!(memory.forgotten, Some(Forgotten { from: at(4100), until: at(4200) }));
    assert_eq!(write(&memory, &config, &calendar), told(some()));
}

proptest! {
    #[test]
    fn records_that_are_read_are_those_that_were_written_and_take_any_value(
        damage in prop::collection::vec((0..RECORD_BYTES, any::<u8>()), 1..6),
        values in prop::collection::vec(any::<f64>(), 1..20),
        statistic in prop::sample::select(Statistic::ALL.to_vec()),
    ) {
        let mut bytes = record();
        damage.iter().for_each(|(at, value)| bytes[*at] ^= value);
        let Some(Some((fingerprint, mut state))) = read_all(&entry(7, &bytes)).next() else { return Ok(()) };
        let again = write_all([(fingerprint, &state)].into_iter());
        let (_, second) = read_all(&again).next().unwrap().unwrap();
        prop_assert_eq!(format!("{second:?}"), format!("{state:?}"));
        let width = Duration::from_secs(300);
        let calendar = Calendar::new(48, width, 0);
        let pace = Pace::new(width, calendar.bins_of_day);
        for (at, value) in (1..).zip(values) {
            let start = BEGIN + width * at;
            let window = Window {
                end: start + width,
                moment: calendar.moment(start, width),
                pace: &pace,
                active_at: 90_000,
                is_excluded: false,
                forgotten: None,
                degradation_ratio: 0.2,
            };
            let row = Row { statistic, fingerprint, value, support: 1000, is_hurried: false };
            let judged = state.take(&row, &window);
            prop_assert!(judged.prediction.is_none_or(|it| it.scale.is_nan() || it.scale > 0.0));
        }
    }
}

#[test]
fn snapshots_with_damage_behind_a_sound_hash_are_refused_or_do_no_harm() {
    let whole = learned();
    let (mut n_taken, mut n_tried) = (0, 0);
    for at in (8..whole.bytes.len()).step_by(11) {
        let mut bytes = whole.bytes.clone();
        bytes[at] ^= 1 << (at % 8);
        let hash = rapidhash::v3::rapidhash_v3(&bytes[8..]);
        bytes[..8].copy_from_slice(&hash.to_le_bytes());
        n_tried += 1;
        let Ok(mut harness) = restored(&config(), Snapshot { bytes, ..whole }) else { continue };
        n_taken += 1;
        for since in [3 * DAY + 600, 3 * DAY + 900, 4 * DAY, 4 * DAY + 300, 8 * DAY] {
            harness.judge(table(since));
        }
        assert!(harness.analysis().snapshot().is_some());
    }
    assert!(n_taken > n_tried / 2, "{n_taken} of {n_tried}");
    // The untouched one says what a harness says that was never restored.
    let mut again = restored(&config(), whole).unwrap();
    assert_eq!(metric(&again, "series"), 4);
    assert_eq!(again.judge(table(3 * DAY + 600)).len(), harness(&config()).judge(table(3 * DAY + 600)).len());
}
