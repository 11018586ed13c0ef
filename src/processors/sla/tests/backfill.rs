//! Which times are wanted, and that none is filled twice.

use serde_json::json;

use super::{
    kinds::{ask, asked},
    *,
};

const SLOS: &str = "
backfill: {prometheus: 'http://prometheus:9090', headers: {X-Scope-OrgID: secret-tenant}, step: 5m}
slos:
  - name: selected
    service: s
    min_events: 1
    target: 0.99
    window: {rolling: 7d}
    sli: {type: success_rate, counters: {total: {prometheus: 'a_total{b=~\"c|d\"}'}, good: {prometheus: 'a_total{b=\"c\"}'}}}
  - name: asked
    service: s
    min_events: 1
    target: 0.9
    window: {calendar: 1d}
    sli: {type: latency, within: 300ms}
    backfill: {total: 'sum(increase(h_count[{{.window}}]))', bad: 'sum(increase(h_slow[{{ .window }}]))'}
  - {name: unknown, service: s, target: 0.9, sli: {type: success_rate}}
  - name: sliced
    service: s
    target: 0.9
    budgeting: {timeslices: {slice: 1m, target: 0.9}}
    sli: {type: success_rate, counters: {total: {prometheus: a_total}, bad: {prometheus: b_total}}}
";

#[test]
fn times_that_were_not_observed_are_wanted_until_they_are_filled() {
    let mut stage = Stage::new(SLOS, 1);
    stage.until(600);
    let wanted = ask(&mut stage, "GET", &["backfill"], "");
    assert_eq!(wanted["is_dated"], true);
    assert!(!wanted.to_string().contains("secret-tenant"), "{wanted}");
    let ids: Vec<_> =
        wanted["objectives"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    // T0 is midnight, so of the day nothing is missing.
    assert_eq!(ids, ["s-selected"]);
    let selected = &wanted["objectives"][0];
    assert_eq!(selected["total"], "sum(increase(a_total{b=~\"c|d\"}[{{.window}}]))");
    assert_eq!(
        (&selected["part_is_good"], &selected["part"]),
        (&json!(true), &json!("sum(increase(a_total{b=\"c\"}[{{.window}}]))"))
    );
    let runs = selected["runs"].as_array().unwrap();
    let seconds: u64 =
        runs.iter().map(|run| run["width"].as_u64().unwrap() * run["count"].as_u64().unwrap()).sum();
    assert_eq!(seconds, 7 * 86_400 - 600, "{runs:?}");
    let slots: Vec<_> = runs
        .iter()
        .flat_map(|run| {
            let of = |key: &str| run[key].as_u64().unwrap();
            let (start, width) = (of("start"), of("width"));
            (0..of("count"))
                .map(move |n| json!({"start": start + n * width, "width": width, "good": 98, "total": 100}))
        })
        .collect();
    let body = json!({"s-selected": slots, "s-nothing": [], "s-sliced": [{"start": 1, "width": 10, "good": 0, "total": 0}]}).to_string();
    let told = ask(&mut stage, "POST", &["backfill"], &body);
    assert_eq!(told["filled"], json!({"s-selected": slots.len()}));
    assert!(told["refused"]["s-nothing"].as_str().unwrap().contains("there is no objective"), "{told}");
    assert!(told["refused"]["s-sliced"].as_str().unwrap().contains("multiple of 10"), "{told}");
    let left = ask(&mut stage, "GET", &["backfill"], "");
    assert_eq!(left["objectives"], json!([]));
    let again = ask(&mut stage, "POST", &["backfill"], &body);
    assert!(again["refused"]["s-selected"].as_str().unwrap().contains("counted already"), "{again}");
    stage.until(620);
    let value = ask(&mut stage, "GET", &["slos", "selected"], "");
    // The window has moved on by less than its oldest slot.
    let total = value["events"]["total"].as_u64().unwrap() as usize;
    assert!((slots.len() * 100 - 100..=slots.len() * 100).contains(&total), "{value}");
    assert!((value["error_budget_remaining"].as_f64().unwrap() + 1.0).abs() < 0.001, "{value}");
    assert_eq!(asked(&mut stage, "POST", &["backfill"], "[]").0, 400);
    assert_eq!(asked(&mut stage, "DELETE", &["backfill"], "").0, 405);
    assert_eq!(asked(&mut stage, "GET", &["backfill", "x"], "").0, 404);
}

#[test]
fn a_gap_between_two_runs_is_wanted_too() {
    let mut before = Stage::new(SLOS, 1);
    before.until(600);
    let stored = before.harness.analysis().snapshot().unwrap();
    let mut after = Stage::new(SLOS, 1);
    after.harness.analysis().restore(stored).unwrap();
    after.now = 4000;
    after.until(4010);
    let wanted = ask(&mut after, "GET", &["backfill"], "");
    let asked = wanted["objectives"].as_array().unwrap().iter().find(|it| it["id"] == "s-asked").unwrap();
    let start = T0.0 / 1_000_000_000;
    // The last part takes what is too short for one of its own.
    let runs = json!([
        {"start": start + 600, "width": 300, "count": 10},
        {"start": start + 3600, "width": 400, "count": 1},
    ]);
    assert_eq!(asked["runs"], runs);
}

#[test]
fn where_the_past_comes_from_is_checked() {
    for (line, place, part) in [
        ("backfill: {prometheus: prometheus:9090}", "backfill.prometheus", "http://HOST:PORT"),
        ("backfill: {step: 7m}", "backfill.step", "divide an hour"),
        ("backfill: {step: 10s}", "backfill.step", "four times"),
        ("backfill: {timeout: 0s}", "backfill.timeout", "from 1s"),
        ("backfill: {headers: {'a b': c}}", "backfill.headers", "no name of a header"),
    ] {
        let (_, problems) = read(line);
        let is_told = |it: &String| it.starts_with(&format!("{place}: ")) && it.contains(part);
        assert!(problems.iter().any(is_told), "{line}: {problems:#?}");
    }
    let w = "[{{.window}}]";
    for (queries, place, part) in [
        (format!("{{total: 'a{w}'}}"), "slos.0.backfill", "one of good and bad"),
        (format!("{{total: 'a{w}', good: 'b{w}', bad: 'c{w}'}}"), "slos.0.backfill", "one of good and bad"),
        (format!("{{total: 'a[5m]', good: 'b{w}'}}"), "slos.0.backfill.total", "has no window"),
        (
            format!("{{total: 'a{w}', bad: 'b[{{{{.x}}}}]'}}"),
            "slos.0.backfill.bad",
            "only {{.window}} is known",
        ),
    ] {
        let yaml = format!(
            "slos: [{{name: a, service: s, target: 0.9, sli: {{type: success_rate}}, backfill: {queries}}}]"
        );
        let (_, problems) = read(&yaml);
        let is_told = |it: &String| it.starts_with(&format!("{place}: ")) && it.contains(part);
        assert!(problems.iter().any(is_told), "{queries}: {problems:#?}");
    }
}
