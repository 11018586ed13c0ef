//! Days on which nothing is wrong, through `baseline` and `anomaly` as they are by default: operations with few requests
//! that nearly cease at night, and memory that is collected each time it is full. And what is wrong on such days.

use std::{f64::consts::TAU, ops::Range, sync::Arc, time::Duration};

use model::{Payload, Rollups, Series, Statistic, Timestamp};
use wire::view::{LogRecord, groups};

use crate::year::{Stages, attributes};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: u64 = 24 * 60;
/// Midnight of a day in 2026.
const BEGIN: Timestamp = Timestamp::from_secs(1_767_225_600);
/// What `false_alarms_per_series_day` is by default.
const BUDGET: f64 = 0.1;

/// One series of a service of its own, or of one that others share.
fn series_of(service: &str, metric: &str, operation: &str, statistic: Statistic) -> Arc<Series> {
    let name = format!("{service} {metric} {operation}");
    let operation = match operation {
        "" => Arc::default(),
        name => attributes(&[("span.kind", "SPAN_KIND_SERVER"), ("span.name", name)]),
    };
    Arc::new(Series {
        resource: attributes(&[("service.name", service)]),
        metric: metric.into(),
        unit: "1".into(),
        attributes: operation,
        statistic,
        service: service.into(),
        fingerprint: rapid(name.bytes().fold(1, |hash, byte| rapid(hash ^ u64::from(byte)))),
    })
}

/// Mixes bits (the finalizer of SplitMix64).
fn rapid(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}

/// Uniform in 0 to 1.
fn uniform(of: u64, minute: u64, draw: u64) -> f64 {
    (rapid(rapid(rapid(of) ^ minute) ^ draw) >> 11) as f64 / (1_u64 << 53) as f64
}

/// How many came, when so many come in the mean, each by itself.
fn poisson(mean: f64, of: u64, minute: u64) -> u64 {
    let mut product = 1.0;
    (0..).find(|&draw| { product *= uniform(of, minute, draw); product } < (-mean).exp()).expect("it ends")
}

/// A quiet night, a busy noon.
fn of_day(minute: u64) -> f64 {
    1.0 - 0.6 * (TAU * minute as f64 / DAY as f64).cos()
}

/// What was told: the body and the severity of each record.
struct Told(Vec<(u64, String, String)>);

impl Told {
    fn opened(&self) -> impl Iterator<Item = &(u64, String, String)> {
        self.0.iter().filter(|(_, body, _)| body.ends_with("(open)"))
    }
}

/// Judges the windows of some minutes; the table of each is of the caller's making.
fn run(stages: &mut Stages, minutes: Range<u64>, mut table: impl FnMut(u64, &mut Rollups)) -> Told {
    let mut told = Vec::new();
    for minute in minutes {
        let start = BEGIN + MINUTE * u32::try_from(minute).expect("days are few");
        let mut rollups = Rollups { start, width: MINUTE, ..Rollups::default() };
        table(minute, &mut rollups);
        for payload in stages.judge(rollups) {
            let Payload::Logs(bytes) = payload else { continue };
            for item in groups(&bytes).flat_map(|group| group.items()) {
                let record = LogRecord::of(item);
                let severity = String::from_utf8_lossy(record.severity_text).into_owned();
                told.push((minute, record.body.to_label_string(), severity));
            }
        }
    }
    Told(told)
}

/// Requests a minute of paths that customers take, in the mean of a day.
const PATHS: [f64; 8] = [0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 40.0];
/// Services that each path leads through: all of its operations fall silent together.
const SERVICES: usize = 6;

fn paths() -> Vec<(usize, Arc<Series>)> {
    let operation = |at: usize| {
        let (path, service) = (at / SERVICES, at % SERVICES);
        (path, series_of(&format!("s{service}"), "span.duration", &format!("/{path}"), Statistic::Rate))
    };
    (0..PATHS.len() * SERVICES).map(operation).collect()
}

/// Adds the rows of the operations that had a request.
fn requests(
    series: &[(usize, Arc<Series>)],
    minute: u64,
    is_dead: impl Fn(usize) -> bool,
    table: &mut Rollups,
) {
    for ((path, series), slot) in series.iter().zip(0..) {
        let count = poisson(PATHS[*path] * of_day(minute), *path as u64, minute);
        if count > 0 && !is_dead(*path) {
            table.push(Arc::clone(series), slot, count as f64 / MINUTE.as_secs_f64(), count);
        }
    }
}

#[test]
fn operations_that_nearly_cease_at_night_are_no_fault_and_one_that_falls_silent_is() {
    let series = paths();
    let mut stages = Stages::new(BEGIN);
    let n_days = 5;
    let calm = run(&mut stages, 0..n_days * DAY, |minute, table| requests(&series, minute, |_| false, table));
    let alarms = calm.opened().count();
    assert!(alarms as f64 <= 1.2 * BUDGET * series.len() as f64 * n_days as f64, "{alarms}: {:?}", calm.0);
    let silent: Vec<_> = calm.opened().filter(|(_, body, _)| body.contains("is silent")).collect();
    assert!(silent.is_empty(), "{silent:?}");
    let critical: Vec<_> = calm.0.iter().filter(|(.., severity)| severity == "ERROR").collect();
    assert!(critical.is_empty(), "{critical:?}");

    // At noon of the next day nobody comes by the busiest path and by one with two requests a minute at night.
    let noon = n_days * DAY + DAY / 2;
    let is_dead = |minute: u64, path: usize| minute >= noon && [5, 7].contains(&path);
    let fault = run(&mut stages, n_days * DAY..noon + 20, |minute, table| {
        requests(&series, minute, |path| is_dead(minute, path), table);
    });
    for (path, within) in [(7, 4), (5, 6)] {
        let operation = format!("(/{path}) is silent");
        let found = fault.opened().find(|(_, body, _)| body.contains(&operation));
        let minute = found.map(|(minute, ..)| *minute);
        let is_soon = minute.is_some_and(|minute| (noon..noon + within).contains(&minute));
        assert!(is_soon, "{path}: {minute:?} {:?}", fault.0);
    }
}

/// Memory that is collected each time it is full, of which collecting leaves so much.
fn collected(minute: u64, hours: u64, left: f64) -> f64 {
    let filled = (minute % (60 * hours)) as f64 / (60 * hours) as f64;
    8e7 * (1.0 + left + filled + 0.01 * uniform(hours, minute, 0))
}

#[test]
fn memory_that_is_collected_is_no_leak_and_what_a_restart_frees_is() {
    let all: Vec<_> = (1..=24).map(|hours| (hours, format!("every {hours} h"))).collect();
    let gauge = |service: &str| series_of(service, "process.memory.usage", "", Statistic::Mean);
    let healthy: Vec<_> = all.iter().map(|(hours, service)| (*hours, gauge(service))).collect();
    let (leaking, restarting) = (gauge("leaking"), gauge("restarting"));
    let mut stages = Stages::new(BEGIN);
    let told = run(&mut stages, 0..7 * DAY, |minute, table| {
        for ((hours, series), slot) in healthy.iter().zip(0..) {
            let left = 0.1 * uniform(*hours, minute / (60 * hours), 1);
            table.push(Arc::clone(series), slot, collected(minute, *hours, left), 1);
        }
        // From the third day on each collection leaves more; the other never collects and is killed at last.
        let left = 0.4 * (minute.saturating_sub(3 * DAY) / 420) as f64;
        table.push(Arc::clone(&leaking), 100, collected(minute, 7, left), 1);
        table.push(Arc::clone(&restarting), 101, collected(minute, 11, 0.0), 1);
        if minute % 660 < 2 {
            table.restarts.push(Arc::clone(&restarting.resource));
        }
    });
    let leaks: Vec<_> = told.opened().filter(|(_, body, _)| body.contains("like a leak")).collect();
    let of = |service: &str| leaks.iter().filter(|(_, body, _)| body.contains(service)).count();
    assert!(of("leaking") > 0 && of("restarting") > 0, "{:?}", told.0);
    assert_eq!(of("every"), 0, "{leaks:?}");
}
