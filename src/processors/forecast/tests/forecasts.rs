use super::*;
use crate::forecast::{
    candidates::Errors,
    days::Days,
    history::History,
    hours::DayRing,
    learning::{Learning, MONTH_AHEAD},
    month::Month,
    processor::{Choice, Tracked},
    state::{Sample, SeriesState},
    trend::damped,
};

const EVERYTHING: &str = "window: 1h\nemit: {metrics: ['*']}\n";

/// By hour; noise of deviation 1 that remembers 0.7 of the hour before.
fn autoregressive(seed: u64, n_hours: usize, fresh: impl Fn(u64, u64) -> f64) -> Vec<f64> {
    let mut last = 0.0;
    let next = |at| {
        last = 0.7 * last + 0.714 * fresh(seed, at);
        last
    };
    (0..n_hours as u64).map(next).collect()
}

/// Student's t with three degrees of freedom: heavy tails.
fn heavy(seed: u64, at: u64) -> f64 {
    let squares: f64 = (0..3).map(|part| normal(seed + 100 + part, at).powi(2)).sum();
    normal(seed, at) / (squares / 3.0).sqrt()
}

/// Gives a series and returns the shares of hours that lay within the intervals told an hour and a day before, over
/// all but the first ten days, and the mean errors as shares of those of the seasonal naive forecast.
fn judged(values: &[f64]) -> ([f64; 2], [f64; 2], Points) {
    let mut feed = Feed::new(EVERYTHING, "load");
    let first = 240;
    let (mut n_covered, mut n_judged) = ([0.0; 2], [0.0; 2]);
    let (mut errors, mut naive) = ([0.0; 2], 0.0);
    let mut last = Points::default();
    for (hour, &value) in values.iter().enumerate() {
        last = Points::of(&feed.give(hour as u64 * HOUR, &[value]));
        for (at, (horizon, ahead)) in [("1h", 1), ("24h", 24)].into_iter().enumerate() {
            let Some(came) = values.get(hour + ahead).filter(|_| hour >= first) else { continue };
            let [foretold, lower, upper] =
                ["value", "lower", "upper"].map(|bound| last.forecast(horizon, bound).unwrap());
            assert!(lower <= foretold && foretold <= upper);
            n_judged[at] += 1.0;
            n_covered[at] += f64::from(u8::from((lower..=upper).contains(came)));
            errors[at] += (came - foretold).abs() / (values.len() - first - ahead) as f64;
            if ahead == 24 {
                naive += (came - value).abs() / (values.len() - first - ahead) as f64;
            }
        }
    }
    let shares = [0, 1].map(|at| n_covered[at] / n_judged[at]);
    (shares, errors.map(|error| error / naive), last)
}

#[test]
fn intervals_cover_what_they_promise_whatever_the_noise_and_tell_so() {
    let n_hours = 120 * 24;
    let quiet = |_: u64, _: u64| 0.0;
    let season = |hour: usize| 100.0 + 20.0 * daily(hour as u64 * HOUR);
    let cases: [(&str, Vec<f64>); 4] = [
        (
            "season",
            autoregressive(1, n_hours, normal).iter().enumerate().map(|(h, e)| season(h) + 4.0 * e).collect(),
        ),
        (
            "trend",
            autoregressive(2, n_hours, normal)
                .iter()
                .enumerate()
                .map(|(h, e)| season(h) + h as f64 / 24.0 + 4.0 * e)
                .collect(),
        ),
        (
            "heavy",
            autoregressive(3, n_hours, heavy).iter().enumerate().map(|(h, e)| season(h) + 2.0 * e).collect(),
        ),
        (
            "white",
            autoregressive(4, n_hours, quiet)
                .iter()
                .enumerate()
                .map(|(h, _)| 50.0 + normal(9, h as u64))
                .collect(),
        ),
    ];
    for (name, values) in cases {
        let (shares, _, last) = judged(&values);
        for (at, horizon) in ["1h", "24h"].iter().enumerate() {
            assert!((0.93..=0.97).contains(&shares[at]), "{name} {horizon}: {}", shares[at]);
            let told = last.get(&["coverage_ratio", &format!("horizon={horizon}")]).unwrap();
            assert!((told - shares[at]).abs() < 0.02, "{name} {horizon}: told {told}, is {}", shares[at]);
        }
    }
}

#[test]
fn an_hour_ahead_is_far_better_than_yesterday_and_a_day_ahead_is_not_worse() {
    let noise = autoregressive(5, 60 * 24, normal);
    let values: Vec<f64> = noise
        .iter()
        .enumerate()
        .map(|(hour, e)| 100.0 + 20.0 * daily(hour as u64 * HOUR) + 4.0 * e)
        .collect();
    let (_, [hour, day], _) = judged(&values);
    assert!(hour < 0.85, "{hour}");
    assert!(day < 1.0, "{day}");
}

#[test]
fn a_course_that_repeats_exactly_is_foretold_exactly() {
    let mut feed = Feed::new(EVERYTHING, "load");
    let course = |since| 1e9 + 100.0 * daily(since);
    let told = feed.run(0, 5 * DAY, course);
    for horizon in ["1h", "24h"] {
        let ahead = if horizon == "1h" { 5 * DAY } else { 6 * DAY - HOUR };
        assert!((told.forecast(horizon, "value").unwrap() - course(ahead)).abs() < 0.1);
        let width = told.forecast(horizon, "upper").unwrap() - told.forecast(horizon, "lower").unwrap();
        assert!(width < 1.0, "{horizon}: {width}");
    }
    assert!(told.get(&["trend.seasonality"]).unwrap() > 0.95);
}

#[test]
fn windows_of_a_minute_make_the_same_hours() {
    let mut fine = Feed::new("window: 1m\nemit: {metrics: ['*']}\n", "load");
    let mut coarse = Feed::new(EVERYTHING, "load");
    let course = |since: u64| 100.0 + 20.0 * daily(since / HOUR * HOUR) + normal(3, since / HOUR);
    // Its turn comes within four minutes.
    let told = fine.run(0, 3 * DAY + 240, course);
    let expected = coarse.run(0, 3 * DAY, course);
    assert_eq!(told.0.len(), expected.0.len());
    for (key, value) in &told.0 {
        assert!((value - expected.0[key]).abs() < 0.02 * value.abs().max(1.0), "{key}: {value}");
    }
}

#[test]
fn an_outlier_far_outside_of_its_band_is_learned_as_far_as_twice_the_band() {
    let learned = |with_band: bool| {
        let mut feed = Feed::new(EVERYTHING, "load");
        feed.run(0, 2 * DAY, |_| 100.0);
        let mut rollups = window(2 * DAY, HOUR, &[(Arc::clone(&feed.series[0]), 1e6)]);
        if with_band {
            let baseline = rollups.baseline.as_mut().unwrap();
            (baseline.expected[0], baseline.lower[0], baseline.upper[0]) = (100.0, 95.0, 105.0);
        }
        Points::of(&feed.harness.judge(rollups)).forecast("24h", "value").unwrap()
    };
    assert!((100.0..=110.1).contains(&learned(true)), "{}", learned(true));
    assert!(learned(false) > 1e5);
}

#[test]
fn thirty_days_ahead_a_trend_goes_on_damped_and_noise_stays_where_it_is() {
    let mut feed = Feed::new(EVERYTHING, "load");
    let told = feed.run(0, 60 * DAY, |since| 100.0 + days(since) + 0.5 * normal(1, since));
    let expected = 160.0 + damped(30.0);
    assert!(
        (told.forecast("30d", "value").unwrap() - expected).abs() < 2.0,
        "{:?}",
        told.forecast("30d", "value")
    );
    assert_eq!(told.get(&["trend.direction"]), Some(1.0));
    assert!((told.get(&["trend.slope"]).unwrap() - 1.0).abs() < 0.05);
    assert!(told.get(&["trend.r2"]).unwrap() > 0.95 && told.get(&["trend.strength"]).unwrap() > 0.9);

    let mut feed = Feed::new(EVERYTHING, "load");
    let told = feed.run(0, 60 * DAY, |since| 100.0 + normal(2, since));
    assert!((told.forecast("30d", "value").unwrap() - 100.0).abs() < 0.5);
    assert_eq!(told.get(&["trend.direction"]), Some(0.0));
    let volatility = told.get(&["trend.volatility"]).unwrap();
    assert!((0.008..0.015).contains(&volatility), "{volatility}");
    assert!(told.get(&["trend.seasonality"]).unwrap() < 0.2);
}

#[test]
fn what_a_statistic_can_not_be_is_not_foretold() {
    let mut ratio = (*series(1, "load")).clone();
    ratio.statistic = Statistic::ErrorRatio;
    let mut feed = Feed::of(EVERYTHING, vec![Arc::new(ratio)]);
    let told = feed.run(0, 20 * DAY, |since| if uniform(1, since) < 0.9 { 0.0 } else { 1.0 });
    for horizon in ["1h", "24h", "30d"] {
        assert_eq!(told.forecast(horizon, "lower"), Some(0.0));
        assert!(told.forecast(horizon, "upper").unwrap() <= 1.0);
    }
}

#[test]
fn only_the_chosen_horizons_are_told() {
    let mut feed =
        Feed::new("window: 1h\nhorizons: [24h]\nemit: {metrics: [lo*], statistics: [mean]}\n", "load");
    let told = feed.run(0, 10 * DAY, |since| 100.0 + normal(2, since));
    assert!(told.forecast("24h", "value").is_some());
    assert_eq!((told.forecast("1h", "value"), told.forecast("30d", "value")), (None, None));
}

#[test]
fn the_better_way_is_preferred() {
    let mut errors = Errors::<3>::default();
    assert_eq!(errors.mix(&[None, Some(5.0), Some(7.0)]), Some(5.0));
    for n in 1..50 {
        errors.learn(&[Some(10.0), Some(12.0), None], 11.8, n);
    }
    let mixed = errors.mix(&[Some(10.0), Some(12.0), Some(1e9)]).unwrap();
    assert!((11.99..=12.0).contains(&mixed), "{mixed}");
}

#[test]
fn halves_tell_small_courses_of_great_levels() {
    let mut ring = DayRing::new(0.0);
    for day in 0..3 {
        for hour in 0..24 {
            ring.set(hour, 1e12 + f64::from(day * 100 + hour));
        }
        ring.centre();
    }
    for hour in 0..24 {
        assert!((ring.value(hour).unwrap() - 1e12 - f64::from(200 + hour)).abs() < 0.1);
    }
    ring.set(3, -1e25);
    assert!((ring.value(3).unwrap() + 1e25).abs() < 1e22);
}

#[test]
fn a_series_costs_what_the_page_says() {
    assert_eq!(size_of::<Option<SeriesState>>(), 144);
    assert_eq!(size_of::<Option<(u64, Tracked)>>(), 16);
    // mimalloc asks for so many bytes more, and would take the next class.
    let asked = |size: usize, alignment: usize| size + alignment - 1;
    assert_eq!(size_of::<Month>(), 64);
    assert!(asked(size_of::<Days>(), align_of::<Days>()) <= 160);
    assert!(size_of::<History>() <= 1152);
}

#[test]
fn what_is_known_of_a_slot_is_told_by_its_number() {
    for choice in [Choice::Unknown, Choice::Passed, Choice::Wanted, Choice::Kept(0), Choice::Kept(9_999_999)]
    {
        assert_eq!(Tracked::of(choice).choice(), choice);
    }
}

#[test]
fn differences_that_are_awaited_are_told_to_an_eighth_and_none_is_none() {
    let mut ring = DayRing::new(1e9);
    ring.set(0, 1e9);
    ring.set(1, 1e9 + 240.0);
    ring.centre();
    for hour in 0..24_u32 {
        ring.set(hour, 1e9 + 10.0 * f64::from(hour));
        let foretold = 1e9 + 11.0 * f64::from(hour) - 6.0;
        ring.await_value(hour, (hour != 8).then_some(foretold));
    }
    assert_eq!((ring.awaited(8), ring.awaited(3)), (None, None));
    ring.centre();
    for hour in (0..24_u32).step_by(2).filter(|hour| *hour != 8) {
        let difference = ring.awaited(hour).unwrap() - ring.value(hour).unwrap();
        let expected = f64::from(hour) - 6.0;
        assert!((difference - expected).abs() <= expected.abs() / 8.0 + 0.2, "{hour}: {difference}");
    }
}

/// Lets series live by the hour and returns which share of days lay within what was foretold thirty days before.
fn month_coverage(is_capacity: bool, n_series: u64, n_days: u64, value: impl Fn(u64, u64) -> f64) -> f64 {
    let mut learning = Learning { confidence: 0.95, is_month_told: true, ..Learning::default() };
    for seed in 0..n_series {
        let sample = |hour: u64| {
            let value = value(seed, hour);
            let start = BEGIN.as_nanos() / 1_000_000_000 + hour * HOUR;
            Sample { value, kept: value, start: start as u32, end: (start + HOUR) as u32 }
        };
        let mut state = SeriesState::new(&sample(0), learning.confidence);
        if is_capacity {
            state.days_mut(learning.confidence).history =
                Some(Box::new(History::new(100.0, learning.confidence)));
        }
        for hour in 0..n_days * 24 {
            state.take(&sample(hour), &mut learning).expect("hours come in order");
        }
    }
    let [within, outside] = [learning.tally.within, learning.tally.outside].map(|it| it[MONTH_AHEAD] as f64);
    let n_days_judged = if is_capacity { n_days - 80 } else { (n_days - 90) / 2 };
    assert!(within + outside > (n_series * n_days_judged) as f64 * 0.9, "{within} {outside}");
    within / (within + outside)
}

#[test]
fn thirty_days_ahead_intervals_cover_what_they_promise_whatever_the_noise() {
    /// Noise of days that remembers some of the day before, from independent numbers of the last two weeks.
    fn slow(seed: u64, day: u64) -> f64 {
        (0..14.min(day)).map(|ago| 0.7_f64.powi(ago as i32) * normal(seed, day - ago)).sum()
    }
    let season = |hour: u64| 100.0 + 20.0 * daily(hour * HOUR);
    let quiet = |seed, hour| season(hour) + normal(seed, hour) + 2.0 * normal(seed + 1000, hour / 24);
    let lasting = |seed, hour| season(hour) + normal(seed, hour) + 3.0 * slow(seed + 1000, hour / 24);
    let rising = |seed, hour| quiet(seed, hour) + 0.2 * hour as f64 / 24.0;
    let rough = |seed, hour| season(hour) + 2.0 * heavy(seed + 1000, hour / 24);
    for (name, coverage) in [
        ("quiet", month_coverage(false, 8, 900, quiet)),
        ("lasting", month_coverage(false, 8, 900, lasting)),
        ("rising", month_coverage(false, 8, 900, rising)),
        ("rough", month_coverage(false, 8, 900, rough)),
        ("quiet capacity", month_coverage(true, 2, 900, quiet)),
        ("rising capacity", month_coverage(true, 2, 900, rising)),
    ] {
        assert!((0.93..=0.97).contains(&coverage), "{name}: {coverage}");
    }
}

#[test]
fn another_confidence_is_covered_as_well_and_counted_by_horizon() {
    let noise = autoregressive(6, 60 * 24, normal);
    let course = |since: u64| 100.0 + 20.0 * daily(since) + 4.0 * noise[(since / HOUR) as usize];
    let mut feed = Feed::new("window: 1h\nconfidence: 0.8\nemit: {metrics: ['*']}\n", "load");
    let told = feed.run(0, 60 * DAY, course);
    for horizon in ["1h", "24h"] {
        let coverage = told.get(&["coverage_ratio", &format!("horizon={horizon}")]).unwrap();
        assert!((0.77..=0.83).contains(&coverage), "{horizon}: {coverage}");
        let counted = |result: &str| -> f64 {
            let rows = feed.harness.telemetry.read();
            let labels =
                [("horizon", horizon), ("result", result)].map(|(a, b)| (a.to_owned(), b.to_owned()));
            let is_it = |name: &str| name == "otelcol_processor_forecast_judged_values";
            let mut fitting = rows.iter().filter(|row| is_it(&row.name) && row.labels == labels);
            fitting.next().map(|row| row.value as f64).expect("the counter is there")
        };
        assert_eq!(counted("within") / (counted("within") + counted("outside")), coverage);
    }
}
