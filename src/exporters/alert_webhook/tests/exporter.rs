//! What comes out of what comes in, and when.

use std::time::Duration;

use component::Clock;
use model::Severity;
use serde_json::json;

use super::{
    super::{
        lane::sender_of,
        sending::{Message, Outcome},
    },
    support::{Running, Told, bodies, parse, until},
};
use crate::http::testing::{Reply, Server, on_a_shard};

const OK: u16 = 200;

fn reply(status: u16) -> Reply {
    Reply::of(status, &[], "said")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_firing_alert_reaches_every_alertmanager_and_is_told_again_until_it_is_resolved() {
    on_a_shard(async {
        let (one, two) = (Server::replying(reply(OK)).await, Server::replying(reply(OK)).await);
        let running = Running::start(&format!(
            "destinations: [{{name: am, format: alertmanager_v2, urls: ['http://{}', 'http://{}/'], resend: 60s}}]",
            one.address, two.address
        ));
        running.tell(&[Told::new("firing", "HighErrors", "shop")]).await;
        for server in [&one, &two] {
            until("the alert has come", || server.seen.borrow().len() == 1).await;
            let seen = server.only();
            assert_eq!(seen.uri.path(), "/api/v2/alerts");
            let alert = &bodies(&server.seen)[0][0];
            assert_eq!(
                alert["labels"],
                json!({"alertname": "HighErrors", "service_name": "shop", "severity": "critical"})
            );
            assert_eq!(alert["endsAt"], "2023-11-14T22:17:20Z", "four times the interval from now");
        }
        // Both have taken all that one has seen.
        let sent = || running.metric("sent_messages", &[]);
        let settled = async |n_told: u64| until("both have taken it", || sent() == 2 * n_told).await;
        settled(1).await;
        running.pass(secs(61)).await;
        until("it is told again", || one.seen.borrow().len() == 2).await;
        settled(2).await;
        running
            .tell(&[Told::new("resolved", "HighErrors", "shop").with(|told| told.at = running.clock.now())])
            .await;
        until("the resolve has come", || one.seen.borrow().len() == 3).await;
        settled(3).await;
        assert_eq!(bodies(&one.seen)[2][0]["endsAt"], "2023-11-14T22:14:21Z");
        for told in 4..=8 {
            running.pass(secs(60)).await;
            until("the resolve is told again", || one.seen.borrow().len() == told).await;
            settled(told as u64).await;
        }
        running.pass(secs(120)).await;
        running.pass(secs(120)).await;
        assert_eq!(one.seen.borrow().len(), 8, "after five minutes it is over");
    });
}

#[test]
fn a_group_waits_gathers_and_tells_what_has_changed() {
    on_a_shard(async {
        let server = Server::replying(reply(OK)).await;
        let running = Running::start(&format!(
            "destinations: [{{name: hook, url: 'http://{}', group_wait: 30s, group_interval: 5m, repeat_interval: 4h}}]",
            server.address
        ));
        running.tell(&[Told::new("firing", "HighErrors", "shop")]).await;
        running.tell(&[Told::new("firing", "HighErrors", "cart")]).await;
        running.pass(secs(31)).await;
        until("the group is told", || server.seen.borrow().len() == 1).await;
        let told = &bodies(&server.seen)[0];
        assert_eq!(told["groupKey"], "{}:{alertname=\"HighErrors\"}");
        assert_eq!((&told["status"], told["alerts"].as_array().unwrap().len()), (&json!("firing"), 2));
        until("the delivery is settled", || running.metric("queue_items", &[]) == 0).await;

        running.tell(&[Told::new("resolved", "HighErrors", "shop")]).await;
        running.pass(secs(299)).await;
        assert_eq!(server.seen.borrow().len(), 1, "the group was told less than group_interval ago");
        running.pass(secs(2)).await;
        until("the change is told", || server.seen.borrow().len() == 2).await;
        let told = &bodies(&server.seen)[1];
        let states: Vec<_> =
            told["alerts"].as_array().unwrap().iter().map(|alert| &alert["status"]).collect();
        assert_eq!(states, ["firing", "resolved"], "those that fire stand first");
        until("the delivery is settled", || running.metric("queue_items", &[]) == 0).await;

        let reminder = Told::new("firing", "HighErrors", "cart").with(|told| told.is_reminder = true);
        for _ in 0..23 {
            running.tell(std::slice::from_ref(&reminder)).await;
            running.pass(secs(600)).await;
        }
        assert_eq!(server.seen.borrow().len(), 2, "a reminder of what is known changes nothing");
        running.tell(&[reminder]).await;
        running.pass(secs(601)).await;
        until("it is repeated", || server.seen.borrow().len() == 3).await;
        let told = &bodies(&server.seen)[2];
        assert_eq!(told["alerts"].as_array().unwrap().len(), 1, "what has ended is not repeated");
    });
}

#[test]
fn a_resolve_waits_for_its_trigger_and_other_alerts_do_not() {
    on_a_shard(async {
        // The first message fails; everything after it is taken.
        let asked = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = std::rc::Rc::clone(&asked);
        let server = Server::start(move |_| {
            count.set(count.get() + 1);
            Box::pin(std::future::ready(reply(if count.get() == 1 { 503 } else { OK })))
        })
        .await;
        let running = Running::start(&format!(
            "destinations: [{{name: events, format: cloudevents, url: 'http://{}'}}]",
            server.address
        ));
        running.tell(&[Told::new("firing", "A", "shop")]).await;
        until("the first attempt has failed", || running.metric("retries", &[]) == 1).await;
        running.tell(&[Told::new("resolved", "A", "shop"), Told::new("firing", "B", "shop")]).await;
        until("the other alert has come", || server.seen.borrow().len() == 2).await;
        running.pass(secs(2)).await;
        until("all has come", || server.seen.borrow().len() == 4).await;
        let types: Vec<String> = bodies(&server.seen)
            .iter()
            .map(|body| format!("{} {}", body["data"]["name"], body["type"]))
            .collect();
        let told = |name: &str, state: &str| format!("\"{name}\" \"io.trueline.alert.{state}\"");
        assert_eq!(
            types,
            [told("A", "firing"), told("B", "firing"), told("A", "firing"), told("A", "resolved")]
        );
        let ids: Vec<_> = bodies(&server.seen).iter().map(|body| body["id"].clone()).collect();
        assert_eq!(ids[0], ids[2], "what is told again has the same id");
    });
}

#[test]
fn a_reminder_is_told_to_whom_it_is_news_and_to_nobody_twice() {
    on_a_shard(async {
        let server = Server::replying(reply(OK)).await;
        let running = Running::start(&format!(
            "destinations: [{{name: events, format: cloudevents, url: 'http://{}'}}]",
            server.address
        ));
        let reminder = Told::new("firing", "A", "shop").with(|told| told.is_reminder = true);
        running.tell(std::slice::from_ref(&reminder)).await;
        until("it was not known", || running.metric("sent_messages", &[]) == 1).await;
        running.tell(&[reminder.clone(), reminder]).await;
        running.tell(&[Told::new("resolved", "A", "shop")]).await;
        until("the resolve has come", || running.metric("sent_messages", &[]) == 2).await;
        assert_eq!(server.seen.borrow().len(), 2);
    });
}

#[test]
fn answers_that_may_pass_are_tried_again_and_others_become_dead_letters() {
    on_a_shard(async {
        let folder = tempfile::tempdir().unwrap();
        for (status, is_tried_again) in [
            (408, true),
            (429, true),
            (500, true),
            (501, true),
            (503, true),
            (400, false),
            (404, false),
            (410, false),
            (301, false),
            (304, false),
        ] {
            let server = Server::start(move |_| {
                let headers = [("location", "http://169.254.169.254/latest"), ("retry-after", "7")];
                Box::pin(std::future::ready(Reply::of(status, &headers, "no")))
            })
            .await;
            let directory = folder.path().join(status.to_string());
            let running = Running::start(&format!(
                "{{queue: {{directory: '{}'}}, destinations: [{{name: events, format: cloudevents, url: 'http://{}/secret-path'}}]}}",
                directory.display(),
                server.address
            ));
            running.tell(&[Told::new("firing", "A", "shop")]).await;
            if is_tried_again {
                until("it is to be tried again", || running.metric("retries", &[]) == 1).await;
                running.pass(Duration::from_millis(6900)).await;
                assert_eq!(server.seen.borrow().len(), 1, "{status}: not before Retry-After");
                running.pass(secs(1)).await;
                until("it is tried again", || server.seen.borrow().len() == 2).await;
                assert_eq!(running.metric("dead_letters", &[]), 0);
            } else {
                until("it is a dead letter", || running.metric("dead_letters", &[]) == 1).await;
                until("nothing waits", || running.metric("queue_items", &[]) == 0).await;
                let letters = std::fs::read_to_string(directory.join("dead_letters.jsonl")).unwrap();
                assert!(letters.contains("\"reason\":\"") && !letters.contains("secret-path"), "{letters}");
                assert_eq!(
                    server.seen.borrow().len(),
                    1,
                    "{status}: no redirection is followed, nothing tried again"
                );
            }
        }
    });
}

/// Sends a message to the destination of a configuration that `validate` may refuse.
async fn send_once(destination: String) -> Outcome {
    let (config, _) = parse(&format!("destinations: [{{name: events, format: cloudevents, {destination}}}]"));
    let destination = &config.destinations[0];
    let clock = std::sync::Arc::new(component::testing::ManualClock::new(crate::http::testing::NOW));
    let sender = sender_of(
        destination,
        destination.targets().remove(0),
        &(clock as _),
        &component::Telemetry::default(),
        &component::Authenticators::default(),
    );
    sender.send(&Message { id: "1".into(), content_type: String::new(), body: "x".into() }, &[]).await
}

#[test]
fn a_name_that_leads_inside_is_not_connected_to() {
    on_a_shard(async {
        let server = Server::replying(reply(OK)).await;
        let port = server.address.port();
        let send_to = |name: &'static str, allowed: &'static str| {
            send_once(format!("url: 'http://{name}:{port}/', allow_private: [{allowed}]"))
        };
        // No address as URLs have it, so each is given to the system's resolver, and that answers 127.0.0.1.
        for name in ["127.1", "2130706433", "0x7f000001"] {
            let outcome = send_to(name, "10.0.0.0/8").await;
            let Outcome::Refused { reason: "address", problem } = &outcome else {
                panic!("{name}: {outcome:?}")
            };
            assert!(problem.starts_with(name) && problem.contains("it leads to this machine"), "{problem}");
        }
        assert_eq!(server.connections(), 0);
        let outcome = send_to("127.1", "127.0.0.0/8").await;
        let is_there = matches!(outcome, Outcome::Delivered);
        assert!(is_there, "the check alone keeps it out: {outcome:?}");
    });
}

#[test]
fn whoever_was_told_by_an_escalation_is_told_the_resolve_though_filters_would_drop_it() {
    on_a_shard(async {
        let folder = tempfile::tempdir().unwrap();
        let pager = Server::replying(reply(OK)).await;
        let yaml = format!(
            "{{queue: {{directory: '{}'}}, destinations: [
  {{name: pager, format: cloudevents, url: 'http://{}', min_severity: emergency, match: {{team: night}}}}]}}",
            folder.path().display(),
            pager.address
        );
        let escalated =
            |alert: &str| Told::new("escalated", alert, "shop").with(|told| told.destination = Some("pager"));
        let goes_on = |state, alert: &str, sequence| {
            Told::new(state, alert, "shop").with(|told| told.sequence = sequence)
        };
        let running = Running::start(&yaml);
        running.tell(&[goes_on("firing", "Unasked", 1), goes_on("resolved", "Unasked", 2)]).await;
        running.tell(&[escalated("Later"), escalated("AtOnce"), goes_on("resolved", "AtOnce", 2)]).await;
        until("both are told, one to its end", || running.metric("sent_messages", &[]) == 3).await;
        running.tell(&[goes_on("acknowledged", "Later", 2)]).await;
        until("it is told that somebody cares", || running.metric("sent_messages", &[]) == 4).await;
        until("nothing waits", || running.metric("queue_items", &[]) == 0).await;

        let clock = running.clock.clone();
        running.crash().await;
        let running = Running::start_at(&yaml, &clock);
        running.pass(secs(24 * 3600)).await;
        running.tell(&[goes_on("resolved", "Later", 3)]).await;
        until("the resolve comes, after a crash and a day too", || pager.seen.borrow().len() == 5).await;
        let mut told: Vec<String> = bodies(&pager.seen)
            .iter()
            .map(|body| format!("{} {}", body["data"]["name"], body["type"]).replace(['"'], ""))
            .collect();
        told.sort();
        let event = |alert: &str, state: &str| format!("{alert} io.trueline.alert.{state}");
        assert_eq!(
            told,
            [
                event("AtOnce", "escalated"),
                event("AtOnce", "resolved"),
                event("Later", "acknowledged"),
                event("Later", "escalated"),
                event("Later", "resolved"),
            ]
        );
    });
}

#[test]
fn every_reason_of_a_loss_is_counted_from_zero() {
    on_a_shard(async {
        let running =
            Running::start("destinations: [{name: events, format: cloudevents, url: 'http://127.0.0.1:1'}]");
        let reasons = |name: &str| -> Vec<String> {
            let rows = running.telemetry.read();
            let rows = rows.iter().filter(|row| row.name == name && row.value == 0);
            rows.flat_map(|row| &row.labels)
                .filter(|(key, _)| key == "reason")
                .map(|(_, value)| value.clone())
                .collect()
        };
        assert_eq!(
            reasons("trueline_alert_webhook_dead_letters"),
            ["address", "expired", "redirect", "status", "template"]
        );
        assert_eq!(reasons("trueline_alert_webhook_dropped"), ["queue_full", "resolve_not_needed"]);
    });
}

#[test]
fn filters_silences_and_escalations_decide_who_is_told() {
    on_a_shard(async {
        let (all, pager) = (Server::replying(reply(OK)).await, Server::replying(reply(OK)).await);
        let running = Running::start(&format!(
            "destinations:
  - {{name: all, format: cloudevents, url: 'http://{}', match: {{service.name: 'sh*p'}}}}
  - {{name: pager, format: cloudevents, url: 'http://{}', min_severity: emergency}}",
            all.address, pager.address
        ));
        let silenced =
            Told::new("firing", "Silenced", "shop").with(|told| told.suppressed_by = Some("night"));
        running
            .tell(&[
                Told::new("pending", "A", "shop"),
                Told::new("firing", "A", "shop"),
                Told::new("firing", "A", "cart"),
                silenced.clone(),
                Told::new("resolved", "Silenced", "shop").with(|told| told.suppressed_by = Some("night")),
                Told::new("escalated", "A", "shop").with(|told| {
                    told.destination = Some("pager");
                    told.sequence = 3;
                }),
                Told::new("firing", "Watchdog", "shop"),
            ])
            .await;
        until("each has got its own", || {
            running.metric("sent_alerts", &[("destination", "all")]) == 1
                && running.metric("sent_alerts", &[("destination", "pager")]) == 1
        })
        .await;
        // The silence is lifted: the same transition is told again, and is news now.
        running.tell(&[silenced.with(|told| told.suppressed_by = None)]).await;
        until("it is told when the silence ends", || all.seen.borrow().len() == 2).await;
        assert_eq!(bodies(&pager.seen)[0]["type"], "io.trueline.alert.escalated");
        assert_eq!(pager.seen.borrow().len(), 1);
    });
}

#[test]
fn records_that_are_no_alerts_are_counted_and_never_panic() {
    on_a_shard(async {
        let running =
            Running::start("destinations: [{name: am, format: alertmanager_v2, url: 'http://127.0.0.1:1'}]");
        let records = vec![
            json!({"eventName": "trueline.anomaly.opened"}),
            json!({"body": {"stringValue": "a log line"}}),
            json!({"eventName": "trueline.alert.exploded"}),
            json!({"eventName": "trueline.alert.firing"}),
            json!({"eventName": "trueline.alert.firing", "attributes": [{"key": "trueline.alert.id", "value": {"intValue": "7"}}]}),
        ];
        let delivered = running.export(super::support::request_of(records)).await.unwrap();
        assert_eq!(delivered.rejected, 3);
        assert_eq!(running.metric("passed_over", &[("reason", "other_event")]), 2);
        assert_eq!(running.metric("passed_over", &[("reason", "no_id")]), 1);
        assert_eq!(running.metric("passed_over", &[("reason", "no_fingerprint")]), 1);
        assert_eq!(running.metric("queue_items", &[]), 0);
    });
}

#[test]
fn a_full_queue_drops_the_oldest_info_and_no_resolve() {
    on_a_shard(async {
        let server = Server::replying(reply(503)).await;
        let running = Running::start(&format!(
            "{{queue: {{max_items: 10}}, destinations: [{{name: events, format: cloudevents, url: 'http://{}', max_in_flight: 1}}]}}",
            server.address
        ));
        running.tell(&[Told::new("firing", "First", "shop")]).await;
        until("the destination is not well", || running.metric("retries", &[]) == 1).await;
        let name = |index: usize| format!("service-{index}");
        let info = |index: usize| {
            Told::new("firing", "Info", &name(index)).with(|told| told.severity = Severity::Info)
        };
        running.tell(&(0..9).map(info).collect::<Vec<_>>()).await;
        assert_eq!(running.metric("dropped", &[]), 0, "ten fit");
        running
            .tell(&(0..20).map(|index| Told::new("resolved", "Old", &name(index))).collect::<Vec<_>>())
            .await;
        assert_eq!(
            running.metric("dropped", &[("reason", "queue_full")]),
            10,
            "all that fire, the resolves stay"
        );
        assert_eq!(running.metric("queue_items", &[]), 20);
        running.tell(&[Told::new("firing", "Late", "shop")]).await;
        assert_eq!(running.metric("dropped", &[("reason", "queue_full")]), 11);
        assert_eq!(running.metric("queue_items", &[]), 20);
    });
}

#[test]
fn after_failures_in_a_row_a_destination_is_left_alone_and_tried_with_one_message() {
    on_a_shard(async {
        let server = Server::replying(reply(500)).await;
        let running = Running::start(&format!(
            "{{circuit_breaker: {{failures: 3, open_for: 60s}}, destinations: [{{name: events, format: cloudevents, url: 'http://{}'}}]}}",
            server.address
        ));
        let alerts: Vec<Told> = (0..3).map(|index| Told::new("firing", "A", &format!("s{index}"))).collect();
        running.tell(&alerts).await;
        until("three have failed", || running.metric("failed_attempts", &[]) == 3).await;
        running.pass(secs(59)).await;
        assert_eq!(
            server.seen.borrow().len(),
            3,
            "each of the three is due again, and the destination is left alone"
        );
        until("the metric says so", || running.metric("circuit_open", &[]) == 1).await;
        running.pass(secs(2)).await;
        until("one tries", || running.metric("failed_attempts", &[]) == 4).await;
        assert_eq!(server.seen.borrow().len(), 4);
    });
}

#[test]
fn the_heart_beats_as_long_as_the_watchdog_comes() {
    on_a_shard(async {
        let server = Server::replying(reply(OK)).await;
        let running =
            Running::start(&format!("heartbeat: {{url: 'http://{}/ping/1', interval: 60s}}", server.address));
        running.pass(secs(61)).await;
        assert_eq!(server.seen.borrow().len(), 0, "nobody has spoken of the watchdog yet");
        running.tell(&[Told::new("firing", "Watchdog", "trueline")]).await;
        for beat in 1..=3 {
            running.pass(secs(60)).await;
            until("the heart beats", || running.metric("heartbeats_sent", &[]) == beat).await;
        }
        assert_eq!(server.seen.borrow()[0].uri.path(), "/ping/1");
        for _ in 0..5 {
            running.pass(secs(60)).await;
        }
        assert_eq!(server.seen.borrow().len(), 3, "the watchdog is silent, so is the heart");
    });
}

#[test]
fn in_memory_all_is_told_before_the_end() {
    on_a_shard(async {
        let server = Server::replying(reply(OK)).await;
        let running = Running::start(&format!(
            "destinations: [{{name: hook, url: 'http://{}', group_wait: 10m, timeout: 1h}}]",
            server.address
        ));
        running.tell(&[Told::new("firing", "A", "shop")]).await;
        let clock = running.clock.clone();
        let ticking = tokio::task::spawn_local(async move {
            loop {
                clock.advance_to(clock.now() + Duration::from_millis(10));
                tokio::task::yield_now().await;
            }
        });
        running.stop().await;
        ticking.abort();
        assert_eq!(server.seen.borrow().len(), 1);
    });
}
