//! What ten thousand quiet rules take: `cargo run --release -p processors --example alerting_cost`.
#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock and prints")]

use std::{sync::Arc, time::Instant};

use component::testing::Harness;
use model::{Rollups, Series, Statistic, Timestamp};
use processors::alerting::{Alerting, AlertingConfig};

const RULES: usize = 10_000;
const WINDOWS: u64 = 30;

fn main() {
    for (name, when) in [
        ("gt", "{op: gt, value: 5}"),
        ("trend_up", "{op: trend_up, over: 30m}"),
        ("rate_of_change", "{op: rate_of_change, over: 30m, pct: 50}"),
        ("predict_gt", "{op: predict_gt, value: 50, within: 1h, over: 6h}"),
    ] {
        measure(name, when);
    }
}

/// Prints the time and the memory of rules that do not fire.
fn measure(name: &str, when: &str) {
    let rules: String = (0..RULES)
        .map(|it| format!("  - {{name: R{it}, metric: metric.{it}, stat: mean, when: {when}}}\n"))
        .collect();
    let yaml = format!("rules:\n{rules}");
    let node = config::parse(&config::Source::new("rules.yaml", yaml)).expect("the text is YAML");
    let mut problems = config::Problems::default();
    let settings: AlertingConfig = config::decode(&node, "", &mut problems).expect("the settings are read");
    drop(node);
    let series: Vec<_> = (0..RULES).map(numbered).collect();
    let before = resident_kilobytes();
    let begin = 1_700_000_000 / 10 * 10;
    let mut harness = Harness::new::<Alerting>(&settings, 1, Timestamp::from_secs(begin));
    harness.tick(Timestamp::from_secs(begin + 1));
    let mut times = Vec::new();
    for number in 1..=WINDOWS + 100 {
        let end = begin + 10 * number;
        let mut table = Rollups {
            start: Timestamp::from_secs(end - 10),
            width: std::time::Duration::from_secs(10),
            ..Rollups::default()
        };
        for (slot, series) in series.iter().enumerate() {
            let wave = ((slot as u64 * 31 + number * 17) % 13) as f64 / 13.0;
            table.push(Arc::clone(series), slot as u32, 1.0 + wave, 100);
        }
        let started = Instant::now();
        harness.judge(table);
        for second in 0..10 {
            harness.tick(Timestamp::from_secs(end + 12 + second));
        }
        if number > 100 {
            times.push(started.elapsed());
        }
    }
    times.sort_unstable();
    let (median, most) = (times[times.len() / 2], times[times.len() - 1]);
    let per_rule = median.as_nanos() as usize / RULES;
    let share = 100.0 * median.as_secs_f64() / 10.0;
    println!(
        "{name}: {per_rule} ns per rule and evaluation, {share:.2} % of a core at 10 s, at most {most:?}"
    );
    let grown = resident_kilobytes().saturating_sub(before);
    println!("  {} MB more than before", grown / 1024);
    drop(harness);
}

fn numbered(number: usize) -> Arc<Series> {
    let service = format!("shop-{}", number % 100);
    let value = wire::build::encode_value(wire::view::AnyValue::Str(service.as_bytes()));
    let body = wire::build::key_value(b"service.name", &value);
    let resource = [&[0x0a, body.len() as u8], &body[..]].concat();
    Arc::new(Series {
        resource: resource.into(),
        metric: format!("metric.{number}").into(),
        unit: "1".into(),
        attributes: Vec::new().into(),
        statistic: Statistic::Mean,
        service: service.as_str().into(),
        fingerprint: number as u64 + 1,
    })
}

/// What the process holds, by the kernel's count; 0 where there is none.
fn resident_kilobytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
