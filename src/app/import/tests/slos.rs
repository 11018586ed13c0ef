use std::{fs, path::PathBuf};

use expect_test::expect;

use crate::import::{files::documents, output::Report, settings, sloth};

/// Imports texts as files of their own. Returns the settings and what was told.
fn import(texts: &[&str], window: &str) -> (String, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let file = |(index, text): (usize, &&str)| -> PathBuf {
        let path = folder.path().join(format!("{index}.yaml"));
        fs::write(&path, text).unwrap();
        path
    };
    let paths: Vec<PathBuf> = texts.iter().enumerate().map(file).collect();
    let mut report = Report::default();
    let found = documents(&paths, &mut report);
    let slos = sloth::import(&found, window, &mut report);
    let written = settings::Written { processors: settings::SlaStage { sla: settings::Sla { slos } } };
    let folder = format!("{}/", folder.path().display());
    let lines = report.lines.iter().map(|line| line.replace(&folder, ""));
    (config::write(&written).unwrap(), lines.collect())
}

const SHOP: &str = r#"
version: "prometheus/v1"
service: "shop"
labels: {owner: team-a}
slos:
  - name: "requests-availability"
    objective: 99.9
    description: "Common objective on availability"
    labels: {category: availability}
    sli:
      events:
        error_query: sum(rate(http_request_duration_seconds_count{job="shop",code=~"(5..|429)"}[{{.window}}]))
        total_query: sum(rate(http_request_duration_seconds_count{job="shop"}[{{.window}}]))
    alerting:
      name: ShopHighErrorRate
      labels: {category: availability}
      annotations:
        summary: "High error rate on {{ $labels.sloth_service }} responses"
      page_alert:
        labels: {severity: critical, routing_key: myteam}
      ticket_alert:
        labels: {severity: slack, slack_channel: '#alerts'}
        annotations: {value: '{{ $value | humanize }}'}
  - name: logins
    objective: 95
    sli: {raw: {error_ratio_query: '1 - (sum(rate(logins_total{result!~"failed|locked"}[{{ .window }}])) / sum(rate(logins_total[{{ .window }}])))'}}
    alerting: {page_alert: {disable: true}}
"#;

#[test]
fn objectives_of_sloth_become_objectives_on_the_same_series() {
    let (written, told) = import(&[SHOP], "30d");
    expect![[r##"
        processors:
          sla:
            slos:
            - name: requests-availability
              service: shop
              description: Common objective on availability
              sli:
                type: success_rate
                counters:
                  total:
                    prometheus: http_request_duration_seconds_count{job="shop"}
                  bad:
                    prometheus: http_request_duration_seconds_count{job="shop",code=~"(5..|429)"}
              target: 0.999
              window:
                rolling: 30d
              min_events: 1
              labels:
                category: availability
                owner: team-a
              alerting:
                name: ShopHighErrorRate
                labels:
                  category: availability
                annotations:
                  summary: High error rate on shop responses
                page:
                  labels:
                    routing_key: myteam
                ticket:
                  labels:
                    slack_channel: "#alerts"
            - name: logins
              service: shop
              sli:
                type: success_rate
                counters:
                  total:
                    prometheus: logins_total
                  good:
                    prometheus: logins_total{result!~"failed|locked"}
              target: 0.95
              window:
                rolling: 30d
              min_events: 1
              labels:
                owner: team-a
              alerting:
                page:
                  enabled: false
    "##]]
    .assert_eq(&written);
    expect![[r#"
        note: 0.yaml: SLO shop/requests-availability: ticket_alert.labels.severity is set by trueline and left out, `slack`; pages have severity="critical", tickets "warning", both sloth_severity
        note: 0.yaml: SLO shop/requests-availability: value is left out, as its template {{$value | humanize}} is not known beforehand"#]].assert_eq(&told.join("\n"));
}

#[test]
fn windows_of_ones_own_take_the_place_of_googles_for_their_period() {
    let windows = "
apiVersion: sloth.slok.dev/v1
kind: AlertWindows
spec:
  sloPeriod: 7d
  page:
    quick: {errorBudgetPercent: 8, shortWindow: 5m, longWindow: 1h}
    slow: {errorBudgetPercent: 12.5, shortWindow: 30m, longWindow: 6h}
  ticket:
    quick: {errorBudgetPercent: 20, shortWindow: 2h, longWindow: 1d}
    slow: {errorBudgetPercent: 42, shortWindow: 6h, longWindow: 3d}
";
    let (written, _) = import(&[SHOP, windows], "7d");
    let alerts = written.split("burn_alerts:").nth(1).unwrap();
    for part in ["severity: page", "long: 1h", "short: 5m", "factor: 13.44"] {
        assert!(alerts.contains(part), "{part} in {written}");
    }
    let logins = written.split("name: logins").nth(1).unwrap();
    assert!(!logins.contains("severity: page") && logins.contains("severity: ticket"), "{written}");
    let (written, told) = import(&[SHOP, windows], "30d");
    assert!(!written.contains("burn_alerts:"), "{written}");
    assert!(told[0].contains("they are windows for 7d, and --window is 30d"), "{told:?}");
}

#[test]
fn objects_of_kubernetes_are_read_too() {
    let object = "
apiVersion: sloth.slok.dev/v1
kind: PrometheusServiceLevel
metadata: {name: shop, namespace: monitoring}
spec:
  service: shop
  slos:
    - name: a
      objective: 99
      sli: {events: {errorQuery: 'sum(rate(a_total{b=\"c\"}[{{.window}}]))', totalQuery: 'sum(rate(a_total[{{.window}}]))'}}
      alerting: {pageAlert: {labels: {to: pager}}, ticketAlert: {disable: true}}
";
    let (written, told) = import(&[object], "28d");
    assert_eq!(told, Vec::<String>::new());
    for part in ["name: a\n", "target: 0.99\n", "rolling: 28d", "to: pager", "enabled: false"] {
        assert!(written.contains(part), "{part} in {written}");
    }
}

#[test]
fn what_can_not_be_said_is_left_out_by_file_objective_and_reason() {
    let slo = |name: &str, sli: &str, more: &str| {
        format!("  - {{name: {name}, objective: 99{more}, sli: {sli}}}\n")
    };
    let events = |errors: &str, total: &str| {
        format!("{{events: {{error_query: '{errors}', total_query: '{total}'}}}}")
    };
    let good = "sum(rate(a_total[{{.window}}]))";
    let latency = "(sum(rate(d_count[{{.window}}])) - sum(rate(d_bucket{le=\"0.5\"}[{{.window}}])))";
    let text = [
        "version: prometheus/v1\nservice: s\nslos:\n".to_owned(),
        slo("latency", &events(latency, "sum(rate(d_count[{{.window}}]))"), ""),
        slo("fixed", &events("sum(rate(a_total{c=\"d\"}[5m]))", good), ""),
        slo("grouped", &events("sum by (pod) (rate(a_total{c=\"d\"}[{{.window}}]))", good), ""),
        slo(
            "plugin",
            "{plugin: {id: sloth-common/kubernetes/apiserver/availability, options: {filter: x}}}",
            "",
        ),
        slo("up", "{raw: {error_ratio_query: '1 - avg_over_time(up[{{.window}}])'}}", ""),
        slo("nothing", "{}", ""),
        slo("high", &events(good, good), "9"),
        slo("good", &events(good, good), ""),
        slo("good", &events(good, good), ""),
    ]
    .concat();
    let (written, told) =
        import(&[&text, "kind: Deployment", "a: b: c", "version: prometheus/v1\nservice: s\nslo: []"], "30d");
    assert_eq!(written.matches("name: ").count(), 1, "{written}");
    for (what, why) in [
        ("0.yaml: SLO s/latency", "error_query: `d_bucket{le=\"0.5\"}` asks for buckets"),
        ("0.yaml: SLO s/fixed", "range of its own"),
        ("0.yaml: SLO s/grouped", "no sum over all labels"),
        ("0.yaml: SLO s/plugin", "sloth-common/kubernetes/apiserver/availability"),
        ("0.yaml: SLO s/up", "error_ratio_query:"),
        ("0.yaml: SLO s/nothing", "not one of events, raw and plugin"),
        ("0.yaml: SLO s/high", "target is 9.99"),
        ("0.yaml: SLO s/good", "same service and name"),
        ("1.yaml", "neither"),
        ("2.yaml", ""),
        ("3.yaml", "slo"),
    ] {
        let is_it = |line: &&String| line.starts_with(&format!("left out: {what}: ")) && line.contains(why);
        assert!(told.iter().any(|line| is_it(&line)), "{what}: {why} in {told:#?}");
    }
    assert_eq!(told.len(), 11, "{told:#?}");
}
