//! Alerts of incidents: each names its incident, and who was not told that one fires is not told that it ends.

use std::time::Duration;

use component::Clock;
use serde_json::Value;

use super::support::{Running, Told, bodies, until};
use crate::http::testing::{Reply, Server, on_a_shard};

const INCIDENT: &str = "01KBKQ3N8M0000000000000001";
/// Another, which took that one over.
const OLDER: &str = "01KBKQ3N8M0000000000000000";
const BY_INCIDENT: &str = "incident 01KBKQ3N8M0000000000000001";

/// An alert through which its incident speaks.
fn speaker(state: &'static str) -> Told {
    Told::new(state, "Speaker", "shop").with(|told| told.incident = Some(INCIDENT))
}

/// An alert of the same incident of which nobody is told.
fn member(state: &'static str) -> Told {
    Told::new(state, "Member", "cart").with(|told| {
        told.incident = Some(INCIDENT);
        told.suppressed_by = Some(BY_INCIDENT);
    })
}

/// The stage reminds of an end when the incident is long over, and nobody marks it any more.
fn late_reminder() -> Told {
    Told::new("resolved", "Member", "cart").with(|told| told.is_reminder = true)
}

/// Names and states of alerts that a server was told of, in their order.
fn heard(server: &Server) -> Vec<(String, String)> {
    let name = |of: &Value| of["labels"]["alertname"].as_str().unwrap_or_default().to_owned();
    let mut heard = Vec::new();
    for body in bodies(&server.seen) {
        let alerts = body["alerts"].as_array().or(body.as_array()).cloned();
        for alert in alerts.unwrap_or_else(|| vec![body["data"].clone()]) {
            let state = alert["status"].as_str().or(alert["state"].as_str()).map(str::to_owned);
            let ends_at = || alert["endsAt"].as_str().unwrap_or_default().to_owned();
            heard.push((name(&alert), state.unwrap_or_else(ends_at)));
        }
    }
    heard
}

async fn is_heard(running: &Running, server: &Server, n_told: usize) {
    until("it is told", || server.seen.borrow().len() == n_told).await;
    until("it is settled", || running.metric("queue_items", &[]) == 0).await;
}

/// What a destination hears of an incident that comes and goes, and of a reminder behind it.
async fn story(running: &Running, server: &Server) {
    running.tell(&[speaker("firing"), member("firing")]).await;
    is_heard(running, server, 1).await;
    running.tell(&[member("resolved")]).await;
    running.tell(&[speaker("resolved")]).await;
    running.pass(Duration::from_secs(2)).await;
    is_heard(running, server, 2).await;
    running.tell(&[late_reminder()]).await;
    running.pass(Duration::from_secs(2)).await;
    running.tell(&[Told::new("firing", "Next", "shop")]).await;
    running.pass(Duration::from_secs(2)).await;
    until("what comes next is told", || heard(server).iter().any(|(name, _)| name == "Next")).await;
}

#[test]
fn a_member_that_was_never_told_is_never_resolved_aloud() {
    let formats =
        ["cloudevents", "alertmanager_v2", "alertmanager_webhook_v4, group_wait: 0s, group_interval: 1s"];
    for format in formats {
        on_a_shard(async {
            let server = Server::replying(Reply::of(200, &[], "")).await;
            let running = Running::start(&format!(
                "destinations: [{{name: hook, format: {format}, url: 'http://{}'}}]",
                server.address
            ));
            story(&running, &server).await;
            let heard = heard(&server);
            assert!(heard.iter().all(|(name, _)| name != "Member"), "{format}: {heard:?}");
            assert!(heard.iter().any(|(name, _)| name == "Speaker"), "{format}: {heard:?}");
        });
    }
}

#[test]
fn that_an_end_was_kept_from_a_destination_survives_a_crash() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[], "")).await;
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "{{queue: {{directory: {:?}}}, destinations: [{{name: hook, format: cloudevents, url: 'http://{}'}}]}}",
            folder.path(),
            server.address
        );
        let running = Running::start(&settings);
        running.tell(&[member("firing"), member("resolved")]).await;
        let clock = running.clock.clone();
        running.crash().await;
        // A reminder changes nothing, before or after another start.
        for _ in 0..2 {
            let running = Running::start_at(&settings, &clock);
            running.tell(&[late_reminder()]).await;
            running.stop().await;
        }
        let running = Running::start_at(&settings, &clock);
        running.tell(&[speaker("firing")]).await;
        until("what comes next is told", || !server.seen.borrow().is_empty()).await;
        assert_eq!(heard(&server), [("Speaker".to_owned(), "firing".to_owned())]);
    });
}

#[test]
fn a_member_that_gets_worse_is_told_and_so_is_its_end() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[], "")).await;
        let settings = "{destinations: [{name: hook, format: cloudevents, url: 'http://ADDRESS'}]}";
        let running = Running::start(&settings.replace("ADDRESS", &server.address.to_string()));
        running.tell(&[member("firing")]).await;
        running.tell(&[member("firing").with(|told| told.suppressed_by = None)]).await;
        is_heard(&running, &server, 1).await;
        running.tell(&[member("resolved").with(|told| told.at = running.clock.now())]).await;
        is_heard(&running, &server, 2).await;
        let states: Vec<String> = heard(&server).into_iter().map(|(_, state)| state).collect();
        assert_eq!(states, ["firing", "resolved"]);
    });
}

#[test]
fn whoever_asks_learns_that_the_incident_has_been_told_of() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[], "")).await;
        let settings = "{destinations: [{name: hook, format: cloudevents, url: 'http://ADDRESS'}]}";
        let running = Running::start(&settings.replace("ADDRESS", &server.address.to_string()));
        let member = member("firing");
        running.tell(std::slice::from_ref(&member)).await;
        let (_, answer) = super::tracks::asked(&running, &[("fingerprint", &member.fingerprint())]);
        assert_eq!(answer["deliveries"][0]["outcome"], "not_wanted");
        assert_eq!(answer["deliveries"][0]["problem"], "its incident has been told of");
    });
}

#[test]
fn an_incident_is_an_annotation_and_no_label() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[], "")).await;
        let settings =
            "{destinations: [{name: hook, url: 'http://ADDRESS', group_wait: 0s, group_by: ['...']}]}";
        let running = Running::start(&settings.replace("ADDRESS", &server.address.to_string()));
        running.tell(&[speaker("firing")]).await;
        is_heard(&running, &server, 1).await;
        let told = &bodies(&server.seen)[0];
        assert_eq!(told["commonAnnotations"]["incident_id"], INCIDENT);
        assert!(!told["groupKey"].as_str().unwrap().contains("incident"), "{told}");
        assert!(told["alerts"][0]["labels"].get("incident_id").is_none(), "{told}");
    });
}

/// Names of the alerts of each message, with how each was, and the group it was told of.
fn groups(server: &Server) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let alert = |it: &Value| format!("{} {}", text(&it["labels"]["alertname"]), text(&it["status"]));
    let group = |body: Value| {
        let alerts = body["alerts"].as_array().into_iter().flatten().map(alert).collect();
        (text(&body["groupLabels"]["incident_id"]), alerts)
    };
    bodies(&server.seen).into_iter().map(group).collect()
}

#[test]
fn alerts_of_an_incident_are_a_group_and_stay_in_it_when_the_incident_is_taken_over() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[], "")).await;
        let settings = "{destinations: [{name: hook, url: 'http://ADDRESS', group_by: [incident_id], \
                        group_wait: 0s, group_interval: 1s}]}";
        let running = Running::start(&settings.replace("ADDRESS", &server.address.to_string()));
        let second =
            |state, incident| Told::new(state, "Second", "cart").with(|told| told.incident = Some(incident));
        let taken_over = |state| speaker(state).with(|told| told.incident = Some(OLDER));
        running.tell(&[speaker("firing")]).await;
        is_heard(&running, &server, 1).await;
        running.tell(&[second("firing", INCIDENT)]).await;
        running.pass(Duration::from_secs(2)).await;
        is_heard(&running, &server, 2).await;
        running.tell(&[taken_over("resolved"), second("resolved", OLDER)]).await;
        running.pass(Duration::from_secs(2)).await;
        is_heard(&running, &server, 3).await;
        running.tell(&[Told::new("firing", "Alone", "shop"), Told::new("firing", "AloneToo", "shop")]).await;
        running.pass(Duration::from_secs(2)).await;
        is_heard(&running, &server, 5).await;
        let told = groups(&server);
        let of_incident = |alerts: &[&str]| {
            (INCIDENT.to_owned(), alerts.iter().map(|alert| (*alert).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(
            told[..3],
            [
                of_incident(&["Speaker firing"]),
                of_incident(&["Second firing", "Speaker firing"]),
                of_incident(&["Second resolved", "Speaker resolved"]),
            ]
        );
        let alone: Vec<usize> = told[3..].iter().map(|(_, alerts)| alerts.len()).collect();
        assert_eq!(alone, [1, 1], "{told:?}");
    });
}

#[test]
fn a_destination_may_want_all_members_while_another_is_told_of_their_incident_once() {
    on_a_shard(async {
        let [once, all] = [
            Server::replying(Reply::of(200, &[], "")).await,
            Server::replying(Reply::of(200, &[], "")).await,
        ];
        let running = Running::start(&format!(
            "destinations: [{{name: once, url: 'http://{}', group_by: [incident_id], group_wait: 1s, group_interval: 1s}}, \
             {{name: all, url: 'http://{}', group_by: [incident_id], group_wait: 1s, group_interval: 1s, inhibit_members: false}}]",
            once.address, all.address
        ));
        running.tell(&[speaker("firing"), member("firing")]).await;
        running.pass(Duration::from_secs(2)).await;
        until("both are told", || !once.seen.borrow().is_empty() && !all.seen.borrow().is_empty()).await;
        let silenced =
            Told::new("firing", "Silenced", "cart").with(|told| told.suppressed_by = Some("night"));
        running.tell(&[member("resolved"), silenced]).await;
        running.pass(Duration::from_secs(2)).await;
        until("the end of a member is told", || all.seen.borrow().len() == 2).await;
        running.tell(&[speaker("resolved")]).await;
        running.pass(Duration::from_secs(2)).await;
        until("the end is told", || once.seen.borrow().len() == 2 && all.seen.borrow().len() == 3).await;
        let told = |server: &Server| groups(server).into_iter().map(|(_, alerts)| alerts).collect::<Vec<_>>();
        assert_eq!(told(&once), [["Speaker firing"], ["Speaker resolved"]]);
        let expected: [&[&str]; 3] = [
            &["Member firing", "Speaker firing"],
            &["Speaker firing", "Member resolved"],
            &["Speaker resolved"],
        ];
        assert_eq!(told(&all), expected);
    });
}
