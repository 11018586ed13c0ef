//! What each format writes, byte for byte. Vendors' own libraries read what is sent in `tests/it/peers/webhooks.rs`.

use std::path::PathBuf;

use component::Clock;
use expect_test::expect_file;
use model::{Severity, Timestamp};

use super::{
    super::{
        alert::{self, Alert, Record},
        config::{Format, SigningConfig},
        formats::{GroupKey, Notification, Renderer, Told as Content},
        sending::Signer,
    },
    support::{Told, good, request},
};
use crate::http::testing::NOW;

fn alert(told: &Told) -> Alert {
    let request = request(std::slice::from_ref(told)).bytes.whole();
    let item = wire::view::groups(&request).next().unwrap().items().next().unwrap().to_vec();
    match alert::read(&wire::view::LogRecord::of(&item)) {
        Record::Alert(alert) => *alert,
        other => panic!("{other:?}"),
    }
}

/// An alert with everything that breaks careless writers.
fn firing() -> Told {
    Told::new("firing", "HighErrors", "shop <b> & \"co\"").with(|told| {
        told.incident = Some("01KBKQ3N8M0000000000000001");
        told.of_incident = Some((
            "<payment> fails, 1 other service suffers",
            "Cause: payment.\n- `Charge` *fails* by itself",
        ));
        told.annotations = vec![
            ("summary", "a quarter of all orders fails".to_owned()),
            (
                "description",
                "see <https://evil.example|here>, *bold* `code`\nsecond line @channel <!channel>".to_owned(),
            ),
        ];
    })
}

fn resolved() -> Told {
    Told::new("resolved", "HighErrors", "cart").with(|told| {
        told.severity = Severity::Emergency;
        told.at = Timestamp(NOW.as_nanos() + 61_500_000_000);
    })
}

fn rendered(format: &str, extra: &str, content: &Content) -> String {
    let config = good(&format!(
        "destinations: [{{name: golden, format: {format}, url: 'https://example.com' {extra}}}]"
    ));
    let renderer = Renderer::new(&config.destinations[0], "https://trueline.example.com");
    let message = renderer.render(content, "0123", NOW).unwrap().message;
    let json: serde_json::Value = serde_json::from_slice(&message.body).unwrap();
    serde_json::to_string_pretty(&json).unwrap() + "\n"
}

fn check(format: &str, extra: &str, content: &Content, file: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("alert_webhook/tests/golden").join(file);
    expect_file![path].assert_eq(&rendered(format, extra, content));
}

fn group() -> Content {
    let alerts = vec![alert(&resolved()), alert(&firing())];
    Content::Group(Notification::new(GroupKey::of(&alerts[0], &["alertname".to_owned()]), alerts))
}

#[test]
fn formats_of_groups_are_as_they_were() {
    check("alertmanager_webhook_v4", "", &group(), "alertmanager_webhook_v4.json");
    check("slack", "", &group(), "slack.json");
    check("teams_workflow", "", &group(), "teams_workflow.json");
    let template = ", template: '{\"text\": {{ alert.summary }}, \"all\": {{ alerts | length }}}'";
    check("template", template, &group(), "template.json");
}

#[test]
fn formats_of_transitions_are_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    let key = format!(", routing_key_file: '{}'", file.display());
    let event = |told: &Told| Content::Event(Box::new(alert(told)));
    check("pagerduty_v2", &key, &event(&firing()), "pagerduty_trigger.json");
    check("pagerduty_v2", &key, &event(&resolved()), "pagerduty_resolve.json");
    let acknowledged = Told { state: "acknowledged", ..firing() };
    check("pagerduty_v2", &key, &event(&acknowledged), "pagerduty_acknowledge.json");
    check("cloudevents", "", &event(&firing()), "cloudevents.json");
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signing = format!(", signing: {{secret_file: '{}'}}", secret.display());
    check("standard_webhook", &signing, &event(&firing()), "standard_webhook.json");
    let states = Content::States(vec![alert(&firing()), alert(&resolved())]);
    check("alertmanager_v2", "", &states, "alertmanager_v2.json");
}

#[test]
fn a_message_of_many_long_alerts_stays_within_the_limits_of_its_service() {
    let long = |index: usize| {
        alert(&Told::new("firing", "Long", &format!("service-{index}")).with(|told| {
            told.annotations = vec![("summary", "ä<".repeat(2000)), ("description", "&".repeat(4000))];
        }))
    };
    let alerts: Vec<Alert> = (0..100).map(long).collect();
    let group = Content::Group(Notification::new(GroupKey::default(), alerts.clone()));
    let slack: serde_json::Value = serde_json::from_str(&rendered("slack", "", &group)).unwrap();
    let blocks = slack["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    assert!(
        blocks
            .iter()
            .all(|block| block["text"]["text"].as_str().is_none_or(|text| text.chars().count() <= 3000))
    );
    assert!(slack.to_string().chars().count() < 16_000);
    assert!(rendered("teams_workflow", "", &group).len() < 28 * 1024);
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let mut worst = alerts[0].clone();
    worst.labels = (0..64).map(|index| (format!("label{index}"), "\u{1}".repeat(4096))).collect();
    worst.annotations = worst.labels.clone();
    let config = good(&format!(
        "destinations: [{{name: golden, format: standard_webhook, url: 'https://example.com', signing: {{secret_file: '{}'}}}}]",
        secret.display()
    ));
    assert_eq!(config.destinations[0].format, Format::StandardWebhook);
    let renderer = Renderer::new(&config.destinations[0], "");
    let body = renderer.render(&Content::Event(Box::new(worst)), "1", NOW).unwrap().message.body;
    assert!(body.len() <= 20 * 1024, "{}", body.len());
}

/// The example that the libraries of Standard Webhooks are tested with.
#[test]
fn the_published_example_of_standard_webhooks_is_signed_alike_and_both_secrets_sign() {
    let folder = tempfile::tempdir().unwrap();
    let secret = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let signer = Signer::new(&SigningConfig {
        secret_file: secret("new", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        rotate_secret_file: secret("old", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"),
        ..SigningConfig::default()
    });
    let at = component::testing::ManualClock::new(Timestamp::from_secs(1_614_265_330)).now();
    let headers = signer.headers("msg_p5jXN8AQM9LWM0D4loKWxJek", b"{\"test\": 2432232314}", at).unwrap();
    assert_eq!(headers["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
    assert_eq!(headers["webhook-timestamp"], "1614265330");
    let signatures = headers["webhook-signature"].to_str().unwrap();
    assert!(signatures.starts_with("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,"), "{signatures}");
}
