use std::fs;

use expect_test::expect;

use crate::import::{files::documents, output::Report, rules, settings};

fn import(text: &str) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yaml");
    fs::write(&path, text).unwrap();
    let mut report = Report::default();
    let found = documents(&[path], &mut report);
    let rules = rules::import(&found, &mut report);
    let written =
        settings::Written { processors: settings::AlertingStage { alerting: settings::Alerting { rules } } };
    let folder = format!("{}/", folder.path().display());
    (config::write(&written).unwrap(), report.lines.iter().map(|line| line.replace(&folder, "")).collect())
}

#[test]
fn alerts_on_a_series_and_on_a_rate_become_rules_on_the_same_series() {
    let (written, told) = import(
        r#"
groups:
  - name: shop
    interval: 30s
    labels: {team: shop}
    rules:
      - alert: HighErrors
        expr: sum by (job) (rate(http_requests_total{code=~"5..|429", job!~"test-.*"}[5m])) > 2.5
        for: 10m
        keep_firing_for: 1h30m
        labels: {severity: critical, tier: '{{ $labels.job }}-a'}
        annotations:
          summary: '{{ $labels.job }} fails {{ $value | humanize }} times a second'
      - alert: Down
        expr: up{job="api"} == 0
"#,
    );
    expect![[r#"
        processors:
          alerting:
            rules:
            - name: HighErrors
              prometheus: http_requests_total{code=~"5..|429",job!~"test-.*"}
              stat: rate
              group_by:
              - job
              aggregate: sum
              when:
                op: gt
                value: 2.5
                over: 5m0s
              for: 10m0s
              keep_firing_for: 1h30m0s
              cooldown: 0s
              on_no_data: resolve
              no_data_after: 5m
              hold_flapping: false
              severity: critical
              labels:
                team: shop
                tier: "{{ labels.job }}-a"
              annotations:
                summary: "{{ labels.job }} fails {{ value }} times a second"
            - name: Down
              prometheus: up{job="api"}
              stat: mean
              when:
                op: eq
                value: 0.0
              for: 0s
              keep_firing_for: 0s
              cooldown: 0s
              on_no_data: resolve
              no_data_after: 5m
              hold_flapping: false
              severity: warning
              labels:
                team: shop
    "#]]
    .assert_eq(&written);
    assert_eq!(told, ["note: a.yaml: group shop: HighErrors: summary is written without humanize"]);
}

#[test]
fn objects_of_kubernetes_are_read_too() {
    let (written, told) = import(
        "
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: a, labels: {role: alert-rules}}
spec: {groups: [{name: g, rules: [{alert: Full, expr: '90 <= max by (instance) (disk_used_percent)', labels: {severity: page}}]}]}
",
    );
    for part in ["prometheus: disk_used_percent", "op: gte", "value: 90", "aggregate: max", "- instance"] {
        assert!(written.contains(part), "{part} in {written}");
    }
    assert!(told.len() == 1 && told[0].contains("severity `page`"), "{told:?}");
}

#[test]
fn what_can_not_be_said_is_left_out_by_group_rule_and_reason() {
    let (written, told) = import(
        r#"
groups:
  - name: g
    limit: 5
    rules:
      - {record: 'job:x:rate5m', expr: 'sum by (job) (rate(x_total[5m]))'}
      - {alert: Ratio, expr: 'rate(a_total[5m]) / rate(b_total[5m]) > 0.1'}
      - {alert: Absent, expr: 'absent(up{job="a"})'}
      - {alert: Total, expr: 'x_total > 5'}
      - {alert: Good, expr: 'a > 1', for: 5m}
      - {alert: Good, expr: 'a > 2'}
      - {alert: Broken, expr: 'a >'}
      - {alert: Long, expr: 'rate(a_total[2d]) > 1'}
      - {alert: Wait, expr: 'a > 1', for: soon}
      - alert: Texts
        expr: a != 1
        labels: {severity: sev2, at: '{{ $value }}'}
        annotations: {a: '{{ with query "up" }}x{{ end }}', b: '{{ printf "%.2f" $value }}', c: '{{ $labels.x | toUpper }}'}
"#,
    );
    let named: Vec<_> = written.lines().filter(|line| line.contains("- name: ")).map(str::trim).collect();
    assert_eq!(named, ["- name: Good", "- name: Texts"], "{written}");
    for (what, why) in [
        ("left out: a.yaml: group g: job:x:rate5m", "records a series"),
        ("left out: a.yaml: group g: Ratio", "neither a series nor the rate"),
        ("left out: a.yaml: group g: Absent", "compares with no number"),
        ("left out: a.yaml: group g: Total", "rate(x_total[5m])"),
        ("left out: a.yaml: group g: Good", "has that name"),
        ("left out: a.yaml: group g: Broken", "no PromQL"),
        ("left out: a.yaml: group g: Long", "over is 48h0m0s"),
        ("left out: a.yaml: group g: Wait", "`soon`"),
        ("note: a.yaml: group g: Texts", "severity `sev2`"),
        ("note: a.yaml: group g: Texts", "the label at is left out"),
        ("note: a.yaml: group g: Texts", "a is left out, as {{ with query \"up\" }}"),
        ("note: a.yaml: group g: Texts", "b is written without printf"),
        ("note: a.yaml: group g: Texts", "c is written without toUpper"),
        ("note: a.yaml: group g: Good", "limited to 5 alerts"),
    ] {
        assert!(told.iter().any(|it| it.starts_with(what) && it.contains(why)), "{what}: {why} in {told:#?}");
    }
    assert!(written.contains("b: \"{{ value }}\"") && written.contains("{{ labels.x }}"), "{written}");
}

#[test]
fn a_file_without_groups_is_named() {
    assert_eq!(
        import("a: b").1,
        ["left out: a.yaml: it has no groups, as files of rules and objects PrometheusRule have"]
    );
}
