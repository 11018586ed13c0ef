//! `compare` over a real Prometheus that knows the past of two collectors.

use std::fmt::Write;

use anyhow::{Result, ensure};
use serde_json::Value;
use testbed::{Prometheus, Version, free_port};

use super::text;
use crate::program::trueline;

const END: u64 = 1_790_000_000;

/// An hour of two counters and a gauge of each of two jobs, as OpenMetrics.
fn past(factor_of_b: f64, route_of_b: &str) -> Result<String> {
    let mut lines = String::new();
    for (metric, kind) in [("calls", "counter"), ("temperature", "gauge")] {
        writeln!(lines, "# TYPE {metric} {kind}")?;
        for (job, factor, route) in [("otelcol", 1.0, "/cart"), ("trueline", factor_of_b, route_of_b)] {
            for minute in 0..=70_u64 {
                let at = END - 4200 + minute * 60;
                let value = minute as f64 * 10.0 * factor;
                let (suffix, labels) = match kind {
                    "counter" => ("_total", format!("job=\"{job}\",instance=\"{job}:1\",route=\"{route}\"")),
                    _ => ("", format!("job=\"{job}\",instance=\"{job}:1\"")),
                };
                writeln!(lines, "{metric}{suffix}{{{labels}}} {value} {at}")?;
            }
        }
    }
    Ok(lines + "# EOF\n")
}

fn compare(url: &str, more: &[&str]) -> Result<(Option<i32>, String)> {
    let at = END.to_string();
    let fixed = [
        "compare",
        "--prometheus",
        url,
        "--at",
        &at,
        "--a",
        "{job=\"otelcol\"}",
        "--b",
        "{job=\"trueline\"}",
    ];
    let output = trueline(&[&fixed[..], more].concat())?;
    Ok((output.status.code(), text(&output.stdout) + &text(&output.stderr)))
}

#[test]
fn two_collectors_that_count_the_same_are_the_same_and_one_that_counts_less_is_not() -> Result<()> {
    let prometheus = Prometheus::start_with_past(Version::Three, &past(0.98, "/cart")?)?;
    let (code, told) = compare(prometheus.url(), &["--ignore", "instance"])?;
    ensure!(
        code == Some(0) && told.contains("all 2 metrics are the same within 5 % or 5 units"),
        "{code:?}: {told}"
    );
    let (code, told) = compare(
        prometheus.url(),
        &["--ignore", "instance", "--tolerance", "0.01", "--tolerance-units", "0"],
    )?;
    ensure!(code == Some(5) && told.contains("1 of 2 metrics differ"), "{code:?}: {told}");
    let (code, told) = compare(prometheus.url(), &["--format=json"])?;
    let json: Value = serde_json::from_str(&told)?;
    ensure!(code == Some(5) && json["metrics"][0]["only"][0] == 1, "instances differ: {told}");
    let grew = json["metrics"][0]["increase"][0].as_f64().unwrap_or_default();
    ensure!(json["metrics"][0]["name"] == "calls_total" && (grew - 600.0).abs() < 10.0, "{told}");
    Ok(())
}

#[test]
fn other_labels_are_named_and_prometheus_must_be_there() -> Result<()> {
    let prometheus = Prometheus::start_with_past(Version::Three, &past(1.0, "/other")?)?;
    let (code, told) = compare(prometheus.url(), &["--ignore", "instance"])?;
    ensure!(code == Some(5) && told.contains("calls_total") && told.contains("differs"), "{code:?}: {told}");
    let (code, told) = compare(prometheus.url(), &["--window", "0s"])?;
    ensure!(code.is_some_and(|code| code != 0), "{told}");
    let (code, told) = compare(&format!("http://127.0.0.1:{}", free_port()), &[])?;
    ensure!(code == Some(6), "{code:?}: {told}");
    Ok(())
}

#[test]
fn what_bears_no_label_of_the_other_can_be_selected() -> Result<()> {
    let prometheus = Prometheus::start_with_past(Version::Three, &past(1.0, "/cart")?)?;
    let (at, url) = (END.to_string(), prometheus.url());
    let all = "{collector=\"\"}";
    let output = trueline(&["compare", "--prometheus", url, "--at", &at, "--a", all, "--b", all])?;
    let told = text(&output.stdout) + &text(&output.stderr);
    ensure!(output.status.code() == Some(0) && told.contains("A {collector=\"\"}: 4 series"), "{told}");
    Ok(())
}
