use expect_test::expect;
use serde_json::json;

use super::text::{self, Known};

/// Of an inbox that was told of nothing before.
fn notification(body: &[u8]) -> String {
    text::notification(body, &mut Known::default())
}

fn text_of(posted: &serde_json::Value) -> String {
    notification(posted.to_string().as_bytes())
}

#[test]
fn an_alert_says_what_since_when_how_bad_and_where_to_look() {
    let posted = json!({"version": "4", "status": "firing", "truncatedAlerts": 2, "alerts": [
        {"status": "firing", "fingerprint": "b009dbf4730a4aa8",
         "labels": {"alertname": "OrdersBurnRate", "severity": "critical", "sloth_slo": "orders"},
         "annotations": {"summary": "orders fail", "description": "99 of 100 orders succeed", "value": "24.512345",
                         "threshold": "14.4", "incident_id": "01KBKQ3N8M0000000000000001",
                         "incident_title": "payment fails", "incident_description": "Cause: payment.\n- Charge fails"},
         "startsAt": "2026-11-21T10:00:00.5Z", "endsAt": "0001-01-01T00:00:00Z",
         "generatorURL": "http://localhost/alerts/b009dbf4730a4aa8"},
        {"status": "resolved", "labels": {"alertname": "Slow"}, "startsAt": "2026-11-21T10:00:00Z",
         "endsAt": "2026-11-21T10:02:10Z"}]});
    expect![[r"

        FIRING OrdersBurnRate (critical)
          what     orders fail
                   99 of 100 orders succeed
          since    2026-11-21T10:00:00.5Z
          how bad  24.51, the threshold is 14.4
          incident trueline incidents show 01KBKQ3N8M0000000000000001
                   payment fails
                   Cause: payment.
                   - Charge fails
          labels   sloth_slo=orders
          look     http://localhost/alerts/b009dbf4730a4aa8
          ask      trueline explain b009dbf4730a4aa8 --at 2026-11-21T10:00:00.5Z

        RESOLVED Slow
          since    2026-11-21T10:00:00Z, until 2026-11-21T10:02:10Z: 2m 10s

        and 2 more
    "]]
    .assert_eq(&text_of(&posted));
}

#[test]
fn a_notification_of_another_form_is_shown_as_it_came() {
    expect![[r#"

        RECEIVED
        {
          "text": "orders fail"
        }
    "#]]
    .assert_eq(&text_of(&json!({"text": "orders fail"})));
    assert_eq!(notification(b"plain\nwords"), "\nRECEIVED\nplain\nwords\n");
    assert!(text_of(&json!({"version": "5", "alerts": []})).starts_with("\nRECEIVED\n"), "not version 4");
}

#[test]
fn nothing_that_is_posted_steers_the_terminal_or_floods_it() {
    let alert = json!({"status": "fi\u{1b}[2Jring", "labels": {"alertname": "A\rB", "x\u{7}": "y\ny"},
        "startsAt": "\u{1b}]0;", "fingerprint": "\u{9b}1m", "annotations": {"summary": "two\nlines"}});
    let all = vec![alert; 500];
    let text = text_of(&json!({"version": "4", "alerts": all}));
    assert!(text.chars().all(|letter| letter == '\n' || !letter.is_control()), "{text:?}");
    assert!(text.ends_with("\nand 480 more\n"), "{text}");
    let long = notification("é\u{1b}".repeat(1 << 20).as_bytes());
    assert!(long.len() < 10_000 && long.contains("… cut, it has 2097152 characters"), "{}", long.len());
    assert!(notification(&[0xff, 0xfe, 0x1b]).starts_with("\nRECEIVED\n"));
}

#[test]
fn what_is_told_again_while_it_fires_does_not_look_like_another_alert() {
    let mut known = Known::default();
    let mut first_line = |status: &str, since: &str| {
        let posted = json!({"version": "4", "alerts": [{"status": status, "fingerprint": "b009",
            "labels": {"alertname": "Slow"}, "startsAt": since}]});
        let text = text::notification(posted.to_string().as_bytes(), &mut known);
        text.trim_start().lines().next().unwrap_or_default().to_owned()
    };
    let told = [("firing", "A"), ("firing", "A"), ("resolved", "A"), ("firing", "B"), ("firing", "A")];
    let lines = told.map(|(status, since)| first_line(status, since));
    assert_eq!(lines, ["FIRING Slow", "STILL FIRING Slow", "RESOLVED Slow", "FIRING Slow", "FIRING Slow"]);
    for place in 0..5000 {
        first_line("firing", &format!("{place}"));
    }
    assert_eq!(first_line("firing", "4999"), "STILL FIRING Slow");
    assert_eq!(first_line("firing", "B"), "FIRING Slow", "what is known is bounded");
}
