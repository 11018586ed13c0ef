//! A year by the minute, and weeks by ten seconds, through `baseline`, `anomaly` and `forecast`: false alarms stay within
//! their budget, and faults are found within three windows, by the truth of what made the series.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Result;
use component::{Config, ProcessorDef, testing::Harness};
use model::{AnomalyColumns, BaselineColumns, Payload, Rollups, Series, Statistic, Timestamp};
use processors::{anomaly::Anomaly, baseline::Baseline, forecast::Forecast};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stats::{Increase, Reading, increase};
use testbed::series::{self, Fault, FaultKind, HappeningKind, Metric, SCALES, Year};
use wire::{
    build::{encode_value, key_value},
    view::AnyValue,
};

const MINUTE_SECONDS: u32 = 60;
const DAY_SECONDS: i64 = 86_400;
/// What `false_alarms_per_series_day` is by default.
const BUDGET: f64 = 0.1;
/// A fault is found by an episode that begins within so many windows, counted from where it shows.
const WITHIN_WINDOWS: i64 = 3;
/// An episode that begins so long after the end of a fault still is about it: the way back is a step too.
const AFTERMATH_SECONDS: i64 = 3600;

/// Stages with series of both kinds, each of a service of its own: what is found cannot hide behind company.
struct Rig {
    stages: Stages,
    subjects: Vec<Subject>,
    /// From one window to the next.
    step_seconds: u32,
    span: (i64, i64),
}

pub(crate) struct Stages(Vec<Harness>);

struct Subject {
    series: Arc<Series>,
    truth: series::Series,
    /// The next point.
    at: usize,
    /// Beginnings of episodes by their numbers. *Units*: seconds since the epoch.
    episodes: BTreeMap<u64, i64>,
    /// Whether its last hour was worse than its baseline, and since when it was each time, in the same units.
    is_degraded: bool,
    degradations: Vec<i64>,
}

/// The metrics that are watched: requests and latencies of spans, a gauge, and a counter, which begins again at
/// each restart.
const METRICS: [(Metric, &str, Statistic); 4] = [
    (Metric::Rate, "span.duration", Statistic::Rate),
    (Metric::Latency, "span.duration", Statistic::P95),
    (Metric::Latency, "queue.wait", Statistic::Mean),
    (Metric::Counter, "requests", Statistic::Rate),
];

/// A year of the minute with so many quiet days.
fn year(seed: u64, n_quiet_days: u32) -> Year {
    Year { n_quiet_days, ..Year::new(Metric::Rate, seed) }
}

impl Rig {
    /// Prepares to judge every metric of a year, or of a part of it.
    fn new(of: Year) -> Result<Self> {
        let (begin, end) = of.span();
        let subject = |(metric, name, statistic): (Metric, &str, Statistic)| {
            let mut truth = Year { metric, ..of }.generate()?;
            if metric == Metric::Counter {
                rates(&mut truth, of);
            }
            let series = Arc::new(series_of(metric, name, statistic));
            let (episodes, degradations) = (BTreeMap::new(), Vec::new());
            Ok(Subject { series, truth, at: 0, episodes, is_degraded: false, degradations })
        };
        Ok(Self {
            stages: Stages::of_width(time(begin), Duration::from_secs(of.step_seconds.into())),
            subjects: METRICS.into_iter().map(subject).collect::<Result<_>>()?,
            step_seconds: of.step_seconds,
            span: (begin, end),
        })
    }

    fn windows(&self) -> impl Iterator<Item = i64> + use<> {
        (self.span.0..self.span.1).step_by(self.step_seconds as usize)
    }

    /// Judges all of it, window by window.
    fn run(mut self) -> Vec<Subject> {
        for now in self.windows() {
            if let Some(table) = self.window(now) {
                let told = self.stages.judge(table);
                self.note(&told);
            }
        }
        self.subjects
    }

    /// Returns the window that begins at a time; where recording stopped there is none at all.
    fn window(&mut self, now: i64) -> Option<Rollups> {
        let width = Duration::from_secs(self.step_seconds.into());
        let mut table = Rollups { start: time(now), width, ..Rollups::default() };
        for (subject, slot) in self.subjects.iter_mut().zip(0..) {
            if subject.truth.seconds.get(subject.at) == Some(&now) {
                table.push(Arc::clone(&subject.series), slot, subject.truth.values[subject.at], 1_000);
                subject.at += 1;
            }
        }
        (!table.is_empty()).then_some(table)
    }

    fn note(&mut self, told: &[Payload]) {
        for payload in told {
            let Payload::Rollups(table) = payload else { continue };
            let start = (table.start.as_nanos() / 1_000_000_000).cast_signed();
            let columns = table.anomaly.as_ref().expect("the columns were added");
            for row in (0..table.len()).filter(|row| columns.is_anomalous[*row]) {
                let subject = &mut self.subjects[table.slots[row] as usize];
                subject.episodes.entry(columns.episode[row]).or_insert(start);
            }
            let usual = table.baseline.as_ref().expect("the columns were added");
            for (slot, is_degraded) in table.slots.iter().zip(&usual.is_degraded) {
                let subject = &mut self.subjects[*slot as usize];
                if *is_degraded && !subject.is_degraded {
                    subject.degradations.push(start);
                }
                subject.is_degraded = *is_degraded;
            }
        }
    }
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_secs(seconds.unsigned_abs())
}

impl Stages {
    /// `baseline` and `anomaly` with windows of a minute, as they are by default.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self::of_width(now, Duration::from_secs(MINUTE_SECONDS.into()))
    }

    fn of_width(now: Timestamp, width: Duration) -> Self {
        let window = format!("{}s", width.as_secs());
        let of_window = json!({ "window": window });
        Self(vec![stage::<Baseline>(&of_window, now), stage::<Anomaly>(&of_window, now)])
    }

    /// With `forecast` of every series behind.
    fn with_forecast(mut self, now: Timestamp) -> Self {
        let of_all = json!({ "emit": { "metrics": ["*"] } });
        self.0.push(stage::<Forecast>(&of_all, now));
        self
    }

    /// Lets stages begin with nothing but what others store.
    fn restored(mut self, from: &mut Self) -> Self {
        for (old, new) in from.0.iter_mut().zip(&mut self.0) {
            let snapshot = old.analysis().snapshot().expect("the state survives a restart");
            new.analysis().restore(snapshot).expect("the snapshot is sound");
        }
        self
    }

    /// Leads a window through all stages and returns all that they tell.
    pub(crate) fn judge(&mut self, table: Rollups) -> Vec<Payload> {
        let mut told = vec![Payload::Rollups(Box::new(table))];
        for stage in &mut self.0 {
            let (tables, mut others): (Vec<_>, Vec<_>) =
                told.into_iter().partition(|payload| matches!(payload, Payload::Rollups(_)));
            for payload in tables {
                if let Payload::Rollups(table) = payload {
                    others.extend(stage.judge(*table));
                }
            }
            told = others;
        }
        told
    }
}

/// Builds a stage of settings that are all sound.
fn stage<D: ProcessorDef<Config: Config + DeserializeOwned>>(settings: &Value, now: Timestamp) -> Harness {
    let config = serde_json::from_value(settings.clone()).expect("the settings are read");
    Harness::new::<D>(&config, 1, now)
}

/// Turns the readings of a counter into increases per second, by the rule that `aggregation` has for restarts.
fn rates(truth: &mut series::Series, of: Year) {
    let starts: Vec<i64> = truth
        .happenings
        .iter()
        .filter(|happening| happening.kind == HappeningKind::Deployment)
        .map(|happening| happening.begin)
        .collect();
    let readings = truth.seconds.iter().zip(&truth.values).map(|(seconds, value)| {
        // A restart acts on the point at its very time.
        let n_before = starts.partition_point(|start| start <= seconds);
        let start_time = n_before.checked_sub(1).map_or(0, |last| nanos(starts[last]));
        (*seconds, Reading { value: *value, start_time })
    });
    let readings: Vec<_> = readings.collect();
    let (mut seconds, mut values, mut n_resets) = (Vec::new(), Vec::new(), 0);
    for pair in readings.windows(2) {
        let [(before, previous), (now, reading)] = [pair[0], pair[1]];
        if now - before > of.step_seconds.into() {
            continue;
        }
        let grown = increase(Some(previous), reading, nanos(before));
        n_resets += usize::from(matches!(grown, Increase::Reset(_)));
        if let Some(grown) = grown.value() {
            seconds.push(now);
            values.push(grown / f64::from(of.step_seconds));
        }
    }
    // Every second week brings one, unless a fault is near.
    assert!(n_resets >= of.n_days as usize / 18, "{n_resets} restarts in {} days", of.n_days);
    (truth.seconds, truth.values) = (seconds, values);
}

fn nanos(seconds: i64) -> u64 {
    seconds.unsigned_abs() * 1_000_000_000
}

fn series_of(metric: Metric, name: &str, statistic: Statistic) -> Series {
    let service = format!("{metric:?} of {name}");
    let is_span = name == "span.duration";
    let kind = [("span.kind", "SPAN_KIND_SERVER")];
    Series {
        resource: attributes(&[("service.name", &service)]),
        metric: name.into(),
        unit: "1".into(),
        attributes: if is_span { attributes(&kind) } else { Arc::default() },
        statistic,
        service: service.as_str().into(),
        fingerprint: service.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }),
    }
}

/// Attributes as a `Resource` message holds them.
pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Arc<[u8]> {
    let mut out = Vec::new();
    for (key, value) in pairs {
        let body = key_value(key.as_bytes(), &encode_value(AnyValue::Str(value.as_bytes())));
        out.push(0x0a);
        out.push(u8::try_from(body.len()).expect("attributes of tests are short"));
        out.extend(body);
    }
    out.into()
}

impl Subject {
    /// Episodes that no fault explains.
    fn false_alarms(&self) -> usize {
        let is_about =
            |fault: &Fault, begin: i64| (fault.begin..fault.end + AFTERMATH_SECONDS).contains(&begin);
        let is_false = |begin: &&i64| !self.truth.faults.iter().any(|fault| is_about(fault, **begin));
        self.episodes.values().filter(is_false).count()
    }

    /// Whether an episode began soon enough; none where the fault never shows.
    fn found(&self, fault: &Fault, step_seconds: u32) -> Option<bool> {
        let latest = fault.shows? + WITHIN_WINDOWS * i64::from(step_seconds);
        Some(self.episodes.values().any(|begin| (fault.begin..latest).contains(begin)))
    }

    /// False alarms by the budget of the default configuration.
    fn share_of_budget(&self, n_days: u32) -> f64 {
        self.false_alarms() as f64 / (BUDGET * f64::from(n_days))
    }
}

/// False alarms of all by the budget, and of each.
fn shares_of_budget(subjects: &[Subject], n_days: u32) -> (f64, Vec<f64>) {
    let each: Vec<_> = subjects.iter().map(|subject| subject.share_of_budget(n_days)).collect();
    (each.iter().sum::<f64>() / each.len() as f64, each)
}

/// Of all faults that show whether they were found in time, ramps aside: those are no departure at any one point.
fn findings(subjects: &[Subject], step_seconds: u32) -> impl Iterator<Item = (&Subject, &Fault, bool)> {
    let faults = subjects.iter().flat_map(|subject| subject.truth.faults.iter().map(move |it| (subject, it)));
    let steps = faults.filter(|(_, fault)| fault.kind != FaultKind::Ramp);
    steps.filter_map(move |(subject, fault)| Some((subject, fault, subject.found(fault, step_seconds)?)))
}

#[test]
fn in_a_healthy_year_false_alarms_are_those_of_the_budget() {
    let of = year(41, 365);
    let subjects = Rig::new(of).unwrap().run();
    assert!(subjects.iter().all(|subject| subject.truth.faults.is_empty()));
    let (share, each) = shares_of_budget(&subjects, of.n_days);
    assert!((0.8..=1.2).contains(&share), "{share} of the budget");
    // The series of a class have one level, the two of spans and the two of metrics: each class keeps the budget, and of
    // its series the nervous one speaks more often than the calm one. That the calm one is not deaf for it, the year with
    // faults says.
    for of_class in each.chunks(2) {
        let share = of_class.iter().sum::<f64>() / 2.0;
        assert!((0.7..=1.3).contains(&share), "{share} of the budget of a class: {each:?}");
    }
    assert!(each.iter().all(|share| *share <= 2.0), "{each:?}");
}

#[test]
fn in_a_year_with_faults_nine_of_ten_are_found_within_three_windows_and_the_budget_is_kept() {
    let of = year(42, 28);
    let subjects = Rig::new(of).unwrap().run();
    let (share, each) = shares_of_budget(&subjects, of.n_days);
    // Some faults are counted for false alarms, so that fewer are left.
    assert!((0.5..=1.2).contains(&share), "{share} of the budget");
    assert!(each.iter().all(|share| (0.05..=2.0).contains(share)), "{each:?}");
    let all: Vec<_> = findings(&subjects, of.step_seconds).collect();
    for scale in SCALES {
        let of_scale: Vec<_> = all.iter().filter(|(_, fault, _)| fault.scale == scale).collect();
        let missed: Vec<_> = of_scale.iter().filter(|(.., is_found)| !is_found).map(|it| it.1).collect();
        assert!(of_scale.len() >= 12 && missed.len() * 10 <= of_scale.len(), "of size {scale}: {missed:?}");
    }
    // No series is deaf, whichever of its class spends the budget.
    for subject in &subjects {
        let own: Vec<_> = all.iter().filter(|it| std::ptr::eq(it.0, subject)).collect();
        let n_missed = own.iter().filter(|(.., is_found)| !is_found).count();
        let service = &subject.series.service;
        assert!(own.len() >= 12 && n_missed * 10 <= own.len(), "{service}: {n_missed} of {}", own.len());
    }
    assert_ramps_are_told_as_degradations(&subjects);
}

/// A climb of six hours is taken for drift by a level that follows: while it lasts episodes tell two of these twenty, and
/// of most that they ended. Of a latency the last hour is compared with the level of a day, which tells all.
fn assert_ramps_are_told_as_degradations(subjects: &[Subject]) {
    let latency = subjects.iter().find(|subject| subject.series.statistic == Statistic::P95);
    let Subject { truth, degradations, .. } = latency.expect("a latency is watched");
    let ramps: Vec<_> = truth.faults.iter().filter(|fault| fault.kind == FaultKind::Ramp).collect();
    assert_eq!(ramps.len(), SCALES.len());
    for ramp in ramps {
        let found = degradations.iter().find(|since| (ramp.begin..ramp.end).contains(*since));
        assert!(found.is_some(), "{ramp:?} of {degradations:?}");
    }
}

#[test]
fn in_weeks_by_ten_seconds_the_first_levels_keep_the_budget_and_find_what_is_large_within_half_a_minute() {
    // Ten alarms are not to be expected yet, so levels are those of the beginning.
    let of = Year { n_days: 28, step_seconds: 10, scales: &[10.0, 20.0], ..year(44, 8) };
    let subjects = Rig::new(of).unwrap().run();
    let (share, each) = shares_of_budget(&subjects, of.n_days);
    assert!((0.2..=1.2).contains(&share) && each.iter().all(|share| *share <= 2.0), "{each:?}");
    let missed_of = |scale: f64| {
        let found: Vec<_> =
            findings(&subjects, of.step_seconds).filter(|(_, fault, _)| fault.scale == scale).collect();
        let missed: Vec<_> = found.iter().filter(|(.., is_found)| !is_found).map(|it| *it.1).collect();
        assert!(found.len() >= 12, "{} faults", found.len());
        (missed.len() as f64 / found.len() as f64, missed)
    };
    let (share, missed) = missed_of(20.0);
    assert!(share <= 0.1, "of size 20: {missed:?}");
    // Narrow windows have less in them: first levels are higher, and stronger noise takes more of them to show.
    let (share, missed) = missed_of(10.0);
    assert!(share <= 0.5, "of size 10: {missed:?}");
}

#[test]
fn a_restart_in_the_middle_of_the_year_changes_no_byte_of_what_follows() {
    let of = year(43, 28);
    let mut rig = Rig::new(of).unwrap();
    let (begin, end) = rig.span;
    rig.stages = Stages::new(time(begin)).with_forecast(time(begin));
    // Thirty days ahead is told from the 77th day on, and judged a month later: before and after the restart.
    let middle = begin + (end - begin) / 3 / 60 * 60 + 17 * 60;
    let later = middle + 49 * DAY_SECONDS;
    let mut restarted: Option<Stages> = None;
    let (mut n_logs, mut n_forecasts) = (0, 0);
    for now in rig.windows().take_while(|now| *now < later) {
        if now == middle {
            let fresh = Stages::new(time(now)).with_forecast(time(now));
            restarted = Some(fresh.restored(&mut rig.stages));
        }
        let Some(table) = rig.window(now) else { continue };
        let again = restarted.as_mut().map(|stages| stages.judge(table.clone()));
        let told = rig.stages.judge(table);
        if let Some(again) = again {
            assert_eq!(written(&again), written(&told), "{now}");
            n_logs += told.iter().filter(|payload| matches!(payload, Payload::Logs(_))).count();
            n_forecasts += told.iter().filter(|payload| is_of_a_month(payload)).count();
        }
    }
    assert!(n_logs >= 4, "{n_logs} log records were compared");
    // Every four minutes, of each of four resources.
    assert!(n_forecasts >= 49 * 24 * 15, "{n_forecasts} forecasts of a month were compared");
    let snapshots = |stages: &mut Stages| -> Vec<_> {
        stages.0.iter_mut().map(|stage| stage.analysis().snapshot()).collect()
    };
    assert_eq!(restarted.as_mut().map(snapshots), Some(snapshots(&mut rig.stages)));
}

/// All that is told, as bytes: numbers that are none are not equal to themselves, but written alike.
fn written(told: &[Payload]) -> Vec<u8> {
    let mut out = Vec::new();
    for payload in told {
        match payload {
            Payload::Logs(bytes) | Payload::Metrics(bytes) => out.extend_from_slice(bytes),
            Payload::Rollups(table) => write_columns(&mut out, table),
            other => panic!("{other:?}"),
        }
    }
    out
}

fn write_columns(out: &mut Vec<u8>, table: &Rollups) {
    let usual = table.baseline.as_ref().expect("the columns were added");
    let BaselineColumns {
        expected,
        lower,
        upper,
        observed,
        predicted,
        seasonal,
        scale,
        maturity,
        is_absent,
        is_degraded,
        is_excluded,
        recall,
    } = usual;
    for column in [&table.values, expected, lower, upper, observed, predicted, seasonal, scale] {
        out.extend(column.iter().flat_map(|value| value.to_bits().to_le_bytes()));
    }
    out.extend(maturity.iter().map(|maturity| *maturity as u8));
    out.extend(is_absent.iter().chain(is_degraded).chain([is_excluded]).map(|flag| u8::from(*flag)));
    out.extend(format!("{recall:?}").bytes());
    let AnomalyColumns { score, is_anomalous, is_told, episode, confidence } =
        table.anomaly.as_ref().expect("the columns were added");
    out.extend(score.iter().chain(confidence).flat_map(|value| value.to_bits().to_le_bytes()));
    out.extend(is_anomalous.iter().chain(is_told).map(|flag| u8::from(*flag)));
    out.extend(episode.iter().flat_map(|id| id.to_le_bytes()));
}

/// Whether metrics hold a forecast of thirty days ahead.
fn is_of_a_month(payload: &Payload) -> bool {
    matches!(payload, Payload::Metrics(bytes) if bytes.windows(3).any(|word| word == b"30d"))
}
