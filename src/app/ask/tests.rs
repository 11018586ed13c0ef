use expect_test::expect;
use serde_json::json;

use super::{incidents, text};

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
          alert_webhook/other has delivered nothing of it since 09:00
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

/// A payment that fails, as the service tells of it.
fn incident() -> serde_json::Value {
    json!({"id": "01KBKQ3N8M0000000000000001", "state": "open", "severity": "critical", "score": 61.25,
        "start": "2026-11-21T10:00:00.25Z", "end": null, "duration_seconds": 75, "confidence": 0.8125,
        "title": "payment fails, 1 other service suffers", "merged": ["01KBKQ3N8M0000000000000002"],
        "description": "Cause, with a confidence of 81 %: payment.\n- Charge\u{1b} fails by itself in 90 %",
        "services": ["payment", "frontend"], "n_events": 3,
        "chain": [{"service": "payment", "role": "root", "first_seen": "2026-11-21T10:00:00Z"},
            {"service": "frontend", "role": "propagated", "first_seen": "2026-11-21T10:00:10Z"}],
        "causes": [
            {"service": "payment", "kind": "errors", "score": 8.0, "confidence": 0.8,
             "evidence": ["Charge fails by itself in 90 %", "changed: version 2.3"]},
            {"service": "frontend", "kind": "latency", "score": 2.0, "confidence": 0.2, "evidence": []}],
        "events": [
            {"kind": "burn", "id": "00ab", "service": "frontend", "severity": "critical",
             "start": "2026-11-21T10:00:10Z", "title": "orders burn"},
            {"kind": "anomaly", "id": "a1", "service": "payment", "severity": "warning",
             "start": "2026-11-21T10:00:00.25Z", "end": "2026-11-21T10:01:00Z", "title": "errors are high"}],
        "exemplars": ["0af7651916cd43dd8448eb211c80319c"]})
}

#[test]
fn incidents_are_a_table_with_what_is_behind_them() {
    let mut unknown = incident();
    unknown["id"] = json!("01KBKQ3N8M0000000000000003");
    unknown["chain"] = json!([]);
    let all = json!({"n": 3, "incidents": [incident(), unknown]});
    expect![[r"
        ID                          STATE  SEVERITY  SINCE                 LASTED  CAUSE           SERVICES  EVENTS  TITLE
        01KBKQ3N8M0000000000000001  open   critical  2026-11-21T10:00:00Z  1m 15s  payment (81 %)  2         3       payment fails, 1 other service suffers
        01KBKQ3N8M0000000000000003  open   critical  2026-11-21T10:00:00Z  1m 15s  -               2         3       payment fails, 1 other service suffers
        and 1 more
    "]].assert_eq(&incidents::incidents(&all));
    assert_eq!(incidents::incidents(&json!({"n": 0, "incidents": []})), "no incident is known\n");
}

#[test]
fn one_incident_comes_with_its_cause_and_everything_that_belongs_to_it() {
    expect![[r"
        payment fails, 1 other service suffers (01KBKQ3N8M0000000000000001)
          open since 2026-11-21T10:00:00Z, 1m 15s, critical, score 61 of 100
          took over 01KBKQ3N8M0000000000000002
          Cause, with a confidence of 81 %: payment.
          - Charge  fails by itself in 90 %

          SERVICE   ROLE        FIRST SEEN
          payment   root        2026-11-21T10:00:00Z
          frontend  propagated  2026-11-21T10:00:10Z

          CANDIDATE  KIND     SHARE  EVIDENCE
          payment    errors   80 %   Charge fails by itself in 90 %
                                     changed: version 2.3
          frontend   latency  20 %

          BEGAN                 ENDED                 EVENT    SEVERITY  SERVICE   WHAT             ID
          2026-11-21T10:00:00Z  2026-11-21T10:01:00Z  anomaly  warning   payment   errors are high  a1
          2026-11-21T10:00:10Z  -                     burn     critical  frontend  orders burn      00ab
          and 1 more

          traces that show it: 0af7651916cd43dd8448eb211c80319c
    "]]
    .assert_eq(&incidents::incidents(&incident()));
}

#[test]
fn what_an_incident_cost_and_what_people_said_of_it_is_shown() {
    let mut incident = json!({"id": "01K", "state": "closed", "severity": "critical", "title": "payment fails",
        "score": 81.0, "start": "10:00", "end": "10:05", "duration_seconds": 300, "description": "It failed.",
        "feedback": {"verdict": "wrong_cause", "root": "payment-db", "author": "ann", "at": "10:07"},
        "impact": [
            {"slo_id": "frontend-orders", "start": "09:59", "events": 1204, "bad_events": 312, "bad_share": 0.2591,
             "budget_consumed": 0.12, "budget_remaining": -0.61, "cost": 249.6, "currency": "EUR"},
            {"slo_id": "shop", "start": "10:00", "budget_remaining": 0.5}]});
    expect![[r"
        payment fails (01K)
          closed since 10:00 until 10:05, 5m 0s, critical, score 81 of 100
          It failed.
          feedback of ann at 10:07: the cause is payment-db

          OBJECTIVE        SINCE  BAD EVENTS  OF    SHARE    BUDGET SPENT  BUDGET LEFT  COST
          frontend-orders  09:59  312         1204  25.91 %  12 %          -61 %        249.60 EUR
          shop             10:00  -           -     -        -             50 %         -
    "]]
    .assert_eq(&incidents::incidents(&incident));
    let said = [("true", "it was true"), ("noise", "it was noise"), ("wrong_cause", "the cause is another")];
    for (verdict, line) in said {
        incident["feedback"] = json!({"verdict": verdict, "at": "10:07"});
        let shown = incidents::incidents(&incident);
        assert!(shown.contains(&format!("\n  feedback at 10:07: {line}\n")), "{shown}");
    }
}

#[test]
fn an_incident_of_which_nothing_more_is_known_has_no_empty_tables() {
    let bare = json!({"id": "01K", "state": "closed", "severity": "warning", "title": "ad is odd", "score": 10.0,
        "start": "10:00", "end": "10:05", "duration_seconds": 300,
        "description": "Nothing that is measured tells a cause."});
    expect![[r"
        ad is odd (01K)
          closed since 10:00 until 10:05, 5m 0s, warning, score 10 of 100
          Nothing that is measured tells a cause.
    "]]
    .assert_eq(&incidents::incidents(&bare));
}

#[test]
fn changes_are_a_table_and_so_is_the_one_that_was_told() {
    let change =
        json!({"service": "payment", "title": "version 2.3 was deployed", "at": "2026-11-21T09:59:00.5Z"});
    expect![[r"
        AT                    SERVICE  CHANGE
        2026-11-21T09:59:00Z  payment  version 2.3 was deployed
    "]]
    .assert_eq(&incidents::changes(&change));
    let all = json!({"changes": [&change]});
    assert_eq!(incidents::changes(&all), incidents::changes(&change));
    assert_eq!(incidents::changes(&json!({"changes": []})), "no change is known\n");
}
