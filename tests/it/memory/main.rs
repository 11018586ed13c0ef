//! What promises, alarms and spans that wait take in memory, counted by the allocator: a program of its own, whose tests
//! take turns, so that nobody else's memory is in the figures.

mod spans;

use std::sync::{Arc, Mutex};

use component::{Cx, Processor, Question, testing::Harness};
use model::{Ack, Batch, Payload, Rollups, Series, Statistic, Timestamp};
use peak_alloc::PeakAlloc;
use processors::{
    alerting::{Alerting, AlertingConfig},
    sla::{Sla, SlaConfig},
};
use serde::de::DeserializeOwned;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// A whole day.
const START: u64 = 1_800_057_600;
const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const OBJECTIVES: usize = 16;
const RULES: usize = 1000;

/// Of an objective whose counts are full, with its alerts and their values.
const MOST_OF_OBJECTIVE: usize = 34_500;
/// Of a rule of one series, with its alert and its values.
const MOST_OF_RULE: usize = 3_900;
/// On the disk, of a rule that is quiet.
const MOST_OF_QUIET_ARCHIVE: usize = 500;
/// Beside a state while it is stored, however large it is.
const MOST_OF_STORING: usize = 1_000_000;

/// Whose turn it is.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn a_thousand_objectives_and_ten_thousand_rules_take_less_than_seventy_five_megabytes() {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (of_objective, of_storing) = objective();
    let (of_rule, of_archiving) = rule();
    let told = format!(
        "{of_objective} for an objective, {of_rule} for a rule, {of_storing} and {of_archiving} while state is stored"
    );
    assert!(
        of_objective < MOST_OF_OBJECTIVE
            && of_rule < MOST_OF_RULE
            && of_storing.max(of_archiving) < MOST_OF_STORING,
        "{told}"
    );
    const { assert!(1000 * MOST_OF_OBJECTIVE + 10_000 * MOST_OF_RULE + MOST_OF_STORING < 75_000_000) };
}

/// Returns the bytes of an objective, and of what storing all takes beside them at most.
fn objective() -> (usize, usize) {
    let yaml: String = (0..OBJECTIVES)
        .map(|number| {
            let sli = ["{type: latency, within: 1s}", "{type: success_rate}"][number % 2];
            format!("  - {{name: slo{number}, service: shop, sli: {sli}, target: 0.7, match: {{http.route: /{number}}}}}\n")
        })
        .collect();
    let slots: String = (8..88 * 24)
        .step_by(24)
        .map(|hour| slot(hour + 24, DAY))
        .chain((1..8).map(|hour| slot(hour, HOUR)))
        .collect::<Vec<_>>()
        .join(",");
    let (settings, following) = (read::<SlaConfig>(&format!("slos:\n{yaml}")), read::<AlertingConfig>("{}"));
    let before = ALLOCATOR.current_usage();
    let mut sla = Harness::new::<Sla>(&settings, 1, Timestamp::from_secs(START));
    let mut alerting = Harness::new::<Alerting>(&following, 1, Timestamp::from_secs(START));
    for number in 0..OBJECTIVES {
        let question = Question {
            method: "POST".to_owned(),
            path: vec!["slos".to_owned(), format!("shop-slo{number}"), "backfill".to_owned()],
            body: format!("[{slots}]").into(),
            ..Question::default()
        };
        let answer = sla.analysis().answer(
            &question,
            &mut Cx::new(Timestamp::from_secs(START), &mut component::Workbench::default()),
        );
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
    let mut n_conditions = 0;
    for second in 1..=120 {
        for told in sla.tick(Timestamp::from_secs(START + second)) {
            if let Payload::Conditions(conditions) = &told {
                n_conditions += conditions.all.len();
                follow(&mut alerting, told, START + second);
            }
        }
        alerting.tick(Timestamp::from_secs(START + second));
    }
    assert!(n_conditions >= 12 * 2 * OBJECTIVES, "each has its alerts: {n_conditions}");
    let bytes = ALLOCATOR.current_usage() - before;
    (bytes / OBJECTIVES, storing(sla.analysis()))
}

fn slot(hours_before: u64, width: u64) -> String {
    let hours = width / HOUR;
    let (good, total) = (80_000 * hours, 100_000 * hours);
    format!(r#"{{"start":{},"width":{width},"good":{good},"total":{total}}}"#, START - hours_before * HOUR)
}

fn follow(alerting: &mut Harness, conditions: Payload, second: u64) {
    let batch = Batch { payload: conditions, items: 1, ack: Ack::none() };
    let mut bench = component::Workbench::default();
    alerting.analysis().process(batch, &mut Cx::new(Timestamp::from_secs(second), &mut bench));
}

/// Returns what making a state piece by piece takes at most.
fn storing(half: &dyn Processor) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let pieces = half.snapshot_pieces().expect("there is state");
    let n_bytes: usize = pieces.bytes.map(|piece| piece.len()).sum();
    assert!(n_bytes > OBJECTIVES * 10_000, "the counts are in it: {n_bytes}");
    ALLOCATOR.peak_usage() - before
}

/// Returns the bytes of a rule, and what archiving all takes beside them at most.
fn rule() -> (usize, usize) {
    let rules: String = (0..RULES)
        .map(|number| {
            let when = match number % 10 {
                8 => "{op: rate_of_change, over: 30m, pct: 500}",
                9 => "{op: trend_up, over: 30m, slope: 100%/m}",
                _ => "{op: gt, value: 5}",
            };
            format!("  - {{name: R{number}, metric: metric.{number}, stat: mean, when: {when}}}\n")
        })
        .collect();
    let settings = read::<AlertingConfig>(&format!("rules:\n{rules}"));
    let series: Vec<_> = (0..RULES).map(series).collect();
    let before = ALLOCATOR.current_usage();
    let mut harness = Harness::new::<Alerting>(&settings, 1, Timestamp::from_secs(START));
    for end in (START + 10..=START + 60).step_by(10) {
        let width = std::time::Duration::from_secs(10);
        let start = Timestamp::from_secs(end - 10);
        let mut table = Rollups { start, width, ..Rollups::default() };
        for (slot, series) in series.iter().enumerate() {
            table.push(Arc::clone(series), slot as u32, 1.0, 100);
        }
        harness.judge(table);
        harness.tick(Timestamp::from_secs(end + 2));
    }
    let bytes = ALLOCATOR.current_usage() - before;
    (bytes / RULES, archiving(harness.analysis()))
}

/// Returns what making an archive piece by piece takes at most.
fn archiving(half: &dyn Processor) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let pieces = half.archive_pieces().expect("there are values");
    let n_bytes: usize = pieces.bytes.map(|piece| piece.len()).sum();
    let of_rule = n_bytes / RULES;
    assert!((100..MOST_OF_QUIET_ARCHIVE).contains(&of_rule), "{of_rule} bytes are archived of a quiet rule");
    ALLOCATOR.peak_usage() - before
}

fn series(number: usize) -> Arc<Series> {
    let value = wire::build::encode_value(wire::view::AnyValue::Str(format!("shop-{number}").as_bytes()));
    let body = wire::build::key_value(b"service.name", &value);
    Arc::new(Series {
        resource: [&[0x0a, body.len() as u8], &body[..]].concat().into(),
        metric: format!("metric.{number}").into(),
        unit: "1".into(),
        attributes: Vec::new().into(),
        statistic: Statistic::Mean,
        service: format!("shop-{number}").as_str().into(),
        fingerprint: number as u64 + 1,
    })
}

fn read<C: DeserializeOwned>(yaml: &str) -> C {
    let node = config::parse(&config::Source::new("test.yaml", yaml)).expect("the text is YAML");
    let mut problems = config::Problems::default();
    config::decode(&node, "", &mut problems).unwrap_or_else(|| panic!("{problems:?}"))
}
