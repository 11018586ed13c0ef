use model::{Maturity, Statistic};

use super::*;

fn shop(since: u64) -> f64 {
    let weekly = if is_weekend(since) { 60.0 } else { 100.0 };
    weekly + 50.0 * daily(since) + noise(1, since)
}

#[test]
fn a_day_and_a_week_are_learned_and_told_apart() {
    let mut feed = Feed::new(Statistic::Mean);
    let first = feed.run(0, 2 * DAY, shop);
    assert!(first[..60].iter().all(|it| it.maturity == Maturity::Insufficient && it.expected.is_nan()));
    assert!(first[60..DAY as usize / 60].iter().all(|it| it.maturity == Maturity::Gross));
    assert_eq!(first[DAY as usize / 60 + 1].maturity, Maturity::Level);
    let told = feed.run(2 * DAY, 5 * DAY, shop);
    assert_eq!(told.last().unwrap().maturity, Maturity::Daily);
    // Noon is 50 above midnight, which the daily profile alone tells.
    let seasonal_at = |hour: u64| told[((2 * DAY + hour * HOUR) / MINUTE) as usize].seasonal;
    let swing = seasonal_at(12) - seasonal_at(0);
    assert!((swing - 50.0).abs() < 4.0, "{swing}");
    let told = feed.run(5 * DAY, 28 * DAY, shop);
    assert!(told[(17 * DAY / MINUTE) as usize..].iter().all(|it| it.maturity == Maturity::Weekly));
    // Of the step of 40 between Tuesday and Saturday, in the fourth week.
    let seasonal_on = |day: u64| told[((21 + day - 5) * DAY / MINUTE + 720) as usize].seasonal;
    let step = seasonal_on(1) - seasonal_on(5);
    assert!((20.0..45.0).contains(&step), "{step}");
    assert!(mean_error(&told) < 1.0, "{}", mean_error(&told));
}

#[test]
fn a_known_day_needs_no_time_to_follow_the_morning() {
    let steep = |since: u64| {
        let working = (8 * HOUR..18 * HOUR).contains(&(since % DAY));
        let level = if working { 200.0 } else { 20.0 };
        level + noise(2, since)
    };
    let mut feed = Feed::new(Statistic::Mean);
    let young = feed.run(0, DAY + 9 * HOUR, steep);
    let old = feed.run(DAY + 9 * HOUR, 10 * DAY, steep);
    let morning = |told: &[Told], day: u64| -> f64 {
        let of_day = told
            .iter()
            .filter(|it| it.since / DAY == day && (8 * HOUR..9 * HOUR).contains(&(it.since % DAY)));
        of_day.map(|it| (it.value - it.expected).abs()).sum()
    };
    assert!(morning(&old, 9) < 0.7 * morning(&young, 1), "{} {}", morning(&old, 9), morning(&young, 1));
}

#[test]
fn a_calm_series_is_within_its_band() {
    let mut feed = Feed::new(Statistic::Mean);
    feed.run(0, 3 * DAY, |since| 100.0 + 20.0 * daily(since) + noise(3, since));
    let told = feed.run(3 * DAY, 6 * DAY, |since| 100.0 + 20.0 * daily(since) + noise(3, since));
    assert!(share_beyond(&told, 4.0) < 0.001, "{}", share_beyond(&told, 4.0));
    let outside = told.iter().filter(|it| it.value < it.lower || it.upper < it.value).count();
    assert!(outside < told.len() / 100, "{outside}");
}
