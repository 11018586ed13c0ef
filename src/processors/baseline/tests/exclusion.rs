//! Ranges of time that are left out, known from the start or afterwards.

use model::Statistic;

use super::{
    super::exclusion::{Exclusion, parse},
    snapshots::{config, feed, harness, restored, snapshot_of, table},
    *,
};

fn excluding(from: &str, to: &str) -> BaselineConfig {
    let exclusion = Exclusion { from: parse(from).unwrap(), to: parse(to).unwrap() };
    BaselineConfig { exclude: vec![exclusion], ..config() }
}

#[test]
fn an_excluded_window_is_neither_learned_nor_scored() {
    let excluding = excluding("2024-01-04T00:00:00Z", "2024-01-05T00:00:00Z");
    let mut feed = Feed::with(&excluding, Statistic::Mean);
    let calm = |since: u64| 100.0 + noise(20, since);
    let before = *feed.run(0, 3 * DAY, calm).last().unwrap();
    let told = feed.run(3 * DAY, 4 * DAY, |since| 10.0 * calm(since));
    assert!(told.iter().all(|it| it.observed.is_nan() && (it.expected - 100.0).abs() < 3.0));
    let after = feed.give(4 * DAY, calm(4 * DAY));
    assert!((after.expected - before.expected).abs() < 2.0 && after.z().abs() < 6.0);
}

#[test]
fn what_was_learned_from_a_range_that_is_excluded_afterwards_is_unlearned() {
    let mut first = harness(&config());
    feed(&mut first, 0, 2 * DAY);
    // The load test of the third day.
    for since in (2 * DAY..2 * DAY + 12 * HOUR).step_by(300) {
        let mut rollups = table(since);
        rollups.values[2] *= 10.0;
        first.judge(rollups);
    }
    let snapshot = snapshot_of(&mut first);
    let excluding = excluding("2024-01-03T06:00:00Z", "2024-01-03T12:00:00Z");
    let mut second = restored(&excluding, snapshot.clone()).unwrap();
    assert_eq!((metric(&second, "rewinds"), metric(&second, "lost_windows")), (1, 144));
    let told = second.judge(table(2 * DAY + 12 * HOUR));
    let expected = columns(tables(&told)[0]).expected[2];
    assert!((expected - 130.0).abs() < 40.0, "{expected}");
    // It stays so: the next restart knows that the range was left out.
    let mut third = restored(&excluding, snapshot_of(&mut second)).unwrap();
    assert_eq!(metric(&third, "rewinds"), 0);
    // A range that began before every checkpoint leaves nothing.
    let all = self::excluding("2024-01-01T00:00:00Z", "2024-01-03T12:00:00Z");
    let mut empty = restored(&all, snapshot.clone()).unwrap();
    assert_eq!((metric(&empty, "rewinds"), metric(&empty, "series")), (1, 0));
    // A range of the future changes nothing.
    let future = self::excluding("2025-01-01T00:00:00Z", "2025-01-03T12:00:00Z");
    let mut same = restored(&future, snapshot).unwrap();
    assert_eq!(feed(&mut same, 3 * DAY, 3 * DAY + 600), feed(&mut first, 3 * DAY, 3 * DAY + 600));
    assert!(
        !feed(&mut third, 3 * DAY, 3 * DAY + 600).is_empty() && !feed(&mut empty, DAY, DAY + 600).is_empty()
    );
}

#[test]
fn windows_that_touch_an_excluded_range_say_so_and_others_do_not() {
    let mut harness = harness(&excluding("2024-01-01T00:07:00Z", "2024-01-01T00:15:00Z"));
    let told = |since: u64| columns(tables(&harness.judge(table(since)))[0]).is_excluded;
    assert_eq!([0, 300, 600, 900].map(told), [false, true, true, false]);
}

#[test]
fn silence_in_an_excluded_range_is_not_told_and_silence_after_it_is() {
    let config = BaselineConfig { window: config::Duration::from_secs(60), ..excluding(NOON, TWO) };
    let mut feed = Feed::with(&config, Statistic::Rate);
    feed.run(0, 2 * DAY + 12 * HOUR - 5 * MINUTE, |_| 100.0);
    let silent = |since: u64, feed: &mut Feed| {
        let out = feed.harness.judge(window(since, MINUTE));
        tables(&out).iter().map(|table| table.len()).sum::<usize>()
    };
    let of = |from: u64, to: u64, feed: &mut Feed| -> usize {
        (from..to).step_by(60).map(|since| silent(since, feed)).sum()
    };
    let noon = 2 * DAY + 12 * HOUR;
    // Of the first silent window, the one that begins next tells.
    assert_eq!(of(noon - 5 * MINUTE, noon + MINUTE, &mut feed), 5);
    assert_eq!(of(noon + MINUTE, noon + 2 * HOUR + MINUTE, &mut feed), 0);
    assert_eq!(of(noon + 2 * HOUR + MINUTE, noon + 2 * HOUR + 11 * MINUTE, &mut feed), 10);
    assert_eq!(feed.metric("absent_rows"), 15);
}

const NOON: &str = "2024-01-03T12:00:00Z";
const TWO: &str = "2024-01-03T14:00:00Z";

#[test]
fn time_that_an_exclusion_made_forgotten_is_no_gap_that_widens_bands() {
    let mut first = harness(&config());
    let end = 3 * DAY + 12 * HOUR;
    feed(&mut first, 0, end);
    let excluding = excluding("2024-01-03T06:00:00Z", "2024-01-03T12:00:00Z");
    let mut second = restored(&excluding, snapshot_of(&mut first)).unwrap();
    assert_eq!((metric(&second, "rewinds"), metric(&second, "lost_windows")), (1, 36 * 12));
    let told = |harness: &mut Harness, since: u64| {
        let out = harness.judge(table(since));
        let columns = columns(tables(&out)[0]).clone();
        [0, 2].map(|row| (columns.observed[row], columns.scale[row]))
    };
    // The fast level is of a day and a half ago: the first values set it and are not judged by it.
    assert!(told(&mut second, end).iter().all(|(observed, _)| observed.is_nan()));
    told(&mut first, end);
    let (plain, rewound) = (told(&mut first, end + 300), told(&mut second, end + 300));
    for ((_, scale), (observed, after)) in plain.into_iter().zip(rewound) {
        assert!(observed.is_finite() && after < 1.4 * scale, "{after} where it was {scale}");
    }
}

#[test]
fn telemetry_of_the_forgotten_time_that_comes_again_is_learned_as_if_for_the_first_time() {
    let mut first = harness(&config());
    feed(&mut first, 0, 3 * DAY);
    let mut plain = restored(&config(), snapshot_of(&mut first)).unwrap();
    feed(&mut first, 3 * DAY, 4 * DAY - 300);
    // The newest checkpoint before the range is of the end of the third day.
    let excluding = excluding("2024-01-04T06:00:00Z", "2024-01-04T06:05:00Z");
    let mut again = restored(&excluding, snapshot_of(&mut first)).unwrap();
    let told = |harness: &mut Harness, since: u64| {
        let out = harness.judge(table(since));
        let columns = columns(tables(&out)[0]);
        format!("{:?}", (&columns.observed, &columns.expected, &columns.scale))
    };
    for since in (3 * DAY..3 * DAY + 6 * HOUR).step_by(300) {
        assert_eq!(told(&mut again, since), told(&mut plain, since), "{since}");
    }
}
