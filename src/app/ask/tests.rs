use expect_test::expect;
use serde_json::json;

use super::text;

#[test]
fn alerts_are_a_table_with_what_keeps_them_quiet() {
    let all = json!({"left_off": 2, "alerts": [
        {"fingerprint": "00000000000000ab", "labels": {"alertname": "Slow", "severity": "critical", "service": "pay"},
         "severity": "critical", "state": "firing", "since": "2026-11-21T10:00:00Z", "value": 812.345,
         "suppressed_by": ["silence 7"], "acknowledged_by": "ann", "is_flapping": false},
        {"fingerprint": "00000000000000ac", "labels": {"alertname": "Bell\u{7}\u{1b}[2J"}, "severity": "info",
         "state": "pending", "since": null, "value": null, "suppressed_by": []}
    ]});
    expect![[r"
        STATE                             SEVERITY  ALERT      SINCE                 VALUE  FINGERPRINT       LABELS
        firing, acknowledged, suppressed  critical  Slow       2026-11-21T10:00:00Z  812.3  00000000000000ab  service=pay
        pending                           info      Bell  [2J  -                     -      00000000000000ac
        and 2 more
    "]]
    .assert_eq(&text::alerts(&all));
    assert_eq!(text::alerts(&json!({"alerts": []})), "no alert fires\n");
}

#[test]
fn one_alert_comes_with_its_past() {
    let one = json!({"fingerprint": "00000000000000ab", "labels": {"alertname": "Slow", "service": "pay"},
        "severity": "critical", "state": "firing", "since": "10:00", "value": 812.0, "threshold": 800.0,
        "annotations": {"summary": "pay is slow"}, "acknowledged_by": "ann", "acknowledged_at": "10:01",
        "comment": "on it", "suppressed_by": ["schedule Sat"],
        "events": [{"at": "10:00", "event": "firing", "value": 812.0, "detail": ""}]});
    expect![[r"
        Slow (00000000000000ab)
          firing, acknowledged, suppressed since 10:00, critical
          value 812, threshold 800
          service=pay
          summary: pay is slow
          acknowledged by ann at 10:01: on it
          suppressed by schedule Sat
          TIME   EVENT   VALUE  DETAIL
          10:00  firing  812
    "]]
    .assert_eq(&text::alerts(&one));
}

#[test]
fn an_explanation_tells_what_became_of_notifications() {
    let answer = |delivery: serde_json::Value| {
        json!({"subject": "Slow", "at": "10:05", "rules": [], "left_off": 0, "alerts": [{
            "alert": {"fingerprint": "00000000000000ab", "labels": {"alertname": "Slow", "service": "pay"}},
            "state_then": "firing", "why": "it fired at 10:00 with 812 and was told at 10:01", "input": null,
            "suppressed_by_then": [], "events": [], "delivery": delivery}]})
    };
    let told = json!([{"exporter": "alert_webhook", "since": "09:00", "deliveries": [
        {"destination": "chat", "state": "firing", "told_at": "10:01", "outcome": "delivered", "at": "10:03",
         "attempts": 3, "last_failed_at": "10:02", "problem": "127.0.0.1 answered 503"},
        {"destination": "pager", "state": "firing", "told_at": "10:01", "outcome": "not_wanted", "at": "10:01",
         "attempts": 0, "last_failed_at": null, "problem": "it is below `min_severity`"}]},
        {"exporter": "alert_webhook/other", "since": "09:00", "deliveries": []}]);
    expect![[r"
        Slow at 10:05

        Slow (00000000000000ab)  service=pay
          then firing: it fired at 10:00 with 812 and was told at 10:01
          TOLD   EVENT   DESTINATION  DELIVERY    AT     ATTEMPTS  PROBLEM
          10:01  firing  chat         delivered   10:03  3         127.0.0.1 answered 503
          10:01  firing  pager        not wanted  10:01  0         it is below `min_severity`
          alert_webhook/other has delivered nothing of it since it started at 09:00
    "]]
    .assert_eq(&text::explain(&answer(told)));
    let nobody = text::explain(&answer(json!([])));
    assert!(nobody.ends_with("\n  no exporter of this configuration delivers alerts\n"), "{nobody}");
}

#[test]
fn objectives_come_with_the_worst_first() {
    let all = json!({"objectives": [
        {"id": "shop-fast", "state": "met", "target": 0.99, "sli": 0.9991, "error_budget_remaining": 0.91,
         "burn_rate_1h": 0.1, "window": "30d", "coverage_ratio": 1.0},
        {"id": "shop-up", "state": "insufficient_data", "target": 0.999, "sli": null, "error_budget_remaining": null,
         "burn_rate_1h": null, "window": "30d", "coverage_ratio": 0.0},
        {"id": "pay-up", "state": "breached", "target": 0.999, "sli": 0.998, "error_budget_remaining": -1.0,
         "burn_rate_1h": 14.4, "window": "1M", "coverage_ratio": 0.5}
    ]});
    expect![[r"
        STATE              OBJECTIVE  TARGET  SLI      BUDGET LEFT  BURN 1h  WINDOW  COVERAGE
        breached           pay-up     99.9 %  99.8 %   -100 %       14.4     1M      50 %
        met                shop-fast  99 %    99.91 %  91 %         0.1      30d     100 %
        insufficient_data  shop-up    99.9 %  -        -            -        30d     0 %
    "]]
    .assert_eq(&text::slos(&all));
}
