//! A year by the minute through `baseline` and `anomaly` as they are by default: false alarms stay within their
//! budget, and faults are found within three windows, by the truth of what made the series.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::Result;
use component::testing::Harness;
use model::{Payload, Rollups, Series, Statistic, Timestamp};
use processors::{
    anomaly::{Anomaly, AnomalyConfig},
    baseline::{Baseline, BaselineConfig},
};
use stats::{Increase, Reading, increase};
use testbed::series::{self, Fault, FaultKind, HappeningKind, Metric, SCALES, Year};
use wire::{
    build::{encode_value, key_value},
    view::AnyValue,
};

const MINUTE: Duration = Duration::from_secs(60);
const MINUTE_SECONDS: i64 = 60;
const N_DAYS: u32 = 365;
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
}

struct Stages {
    baseline: Harness,
    anomaly: Harness,
}

struct Subject {
    series: Arc<Series>,
    truth: series::Series,
    /// The next point.
    at: usize,
    /// Beginnings of episodes by their numbers. *Units*: seconds since the epoch.
    episodes: BTreeMap<u64, i64>,
}

/// The metrics that are watched: requests and latencies of spans, a gauge, and a counter, which begins again at
/// each restart.
const METRICS: [(Metric, &str, Statistic); 4] = [
    (Metric::Rate, "span.duration", Statistic::Rate),
    (Metric::Latency, "span.duration", Statistic::P95),
    (Metric::Latency, "queue.wait", Statistic::Mean),
    (Metric::Counter, "requests", Statistic::Rate),
];

impl Rig {
    fn new(seed: u64, n_quiet_days: u32) -> Result<Self> {
        let (begin, _) = Year::new(Metric::Rate, seed).span();
        let now = Timestamp::from_secs(begin.unsigned_abs());
        let subject = |(metric, name, statistic): (Metric, &str, Statistic)| {
            let year = Year { n_days: N_DAYS, n_quiet_days, ..Year::new(metric, seed) };
            let mut truth = year.generate()?;
            if metric == Metric::Counter {
                rates(&mut truth);
            }
            let series = Arc::new(series_of(metric, name, statistic));
            Ok(Subject { series, truth, at: 0, episodes: BTreeMap::new() })
        };
        Ok(Self {
            stages: Stages::new(now),
            subjects: METRICS.into_iter().map(subject).collect::<Result<_>>()?,
        })
    }

    /// Judges the year, window by window.
    fn run(mut self) -> Vec<Subject> {
        let (begin, end) = Year::new(Metric::Rate, 0).span();
        for now in (begin..end).step_by(MINUTE_SECONDS as usize) {
            if let Some(table) = self.window(now) {
                let told = self.stages.judge(table);
                self.note(&told);
            }
        }
        self.subjects
    }

    /// Returns the window that begins at a time; where recording stopped there is none at all.
    fn window(&mut self, now: i64) -> Option<Rollups> {
        let start = Timestamp::from_secs(now.unsigned_abs());
        let mut table = Rollups { start, width: MINUTE, ..Rollups::default() };
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
        }
    }
}

impl Stages {
    fn new(now: Timestamp) -> Self {
        Self {
            baseline: Harness::new::<Baseline>(&BaselineConfig::default(), 1, now),
            anomaly: Harness::new::<Anomaly>(&AnomalyConfig::default(), 1, now),
        }
    }

    /// Returns stages that begin with nothing but what these store.
    fn restarted(&mut self, now: Timestamp) -> Self {
        let mut again = Self::new(now);
        for (old, new) in [(&mut self.baseline, &mut again.baseline), (&mut self.anomaly, &mut again.anomaly)]
        {
            let snapshot = old.analysis().snapshot().expect("the state survives a restart");
            new.analysis().restore(snapshot).expect("the snapshot is sound");
        }
        again
    }

    /// Leads a window through both stages and returns all that they tell.
    fn judge(&mut self, table: Rollups) -> Vec<Payload> {
        let mut told = Vec::new();
        for payload in self.baseline.judge(table) {
            match payload {
                Payload::Rollups(table) => told.extend(self.anomaly.judge(*table)),
                other => told.push(other),
            }
        }
        told
    }
}

/// Turns the readings of a counter into increases per second, by the rule that `aggregation` has for restarts.
fn rates(truth: &mut series::Series) {
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
        if now - before > MINUTE_SECONDS {
            continue;
        }
        let grown = increase(Some(previous), reading, nanos(before));
        n_resets += usize::from(matches!(grown, Increase::Reset(_)));
        if let Some(grown) = grown.value() {
            seconds.push(now);
            values.push(grown / MINUTE_SECONDS as f64);
        }
    }
    assert!(n_resets >= 20, "{n_resets} restarts in a year");
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
fn attributes(pairs: &[(&str, &str)]) -> Arc<[u8]> {
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
    fn found(&self, fault: &Fault) -> Option<bool> {
        let latest = fault.shows? + WITHIN_WINDOWS * MINUTE_SECONDS;
        Some(self.episodes.values().any(|begin| (fault.begin..latest).contains(begin)))
    }
}

/// False alarms by the budget of the default configuration.
fn share_of_budget(subjects: &[Subject]) -> f64 {
    let expected = BUDGET * f64::from(N_DAYS) * subjects.len() as f64;
    assert!(expected >= 140.0, "a tenth more or less must not be chance");
    subjects.iter().map(Subject::false_alarms).sum::<usize>() as f64 / expected
}

#[test]
fn in_a_healthy_year_false_alarms_are_those_of_the_budget() {
    let subjects = Rig::new(41, N_DAYS).unwrap().run();
    assert!(subjects.iter().all(|subject| subject.truth.faults.is_empty()));
    let share = share_of_budget(&subjects);
    assert!((0.8..=1.2).contains(&share), "{share} of the budget");
}

#[test]
fn in_a_year_with_faults_nine_of_ten_are_found_within_three_windows_and_the_budget_is_kept() {
    let subjects = Rig::new(42, 28).unwrap().run();
    let share = share_of_budget(&subjects);
    assert!(share <= 1.2, "{share} of the budget");
    for scale in SCALES {
        let found: Vec<_> = subjects
            .iter()
            .flat_map(|subject| subject.truth.faults.iter().map(move |fault| (subject, fault)))
            // A climb of hours is a drift: `pattern` and `forecast` tell of those, not a window's score.
            .filter(|(_, fault)| fault.scale == scale && fault.kind != FaultKind::Ramp)
            .filter_map(|(subject, fault)| Some((fault.kind, &subject.series.service, subject.found(fault)?)))
            .collect();
        assert!(found.len() >= 12, "{found:?}");
        let n_found = found.iter().filter(|(_, _, is_found)| *is_found).count();
        assert!(n_found * 10 >= found.len() * 9, "of size {scale}: {found:?}");
    }
}

#[test]
fn a_restart_in_the_middle_of_the_year_changes_no_byte_of_the_weeks_that_follow() {
    let mut rig = Rig::new(43, 28).unwrap();
    let (begin, end) = Year::new(Metric::Rate, 0).span();
    let middle = begin + (end - begin) / 2 / MINUTE_SECONDS * MINUTE_SECONDS + 17 * MINUTE_SECONDS;
    let weeks_later = middle + 21 * 86_400;
    let mut restarted = None;
    let mut n_logs = 0;
    for now in (begin..weeks_later).step_by(MINUTE_SECONDS as usize) {
        if now == middle {
            restarted = Some(rig.stages.restarted(Timestamp::from_secs(now.unsigned_abs())));
        }
        let Some(table) = rig.window(now) else { continue };
        let again = restarted.as_mut().map(|stages| stages.judge(table.clone()));
        let told = rig.stages.judge(table);
        if let Some(again) = again {
            // Numbers that are none are not equal to themselves, but written alike.
            assert_eq!(format!("{again:?}"), format!("{told:?}"), "{now}");
            n_logs += told.iter().filter(|payload| matches!(payload, Payload::Logs(_))).count();
        }
    }
    assert!(n_logs >= 4, "{n_logs} log records were compared");
    let snapshots =
        |stages: &mut Stages| [&mut stages.baseline, &mut stages.anomaly].map(|it| it.analysis().snapshot());
    assert_eq!(restarted.as_mut().map(snapshots), Some(snapshots(&mut rig.stages)));
}
