//! Alerts whose stage has gone, or lost its state, keep no incident open.

use serde_json::json;

use super::{Alert, Shop, Told, at, calm};

const SLOW: Alert<'_> = Alert { id: "aaaa", service: "checkout", severity: "warning", slo: "" };
const ALSO: Alert<'_> = Alert { id: "bbbb", service: "payment", severity: "warning", slo: "" };
const MINUTE_MS: i64 = 60_000;

/// Lets minutes pass, in each of which these alerts are told again.
fn told_again(shop: &mut Shop, alerts: &[Alert<'_>], minutes: std::ops::Range<u64>, resend_ms: i64) {
    for minute in minutes {
        for alert in alerts {
            shop.push(&alert.goes_on(600, 600 + 60 * minute, resend_ms));
        }
        shop.run_to(660 + 60 * minute, &calm);
    }
}

fn names(shop: &Shop) -> Vec<&str> {
    let told = shop.told.iter().filter(|told| told.name.starts_with("trueline.incident."));
    told.map(|told| told.name.trim_start_matches("trueline.incident.")).collect()
}

fn event<'a>(told: &'a Told, id: &str) -> &'a serde_json::Value {
    let mut events = told.incident("events").as_array().into_iter().flatten();
    events.find(|event| event["id"] == id).expect("it is of the incident")
}

#[test]
fn an_incident_ends_when_its_only_alert_falls_silent_and_says_so() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    told_again(&mut shop, &[SLOW], 0..30, MINUTE_MS);
    assert_eq!(names(&shop), ["opened"], "what is told again goes on");
    // It was told last at 2340.
    shop.run_to(2340 + 14 * 60, &calm);
    assert_eq!(names(&shop), ["opened"], "not yet");
    shop.run_to(2340 + 17 * 60, &calm);
    assert_eq!(names(&shop), ["opened", "mitigating", "resolved"]);
    let told = &shop.told.iter().find(|told| told.name.ends_with(".mitigating")).expect("it ends");
    let lost = event(told, "aaaa");
    assert_eq!(lost["is_lost"], json!(true));
    let end = lost["end"].as_u64().expect("it has ended");
    assert!((at(2340 + 15 * 60).as_nanos()..=at(2340 + 15 * 60 + 20).as_nanos()).contains(&end), "{end}");
    let description = told.incident("description").as_str().expect("there is one");
    assert!(description.contains("nothing is heard any more"), "{description}");
    let n_ends = shop.told.iter().filter(|told| told.name == "trueline.alert.resolved").count();
    assert_eq!(n_ends, 0, "nobody knows that it ended");
}

#[test]
fn who_falls_silent_is_told_of_while_others_go_on_and_no_longer_speaks_for_them() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    told_again(&mut shop, &[SLOW, ALSO], 0..2, MINUTE_MS);
    let is_suppressed = |told: &Told| told.attributes.contains_key("trueline.alert.suppressed_by");
    assert!(shop.told.iter().any(is_suppressed), "the second alert is kept back");
    told_again(&mut shop, &[ALSO], 2..17, MINUTE_MS);
    assert_eq!(names(&shop).last(), Some(&"updated"));
    let last = shop.named("trueline.incident.updated").last().expect("that is told");
    assert_eq!((&event(last, "aaaa")["is_lost"], last.incident("state")), (&json!(true), &json!("open")));
    told_again(&mut shop, &[ALSO], 17..18, MINUTE_MS);
    let last = shop.named("trueline.alert.firing").last().expect("it fires");
    assert!(!is_suppressed(last), "nobody else speaks any more: {last:?}");
    // The first is told again: it goes on.
    told_again(&mut shop, &[SLOW, ALSO], 18..19, MINUTE_MS);
    shop.episode("payment", "1", 1800, None);
    shop.run_to(1810, &calm);
    let facts = shop.ask("GET", "incidents", "");
    let facts: serde_json::Value = serde_json::from_slice(&facts.body).expect("it is JSON");
    let events = facts["incidents"][0]["events"].as_array().expect("there are some").clone();
    assert!(events.iter().all(|event| event.get("is_lost").is_none()), "{events:?}");
}

#[test]
fn who_is_told_again_each_hour_is_waited_for_longer() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&SLOW.goes_on(600, 600, 60 * MINUTE_MS));
    shop.run_to(600 + 3 * 3600, &calm);
    assert_eq!(names(&shop), ["opened"]);
}

#[test]
fn what_is_silenced_is_not_told_again_and_goes_on() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&SLOW.goes_on(600, 600, MINUTE_MS));
    shop.run_to(610, &calm);
    shop.push(&SLOW.tells("suppressed", 610, 600, None));
    shop.run_to(610 + 3600, &calm);
    assert_eq!(names(&shop), ["opened"]);
}

#[test]
fn after_a_restart_alerts_are_waited_for_anew() {
    let mut before = Shop::new("");
    before.run_to(600, &calm);
    before.push(&SLOW.goes_on(600, 600, MINUTE_MS));
    before.run_to(660, &calm);
    let snapshot = before.harness.analysis().snapshot().expect("there is state");
    let mut after = Shop::new("");
    after.harness.now = at(7200);
    after.harness.analysis().restore(snapshot).expect("it is sound");
    after.run_to(7200 + 14 * 60, &calm);
    assert_eq!(names(&after), [""; 0]);
    after.run_to(7200 + 16 * 60, &calm);
    assert_eq!(names(&after), ["mitigating"]);
}
