//! Settings that are refused, each with its place and the remedy.

use super::*;

/// Settings of one objective, with a line changed.
fn with(line: &str) -> String {
    let base = ["name: a", "service: checkout", "sli: {type: success_rate}", "target: 0.999"];
    let key = line.split(':').next().unwrap();
    let kept = base.iter().filter(|it| !it.starts_with(&format!("{key}:"))).copied();
    let lines: Vec<_> = kept.chain([line]).map(|line| format!("    {line}")).collect();
    format!("slos:\n  -\n{}\n", lines.join("\n"))
}

#[test]
fn what_can_not_be_is_refused_with_place_and_remedy() {
    for (line, place, part) in [
        ("target: 99.9", "slos.0.target", "write 0.999"),
        ("target: 1.5", "slos.0.target", "write 0.015"),
        ("target: 1", "slos.0.target", "leaves no budget"),
        ("target: -0.1", "slos.0.target", "above 0 and below 1"),
        ("window: {rolling: 91d}", "slos.0.window.rolling", "to 90d"),
        ("window: {rolling: 30d, calendar: 1M}", "slos.0.window", "one of"),
        ("window: {calendar: 1M, timezone: Mars/Base}", "slos.0.window.timezone", "Europe/Berlin"),
        ("window: {calendar: fortnight}", "slos.0.window.calendar", "1M"),
        (
            "burn_alerts: [{severity: page, long: 1h, short: 5m, factor: 1000}]",
            "slos.0.burn_alerts.0.factor",
            "at most 900.00",
        ),
        (
            "burn_alerts: [{severity: page, long: 1h, short: 1h, factor: 2}]",
            "slos.0.burn_alerts.0.short",
            "below long",
        ),
        (
            "burn_alerts: [{severity: page, long: 100d, short: 1h, factor: 2}]",
            "slos.0.burn_alerts.0.long",
            "90d",
        ),
        ("sli: {type: success_rate, bad: [http.status]}", "", ""),
        ("sli: {type: success_rate, bad: ['a ~ 5']}", "slos.0.sli.bad.0", "attribute operator value"),
        ("sli: {type: success_rate, within: 5s}", "slos.0.sli.within", "latency"),
        ("sli: {type: latency}", "slos.0.sli.targets", "p99: 800ms"),
        ("sli: {type: latency, targets: {p101: 5s}}", "slos.0.sli.targets", "leave target"),
        ("sli: {type: value, attribute: a}", "slos.0.sli", "lt, gt and between"),
        ("sli: {type: value, attribute: a, between: [2, 1]}", "slos.0.sli.between", "not be above"),
        ("sli: {type: throughput}", "slos.0.sli.min", "50/s"),
        ("sli: {type: throughput, min: 5/s, slice: 7s}", "slos.0.sli.slice", "1m"),
        ("sli: {type: freshness}", "slos.0.sli.max_age", "how old"),
        ("sli: {type: workflow}", "slos.0.sli.within", "10m"),
        ("sli: {type: workflow, within: 1h, give_up_after: 5m}", "slos.0.sli.give_up_after", "below"),
        ("sli: {type: metric, gt: 1}", "slos.0.sli.metric", "name"),
        (
            "sli: {type: metric, gt: 1, metric: {name: a, statistic: p42}}",
            "slos.0.sli.metric.statistic",
            "p95",
        ),
        ("sli: {type: composite}", "slos.0.sli.of", "made of"),
        ("sli: {type: composite, of: [{slo: nothing}]}", "slos.0.sli.of.0.slo", "no objective"),
        ("maintenance: [{name: night, schedule: 'Sat 2-6'}]", "slos.0.maintenance.0.schedule", "02:00-06:00"),
        ("maintenance: [{name: move, start: soon, end: later}]", "slos.0.maintenance.0.start", "2026-11-21"),
        (
            "escalation: [{budget_consumed: 0, severity: page}]",
            "slos.0.escalation.0.budget_consumed",
            "above 0",
        ),
        ("labels: {sloth_id: x}", "slos.0.labels", "set by this component"),
        ("labels: {a-b: x}", "slos.0.labels", "underscores"),
        ("name: a/b", "slos.0.name", "slash"),
        ("downtime_error_ratio: 2", "slos.0.downtime_error_ratio", "at most 1"),
        (
            "budgeting: {timeslices: {slice: 1m, target: 2}}",
            "slos.0.budgeting.timeslices.target",
            "at most 1",
        ),
    ] {
        let (_, problems) = read(&with(line));
        let is_told = problems.iter().any(|it| it.starts_with(&format!("{place}: ")) && it.contains(part));
        assert!(is_told || (place.is_empty() && problems.is_empty()), "{line}: {problems:#?}");
    }
}

/// An objective whose events come so, with the alerts of a line.
fn coarse(sli: &str, line: &str) -> Vec<String> {
    let yaml = format!(
        "slos:\n  - {{name: part, service: s, target: 0.9, sli: {{type: availability, slice: 5m}}, burn_alerts: none}}\n  - {{name: a, service: s, target: 0.9, sli: {sli}, {line}}}\n"
    );
    read(&yaml).1
}

#[test]
fn an_alert_whose_windows_hold_nothing_is_refused_with_place_value_and_remedy() {
    let own = "burn_alerts: [{severity: page, long: 1h, short: 5m, factor: 2}]";
    let rate = |window: &str, of_part: &str| {
        format!(
            "{{type: success_rate, counters: {{total: {{name: x, window: {window}}}, bad: {{name: y, window: {of_part}}}}}}}"
        )
    };
    let sliced = "budgeting: {timeslices: {slice: 1m, target: 0.9}}";
    let composite = "{type: composite, of: [{slo: part}]}";
    for (sli, line, place, parts) in [
        (
            "{type: availability, slice: 5m}",
            own,
            "slos.1.burn_alerts.0.short",
            ["5m is too short", "at least 11m"],
        ),
        (
            "{type: availability, slice: 5m}",
            "burn_alerts: [{severity: page, long: 10m, factor: 2}]",
            "slos.1.burn_alerts.0.long",
            ["10m is too short", "slices of 5m"],
        ),
        (
            "{type: freshness, max_age: 5m, slice: 5m}",
            "burn_alerts: pyrra",
            "slos.1.burn_alerts",
            ["of `pyrra`, 5m is", "auto"],
        ),
        (&rate("5m", "5m"), own, "slos.1.burn_alerts.0.short", ["5m is too short", "windows of 5m"]),
        (
            &rate("5m", "1m"),
            "burn_alerts: none",
            "slos.1.sli.counters.bad.window",
            ["window is 1m", "total is 5m"],
        ),
        (&rate("5m", "5m"), sliced, "slos.1.budgeting.timeslices.slice", ["slice is 1m", "at least 5m"]),
        (
            "{type: metric, lt: 1, metric: {name: x, window: 10m}}",
            own,
            "slos.1.burn_alerts.0.short",
            ["5m is too short", "at least 21m"],
        ),
        (
            "{type: availability, slice: 10m}",
            "burn_alerts: [{severity: page, long: 1h, short: 30m, factor: 2}]",
            "slos.1.burn_alerts.0.short",
            ["min_events is 10", "write 5 or less"],
        ),
        (
            "{type: availability, slice: 1h}",
            "min_events: 0, window: {rolling: 1h}",
            "slos.1.min_events",
            ["holds 0 at most", "write shorter slices"],
        ),
        (
            "{type: availability, slice: 1h}",
            "window: {rolling: 6h}",
            "slos.1.min_events",
            ["min_events is 10", "write 5 or less"],
        ),
        (composite, own, "slos.1.burn_alerts", ["of its parts, 5m is too short", "slices of 5m"]),
        (
            composite,
            "min_events: 20, burn_alerts: [{severity: page, long: 1h, short: 30m, factor: 2}]",
            "slos.1.burn_alerts",
            ["min_events is 20", "write 11 or less"],
        ),
        (
            composite,
            "window: {rolling: 7d}",
            "slos.1.sli.of.0.slo",
            ["kept over 30d, the composite over 7d", "same window"],
        ),
    ] {
        let problems = coarse(sli, line);
        let is_told =
            |it: &String| it.starts_with(&format!("{place}: ")) && parts.iter().all(|part| it.contains(part));
        assert!(problems.iter().any(is_told), "{sli} {line}: {problems:#?}");
    }
    for (sli, line) in [
        ("{type: availability, slice: 2m}", "burn_alerts: google, target: 0.99"),
        (&rate("2m", "2m"), own),
        (
            "{type: availability, slice: 10m}",
            "min_events: 5, burn_alerts: [{severity: page, long: 1h, short: 30m, factor: 2}]",
        ),
    ] {
        let problems = coarse(sli, line.split(", target").next().unwrap());
        assert!(
            problems.iter().all(|it| !it.contains("too short") && !it.contains("min_events")),
            "{sli}: {problems:#?}"
        );
    }
}

#[test]
fn auto_leaves_out_the_alerts_whose_windows_hold_nothing() {
    let problems = coarse("{type: availability, slice: 10m}", "min_events: 5");
    let left_out = |it: &&String| {
        it.starts_with("warning: slos.1.burn_alerts: ") && it.contains("over 1h and 5m is left out")
    };
    assert_eq!(problems.iter().filter(left_out).count(), 1, "{problems:#?}");
    assert!(
        problems.iter().all(|it| it.starts_with("warning: ") && !it.contains("over 6h and 30m is left out")),
        "{problems:#?}"
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let yaml = "
evaluation_interval: 0s
slos:
  - {name: a, service: s, sli: {type: success_rate}, target: 2}
  - {name: b, service: s, sli: {type: success_rate}, target: 0.9, burn_alerts: google, window: {rolling: 100d}}
  - {name: b, service: s, sli: {type: latency, within: 1s}, target: 0.99}
  - {name: b, service: s, sli: {type: latency, within: 2s}, target: 0.99}
";
    let (_, problems) = read(yaml);
    for place in ["evaluation_interval", "slos.0.target", "slos.1.window.rolling", "slos.3.name"] {
        assert!(problems.iter().any(|it| it.starts_with(&format!("{place}: "))), "{place} in {problems:#?}");
    }
}

#[test]
fn a_preset_that_can_never_fire_is_refused_and_auto_lowers_it() {
    let (_, problems) =
        read(&with("target: 0.9").replace("target: 0.9", "target: 0.9\n    burn_alerts: google"));
    assert!(
        problems.iter().any(|it| it.starts_with("slos.0.burn_alerts: ") && it.contains("at most 9.00")),
        "{problems:?}"
    );
    let (_, problems) = read(&with("target: 0.9"));
    assert!(
        problems.iter().any(|it| it.starts_with("warning: slos.0.burn_alerts: ") && it.contains("9.00")),
        "{problems:?}"
    );
}

#[test]
fn alerts_that_a_healthy_service_would_raise_are_left_out_and_told_of() {
    let alerts = |window: &str, preset: &str| {
        let yaml = with(&format!("window: {{{window}}}")) + &format!("    burn_alerts: {preset}\n");
        let (config, problems) = read(&yaml);
        let plan = crate::sla::plan::Plan::of(&config.unwrap());
        let pairs = plan.objectives[0].burn.iter().flat_map(|alert| &alert.pairs);
        let factors: Vec<_> = pairs.map(|pair| format!("{:.2}", pair.factor)).collect();
        (factors.join(" "), problems.join("\n"))
    };
    for preset in ["auto", "google"] {
        for (window, factors, told) in [
            ("rolling: 30d", "14.40 6.00 3.00 1.00", ""),
            ("rolling: 28d", "13.44 5.60 2.80 0.93", ""),
            ("rolling: 7d", "3.36 1.40", "over 1d (a burn rate of 0.70) and 3d (a burn rate of 0.23)"),
            ("calendar: 1w", "3.36 1.40", "the others remain"),
            ("rolling: 1d", "", "no alert remains: write `pyrra`"),
        ] {
            let (found, problems) = alerts(window, preset);
            assert_eq!(found, factors, "{window} {preset}");
            let is_told = problems.starts_with("warning: slos.0.burn_alerts: ") && problems.contains(told);
            assert!(if told.is_empty() { problems.is_empty() } else { is_told }, "{window}: {problems}");
        }
    }
}

#[test]
fn keys_that_an_indicator_does_not_read_are_refused() {
    let series = "{name: x}";
    let written = [
        ("exclude", "[a]"),
        ("bad", "[a]"),
        ("counters", "{total: {name: x}, bad: {name: y}}"),
        ("targets", "{p99: 1s}"),
        ("within", "1s"),
        ("attribute", "a"),
        ("lt", "1"),
        ("gt", "1"),
        ("between", "[1, 2]"),
        ("metric", series),
        ("min", "1/s"),
        ("max", "1/s"),
        ("slice", "1m"),
        ("up_from", "0.5"),
        ("silence_is_down", "true"),
        ("max_age", "1m"),
        ("start", "[a]"),
        ("end", "[a]"),
        ("started_event", "a"),
        ("ended_event", "a"),
        ("key", "a"),
        ("escalate_after", "1m"),
        ("give_up_after", "1m"),
        ("started", series),
        ("completed", series),
        ("of", "[{slo: b}]"),
        ("combine", "min"),
    ];
    let keys = crate::sla::plan::keys(&crate::sla::config::SliConfig::default());
    assert_eq!(keys.map(|(key, ..)| key), written.map(|(key, _)| key), "each key is tried");
    for (key, value) in written {
        // No type takes both, so one of the two refuses each key.
        let refused = ["composite", "throughput"].map(|kind| {
            let (_, problems) = read(&with(&format!("sli: {{type: {kind}, {key}: {value}}}")));
            problems.iter().any(|it| it.starts_with(&format!("slos.0.sli.{key}: {key} is a key of ")))
        });
        assert!(refused.contains(&true), "{key} passes");
    }
    for (line, place) in [
        ("sli: {type: success_rate, bad: [a], counters: {total: {name: x}, bad: {name: y}}}", "sli.bad"),
        ("sli: {type: workflow, within: 1m, key: a, started: {name: x}, completed: {name: y}}", "sli.key"),
        (
            "sli: {type: workflow, within: 1m, exclude: [a], started: {name: x}, completed: {name: y}}",
            "sli.exclude",
        ),
    ] {
        let (_, problems) = read(&with(line));
        let is_told =
            |it: &String| it.starts_with(&format!("slos.0.{place}: ")) && it.contains("asked of spans");
        assert!(problems.iter().any(is_told), "{line}: {problems:#?}");
    }
    for (line, place) in [
        ("match: {a: b}", "match"),
        ("rto: 1m", "rto"),
        ("maintenance: [{name: x, schedule: 'Sat 02:00-06:00 UTC'}]", "maintenance"),
        ("cost: {per_down_minute: 1, currency: EUR}", "cost.per_down_minute"),
    ] {
        let yaml = with("sli: {type: composite, of: [{slo: b}]}") + &format!("    {line}\n");
        let (_, problems) = read(&yaml);
        let is_told = |it: &String| it.starts_with(&format!("slos.0.{place}: a composite"));
        assert!(problems.iter().any(is_told), "{line}: {problems:#?}");
    }
}

#[test]
fn objectives_that_count_the_same_events_are_told_of() {
    let yaml = "
slos:
  - {name: all, service: s, sli: {type: success_rate}, target: 0.99}
  - {name: some, service: s, match: {http.route: /pay}, sli: {type: success_rate}, target: 0.99}
  - {name: fast, service: s, sli: {type: latency, targets: {p95: 1s, p99: 2s}}}
";
    let (_, problems) = read(yaml);
    assert!(problems.len() == 1 && problems[0].starts_with("warning: slos.1.match: s-some"), "{problems:?}");
}

#[test]
fn where_too_many_objectives_are_alike_it_is_told_that_they_were_not_compared() {
    let one = |n: u32| format!("  - {{name: o{n}, service: s, sli: {{type: success_rate}}, target: 0.99}}\n");
    let (_, problems) = read(&format!("slos:\n{}", (0..101).map(one).collect::<String>()));
    let [problem] = &problems[..] else { panic!("{problems:?}") };
    assert!(
        problem.starts_with("warning: slos: service s has 101 objectives of type success_rate"),
        "{problem}"
    );
}

#[test]
fn the_examples_of_the_page_are_right() {
    let page = include_str!("../README.md");
    let examples: Vec<_> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let unindented: String =
            example.lines().skip(2).map(|line| format!("{}\n", line.get(4..).unwrap_or(""))).collect();
        let (config, problems) = read(&unindented);
        assert!(config.is_some() && problems.iter().all(|it| it.starts_with("warning: ")), "{problems:#?}");
    }
}

const OPENSLO: &str = r#"
apiVersion: openslo/v1
kind: SLI
metadata: {name: errors}
spec:
  ratioMetric:
    counter: true
    bad: {metricSource: {type: Prometheus, spec: {query: 'sum(rate(http_errors_total{job="a"}[5m]))'}}}
    total: {metricSource: {type: Prometheus, spec: {query: 'sum(rate(http_requests_total{job="a"}[5m]))'}}}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: up}
spec:
  service: checkout
  indicatorRef: errors
  timeWindow: [{duration: 1M, isRolling: false, calendar: {startTime: '2026-01-01 00:00:00', timeZone: Europe/Berlin}}]
  budgetingMethod: Occurrences
  objectives: [{target: 0.99}]
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: depth}
spec:
  service: checkout
  indicator: {spec: {thresholdMetric: {metricSource: {spec: {metric: {name: queue.depth}}}}}}
  timeWindow: [{duration: 4w, isRolling: true}]
  objectives: [{op: lte, value: 100, target: 0.95}, {op: lte, value: 200, targetPercent: 99}]
"#;

fn openslo(text: &str) -> (Vec<String>, Vec<String>) {
    let environment = config::MapEnvironment::default().with_file("a.yaml", text);
    let openslo_files = crate::sla::config::OpenSloFiles::read(&["a.yaml".to_owned()], &environment);
    let settings = SlaConfig { openslo_files, ..SlaConfig::default() };
    let mut checks = component::Checks::default();
    let plan = crate::sla::plan::Plan::compile(&settings, &mut checks);
    let told = checks.into_findings().into_iter().map(|it| format!("{}: {}", it.path, it.message));
    let describe = |it: &std::sync::Arc<crate::sla::plan::Objective>| {
        format!("{} {} {}", it.id, it.target, it.window.text())
    };
    (plan.objectives.iter().map(describe).collect(), told.collect())
}

#[test]
fn objectives_of_openslo_are_read() {
    let (objectives, problems) = openslo(OPENSLO);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(
        objectives,
        ["checkout-depth-1 0.95 28d", "checkout-depth-2 0.99 28d", "checkout-up 0.99 month"]
    );
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_line() {
    for (from, to, part) in [
        ("indicatorRef: errors", "indicatorRef: nothing", "there is no SLI `nothing`"),
        ("[5m]))'}}}\n    total", "[5m])) / 2'}}}\n    total", "only sum(rate"),
        ("budgetingMethod: Occurrences", "budgetingMethod: Often", "Occurrences and Timeslices"),
        ("target: 0.99}", "target: 99}", "not percent"),
        ("service: checkout\n  indicatorRef", "servise: checkout\n  indicatorRef", "servise"),
        ("kind: SLI", "kind: Wish", "OpenSLO does not have"),
        ("apiVersion: openslo/v1\nkind: SLI", "apiVersion: v2\nkind: SLI", "only openslo/v1"),
    ] {
        let text = OPENSLO.replacen(from, to, 1);
        assert_ne!(text, OPENSLO, "{from}");
        let (_, problems) = openslo(&text);
        assert!(
            problems.iter().any(|it| it.starts_with("openslo_files.0") && it.contains(part)),
            "{part}: {problems:#?}"
        );
    }
    let (_, problems) = read("openslo_files: [/nowhere/slos.yaml]");
    assert!(
        problems.iter().any(|it| it.starts_with("openslo_files.0: /nowhere/slos.yaml can not be read")),
        "{problems:?}"
    );
}
