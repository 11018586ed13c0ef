//! What each format says of an alert.

use serde_json::Value;

/// A beginning or an end of an alert. An end comes behind its beginning, and before all that begins later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Word {
    pub(super) starts_at: jiff::Timestamp,
    pub(super) is_end: bool,
}

/// What a message says of one alert.
pub(super) struct Said {
    pub(super) service: String,
    /// Where the message says so.
    pub(super) starts_at: Option<jiff::Timestamp>,
    pub(super) is_end: bool,
    /// What names the transition, where the message has such a thing.
    pub(super) id: Option<String>,
}

pub(super) struct Format {
    pub(super) name: &'static str,
    /// What a destination has beside its name and its URL; `{secret}` and `{key}` are files.
    pub(super) settings: &'static str,
    /// Whether every transition is told, and not only how things are by then.
    pub(super) tells_all: bool,
    /// Whether alerts pass through incidents on their way.
    pub(super) is_correlated: bool,
    pub(super) read: fn(&Value) -> Vec<Said>,
}

const GROUP: &str = "group_by: ['...'], group_wait: 0s, group_interval: 1s";

pub(super) const FORMATS: [Format; 6] = [
    // Told again so seldom that nothing but transitions is seen.
    Format {
        name: "alertmanager_v2",
        settings: "resend: 1h",
        tells_all: true,
        is_correlated: true,
        read: states,
    },
    Format {
        name: "alertmanager_webhook_v4",
        settings: GROUP,
        tells_all: false,
        is_correlated: false,
        read: group,
    },
    Format {
        name: "pagerduty_v2",
        settings: "routing_key_file: '{key}'",
        tells_all: true,
        is_correlated: false,
        read: pagerduty,
    },
    Format { name: "slack", settings: GROUP, tells_all: false, is_correlated: true, read: slack },
    Format {
        name: "standard_webhook",
        settings: "signing: {secret_file: '{secret}'}",
        tells_all: true,
        is_correlated: true,
        read: standard,
    },
    Format { name: "template", settings: TEMPLATE, tells_all: false, is_correlated: false, read: template },
];

const TEMPLATE: &str = r#"group_by: ['...'], group_wait: 0s, group_interval: 1s, template: '{"service": {{ alert.labels["service.name"] }}, "starts_at": {{ alert.starts_at }}, "status": {{ status }}, "id": {{ alert.id }}}'"#;

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn time(value: &Value) -> Option<jiff::Timestamp> {
    Some(text(value).parse().expect("a time as RFC 3339 has it"))
}

/// An alert that fires ends hours later, unless it is told again.
fn states(body: &Value) -> Vec<Said> {
    let said = |alert: &Value| {
        let (starts_at, ends_at) = (time(&alert["startsAt"]), time(&alert["endsAt"]));
        let lasts = ends_at.zip(starts_at).map(|(end, start)| end.duration_since(start).as_secs());
        let service = text(&alert["labels"]["service_name"]);
        Said { service, starts_at, is_end: lasts.is_some_and(|seconds| seconds < 3600), id: None }
    };
    body.as_array().expect("a list of alerts").iter().map(said).collect()
}

fn group(body: &Value) -> Vec<Said> {
    let said = |alert: &Value| Said {
        service: text(&alert["labels"]["service_name"]),
        starts_at: time(&alert["startsAt"]),
        is_end: alert["status"] == "resolved",
        id: None,
    };
    body["alerts"].as_array().expect("a list of alerts").iter().map(said).collect()
}

/// An end says nothing but the key, which is the alert's fingerprint and stands for the service here.
fn pagerduty(body: &Value) -> Vec<Said> {
    let details = &body["payload"]["custom_details"];
    let is_end = body["event_action"] == "resolve";
    vec![Said {
        service: text(&body["dedup_key"]),
        starts_at: if is_end { None } else { time(&body["payload"]["timestamp"]) },
        is_end,
        id: if is_end { None } else { Some(text(&details["alert_id"])) },
    }]
}

/// A section of a message: its words for the state, and the labels.
fn slack(body: &Value) -> Vec<Said> {
    let sections =
        body["blocks"].as_array().expect("blocks").iter().filter(|block| block["type"] == "section");
    let said = |block: &Value| {
        let words = text(&block["text"]["text"]);
        let after = |mark: &str| words.split_once(mark).map(|(_, rest)| rest);
        let service = after("`service.name=").and_then(|rest| rest.split('`').next());
        let begin = after("firing since ").or_else(|| after("resolved, began "));
        let begin = begin.and_then(|rest| rest.split_whitespace().next());
        Said {
            service: service.unwrap_or_else(|| panic!("no service in {words}")).to_owned(),
            starts_at: begin.map(|begin| begin.parse().expect("a time as RFC 3339 has it")),
            is_end: words.contains("resolved, began "),
            id: None,
        }
    };
    sections.map(said).collect()
}

fn standard(body: &Value) -> Vec<Said> {
    let data = &body["data"];
    vec![Said {
        service: text(&data["labels"]["service.name"]),
        starts_at: time(&data["starts_at"]),
        is_end: data["state"] == "resolved",
        id: Some(text(&data["id"])),
    }]
}

fn template(body: &Value) -> Vec<Said> {
    vec![Said {
        service: text(&body["service"]),
        starts_at: time(&body["starts_at"]),
        is_end: body["status"] == "resolved",
        id: Some(text(&body["id"])),
    }]
}
