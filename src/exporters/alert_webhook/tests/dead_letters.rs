//! What no destination takes is kept, within bounds, and can be sent again.

use std::{path::Path, sync::Arc};

use config::{Problems, Source};
use expect_test::expect;

use super::support::{Running, Told, until};
use crate::{
    alert_webhook::deliveries::{Letters, ReplayError, Replayer},
    http::testing::{Reply, Server, on_a_shard},
};

fn settings(directory: &Path, address: std::net::SocketAddr, more: &str) -> String {
    format!(
        "{{queue: {{directory: '{}'}}, {more} destinations: [{{name: events, format: cloudevents, url: 'http://{address}'}}]}}",
        directory.display()
    )
}

fn replayer(yaml: &str, running: &Running) -> Replayer {
    let node = config::parse(&Source::new("test.yaml", yaml)).unwrap();
    let mut problems = Problems::default();
    Replayer::new(&node, "exporters::alert_webhook", Arc::new(running.clock.clone()), &mut problems).unwrap()
}

#[test]
fn a_dead_letter_is_shown_and_sent_again_with_the_id_it_had() {
    on_a_shard(async {
        let folder = tempfile::tempdir().unwrap();
        let refusing = Server::replying(Reply::of(404, &[], "no such hook")).await;
        let running = Running::start(&settings(folder.path(), refusing.address, ""));
        running.tell(&[Told::new("firing", "HighErrors", "shop")]).await;
        until("it is a dead letter", || running.metric("dead_letters", &[("reason", "status")]) == 1).await;
        let file = folder.path().join("dead_letters.jsonl");
        let letters = Letters::read(&file).unwrap();
        let summary = letters.all[0].summary();
        expect!["2023-11-14T22:13:20Z events status HighErrors firing 127.0.0.1 answered 404 Not Found: no such hook"].assert_eq(
            &[summary.at, summary.destination, summary.reason, summary.alerts, summary.problem].join(" "),
        );
        let taking = Server::replying(Reply::of(200, &[], "")).await;
        let again = replayer(&settings(folder.path(), taking.address, ""), &running);
        again.send(&letters.all[0]).await.unwrap();
        assert_eq!(taking.only().body, refusing.only().body, "byte for byte what it was");
        let other = replayer("{destinations: [{name: other, url: 'https://example.com'}]}", &running);
        let problem = other.send(&letters.all[0]).await.unwrap_err();
        assert!(matches!(problem, ReplayError::UnknownDestination(name) if name == "events"));
        running.tell(&[Told::new("firing", "HighErrors", "shop").with(|told| told.is_reminder = true)]).await;
        assert_eq!(running.metric("queue_items", &[]), 0, "a reminder does not make another dead letter");
    });
}

#[test]
fn a_full_file_is_kept_aside_and_the_oldest_goes() {
    on_a_shard(async {
        let folder = tempfile::tempdir().unwrap();
        let refusing = Server::replying(Reply::of(400, &[], "no")).await;
        let more = "dead_letter: {max_bytes: 1500, max_backups: 2},";
        let running = Running::start(&settings(folder.path(), refusing.address, more));
        for index in 0..20 {
            running.tell(&[Told::new("firing", "A", &format!("s{index}"))]).await;
            until("it is a dead letter", || running.metric("dead_letters", &[]) == index + 1).await;
        }
        let length = |name: &str| folder.path().join(name).metadata().map(|found| found.len());
        for name in ["dead_letters.jsonl", "dead_letters.jsonl.1", "dead_letters.jsonl.2"] {
            assert!(length(name).unwrap() <= 1500, "{name}");
        }
        assert!(length("dead_letters.jsonl.3").is_err());
        let last = Letters::read(&folder.path().join("dead_letters.jsonl")).unwrap();
        assert!(last.damaged.is_empty() && !last.all.is_empty());
    });
}

#[test]
fn a_letter_behind_a_line_that_a_crash_has_torn_is_whole() {
    on_a_shard(async {
        let folder = tempfile::tempdir().unwrap();
        let refusing = Server::replying(Reply::of(404, &[], "no such hook")).await;
        let file = folder.path().join("dead_letters.jsonl");
        std::fs::write(&file, r#"{"id": "torn", "at": 17"#).unwrap();
        let running = Running::start(&settings(folder.path(), refusing.address, ""));
        for (number, service) in [(1, "shop"), (2, "cart")] {
            running.tell(&[Told::new("firing", "HighErrors", service)]).await;
            until("it is a dead letter", || running.metric("dead_letters", &[]) == number).await;
        }
        let letters = Letters::read(&file).unwrap();
        assert_eq!((letters.all.len(), letters.damaged), (2, vec![1]));
    });
}
