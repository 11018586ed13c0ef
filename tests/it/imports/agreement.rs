//! The imported objective has the error ratio of the PromQL that it was, and the imported rule fires with it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use component::Telemetry;
use engine::Offline;
use model::{Signal, Timestamp};
use opentelemetry_proto::tonic::{
    collector::{logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest},
    common::v1::any_value::Value,
    metrics::v1::{metric::Data, number_data_point},
};
use prost::Message;
use testbed::{Prometheus, Version};

use super::{
    history::{Scrape, openmetrics, otlp, scrapes},
    import,
};
use crate::rig::{Folder, plan};

/// A quarter past three of a day on which the shop failed from two to three; seconds since the epoch.
const END: u64 = 1_794_755_700;
/// What has come is judged so much later; no more comes until then.
const DELAY: u64 = 40;
const WINDOW: &str = "[{{.window}}]";

/// Matchers of all kinds, good and bad events, and a quotient.
fn slos() -> Vec<(&'static str, String)> {
    let sum = |matchers: &str| format!("sum(rate(http_requests_total{{{matchers}}}{WINDOW}))");
    let events = |errors: String, total: String| {
        format!("{{events: {{error_query: '{errors}', total_query: '{total}'}}}}")
    };
    let all = sum("job=\"shop\"");
    vec![
        ("regex", events(sum("job=\"shop\",code=~\"5..\""), all.clone())),
        ("either", events(sum("job=~\"sh.p\",code=~\"(5..|429)\""), all.clone())),
        ("not", events(sum("job=\"shop\",code!~\"[24]..\""), all.clone())),
        ("other", events(sum("code!=\"200\",code!=\"404\",missing=\"\""), all.clone())),
        ("good", events(format!("{all} - {}", sum("job=\"shop\",code=~\"2..|4..\"")), all.clone())),
        ("part", events(sum("code=\"503\""), sum("code=~\"2..|503\""))),
        ("half", events(sum("code=~\"50\""), all.clone())),
        ("raw", format!("{{raw: {{error_ratio_query: '{} / {all}'}}}}", sum("code=\"429\""))),
    ]
}

fn sloth(slos: &[(&str, String)]) -> String {
    let mut text = "version: prometheus/v1\nservice: any\nslos:\n".to_owned();
    for (name, sli) in slos {
        text += &format!("  - name: {name}\n    objective: 99\n    sli: {sli}\n");
    }
    text
}

/// What PromQL says of a window that ends when both have seen the same.
fn promql(sli: &str, window: &str) -> Option<String> {
    let queries: Vec<&str> = sli.split('\'').skip(1).step_by(2).collect();
    let query = match queries[..] {
        [errors, total] => format!("({errors}) / ({total})"),
        [ratio] => ratio.to_owned(),
        _ => return None,
    };
    Some(query.replace("{{.window}}", window))
}

#[test]
fn an_imported_objective_has_the_error_ratio_of_its_promql() -> Result<()> {
    let folder = Folder::new()?;
    let (slos, file) = (slos(), folder.file("sloth.yaml"));
    std::fs::write(&file, sloth(&slos))?;
    let imported = import("slo", &file)?;
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
{}
  aggregation:
exporters: {{nop: }}
service:
  pipelines:
    telemetry: {{receivers: [otlp], processors: [aggregation, sla], exporters: [nop]}}
",
        imported.trim_end()
    );
    let past = scrapes(END - 2 * 3600, END, 30);
    let mut ratios = BTreeMap::new();
    play(yaml, &past, |offline| note(offline, &mut ratios))?;
    let prometheus = Prometheus::start_with_past(Version::Three, &openmetrics(&past))?;
    let mut n_above = 0;
    for (name, sli) in &slos {
        for window in ["5m", "30m", "1h"] {
            let query = promql(sli, window).context("the queries are quoted")?;
            let found = prometheus.query_at(&query, (END + DELAY) as f64)?;
            // A sum of nothing is nothing in PromQL, and no error here.
            let theirs = found.first().map(testbed::Sample::float).transpose()?.unwrap_or(0.0);
            let ours = ratios.get(&(format!("any-{name}"), window.to_owned())).copied();
            let ours = ours.with_context(|| format!("{name} {window} is not told: {ratios:?}"))?;
            n_above += u32::from(theirs > 1e-4);
            // What came between the last scrape before a window and the first in it counts here and not there.
            let tolerance = match window {
                "5m" => 0.12,
                "30m" => 0.06,
                _ => 0.03,
            };
            ensure!(
                (ours - theirs).abs() <= tolerance * theirs,
                "{name} over {window}: {ours} here and {theirs} in Prometheus, of {query}"
            );
        }
    }
    ensure!(n_above >= 12, "too few of the ratios are above zero to tell anything: {ratios:?}");
    Ok(())
}

/// Plays scrapes by a virtual clock.
fn play(yaml: String, past: &[Scrape], mut note: impl FnMut(&mut Offline) -> Result<()>) -> Result<()> {
    let start = Timestamp::from_secs(past[0].at - 60);
    let mut offline = Offline::new(plan(yaml)?, &Telemetry::default(), start);
    for scrape in past {
        offline.advance(Timestamp::from_secs(scrape.at));
        offline.take(Signal::Metrics, Bytes::from(otlp(scrape)))?;
        note(&mut offline)?;
    }
    offline.advance(Timestamp::from_secs(END + DELAY + 6));
    note(&mut offline)
}

const RULES: [(&str, &str); 4] = [
    ("Errors", "sum by (job) (rate(http_requests_total{code=~\"5..\"}[5m])) > 0.2"),
    ("Failing", "rate(http_requests_total{job=\"shop\",code=\"500\"}[10m]) >= 0.3"),
    ("Much", "6.5 < sum(rate(http_requests_total[5m]))"),
    ("Never", "rate(http_requests_total{code!~\"[245]..\"}[5m]) > 0"),
];

#[test]
fn an_imported_rule_fires_as_long_as_its_promql_holds() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("rules.yaml");
    let mut text = "groups:\n  - name: g\n    rules:\n".to_owned();
    for (name, expr) in RULES {
        text += &format!("      - {{alert: {name}, expr: '{expr}'}}\n");
    }
    std::fs::write(&file, text)?;
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}}}
{}
  aggregation:
exporters: {{nop: }}
service:
  pipelines:
    telemetry: {{receivers: [otlp], processors: [aggregation, alerting], exporters: [nop]}}
",
        import("rules", &file)?.trim_end()
    );
    let past = scrapes(END - 2 * 3600, END, 30);
    let mut changes = BTreeMap::<String, Vec<u64>>::new();
    play(yaml, &past, |offline| note_changes(offline, &mut changes))?;
    let prometheus = Prometheus::start_with_past(Version::Three, &openmetrics(&past))?;
    let mut n_changes = 0;
    for (name, expr) in RULES {
        let (mut theirs, mut holds) = (Vec::new(), false);
        for at in (past[0].at + 600..=END).step_by(15) {
            let is_true = !prometheus.query_at(expr, at as f64)?.is_empty();
            if is_true != holds {
                theirs.push(at);
                holds = is_true;
            }
        }
        let ours = changes.remove(name).unwrap_or_default();
        n_changes += theirs.len();
        ensure!(ours.len() == theirs.len(), "{name}: {ours:?} here and {theirs:?} by PromQL");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            // A scrape and an evaluation; windows of ten seconds end as much later than what is in them.
            ensure!(ours.abs_diff(*theirs) <= 60, "{name}: {ours} here and {theirs} by PromQL");
        }
    }
    ensure!(n_changes >= 4, "too little changed to tell anything");
    Ok(())
}

/// Notes when rules fired and were resolved, in turns.
fn note_changes(offline: &mut Offline, changes: &mut BTreeMap<String, Vec<u64>>) -> Result<()> {
    for export in offline.told().exports.iter().filter(|export| export.signal == Signal::Logs) {
        let request = ExportLogsServiceRequest::decode(export.bytes.whole())?;
        let scopes = request.resource_logs.into_iter().flat_map(|it| it.scope_logs);
        for record in scopes.flat_map(|it| it.log_records) {
            let text = |key: &str| {
                let found = record.attributes.iter().find(|it| it.key == key)?;
                Some(format!("{:?}", found.value.as_ref()?.value.as_ref()?))
            };
            let is_change =
                matches!(&*record.event_name, "trueline.alert.firing" | "trueline.alert.resolved");
            let is_reminder = text("trueline.alert.is_reminder").is_some_and(|it| it.contains("true"));
            let name = RULES.iter().find(|(name, _)| {
                text("trueline.alert.rule.name").is_some_and(|it| it.contains(&format!("\"{name}\"")))
            });
            if let (true, false, Some((name, _))) = (is_change, is_reminder, name) {
                changes.entry((*name).to_owned()).or_default().push(record.time_unix_nano / 1_000_000_000);
            }
        }
    }
    Ok(())
}

/// Notes the error ratios that were told last, by objective and window.
fn note(offline: &mut Offline, ratios: &mut BTreeMap<(String, String), f64>) -> Result<()> {
    for export in offline.told().exports.iter().filter(|export| export.signal == Signal::Metrics) {
        let request = ExportMetricsServiceRequest::decode(export.bytes.whole())?;
        let scopes = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
        for metric in scopes.flat_map(|it| &it.metrics) {
            if !metric.name.starts_with("slo:sli_error:ratio_rate") {
                continue;
            }
            let Some(Data::Gauge(gauge)) = &metric.data else { continue };
            for point in &gauge.data_points {
                let text = |key: &str| {
                    let found = point.attributes.iter().find(|it| it.key == key)?;
                    match found.value.as_ref()?.value.as_ref()? {
                        Value::StringValue(text) => Some(text.clone()),
                        _ => None,
                    }
                };
                if let (Some(id), Some(window), Some(number_data_point::Value::AsDouble(ratio))) =
                    (text("sloth_id"), text("sloth_window"), point.value)
                {
                    ratios.insert((id, window), ratio);
                }
            }
        }
    }
    Ok(())
}
