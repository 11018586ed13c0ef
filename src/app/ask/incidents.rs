//! Incidents and changes, for people.

use std::time::Duration;

use serde_json::Value;

use super::{
    table::Table,
    text::{list, percent, word},
};
use crate::{replay::short_span, terminal::printable};

/// Several incidents, or one in full.
pub(super) fn incidents(answer: &Value) -> String {
    let Some(all) = answer["incidents"].as_array() else { return incident(answer) };
    let head = ["ID", "STATE", "SEVERITY", "SINCE", "LASTED", "CAUSE", "SERVICES", "EVENTS", "TITLE"];
    let mut table = Table::new(&head);
    for incident in all {
        table.push(vec![
            word(&incident["id"]),
            word(&incident["state"]),
            word(&incident["severity"]),
            seconds(&incident["start"]),
            lasted(incident),
            cause(incident),
            list(&incident["services"]).len().to_string(),
            word(&incident["n_events"]),
            word(&incident["title"]),
        ]);
    }
    if table.is_empty() {
        return "no incident is known\n".to_owned();
    }
    let n_more = answer["n"].as_u64().unwrap_or_default().saturating_sub(all.len() as u64);
    let more = if n_more > 0 { format!("and {n_more} more\n") } else { String::new() };
    table.write() + &more
}

/// The cause with its confidence; of one that is not named yet nothing.
fn cause(incident: &Value) -> String {
    match root(incident) {
        Some(root) => format!("{} ({})", word(&root["service"]), whole_percent(&incident["confidence"])),
        None => "-".to_owned(),
    }
}

/// The service that is called the cause, in the chain.
fn root(incident: &Value) -> Option<&Value> {
    list(&incident["chain"]).iter().find(|link| link["role"] == "root")
}

fn incident(incident: &Value) -> String {
    let mut out = format!("{} ({})\n", word(&incident["title"]), word(&incident["id"]));
    let until = if incident["end"].is_null() {
        String::new()
    } else {
        format!(" until {}", seconds(&incident["end"]))
    };
    out += &format!(
        "  {} since {}{until}, {}, {}, score {} of 100\n",
        word(&incident["state"]),
        seconds(&incident["start"]),
        lasted(incident),
        word(&incident["severity"]),
        whole(incident["score"].as_f64()),
    );
    for merged in list(&incident["merged"]) {
        out += &format!("  took over {}\n", word(merged));
    }
    for line in incident["description"].as_str().unwrap_or_default().lines() {
        out += &format!("  {}\n", printable(line));
    }
    out += &feedback(&incident["feedback"]);
    out += &blocks([impact(incident), chain(incident), candidates(incident), events(incident)]);
    let traces: Vec<String> = list(&incident["exemplars"]).iter().map(word).collect();
    if !traces.is_empty() {
        out += &format!("\n  traces that show it: {}\n", traces.join(" "));
    }
    out
}

/// Tables, each after an empty line; those without rows are left out.
fn blocks(tables: [Table; 4]) -> String {
    let shown = tables.iter().filter(|table| !table.is_empty());
    shown.map(|table| format!("\n{}", table.write())).collect()
}

/// What somebody has said of it; nothing when nobody has.
fn feedback(said: &Value) -> String {
    let verdict = match said["verdict"].as_str() {
        None => return String::new(),
        Some("true") => "it was true".to_owned(),
        Some("noise") => "it was noise".to_owned(),
        Some(_) if said["root"].is_null() => "the cause is another".to_owned(),
        Some(_) => format!("the cause is {}", word(&said["root"])),
    };
    let author =
        if said["author"].is_null() { String::new() } else { format!(" of {}", word(&said["author"])) };
    format!("  feedback{author} at {}: {verdict}\n", seconds(&said["at"]))
}

/// What objectives have lost.
fn impact(incident: &Value) -> Table {
    let head = ["  OBJECTIVE", "SINCE", "BAD EVENTS", "OF", "SHARE", "BUDGET SPENT", "BUDGET LEFT", "COST"];
    let mut table = Table::new(&head);
    for loss in list(&incident["impact"]) {
        let cost = loss["cost"].as_f64();
        table.push(vec![
            format!("  {}", word(&loss["slo_id"])),
            seconds(&loss["start"]),
            word(&loss["bad_events"]),
            word(&loss["events"]),
            percent(&loss["bad_share"]),
            percent(&loss["budget_consumed"]),
            percent(&loss["budget_remaining"]),
            cost.map_or_else(|| "-".to_owned(), |cost| format!("{cost:.2} {}", word(&loss["currency"]))),
        ]);
    }
    table
}

fn chain(incident: &Value) -> Table {
    let mut table = Table::new(&["  SERVICE", "ROLE", "FIRST SEEN"]);
    for link in list(&incident["chain"]) {
        let service = format!("  {}", word(&link["service"]));
        table.push(vec![service, word(&link["role"]), seconds(&link["first_seen"])]);
    }
    table
}

/// What may be the cause, with a line for each thing that speaks for it.
fn candidates(incident: &Value) -> Table {
    let mut table = Table::new(&["  CANDIDATE", "KIND", "SHARE", "EVIDENCE"]);
    for candidate in list(&incident["causes"]) {
        let mut evidence = list(&candidate["evidence"]).iter().map(word);
        table.push(vec![
            format!("  {}", word(&candidate["service"])),
            word(&candidate["kind"]),
            whole_percent(&candidate["confidence"]),
            evidence.next().unwrap_or_default(),
        ]);
        for more in evidence {
            table.push(vec![String::new(), String::new(), String::new(), more]);
        }
    }
    table
}

fn events(incident: &Value) -> Table {
    let mut table = Table::new(&["  BEGAN", "ENDED", "EVENT", "SEVERITY", "SERVICE", "WHAT", "ID"]);
    let mut all: Vec<&Value> = list(&incident["events"]).iter().collect();
    // Times as RFC 3339 has them, all in UTC, are in the order of their text.
    all.sort_by(|a, b| seconds(&a["start"]).cmp(&seconds(&b["start"])));
    for event in &all {
        table.push(vec![
            format!("  {}", seconds(&event["start"])),
            seconds(&event["end"]),
            word(&event["kind"]),
            word(&event["severity"]),
            word(&event["service"]),
            word(&event["title"]),
            word(&event["id"]),
        ]);
    }
    let n_more = incident["n_events"].as_u64().unwrap_or_default().saturating_sub(all.len() as u64);
    if n_more > 0 {
        table.push(vec![format!("  and {n_more} more")]);
    }
    table
}

/// Several changes, or the one that was told.
pub(super) fn changes(answer: &Value) -> String {
    let Some(all) = answer["changes"].as_array() else {
        return change_table(std::slice::from_ref(answer)).write();
    };
    if all.is_empty() { "no change is known\n".to_owned() } else { change_table(all).write() }
}

fn change_table(all: &[Value]) -> Table {
    let mut table = Table::new(&["AT", "SERVICE", "CHANGE"]);
    for change in all {
        table.push(vec![seconds(&change["at"]), word(&change["service"]), word(&change["title"])]);
    }
    table
}

fn lasted(incident: &Value) -> String {
    let seconds = incident["duration_seconds"].as_u64();
    seconds.map_or_else(|| "-".to_owned(), |seconds| short_span(Duration::from_secs(seconds)))
}

/// How sure somebody is says nothing with more digits.
fn whole_percent(ratio: &Value) -> String {
    format!("{} %", whole(ratio.as_f64().map(|ratio| 100.0 * ratio)))
}

fn whole(number: Option<f64>) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.0}"))
}

/// A time to the second, which is what people compare.
fn seconds(at: &Value) -> String {
    let text = word(at);
    match text.split_once('.') {
        Some((whole, fraction)) if fraction.ends_with('Z') => format!("{whole}Z"),
        _ => text,
    }
}
