//! Answers of the service, for people.

use serde_json::{Map, Value};

use super::table::Table;
use crate::terminal::{printable, short};

/// Several alerts, or one with its past.
pub(super) fn alerts(answer: &Value) -> String {
    let Some(all) = answer["alerts"].as_array() else { return alert(answer) };
    let mut table = Table::new(&["STATE", "SEVERITY", "ALERT", "SINCE", "VALUE", "FINGERPRINT", "LABELS"]);
    for alert in all {
        table.push(vec![
            state(alert),
            word(&alert["severity"]),
            word(&alert["labels"]["alertname"]),
            word(&alert["since"]),
            word(&alert["value"]),
            word(&alert["fingerprint"]),
            labels(&alert["labels"]),
        ]);
    }
    if table.is_empty() {
        return "no alert fires\n".to_owned();
    }
    table.write() + &left_off(answer)
}

/// The state, and what keeps people from being told.
fn state(alert: &Value) -> String {
    let mut state = word(&alert["state"]);
    if !alert["acknowledged_by"].is_null() {
        state += ", acknowledged";
    }
    if alert["suppressed_by"].as_array().is_some_and(|by| !by.is_empty()) {
        state += ", suppressed";
    }
    if alert["is_flapping"] == true {
        state += ", flapping";
    }
    state
}

fn alert(alert: &Value) -> String {
    let mut out = format!("{} ({})\n", word(&alert["labels"]["alertname"]), word(&alert["fingerprint"]));
    out += &format!("  {} since {}, {}\n", state(alert), word(&alert["since"]), word(&alert["severity"]));
    out += &format!("  value {}, threshold {}\n", word(&alert["value"]), word(&alert["threshold"]));
    out += &format!("  {}\n", labels(&alert["labels"]));
    for (name, text) in entries(&alert["annotations"]) {
        out += &format!("  {name}: {}\n", word(text));
    }
    if let Some(by) = alert["acknowledged_by"].as_str() {
        let (at, comment) = (word(&alert["acknowledged_at"]), word(&alert["comment"]));
        out += &format!("  acknowledged by {by} at {at}: {comment}\n");
    }
    for by in list(&alert["suppressed_by"]) {
        out += &format!("  suppressed by {}\n", word(by));
    }
    out + &events(&alert["events"])
}

fn events(all: &Value) -> String {
    let mut table = Table::new(&["  TIME", "EVENT", "VALUE", "DETAIL"]);
    for event in list(all) {
        table.push(vec![
            format!("  {}", word(&event["at"])),
            word(&event["event"]),
            word(&event["value"]),
            word(&event["detail"]),
        ]);
    }
    if table.is_empty() { String::new() } else { table.write() }
}

/// Several silences, or the one that was made or ended.
pub(super) fn silences(answer: &Value) -> String {
    let Some(all) = answer["silences"].as_array() else {
        return match answer.get("matchers") {
            Some(_) => silence_table(std::slice::from_ref(answer)),
            None => format!("{answer}\n"),
        };
    };
    if all.is_empty() { "nothing is silenced\n".to_owned() } else { silence_table(all) }
}

fn silence_table(all: &[Value]) -> String {
    let mut table = Table::new(&["ID", "STATE", "UNTIL", "BY", "MATCHERS", "COMMENT"]);
    for silence in all {
        let state = silence["status"]["state"].as_str().unwrap_or_default();
        let matchers: Vec<_> = list(&silence["matchers"]).iter().map(matcher).collect();
        table.push(vec![
            word(&silence["id"]),
            state.to_owned(),
            word(&silence["endsAt"]),
            word(&silence["createdBy"]),
            matchers.join(" "),
            word(&silence["comment"]),
        ]);
    }
    table.write()
}

fn matcher(matcher: &Value) -> String {
    let operator = match (matcher["isEqual"] != false, matcher["isRegex"] == true) {
        (true, false) => "=",
        (false, false) => "!=",
        (true, true) => "=~",
        (false, true) => "!~",
    };
    format!("{}{operator}{}", word(&matcher["name"]), word(&matcher["value"]))
}

/// Why something fired or did not.
pub(super) fn explain(answer: &Value) -> String {
    let mut out = format!("{} at {}\n", word(&answer["subject"]), word(&answer["at"]));
    for rule in list(&answer["rules"]) {
        let (name, threshold) = (word(&rule["name"]), word(&rule["threshold"]));
        let when = &rule["rule"]["when"];
        out += &format!(
            "rule {name}: {} of {} {} {threshold}, for {} s, evaluated every {} s, {} groups\n",
            word(&rule["rule"]["stat"]),
            word(&rule["rule"]["metric"]),
            word(&when["op"]),
            word(&rule["for"]),
            word(&rule["every"]),
            word(&rule["groups"]),
        );
    }
    for entry in list(&answer["alerts"]) {
        let about = &entry["alert"];
        let (name, fingerprint) = (word(&about["labels"]["alertname"]), word(&about["fingerprint"]));
        out += &format!("\n{name} ({fingerprint})  {}\n", labels(&about["labels"]));
        out += &format!("  then {}: {}\n", word(&entry["state_then"]), word(&entry["why"]));
        let input = &entry["input"];
        if !input.is_null() {
            out += &format!(
                "  input from {} to {}: {} to {}, threshold {}\n",
                word(&input["from"]),
                word(&input["until"]),
                word(&input["least"]),
                word(&input["greatest"]),
                word(&entry["threshold"]),
            );
        }
        for by in list(&entry["suppressed_by_then"]) {
            out += &format!("  suppressed by {}\n", word(by));
        }
        out += &events(&entry["events"]);
        out += &deliveries(&entry["delivery"]);
    }
    out + &left_off(answer)
}

/// What exporters did with the notifications of an alert.
fn deliveries(all: &Value) -> String {
    let Some(exporters) = all.as_array() else { return String::new() };
    if exporters.is_empty() {
        return "  no exporter of this configuration delivers alerts\n".to_owned();
    }
    let mut table = Table::new(&["  TOLD", "EVENT", "DESTINATION", "DELIVERY", "AT", "ATTEMPTS", "PROBLEM"]);
    let mut out = String::new();
    for exporter in exporters {
        for delivery in list(&exporter["deliveries"]) {
            let or_empty = |value: &Value| if value.is_null() { String::new() } else { word(value) };
            table.push(vec![
                format!("  {}", word(&delivery["told_at"])),
                word(&delivery["state"]),
                word(&delivery["destination"]),
                word(&delivery["outcome"]).replace('_', " "),
                word(&delivery["at"]),
                word(&delivery["attempts"]),
                or_empty(&delivery["problem"]),
            ]);
        }
        if list(&exporter["deliveries"]).is_empty() {
            let (name, since) = (word(&exporter["exporter"]), word(&exporter["since"]));
            out += &format!("  {name} has delivered nothing of it since {since}\n");
        }
    }
    if table.is_empty() { out } else { table.write() + &out }
}

/// All objectives, or one in full.
pub(super) fn slos(answer: &Value) -> String {
    let Some(all) = answer["objectives"].as_array() else { return slo(answer) };
    let mut rows: Vec<&Value> = all.iter().collect();
    let remaining = |slo: &Value| slo["error_budget_remaining"].as_f64().unwrap_or(f64::INFINITY);
    rows.sort_by(|a, b| remaining(a).total_cmp(&remaining(b)));
    let head = ["STATE", "OBJECTIVE", "TARGET", "SLI", "BUDGET LEFT", "BURN 1h", "WINDOW", "COVERAGE"];
    let mut table = Table::new(&head);
    for slo in rows {
        table.push(vec![
            word(&slo["state"]),
            word(&slo["id"]),
            percent(&slo["target"]),
            percent(&slo["sli"]),
            percent(&slo["error_budget_remaining"]),
            word(&slo["burn_rate_1h"]),
            word(&slo["window"]),
            percent(&slo["coverage_ratio"]),
        ]);
    }
    if table.is_empty() { "no objective is configured\n".to_owned() } else { table.write() }
}

fn slo(slo: &Value) -> String {
    let mut out = format!(
        "{}: {}, {} of {} over {}, {} of the budget left\n",
        word(&slo["id"]),
        word(&slo["state"]),
        percent(&slo["sli"]),
        percent(&slo["target"]),
        word(&slo["window"]),
        percent(&slo["error_budget_remaining"]),
    );
    let mut table = Table::new(&["  WINDOW", "EVENTS", "ERRORS", "BURN RATE"]);
    for window in list(&slo["windows"]) {
        table.push(vec![
            format!("  {}", word(&window["window"])),
            word(&window["events"]),
            percent(&window["error_ratio"]),
            word(&window["burn_rate"]),
        ]);
    }
    out += &table.write();
    for advice in list(&slo["recommendations"]) {
        out += &format!("  {}\n", word(advice));
    }
    out
}

fn left_off(answer: &Value) -> String {
    match answer["left_off"].as_u64() {
        None | Some(0) => String::new(),
        Some(count) => format!("and {count} more\n"),
    }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn labels(value: &Value) -> String {
    let shown = entries(value).filter(|(name, _)| *name != "alertname" && *name != "severity");
    shown.map(|(name, value)| format!("{name}={}", word(value))).collect::<Vec<_>>().join(" ")
}

/// A value as it is read; four digits are enough of a number. Nothing that steers a terminal gets through.
pub(super) fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Number(number) if number.is_f64() => short(number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}

pub(super) fn percent(ratio: &Value) -> String {
    ratio.as_f64().map_or_else(|| "-".to_owned(), |ratio| format!("{} %", short(ratio * 100.0)))
}
