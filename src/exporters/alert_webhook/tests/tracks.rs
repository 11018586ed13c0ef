//! Whoever asks is told what became of each notification.

use std::{cell::Cell, time::Duration};

use component::{Clock, Question};
use serde_json::{Value, json};

use super::support::{Running, Told, until};
use crate::http::testing::{Reply, Server, on_a_shard};

/// Asks what became of an alert's notifications.
pub(super) fn asked(running: &Running, parameters: &[(&str, &str)]) -> (u16, Value) {
    let question = Question {
        method: "GET".to_owned(),
        path: vec!["deliveries".to_owned()],
        parameters: parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Question::default()
    };
    let exporters = running.desk.of("deliveries");
    let [(_, exporter)] = &exporters[..] else { panic!("{} exporters answer", exporters.len()) };
    let answer = exporter.answer(&question);
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

/// Whether this became of the transitions that are known of an alert, by destination.
fn is(running: &Running, told: &Told, expected: &[(&str, &str)]) -> bool {
    let (status, answer) = asked(running, &[("fingerprint", &told.fingerprint())]);
    assert_eq!(status, 200, "{answer}");
    let all = answer["deliveries"].as_array().unwrap();
    let outcome =
        |of: &Value, (at, what): &(&str, &str)| of["destination"] == **at && of["outcome"] == **what;
    all.len() == expected.len() && all.iter().zip(expected).all(|(of, expected)| outcome(of, expected))
}

#[test]
fn each_destination_says_what_it_did_with_an_alert_and_why() {
    on_a_shard(async {
        let taking = Server::replying(Reply::of(200, &[], "")).await;
        let refusing = Server::replying(Reply::of(404, &[], "no such hook")).await;
        let running = Running::start(&format!(
            "{{destinations: [
                {{name: taking, format: cloudevents, url: 'http://{}'}},
                {{name: refusing, format: cloudevents, url: 'http://{}'}},
                {{name: pager, format: cloudevents, min_severity: emergency, url: 'http://{}'}}]}}",
            taking.address, refusing.address, taking.address
        ));
        let told = Told::new("firing", "HighErrors", "shop");
        running.tell(&[told.clone(), Told::new("firing", "Other", "shop")]).await;
        let expected = [("taking", "delivered"), ("refusing", "dead_letter"), ("pager", "not_wanted")];
        until("all is settled", || is(&running, &told, &expected)).await;
        let (_, answer) = asked(&running, &[("fingerprint", &told.fingerprint())]);
        let problems: Vec<&Value> = (0..3).map(|at| &answer["deliveries"][at]["problem"]).collect();
        assert_eq!(problems[0], &Value::Null);
        assert!(problems[1].as_str().unwrap().contains("404 Not Found"), "{}", problems[1]);
        assert_eq!(problems[2], "it is below `min_severity`");
        assert_eq!(answer["deliveries"][0]["at"], "2023-11-14T22:13:20Z");
        running.tell(&[told.clone().with(|told| told.is_reminder = true)]).await;
        assert!(is(&running, &told, &expected), "a reminder is no other notification");
    });
}

#[test]
fn attempts_are_counted_and_what_waits_says_why() {
    on_a_shard(async {
        let n_asked = Cell::new(0);
        let server = Server::start(move |_| {
            n_asked.set(n_asked.get() + 1);
            let status = if n_asked.get() < 3 { 503 } else { 200 };
            Box::pin(std::future::ready(Reply::of(status, &[], "busy")))
        })
        .await;
        let settings = "{destinations: [{name: events, format: cloudevents, url: 'http://ADDRESS'}]}";
        let running = Running::start(&settings.replace("ADDRESS", &server.address.to_string()));
        let told = Told::new("firing", "A", "shop");
        running.tell(std::slice::from_ref(&told)).await;
        until("it failed once", || running.metric("retries", &[]) == 1).await;
        let (_, answer) = asked(&running, &[("fingerprint", &told.fingerprint())]);
        let waiting = &answer["deliveries"][0];
        assert_eq!((&waiting["outcome"], &waiting["attempts"]), (&json!("waits"), &json!(1)));
        assert!(waiting["problem"].as_str().unwrap().contains("503"), "{waiting}");
        for number in 2..=3 {
            running.pass(Duration::from_secs(60)).await;
            until("it is tried again", || server.seen.borrow().len() == number).await;
        }
        until("it is delivered", || is(&running, &told, &[("events", "delivered")])).await;
        let (_, answer) = asked(&running, &[("fingerprint", &told.fingerprint())]);
        assert_eq!(answer["deliveries"][0]["attempts"], 3);
    });
}

#[test]
fn silences_are_named_and_only_the_time_around_is_told() {
    on_a_shard(async {
        let server = Server::replying(Reply::of(200, &[], "")).await;
        let settings = "{destinations: [{name: events, format: cloudevents, url: 'http://ADDRESS'}]}";
        let running = Running::start(&settings.replace("ADDRESS", &server.address.to_string()));
        let silent = Told::new("firing", "A", "shop").with(|told| told.suppressed_by = Some("silence 1"));
        running.tell(std::slice::from_ref(&silent)).await;
        let (_, answer) = asked(&running, &[("fingerprint", &silent.fingerprint())]);
        assert_eq!(answer["deliveries"][0]["problem"], "a silence or a schedule keeps it from being told");
        let many: Vec<Told> = (0..40)
            .map(|number| {
                Told::new("firing", "B", "shop").with(|told| {
                    told.sequence = number + 1;
                    told.at = told.at + Duration::from_secs(number);
                })
            })
            .collect();
        running.tell(&many).await;
        let of = |at: &str| {
            let (status, answer) = asked(&running, &[("fingerprint", &many[0].fingerprint()), ("at", at)]);
            assert_eq!(status, 200, "{answer}");
            answer["deliveries"].as_array().unwrap().len()
        };
        assert_eq!(of("2023-11-14T22:13:19Z"), 6, "what came after");
        assert_eq!(of("2023-11-14T22:13:39Z"), 18, "what came before and after");
        assert_eq!(of("2023-11-14T23:00:00Z"), 12, "what came before");
        assert_eq!(asked(&running, &[]).0, 400);
        let (status, answer) = asked(&running, &[("fingerprint", "x"), ("at", "noon")]);
        assert!(status == 400 && answer["error"].as_str().unwrap().starts_with("at is \"noon\""), "{answer}");
    });
}

#[test]
fn a_restart_forgets_nothing_of_what_became_of_notifications() {
    on_a_shard(async {
        let taking = Server::replying(Reply::of(200, &[], "")).await;
        // It fails once and then answers nothing, so that no attempt ends unseen.
        let n_asked = Cell::new(0);
        let failing = Server::start(move |_| {
            n_asked.set(n_asked.get() + 1);
            match n_asked.get() {
                1 => Box::pin(std::future::ready(Reply::of(503, &[], "busy"))),
                _ => Box::pin(std::future::pending()),
            }
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "{{queue: {{directory: '{}'}}, destinations: [
                {{name: taking, format: cloudevents, url: 'http://{}'}},
                {{name: failing, format: cloudevents, url: 'http://{}'}},
                {{name: pager, format: cloudevents, min_severity: emergency, url: 'http://{}'}}]}}",
            folder.path().display(),
            taking.address,
            failing.address,
            taking.address
        );
        let running = Running::start(&settings);
        let told = Told::new("firing", "HighErrors", "shop");
        running.tell(std::slice::from_ref(&told)).await;
        let expected = [("taking", "delivered"), ("failing", "waits"), ("pager", "not_wanted")];
        let failed_once = || running.metric("retries", &[]) == 1 && is(&running, &told, &expected);
        until("one is delivered and one is tried again", failed_once).await;
        let before = asked(&running, &[("fingerprint", &told.fingerprint())]);
        assert_eq!(before.1["deliveries"][1]["attempts"], 1, "{}", before.1);
        let clock = running.clock.clone();
        running.crash().await;
        clock.advance_to(clock.now() + Duration::from_millis(1));
        let running = Running::start_at(&settings, &clock);
        running.tell(&[]).await;
        assert_eq!(asked(&running, &[("fingerprint", &told.fingerprint())]), before, "after a crash");
        until("it is tried again", || failing.seen.borrow().len() == 2).await;
        failing.cut();
        until("that failed", || running.metric("retries", &[]) == 1).await;
        let before = asked(&running, &[("fingerprint", &told.fingerprint())]);
        assert_eq!(before.1["deliveries"][1]["attempts"], 2, "it goes on: {}", before.1);
        running.stop().await;
        let running = Running::start_at(&settings, &clock);
        running.tell(&[]).await;
        assert_eq!(asked(&running, &[("fingerprint", &told.fingerprint())]), before, "after a stop");
        assert_eq!(before.1["since"], "2023-11-14T22:13:20Z", "when the first of them started");
    });
}

#[test]
fn the_last_16384_notifications_are_known_and_the_file_is_bounded() {
    on_a_shard(async {
        let folder = tempfile::tempdir().unwrap();
        let settings = format!(
            "{{queue: {{directory: '{}'}}, destinations: [
                {{name: pager, format: cloudevents, min_severity: emergency, url: 'http://127.0.0.1:9'}}]}}",
            folder.path().display()
        );
        let of = |number: u64| {
            Told::new("firing", "A", &format!("s{number}"))
                .with(|told| told.at = told.at + Duration::from_secs(number))
        };
        let known = |running: &Running, number: u64| {
            let (_, answer) = asked(running, &[("fingerprint", &of(number).fingerprint())]);
            (answer["deliveries"].as_array().unwrap().len(), answer["since"].as_str().unwrap().to_owned())
        };
        let mut running = Running::start(&settings);
        for round in 0..2 {
            for first in (0..20_000).step_by(500) {
                running
                    .tell(&(first..first + 500).map(|number| of(round * 20_000 + number)).collect::<Vec<_>>())
                    .await;
            }
            let clock = running.clock.clone();
            running.stop().await;
            let bytes = std::fs::metadata(folder.path().join("deliveries.log")).unwrap().len();
            assert!(bytes < 16_384 * 400 * 5, "{bytes} bytes");
            running = Running::start_at(&settings, &clock);
            running.tell(&[]).await;
        }
        let oldest = 40_000 - 16_384;
        assert_eq!(known(&running, oldest).0, 1);
        let (n_known, since) = known(&running, oldest - 1);
        assert_eq!(
            (n_known, since.as_str()),
            (0, "2023-11-15T04:46:55Z"),
            "when the last was told that is forgotten"
        );
    });
}
