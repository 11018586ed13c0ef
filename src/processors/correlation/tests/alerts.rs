//! Of what people are told.

use model::Payload;
use serde_json::Value;
use wire::build::Attributes;

use super::{
    super::{incident::Incident, voice::Voice},
    Alert, Shop, Told, alert_event_of, at, calm,
    causes::found,
    record, step,
};

const SLOW: Alert<'_> = Alert { id: "aaaa", service: "frontend", severity: "warning", slo: "" };
const WORSE: Alert<'_> = Alert { id: "bbbb", service: "checkout", severity: "critical", slo: "" };
const ALSO: Alert<'_> = Alert { id: "cccc", service: "payment", severity: "warning", slo: "" };

/// Records of alerts that came out: which, in which state, whether somebody is told.
fn told(shop: &Shop) -> Vec<(String, String, bool)> {
    let alerts = shop.told.iter().filter_map(|told| {
        let state = told.name.strip_prefix("trueline.alert.")?;
        let id = told.attributes["trueline.alert.fingerprint"].as_str()?;
        Some((id.to_owned(), state.to_owned(), !told.attributes.contains_key("trueline.alert.suppressed_by")))
    });
    alerts.collect()
}

fn line(id: &str, state: &str, is_told: bool) -> (String, String, bool) {
    (id.to_owned(), state.to_owned(), is_told)
}

#[test]
fn the_first_alert_goes_out_in_the_second_in_which_it_fires_and_names_its_incident() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&SLOW.fires(600));
    shop.tick();
    assert_eq!(told(&shop), [line("aaaa", "firing", true)]);
    let opened = shop.named("trueline.incident.opened").next().unwrap();
    let alert = shop.named("trueline.alert.firing").next().unwrap();
    assert_eq!(&alert.attributes["trueline.incident.id"], opened.incident("id"));
}

#[test]
fn later_alerts_of_an_incident_are_marked_unless_they_are_worse() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    for alert in [SLOW, ALSO, WORSE] {
        shop.push(&alert.fires(600));
        shop.tick();
    }
    assert_eq!(
        told(&shop),
        [line("aaaa", "firing", true), line("cccc", "firing", false), line("bbbb", "firing", true)]
    );
    let marked = shop.told.iter().find_map(|told| told.attributes.get("trueline.alert.suppressed_by"));
    let id = shop.told[0].incident("id").as_str().unwrap();
    assert_eq!(marked, Some(&serde_json::json!([format!("incident {id}")])));
}

#[test]
fn the_page_of_another_objective_is_always_told() {
    let page = |id, slo| Alert { id, service: "frontend", severity: "critical", slo };
    let mut shop = Shop::new("");
    for alert in [page("1", "orders"), page("2", "orders"), page("3", "logins")] {
        shop.push(&alert.fires(0));
    }
    shop.tick();
    assert_eq!(
        told(&shop),
        [line("1", "firing", true), line("2", "firing", false), line("3", "firing", true)]
    );
}

#[test]
fn an_alert_that_speaks_for_others_ends_when_the_last_of_them_does() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&SLOW.fires(600));
    shop.push(&ALSO.fires(600));
    shop.run_to(620, &calm);
    shop.push(&SLOW.ends(600, 620));
    shop.run_to(640, &calm);
    let resolved =
        |shop: &Shop| told(shop).into_iter().filter(|(_, state, _)| state == "resolved").collect::<Vec<_>>();
    assert_eq!(resolved(&shop), []);
    // It is told again, so that nobody takes silence for its end.
    shop.run_to(700, &calm);
    assert_eq!(told(&shop).last(), Some(&line("aaaa", "firing", true)));
    shop.push(&ALSO.ends(600, 700));
    shop.run_to(710, &calm);
    assert_eq!(resolved(&shop), [line("cccc", "resolved", false), line("aaaa", "resolved", true)]);
}

#[test]
fn an_alert_that_joins_when_nothing_told_fires_any_more_speaks() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.episode("cart", "1", 600, None);
    shop.push(&Alert { severity: "critical", ..SLOW }.fires(600));
    shop.run_to(620, &calm);
    shop.push(&SLOW.ends(600, 620));
    shop.run_to(640, &calm);
    // The incident goes on by its episode. Who joins is told of, though it is less severe than what is over.
    shop.push(&ALSO.fires(640));
    shop.run_to(650, &calm);
    shop.push(&Alert { id: "dddd", ..ALSO }.fires(650));
    shop.run_to(660, &calm);
    assert_eq!(
        told(&shop),
        [
            line("aaaa", "firing", true),
            line("aaaa", "resolved", true),
            line("cccc", "firing", true),
            line("dddd", "firing", false)
        ]
    );
    assert_eq!(shop.incidents().len(), 1);
    // That the first has ended is known; what is told of it again waits for nobody.
    shop.push(&SLOW.ends(600, 620));
    shop.tick();
    assert_eq!(told(&shop).last(), Some(&line("aaaa", "resolved", true)));
}

#[test]
fn a_reopened_incident_speaks() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&WORSE.fires(600));
    shop.run_to(620, &calm);
    shop.push(&WORSE.ends(600, 620));
    shop.run_to(800, &calm);
    shop.push(&Alert { severity: "warning", id: "eeee", ..WORSE }.fires(800));
    shop.run_to(810, &calm);
    assert_eq!(shop.named("trueline.incident.reopened").count(), 1);
    assert_eq!(told(&shop).last(), Some(&line("eeee", "firing", true)));
}

#[test]
fn an_escalation_that_names_a_destination_goes_there_and_tells_nobody_else_again() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&SLOW.fires(600));
    shop.push(&ALSO.fires(600));
    shop.run_to(610, &calm);
    shop.push(&ALSO.calls("boss", 610));
    shop.tick();
    assert_eq!(told(&shop).last(), Some(&line("cccc", "escalated", true)));
    shop.push(&SLOW.calls("boss", 610));
    shop.run_to(620, &calm);
    shop.push(&SLOW.ends(600, 620));
    shop.run_to(720, &calm);
    // While its incident goes on all are told again that it fires, and not the boss alone.
    assert_eq!(told(&shop).last(), Some(&line("aaaa", "firing", true)));
    shop.push(&ALSO.ends(600, 720));
    shop.run_to(730, &calm);
    assert!(told(&shop).contains(&line("cccc", "resolved", false)), "{:?}", told(&shop));
}

#[test]
fn when_the_alert_that_speaks_is_silenced_the_next_of_its_incident_speaks() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&SLOW.fires(600));
    shop.push(&ALSO.fires(600));
    shop.run_to(610, &calm);
    shop.push(&SLOW.tells("suppressed", 610, 600, None));
    // The stage before reminds of what fires.
    shop.push(&ALSO.fires(600));
    shop.run_to(620, &calm);
    assert_eq!(told(&shop).last(), Some(&line("cccc", "firing", true)));
    let snapshot = shop.harness.analysis().snapshot().unwrap();
    let mut after = Shop::new("");
    after.harness.now = shop.harness.now;
    after.harness.analysis().restore(snapshot).unwrap();
    // Its end waits for nothing that is silenced.
    for shop in [&mut shop, &mut after] {
        shop.push(&ALSO.ends(600, 620));
        shop.tick();
        assert_eq!(told(shop).last(), Some(&line("cccc", "resolved", true)));
    }
}

#[test]
fn an_end_that_waits_is_told_when_its_alert_fires_anew_behind_a_silence() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&SLOW.fires(600));
    shop.push(&ALSO.fires(600));
    shop.push(&SLOW.ends(600, 600));
    shop.push(&SLOW.tells("suppressed", 600, 600, None));
    shop.tick();
    let ends: Vec<_> = told(&shop).into_iter().filter(|(id, ..)| id == "aaaa").collect();
    let states: Vec<&str> = ends.iter().map(|(_, state, _)| &**state).collect();
    assert_eq!(states, ["firing", "resolved", "suppressed"]);
}

#[test]
fn log_records_of_a_logger_that_is_called_alerting_pass_as_they_came() {
    let mut shop = Shop::new("");
    let request = record("shop", "alerting", "", 0, "mail was sent", &Attributes::new());
    let passed = shop.harness.push(0, Payload::Logs(request.clone().into()), 1);
    assert!(matches!(&passed[..], [Payload::Logs(bytes)] if bytes == &request), "{passed:?}");
}

#[test]
fn the_watchdog_is_no_trouble_and_always_told() {
    let mut shop = Shop::new("");
    shop.push(&SLOW.fires(0));
    shop.push(&Alert { id: "dogg", ..SLOW }.fires_by("watchdog", 0));
    shop.tick();
    assert_eq!(told(&shop), [line("aaaa", "firing", true), line("dogg", "firing", true)]);
    let incident = shop.named("trueline.incident.opened").next().unwrap();
    assert_eq!(incident.incident("n_events"), 1);
    let watchdog = shop.named("trueline.alert.firing").last().unwrap();
    assert_eq!(watchdog.attributes.get("trueline.incident.id"), None);
}

#[test]
fn an_alert_that_names_a_job_alone_is_of_the_service_in_it() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    for service in ["shop/checkout", "frontend"] {
        shop.push(&Alert { id: service, service, ..SLOW }.fires(600));
    }
    shop.tick();
    let opened: Vec<_> = shop.named("trueline.incident.opened").map(|it| it.incident("services")).collect();
    assert_eq!(opened, [&serde_json::json!(["checkout"])]);
    assert_eq!(told(&shop)[1], line("frontend", "firing", false));
}

#[test]
fn an_alert_that_speaks_says_what_is_wrong_and_one_that_does_not_says_nothing() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    let slow = |calls: &mut model::Calls| step(calls, "payment").own.mean = 90.0;
    shop.run_to(660, &slow);
    shop.push(&SLOW.fires(600));
    shop.push(&ALSO.fires(600));
    shop.tick();
    let said: Vec<_> = shop.named("trueline.alert.firing").collect();
    assert_eq!(said[0].incident("title"), "payment takes longer, 1 other service suffers");
    let description = said[0].incident("description").as_str().unwrap();
    assert!(description.starts_with("Cause, with a confidence of"), "{description}");
    assert_eq!((said[1].incident("title"), said[1].incident("description")), (&Value::Null, &Value::Null));
}

#[test]
fn an_alert_that_spoke_is_told_again_when_a_cause_is_found_and_not_when_it_is_reminded_of() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&SLOW.fires(600));
    shop.push(&ALSO.fires(600));
    let slow = |calls: &mut model::Calls| step(calls, "payment").own.mean = 90.0;
    shop.run_to(660, &slow);
    shop.push(&SLOW.fires(600));
    shop.run_to(800, &slow);
    let said: Vec<_> = shop.named("trueline.alert.firing").collect();
    let of = |told: &Told| {
        let text = |key: &str| told.attributes[key].as_str().unwrap_or_default().to_owned();
        let id = text("trueline.alert.id");
        (text("trueline.alert.fingerprint"), id, told.incident("title").as_str().map(str::to_owned))
    };
    let speaker: Vec<_> =
        said.into_iter().map(of).filter(|(fingerprint, ..)| fingerprint == "aaaa").collect();
    let titles: Vec<&str> = speaker.iter().map(|(_, _, title)| title.as_deref().unwrap()).collect();
    let found = "payment takes longer, 1 other service suffers";
    assert_eq!(titles, ["aaaa of frontend is firing", found, found]);
    let ids: Vec<&str> = speaker.iter().map(|(_, id, _)| &**id).collect();
    assert_eq!((ids[0], ids[2]), ("aaaa-firing", "aaaa-firing"));
    assert!(ids[1].starts_with("aaaa-firing-"), "{ids:?}");
    // Nor after a restart.
    let snapshot = shop.harness.analysis().snapshot().unwrap();
    let mut after = Shop::new("");
    after.harness.now = shop.harness.now;
    after.harness.analysis().restore(snapshot).unwrap();
    after.tick();
    assert_eq!(told(&after), []);
}

#[test]
fn however_often_the_cause_changes_alerts_are_told_again_each_half_minute_at_most() {
    let request = SLOW.fires(0);
    let mut incident = Incident::of(alert_event_of(&request));
    let mut voice = Voice::default();
    voice.hold("aaaa", request.clone().into(), &incident, at(0));
    let mut n_told = 0;
    for second in 0..300 {
        let cause = if second % 2 == 0 { "payment" } else { "cart" };
        incident.finding = found(cause, 9.0, true);
        n_told += voice.retell(&incident, at(second)).len();
    }
    assert_eq!(n_told, 10);
    incident.finding.is_undetermined = true;
    assert_eq!(voice.retell(&incident, at(600)).len(), 0, "that no cause is known any more is no news");
}

#[test]
fn every_alert_is_told_where_that_is_wanted() {
    let mut shop = Shop::new("notify: alerts");
    for alert in [SLOW, ALSO] {
        shop.push(&alert.fires(0));
        shop.push(&alert.ends(0, 0));
    }
    shop.tick();
    assert!(told(&shop).iter().all(|(_, _, is_told)| *is_told), "{:?}", told(&shop));
    assert_eq!(told(&shop).len(), 4);
}

#[test]
fn what_is_pending_or_silenced_passes_and_opens_nothing() {
    let mut shop = Shop::new("");
    for state in ["pending", "suppressed", "acknowledged"] {
        shop.push(&SLOW.tells(state, 0, 0, None));
    }
    shop.tick();
    assert_eq!(told(&shop).len(), 3);
    assert!(shop.incidents().is_empty());
}

#[test]
fn nine_of_ten_alerts_of_one_fault_disturb_nobody_and_that_is_measured() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    let ids: Vec<String> = (0..10).map(|n| format!("{n:04}")).collect();
    for id in &ids {
        shop.push(&Alert { id, ..SLOW }.fires(600));
    }
    shop.run_to(620, &calm);
    let listed: Value = serde_json::from_slice(&shop.ask("GET", "incidents", "").body).unwrap();
    assert_eq!(listed["incidents"][0]["noise_reduction"], 0.9);
    let metrics = shop.metrics.concat();
    let text = String::from_utf8_lossy(&metrics);
    assert!(text.contains("trueline.incidents.noise_reduction"), "{text}");
}

/// The part of all alerts that nobody was told of.
fn spared(shop: &mut Shop) -> f64 {
    let spared = shop.gauge("trueline.incidents.noise_reduction")["{}"];
    (1000.0 * spared).round() / 1000.0
}

#[test]
fn an_alert_that_is_told_of_again_counts_once_and_one_that_fires_anew_counts_again() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    for alert in [SLOW, ALSO] {
        shop.push(&alert.fires(600));
    }
    assert_eq!(spared(&mut shop), 0.5, "the second is of the same incident");
    for _ in 0..10 {
        shop.push(&SLOW.fires(600));
        shop.push(&ALSO.fires(600));
        shop.tick();
    }
    assert_eq!(spared(&mut shop), 0.5, "reminders are no alerts");
    let snapshot = shop.harness.analysis().snapshot().unwrap();
    let mut after = Shop::new("");
    after.harness.now = shop.harness.now;
    after.harness.analysis().restore(snapshot).unwrap();
    after.push(&ALSO.fires(600));
    assert_eq!(spared(&mut after), 0.5, "nor after a restart");
    after.push(&ALSO.ends(600, 640));
    after.push(&ALSO.fires(640));
    assert_eq!(spared(&mut after), 0.667, "it fires again, and nobody is told again");
    after.push(&Alert { severity: "emergency", ..ALSO }.fires(650));
    assert_eq!(spared(&mut after), 0.333, "who is told that it got worse is told of no other alert");
}
