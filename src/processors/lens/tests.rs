use bytes::Bytes;
use component::Masks;
use model::{Signal, SignalSet};
use proptest::prelude::*;
use serde_json::{Value, json};
use wire::json::{json_to_wire, wire_to_json};

use super::{Condition, Mask};

fn attribute(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// Two services, of which the second has two items, that are told apart by `tier`.
fn request(signal: Signal) -> Bytes {
    let item = |name: &str, tier: &str| match signal {
        Signal::Traces => json!({"name": name, "attributes": [attribute("shop.tier", tier)]}),
        Signal::Metrics => {
            json!({"name": name, "gauge": {"dataPoints": [{"asInt": "1", "attributes": [attribute("shop.tier", tier)]}]}})
        }
        Signal::Logs => {
            json!({"body": {"stringValue": name}, "attributes": [attribute("shop.tier", tier)]})
        }
    };
    let (resources, scopes, items) = names(signal);
    let of = |service: &str, all: Vec<Value>| json!({"resource": {"attributes": [attribute("service.name", service)]}, scopes: [{ items: all }]});
    let all = json!({ resources: [
        of("cart", vec![item("one", "gold")]),
        of("payment", vec![item("two", "gold"), item("three", "tin")]),
    ]});
    json_to_wire(signal, all.to_string().as_bytes()).unwrap().into()
}

const fn names(signal: Signal) -> (&'static str, &'static str, &'static str) {
    match signal {
        Signal::Traces => ("resourceSpans", "scopeSpans", "spans"),
        Signal::Metrics => ("resourceMetrics", "scopeMetrics", "metrics"),
        Signal::Logs => ("resourceLogs", "scopeLogs", "logRecords"),
    }
}

fn as_json(signal: Signal, request: &[u8]) -> Value {
    let mut json = Vec::new();
    wire_to_json(signal, request, &mut json).unwrap();
    serde_json::from_slice(&json).unwrap()
}

/// Returns the names of what is chosen.
fn chosen(condition: &str, signal: Signal) -> Vec<String> {
    let mut condition = Condition::new(condition).unwrap_or_else(|problem| panic!("{condition}: {problem}"));
    let Some(found) = condition.chosen(signal, &request(signal)) else { return Vec::new() };
    let (resources, scopes, items) = names(signal);
    let found = as_json(signal, &found);
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let parts = list(&found, resources).into_iter().flat_map(|part| list(&part, scopes));
    let all = parts.flat_map(|part| list(&part, items));
    all.map(|item| {
        let name = item["name"].as_str().or(item["body"]["stringValue"].as_str());
        name.unwrap_or_default().to_owned()
    })
    .collect()
}

#[test]
fn names_of_several_words_are_attributes_wherever_they_stand() {
    for signal in Signal::ALL {
        for (condition, expected) in [
            (r#"service.name == "payment""#, &["two", "three"][..]),
            (r#"shop.tier == "gold""#, &["one", "two"]),
            (r#"shop.tier != "gold""#, &["three"]),
            (r#"service.name == "payment" and shop.tier == "tin""#, &["three"]),
            (r#"not (shop.tier == "tin" or service.name == "cart")"#, &["two"]),
            (r#"IsMatch(service.name, "^c")"#, &["one"]),
            (r#"service.name == "nobody""#, &[]),
            (r#"resource.attributes["service.name"] == "cart""#, &["one"]),
        ] {
            assert_eq!(chosen(condition, signal), expected, "{signal}: {condition}");
        }
    }
}

#[test]
fn a_condition_on_one_signal_is_meant_for_that_alone() {
    for (condition, signal, expected) in [
        (r#"span.name == "two""#, Signal::Traces, &["two"][..]),
        (r#"metric.name == "two" and service.name == "payment""#, Signal::Metrics, &["two"]),
        (r#"datapoint.value_int == 1 and shop.tier == "tin""#, Signal::Metrics, &["three"]),
        (r#"log.body == "two""#, Signal::Logs, &["two"]),
    ] {
        assert_eq!(chosen(condition, signal), expected, "{condition}");
        assert_eq!(Condition::new(condition).unwrap().signals(), SignalSet::of(signal), "{condition}");
    }
    assert_eq!(Condition::new(r#"service.name == "x""#).unwrap().signals(), SignalSet::ALL);
}

#[test]
fn what_is_wrong_with_a_condition_is_told_with_the_place() {
    for (condition, words) in [
        ("service.name ==", "at the end"),
        ("service.name = \"x\"", "character"),
        ("spam.attributes[\"x\"] == 1", "spam is no field"),
        ("Nope(span.name)", "Nope"),
        ("name == \"x\"", "name"),
        ("request.headers == 1", "the head of a request"),
        ("spanevent.name == \"x\"", "events of spans"),
        ("", "at the end"),
    ] {
        let problem = Condition::new(condition).err().unwrap_or_else(|| panic!("{condition:?} is taken"));
        assert!(problem.contains(words), "{condition}: {problem}");
    }
}

#[test]
fn a_request_that_is_none_is_chosen_by_nothing() {
    let mut condition = Condition::new(r#"service.name != "x""#).unwrap();
    for signal in Signal::ALL {
        let damaged = Bytes::from_static(b"\x0a\xff\xff\xff\xff\x0f");
        let found = condition.chosen(signal, &damaged);
        assert!(found.is_none_or(|found| found == damaged), "{signal}");
    }
}

const SECRET: &str = "hunter2-hunter2";

/// Puts a text everywhere where telemetry can hold one.
fn everywhere(signal: Signal, key: &str, text: &str) -> Value {
    let list = || json!([attribute(key, text), attribute("plain", "to be seen")]);
    let nested = json!({"key": "outer", "value": {"kvlistValue": {"values": [attribute(key, text),
        {"key": "list", "value": {"arrayValue": {"values": [{"kvlistValue": {"values": [attribute(key, text)]}}]}}}]}}});
    let item = match signal {
        Signal::Traces => {
            json!({"name": "pay", "attributes": [nested], "traceId": "0123456789abcdef0123456789abcdef",
            "startTimeUnixNano": "1700000000000000000",
            "events": [{"name": "e", "attributes": list()}], "links": [{"attributes": list()}]})
        }
        Signal::Metrics => {
            json!({"name": "pay", "sum": {"dataPoints": [{"asInt": "4111111111111111", "attributes": [nested],
            "exemplars": [{"filteredAttributes": list()}]}]}})
        }
        Signal::Logs => {
            json!({"body": {"kvlistValue": {"values": [attribute(key, text)]}}, "attributes": [nested]})
        }
    };
    let (resources, scopes, items) = names(signal);
    json!({ resources: [{"resource": {"attributes": list()},
        scopes: [{"scope": {"name": "s", "attributes": list()}, items: [item]}]}]})
}

#[test]
fn values_of_secret_names_are_hidden_wherever_they_stand() {
    let mask = Mask::new(&Masks::default());
    for signal in Signal::ALL {
        for key in [
            "authorization",
            "http.request.header.authorization",
            "Cookie",
            "set-cookie",
            "password",
            "db.passwd",
            "user_pwd",
            "client_secret",
            "token",
            "id_token",
            "api_key",
            "apikey",
            "X-Api-Key",
            "aws.access_key",
            "private.key",
            "credit_card",
            "card-number",
            "card.cvv",
            "session_id",
            "ssn",
            "credentials",
        ] {
            let mut request = everywhere(signal, key, SECRET);
            let n_hidden = mask.hide(&mut request);
            let told = request.to_string();
            assert!(!told.contains(SECRET), "{signal} {key}: {told}");
            assert!(n_hidden >= 5, "{signal} {key}: {n_hidden}");
            assert!(told.contains("to be seen") || signal == Signal::Logs, "{told}");
            assert!(signal != Signal::Traces || told.contains("0123456789abcdef0123456789abcdef"));
            assert!(signal != Signal::Traces || told.contains("1700000000000000000"));
            assert!(
                signal != Signal::Metrics || told.contains("4111111111111111"),
                "a measurement is hidden"
            );
        }
    }
}

#[test]
fn names_that_only_look_like_secrets_are_seen() {
    let mask = Mask::new(&Masks::default());
    for key in ["session", "keyboard", "author", "http.route", "session.duration", "pinned", "scan.number"] {
        let mut request = everywhere(Signal::Traces, key, "to be seen too");
        assert_eq!(mask.hide(&mut request), 0, "{key}");
    }
}

fn shown(text: &str) -> String {
    let mut request = json!({"body": {"stringValue": text}});
    Mask::new(&Masks::default()).hide(&mut request);
    request["body"]["stringValue"].as_str().unwrap().to_owned()
}

#[test]
fn secrets_within_texts_are_hidden_and_the_rest_is_seen() {
    for (text, expected) in [
        ("GET /pay?token=abc123&id=7", "GET /pay?token=****&id=7"),
        ("login password=hunter2, retry", "login password=****, retry"),
        (r#"{"user":"ann","password":"hun ter2"}"#, r#"{"user":"ann","password":****}"#),
        ("postgres://ann:hunter2@db:5432/shop", "postgres://****@db:5432/shop"),
        ("authorization: Bearer abcdef.ghijkl", "authorization: ****"),
        ("sent Basic YW5uOmh1bnRlcjI= to it", "sent Basic **** to it"),
        ("jwt eyJhbGciOiJIUzI1.eyJzdWIiOiIx.c2ln end", "jwt **** end"),
        ("card 4111 1111 1111 1111 declined", "card **** declined"),
        ("card 4111-1111-1111-1111", "card ****"),
        ("order 4111111111111112", "order 4111111111111112"),
        ("key -----BEGIN RSA PRIVATE KEY-----\nMIIE\n", "key ****"),
        ("the tokens of 3 users", "the tokens of 3 users"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn numbers_and_bytes_that_may_be_secrets_are_hidden() {
    let mask = Mask::new(&Masks::default());
    let mut request = json!({"attributes": [
        {"key": "n", "value": {"intValue": "4111111111111111"}},
        {"key": "small", "value": {"intValue": "41"}},
        {"key": "raw", "value": {"bytesValue": "aHVudGVyMg=="}},
        {"key": "password", "value": {"intValue": "1234"}},
    ]});
    assert_eq!(mask.hide(&mut request), 3);
    let values: Vec<_> = (0..4).map(|index| request["attributes"][index]["value"].to_string()).collect();
    let hidden = r#"{"stringValue":"****"}"#;
    assert_eq!(values, [hidden, r#"{"intValue":"41"}"#, hidden, hidden]);
}

#[test]
fn what_the_configuration_hides_is_hidden_too() {
    let masks = Masks { keys: vec!["^internal[.]".to_owned()], values: vec![r"[\w.]+@[\w.]+".to_owned()] };
    let mut request = everywhere(Signal::Logs, "internal.name", "x-17");
    Mask::new(&masks).hide(&mut request);
    assert!(!request.to_string().contains("x-17"), "{request}");
    let mut request = everywhere(Signal::Logs, "user", "ann@example.com");
    Mask::new(&masks).hide(&mut request);
    assert!(!request.to_string().contains("ann@"), "{request}");
}

/// Words of the language, and some that are none.
const WORDS: [&str; 36] = [
    "span.name",
    "resource.attributes[\"service.name\"]",
    "shop.tier",
    "service.name",
    "log.body",
    "metric.name",
    "datapoint.value_int",
    "span.attributes[\"shop.tier\"][0]",
    "attributes",
    "name",
    "==",
    "!=",
    "<",
    ">=",
    "and",
    "or",
    "not",
    "(",
    ")",
    "\"gold\"",
    "\"\"",
    "1",
    "-9223372036854775808",
    "0.5",
    "nil",
    "true",
    "IsMatch(",
    "Len(",
    "Concat([",
    "], \",\")",
    ",",
    "+",
    "/ 0",
    "SPAN_KIND_SERVER",
    "\"(\"",
    "{\"a\": 1}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_words_are_refused_or_choose_a_request(
        words in proptest::collection::vec(proptest::sample::select(WORDS.to_vec()), 1..10),
        damage in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..3),
    ) {
        let Ok(mut condition) = Condition::new(&words.join(" ")) else { return Ok(()) };
        for signal in Signal::ALL {
            let mut bytes = request(signal).to_vec();
            for (at, byte) in &damage {
                let at = usize::from(*at) % bytes.len();
                bytes[at] = *byte;
            }
            let request = Bytes::from(bytes);
            let Ok(items) = wire::check(signal, &request) else { continue };
            if let Some(part) = condition.chosen(signal, &request) {
                let chosen = wire::check(signal, &part);
                prop_assert!(chosen.as_ref().is_ok_and(|chosen| *chosen <= items), "{chosen:?} of {items}");
            }
        }
    }

    #[test]
    fn any_text_is_shown_without_a_panic_and_twice_the_same(text in any::<String>(), key in "[a-z_.]{0,12}") {
        let mask = Mask::new(&Masks::default());
        let mut once = everywhere(Signal::Logs, &key, &text);
        mask.hide(&mut once);
        let mut twice = once.clone();
        mask.hide(&mut twice);
        prop_assert_eq!(once, twice, "what is hidden stays so");
    }
}
