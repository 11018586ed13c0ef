use component::{Checks, Config};
use expect_test::expect;
use model::Statistic;

use super::{
    super::{
        config::EmitConfig,
        exclusion::{Exclusion, parse},
        record::ENTRY_BYTES,
    },
    *,
};
use crate::testing::lines;

fn problems(config: &BaselineConfig) -> String {
    let mut checks = Checks::default();
    config.validate(&mut checks);
    let told: Vec<_> =
        checks.into_findings().into_iter().map(|it| format!("{}: {}", it.path, it.message)).collect();
    told.join("\n")
}

#[test]
fn every_problem_is_told_at_once() {
    assert_eq!(problems(&BaselineConfig::default()), "");
    let now = Timestamp::from_secs(5);
    let wrong = BaselineConfig {
        window: config::Duration::from_secs(0),
        statistics: vec!["p90".to_owned()],
        band: -1.0,
        max_series: 0,
        season_bins: 12,
        checkpoints: Some(31),
        checkpoint_interval: config::Duration::from_secs(60),
        degradation_ratio: f64::NAN,
        exclude: vec![Exclusion { from: now, to: now }],
        emit: EmitConfig { metrics: vec![], statistics: vec!["median".to_owned()] },
        ..BaselineConfig::default()
    };
    expect![[r#"
        window: window is shorter than 1s, the shortest that `aggregation` makes
        checkpoint_interval: checkpoint_interval is shorter than an hour
        exclude.0.to: to is not after from: the range is empty
        statistics.0: "p90" is no statistic, did you mean "p50"? write one of all, rate, error_ratio, p50, p95, p99, mean
        emit.statistics.0: "median" is no statistic, did you mean "mean"? write one of all, rate, error_ratio, p50, p95, p99, mean
        max_series: max_series is 0, must be between 1 and 10000000
        season_bins: season_bins is 12, must be between 24 and 48
        checkpoints: checkpoints is 31, must be between 0 and 30
        band: band is -1, must be above 0
        degradation_ratio: degradation_ratio is NaN, must be above 0"#]]
    .assert_eq(&problems(&wrong));
}

#[test]
fn times_are_read_as_rfc_3339_spells_them() {
    for (text, seconds) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2024-01-01T00:00:00Z", Some(1_704_067_200)),
        ("2024-02-29t23:59:60.25z", Some(1_709_251_200)),
        ("2024-03-01T01:30:00+01:30", Some(1_709_251_200)),
        ("2100-03-01T00:00:00-00:01", Some(4_107_542_460)),
        ("2023-02-29T00:00:00Z", None),
        ("2024-13-01T00:00:00Z", None),
        ("2024-01-01T24:00:00Z", None),
        ("2024-01-01 00:00:00Z", None),
        ("2024-01-01T00:00:00", None),
        ("2024-01-01T00:00:00.Z", None),
        ("2024-01-01T00:00:00+1:00", None),
        ("1969-12-31T23:59:59Z", None),
        ("+024-01-01T00:00:00Z", None),
        ("2024-01-01T00:00:00\u{e9}", None),
        ("", None),
    ] {
        assert_eq!(parse(text), seconds.map(Timestamp::from_secs), "{text}");
    }
}

#[test]
fn statistics_that_are_not_learned_pass_unscored() {
    let config = BaselineConfig { statistics: vec!["rate".to_owned()], ..BaselineConfig::default() };
    let mut feed = Feed::with(&config, Statistic::Mean);
    assert!(feed.run(0, 2 * HOUR, |_| 1.0).iter().all(|it| it.expected.is_nan()));
    assert_eq!(feed.metric("series"), 0);
}

#[test]
fn patterns_choose_metrics_and_names_choose_statistics() {
    let config = |metrics: &[&str], statistics: &[&str]| {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let emit = EmitConfig { metrics: owned(metrics), statistics: owned(statistics) };
        BaselineConfig { emit, ..BaselineConfig::default() }
    };
    let chosen = |metrics: &[&str], name: &str| config(metrics, &[]).emits(name, Statistic::Mean);
    assert!(!chosen(&[], "a") && chosen(&["*"], "a") && chosen(&["a"], "a") && !chosen(&["a"], "ab"));
    assert!(chosen(&["span.*"], "span.duration") && !chosen(&["span.*"], "xspan.duration"));
    assert!(chosen(&["*.cpu.*.used"], "host.cpu.0.used") && !chosen(&["*.cpu.*.used"], "host.cpu.used"));
    assert!(chosen(&["a*b*b"], "abxb") && !chosen(&["a*b*b"], "ab"));
    assert!(config(&["*"], &["p95"]).emits("a", Statistic::P95));
    assert!(!config(&["*"], &["p95"]).emits("a", Statistic::P50));
}

#[test]
fn bands_of_chosen_series_become_metrics() {
    let emit = EmitConfig { metrics: vec!["span.*".to_owned()], statistics: vec![] };
    let config = BaselineConfig { emit, ..BaselineConfig::default() };
    let mut feed = Feed::with(&config, Statistic::Mean);
    feed.run(0, 2 * HOUR, |since| if since / 60 % 2 == 0 { 99.0 } else { 101.0 });
    let mut rollups = window(2 * HOUR, MINUTE);
    let mut shown = (*feed.series).clone();
    shown.resource = Arc::from(&b"\x0a\x16\x0a\x0cservice.name\x12\x06\x0a\x04shop"[..]);
    shown.attributes = Arc::from(&b"\x0a\x0e\x0a\x04span\x12\x06\x0a\x04cart"[..]);
    rollups.push(Arc::new(shown), 0, 100.0, 60);
    let out = feed.harness.judge(rollups);
    let told = lines(&out);
    for (name, unit) in
        [("baseline", "ms"), ("lower", "ms"), ("upper", "ms"), ("maturity", "1"), ("samples", "{window}")]
    {
        assert!(told.contains(&format!("span.duration.{name} unit=\"{unit}\" gauge")), "{told}");
    }
    assert!(told.starts_with("resource {service.name=shop} scope baseline\n"), "{told}");
    assert!(told.contains("{span=cart,stat=mean}") && told.contains("= 0.25\n"), "{told}");
    assert!(told.contains("= 121.0\n"), "{told}");
    assert!(!told.contains(".degraded"), "of a mean nobody knows what is worse: {told}");
    assert!(told.contains("span.duration.level_shifts unit=\"{shift}\" sum temporality=2 monotonic=true"));
}

#[test]
fn a_chosen_series_tells_whether_it_is_degraded() {
    let emit = EmitConfig { metrics: vec!["*".to_owned()], statistics: vec![] };
    let mut feed = Feed::with(&BaselineConfig { emit, ..BaselineConfig::default() }, Statistic::P95);
    let latency =
        |since: u64| 100.0 * (0.02 * noise(8, since)).exp() * if since > 2 * DAY { 1.5 } else { 1.0 };
    let told_at = |since: u64| {
        let mut rollups = window(since, MINUTE);
        rollups.push(Arc::clone(&feed.series), 0, latency(since), 1000);
        let out = feed.harness.judge(rollups);
        let told = lines(&out);
        let (_, degraded) = told.split_once(".degraded unit=\"1\" gauge\n")?;
        Some(degraded.lines().next()?.ends_with("= 1.0"))
    };
    let told: Vec<_> = (0..2 * DAY + 2 * HOUR).step_by(MINUTE as usize).map(told_at).collect();
    assert_eq!((told[(2 * DAY / MINUTE) as usize - 1], told.last()), (Some(false), Some(&Some(true))));
}

#[test]
fn checkpoints_are_kept_without_asking_of_as_many_series_as_fit_in_70_megabytes() {
    let kept = |max_series: u64, checkpoints: Option<u64>| {
        BaselineConfig { max_series, checkpoints, ..BaselineConfig::default() }.n_checkpoints()
    };
    assert_eq!(
        [kept(100_000, None), kept(100_001, None), kept(1_000_000, Some(1)), kept(1, Some(0))],
        [2, 0, 1, 0]
    );
    assert!(kept(100_000, None) * 100_000 * ENTRY_BYTES as u64 <= 70_000_000);
}
