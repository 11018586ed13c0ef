use super::*;

const ABOVE: &str = "window: 1h\nthresholds: [{metric: disk, attributes: {disk: '1', service.name: shop}, statistic: mean, above: 80}]\n";

fn time_to(told: &Points, bound: &str) -> Option<f64> {
    told.get(&["time_to_threshold", &format!("bound={bound}")]).map(|seconds| seconds / DAY as f64)
}

#[test]
fn a_known_trend_reaches_its_threshold_when_it_does_within_its_bounds() {
    for seed in 0..10 {
        let mut feed = Feed::new(ABOVE, "disk");
        // Reaches 80 after 60 days.
        let course = |since: u64| 50.0 + days(since) / 2.0 + normal(seed, since);
        let told = feed.run(0, 30 * DAY, course);
        let [early, median, late] = ["early", "median", "late"].map(|bound| time_to(&told, bound).unwrap());
        assert!(early <= 30.0 && 30.0 <= late, "{early} {late}");
        assert!((median - 30.0).abs() < 3.0, "{median}");
        assert!(late - early < 20.0, "{early} {late}");
    }
}

#[test]
fn the_peak_of_the_day_reaches_it_first() {
    let mut feed = Feed::new(ABOVE, "disk");
    let told =
        feed.run(0, 30 * DAY, |since| 50.0 + days(since) / 2.0 + 5.0 * daily(since) + 0.1 * normal(1, since));
    let median = time_to(&told, "median").unwrap();
    assert!((median - 20.5).abs() < 1.5, "{median}");
}

#[test]
fn a_fall_reaches_what_is_below() {
    let mut feed =
        Feed::new("window: 1h\nthresholds: [{metric: disk, statistic: mean, below: 20}]\n", "disk");
    let told = feed.run(0, 30 * DAY, |since| 50.0 - days(since) / 2.0 + normal(3, since));
    let median = time_to(&told, "median").unwrap();
    assert!((median - 30.0).abs() < 3.0, "{median}");
    assert!(told.get(&["time_to_threshold", "below=20", "bound=median"]).is_some());
}

#[test]
fn without_a_trend_or_with_one_away_from_it_no_time_is_told() {
    let courses: [fn(u64) -> f64; 4] = [
        |since| 70.0 + normal(1, since),
        |since| 70.0 + 5.0 * daily(since) + normal(2, since),
        |since| 70.0 - days(since) / 2.0 + normal(3, since),
        |_| 70.0,
    ];
    for (index, course) in courses.into_iter().enumerate() {
        let mut feed = Feed::new(ABOVE, "disk");
        let told = feed.run(0, 40 * DAY, course);
        assert!(told.forecast("24h", "value").is_some(), "a series with a threshold is forecast");
        assert_eq!(told.get(&["time_to_threshold", "bound=median"]), None, "course {index}");
    }
}

#[test]
fn a_random_walk_is_rarely_taken_for_a_trend() {
    let mut n_told = 0;
    for seed in 0..20 {
        let mut feed = Feed::new(ABOVE, "disk");
        let mut walk = vec![70.0];
        for hour in 1..40 * 24 {
            walk.push(walk[hour - 1] + 0.2 * normal(seed, hour as u64));
        }
        let told = feed.run(0, 40 * DAY, |since| walk[(since / HOUR) as usize]);
        n_told += usize::from(told.get(&["time_to_threshold", "bound=median"]).is_some());
    }
    assert!(n_told <= 5, "{n_told} of 20");
}

#[test]
fn what_is_reached_already_takes_no_time() {
    let mut feed = Feed::new(ABOVE, "disk");
    let told = feed.run(0, 30 * DAY, |since| 70.0 + days(since) + 0.1 * normal(1, since));
    assert_eq!([time_to(&told, "early"), time_to(&told, "median")], [Some(0.0); 2]);
}

#[test]
fn series_without_the_attributes_are_not_forecast() {
    let mut feed = Feed::of(ABOVE, vec![series(2, "disk")]);
    assert_eq!(feed.run(0, 10 * DAY, |since| 70.0 + normal(1, since)), Points::default());
    assert_eq!(feed.metric("series"), 0);
}
