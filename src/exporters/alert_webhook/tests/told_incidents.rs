//! Destinations that are told of incidents in place of alerts.

use std::time::Duration;

use component::Clock;
use serde_json::{Value, json};

use super::support::{Running, Told, bodies, request_of, until};
use crate::http::testing::{NOW, Reply, Server, on_a_shard};

const FIRST: &str = "01KBKQ3N8M0000000000000001";
const OLDER: &str = "01KBKQ3N8M0000000000000000";

/// A record as `correlation` writes it.
fn record(id: &str, news: &str, state: &str, revision: u64) -> Value {
    let text = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    let whole = |key: &str, number: u64| json!({"key": key, "value": {"intValue": number.to_string()}});
    let list = |key: &str, texts: &[&str]| {
        let values: Vec<Value> = texts.iter().map(|text| json!({"stringValue": text})).collect();
        json!({"key": key, "value": {"arrayValue": {"values": values}}})
    };
    let mut attributes = vec![
        text("trueline.incident.id", id),
        text("trueline.incident.state", state),
        text("trueline.incident.severity", "critical"),
        text("trueline.incident.title", "payment fails, 1 other service suffers"),
        text("trueline.incident.description", "Cause: payment.\n- Charge fails by itself"),
        list("trueline.incident.services", &["payment", "frontend"]),
        whole("trueline.incident.revision", revision),
        whole("trueline.incident.start", NOW.as_nanos()),
        json!({"key": "trueline.incident.score", "value": {"doubleValue": 55.5}}),
    ];
    if state == "resolved" {
        attributes.push(whole("trueline.incident.end", (NOW + Duration::from_secs(9)).as_nanos()));
    }
    if news == "merged" {
        attributes.push(list("trueline.incident.merged", &[FIRST]));
    }
    json!({"timeUnixNano": NOW.as_nanos().to_string(), "eventName": format!("trueline.incident.{news}"),
        "attributes": attributes})
}

async fn settled(running: &Running, server: &Server, n_told: usize) {
    until("it is told", || server.seen.borrow().len() == n_told).await;
    until("it is settled", || running.metric("queue_items", &[]) == 0).await;
}

fn settings(destination: &str, server: &Server) -> String {
    let url = format!("http://{}", server.address);
    format!("destinations: [{{name: hook, url: '{url}', tells: incidents, {destination}}}]")
}

#[test]
fn an_incident_is_told_when_it_opens_changes_and_ends_and_alerts_are_not() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[], "")).await;
        let running = Running::start(&settings("group_wait: 0s, group_interval: 1s", &server));
        running.tell(&[Told::new("firing", "Member", "cart")]).await;
        let story =
            [("opened", "open"), ("updated", "open"), ("mitigating", "mitigating"), ("resolved", "resolved")];
        for (revision, (news, state)) in (1..).zip(story) {
            running.export(request_of(vec![record(FIRST, news, state, revision)])).await.unwrap();
            running.pass(Duration::from_secs(2)).await;
            settled(&running, &server, revision as usize).await;
        }
        // It is over for people, and what is said of it afterwards wakes nobody.
        for (news, state) in [("closed", "closed"), ("feedback", "resolved")] {
            running.export(request_of(vec![record(FIRST, news, state, 5)])).await.unwrap();
        }
        running.export(request_of(vec![record(OLDER, "opened", "open", 1)])).await.unwrap();
        running.pass(Duration::from_secs(2)).await;
        settled(&running, &server, 5).await;
        let told: Vec<_> = bodies(&server.seen)
            .iter()
            .map(|body| {
                assert_eq!(body["alerts"].as_array().map(Vec::len), Some(1), "{body}");
                let told = &body["alerts"][0];
                ["status", "fingerprint"].map(|key| told[key].as_str().unwrap().to_owned())
            })
            .collect();
        let expected = [("firing", FIRST), ("firing", FIRST), ("firing", FIRST), ("resolved", FIRST)];
        let expected = [&expected[..], &[("firing", OLDER)]].concat();
        assert_eq!(
            told,
            expected.iter().map(|(a, b)| [(*a).to_owned(), (*b).to_owned()]).collect::<Vec<_>>()
        );
        let first = &bodies(&server.seen)[0]["alerts"][0];
        assert_eq!(first["annotations"]["summary"], "payment fails, 1 other service suffers");
        assert_eq!(first["annotations"]["services"], "payment, frontend");
        assert_eq!(first["annotations"]["incident_id"], FIRST);
        assert_eq!(first["annotations"]["value"], "55.5");
        assert_eq!(
            first["labels"],
            json!({"alertname": "Incident", "severity": "critical", "service_name": "payment"})
        );
        let ended = &bodies(&server.seen)[3]["alerts"][0];
        assert_eq!(ended["endsAt"], "2023-11-14T22:13:29Z");
    });
}

#[test]
fn whoever_knows_an_incident_that_was_taken_over_hears_its_end() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[], "")).await;
        let running = Running::start(&settings("format: cloudevents", &server));
        running.export(request_of(vec![record(FIRST, "opened", "open", 1)])).await.unwrap();
        settled(&running, &server, 1).await;
        running.export(request_of(vec![record(OLDER, "merged", "open", 2)])).await.unwrap();
        settled(&running, &server, 3).await;
        let mut told: Vec<_> = bodies(&server.seen)
            .iter()
            .map(|body| ["type", "subject"].map(|key| body[key].as_str().unwrap().to_owned()))
            .collect();
        told[1..].sort();
        let pair = |what: &str, id: &str| [format!("io.trueline.incident.{what}"), id.to_owned()];
        assert_eq!(told, [pair("firing", FIRST), pair("firing", OLDER), pair("resolved", FIRST)]);
        // Who was never told of what was taken over hears nothing of it; and what is told twice goes once.
        let running = Running::start(&settings("format: cloudevents", &server));
        for _ in 0..2 {
            running.export(request_of(vec![record(OLDER, "merged", "open", 2)])).await.unwrap();
            running.pass(Duration::from_secs(1)).await;
        }
        settled(&running, &server, 4).await;
        assert_eq!(bodies(&server.seen)[3]["subject"], OLDER);
    });
}

#[test]
fn filters_hold_for_incidents_and_other_destinations_are_told_of_alerts_alone() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[], "")).await;
        let url = format!("http://{}", server.address);
        let running = Running::start(&format!(
            "destinations:
             - {{name: alerts, format: cloudevents, url: '{url}/alerts'}}
             - {{name: grave, format: cloudevents, url: '{url}/grave', tells: incidents, min_severity: emergency}}
             - {{name: carts, format: cloudevents, url: '{url}/carts', tells: incidents, match: {{service.name: cart}}}}"
        ));
        running.export(request_of(vec![record(FIRST, "opened", "open", 1)])).await.unwrap();
        running.tell(&[Told::new("firing", "Member", "cart")]).await;
        settled(&running, &server, 1).await;
        assert_eq!(bodies(&server.seen)[0]["type"], "io.trueline.alert.firing");
    });
}

#[test]
fn a_record_that_lacks_what_makes_an_incident_is_refused_and_counted() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[], "")).await;
        let running = Running::start(&settings("format: cloudevents", &server));
        let bad = [record("", "opened", "open", 1), record(FIRST, "opened", "odd", 1)];
        let delivered = running.export(request_of(bad.to_vec())).await.unwrap();
        assert_eq!(delivered.rejected, 2);
        for reason in ["no_id", "unknown_state"] {
            assert_eq!(running.metric("passed_over", &[("reason", reason)]), 1, "{reason}");
        }
        assert_eq!(running.clock.now(), NOW);
        assert!(server.seen.borrow().is_empty());
    });
}
