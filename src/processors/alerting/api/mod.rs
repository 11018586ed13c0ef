//! Questions about alerts, silences and rules, and what people ask to be done with them.

mod alerts;
mod body;
mod explain;
mod rules;
mod silences;

use component::{Answer, Question};
use model::Timestamp;
use serde_json::{Value, json};

use super::processor::AnalysisHalf;

/// Answers a question under one of the topics.
pub(super) fn answer(half: &mut AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    let rest: Vec<&str> = question.rest().collect();
    match (question.topic(), question.method.as_str(), &rest[..]) {
        ("alerts", "GET", []) => alerts::list(half, question, now),
        ("alerts", "GET", [fingerprint]) => alerts::show(half, fingerprint),
        ("alerts", "POST", [fingerprint, "ack"]) => alerts::acknowledge(half, fingerprint, question, now),
        ("alerts", "POST", [fingerprint, "unack"]) => alerts::unacknowledge(half, fingerprint, question, now),
        ("alerts", "POST", [fingerprint, "feedback"]) => alerts::feedback(half, fingerprint, question, now),
        ("silences", "GET", []) => silences::list(half, now),
        ("silences", "GET", [id]) => silences::show(half, id, now),
        ("silences", "POST", []) => silences::create(half, question, now),
        ("silences", "DELETE", [id]) => silences::expire(half, id, now),
        ("rules", "GET", []) => rules::list(half),
        ("rules", "GET", [name]) => rules::show(half, name),
        ("rules", "POST", []) => rules::create(half, question, now),
        ("rules", "PUT", [name]) => rules::replace(half, name, question, now),
        ("rules", "DELETE", [name]) => rules::delete(half, name, now),
        ("explain", "GET", []) => explain::explain(half, question, now),
        (topic, method, _) => other(topic, method, &rest),
    }
}

/// Says what there is instead.
fn other(topic: &str, method: &str, rest: &[&str]) -> Answer {
    let there_is = match topic {
        "alerts" => {
            "GET /alerts, GET /alerts/<fingerprint>, POST /alerts/<fingerprint>/ack, /unack and /feedback"
        }
        "silences" => "GET and POST /silences, GET and DELETE /silences/<id>",
        "rules" => "GET and POST /rules, GET, PUT and DELETE /rules/<name>",
        _ => "GET /explain?subject=<rule, objective, metric or fingerprint>&at=<time>",
    };
    let is_known_place = rest.len() <= 1;
    let status = if is_known_place { 405 } else { 404 };
    Answer::refused(status, &format!("{method} does nothing here; there is {there_is}"))
}

/// Writes a time as RFC 3339 does; none for one that is not set.
fn time(at: Timestamp) -> Value {
    if at.as_nanos() == 0 {
        return Value::Null;
    }
    let at = jiff::Timestamp::from_nanosecond(i128::from(at.as_nanos()));
    at.map_or(Value::Null, |at| json!(at.to_string()))
}

/// Reads a time as RFC 3339 has it.
///
/// *Errors*: what to write.
fn time_of(key: &str, text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("{key} is {text:?}, write a time as RFC 3339 has it: \"2026-11-21T10:00:00Z\"");
    let at: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    u64::try_from(at.as_nanosecond()).map(Timestamp).map_err(|_| wrong())
}

/// Writes a number; none for one that is not finite, which JSON does not know.
fn number(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}

/// Returns who asks: whom the one who let them in knows, else what they say of themselves.
fn author_of(question: &Question, said: Option<&String>) -> String {
    let said = said.map_or("", String::as_str);
    let author = if question.author.is_empty() { said } else { &question.author };
    crate::text::cut(author.to_owned(), MOST_COMMENT_BYTES)
}

/// Comments and names are no longer.
const MOST_COMMENT_BYTES: usize = 1024;
