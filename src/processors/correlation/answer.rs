//! What is asked of incidents under `/api/v1/incidents`, and what is told of changes under `/api/v1/changes`.

use component::{Answer, Question};
use model::{Severity, Timestamp};
use serde_json::{Map, Value, json};
use wire::build::Tree;

use super::{
    events::{Event, Kind, cut},
    incident::Incident,
    incidents::name,
    output,
    processor::AnalysisHalf,
};

/// Incidents that are listed at most, the newest first.
const MOST_LISTED: usize = 1000;
const CHANGE: &str =
    r#"say what was changed, as {"service": "payment", "title": "version 2.3 was deployed"}"#;

/// Answers `GET incidents`, `GET incidents/<id>`, `GET changes` and `POST changes`.
pub(super) fn answer(half: &mut AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    let rest: Vec<&str> = question.rest().collect();
    match (question.topic(), question.method.as_str(), &rest[..]) {
        ("incidents", "GET", []) => list(half, question, now),
        ("incidents", "GET", [id]) => {
            let found = half
                .known()
                .find(|incident| incident.id == *id || incident.merged.iter().any(|merged| merged == id));
            found.map_or_else(|| unknown(id), |incident| Answer::ok(view(incident, now).to_string()))
        }
        ("changes", "GET", []) => {
            let all: Vec<Value> = half.changes.iter().rev().map(change_view).collect();
            Answer::ok(json!({ "changes": all }).to_string())
        }
        ("changes", "POST", []) => change(half, question, now),
        ("incidents" | "changes", "GET" | "POST", _) => Answer::not_found(),
        _ => Answer::refused(405, "incidents are asked by GET; changes are asked by GET and told by POST"),
    }
}

fn list(half: &AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    let state = question.parameters.get("state");
    let chosen = half.known().filter(|incident| state.is_none_or(|state| incident.state.name() == state));
    let mut all: Vec<&Incident> = chosen.collect();
    all.sort_by(|a, b| b.id.cmp(&a.id));
    let listed: Vec<Value> = all.iter().take(MOST_LISTED).map(|incident| view(incident, now)).collect();
    Answer::ok(json!({ "n": all.len(), "incidents": listed }).to_string())
}

/// Everything that is told of an incident, with times in nanoseconds as in log records.
fn view(incident: &Incident, now: Timestamp) -> Value {
    let title = output::title(incident);
    let facts = output::facts(incident, &title, now).into_iter();
    Value::Object(facts.map(|(key, tree)| (key.to_owned(), json_of(tree))).collect())
}

fn json_of(tree: Tree) -> Value {
    match tree {
        Tree::Text(text) => Value::String(text),
        Tree::Bool(flag) => Value::Bool(flag),
        Tree::Int(number) => number.into(),
        Tree::Double(number) => number.into(),
        Tree::List(values) => values.into_iter().map(json_of).collect(),
        Tree::Map(entries) => {
            let entries = entries.into_iter().map(|(key, tree)| (key, json_of(tree)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

fn change(half: &mut AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    let said: Option<Value> = serde_json::from_slice(&question.body).ok();
    let text = |key: &str| said.as_ref().and_then(|said| said.get(key)?.as_str()).map(cut);
    let (Some(service), Some(title)) = (text("service"), text("title")) else {
        return Answer::refused(400, CHANGE);
    };
    if service.is_empty() || title.is_empty() {
        return Answer::refused(400, CHANGE);
    }
    let event = Event {
        start: now,
        kind: Kind::Change,
        id: format!("{service}/{}/{title}", now.as_nanos()),
        service: name(&service),
        severity: Severity::Info,
        end: Some(now),
        title,
        slo_id: String::new(),
        trace: None,
    };
    let told = change_view(&event);
    half.note_change(event);
    Answer::done(201, told.to_string())
}

fn change_view(change: &Event) -> Value {
    json!({ "service": &*change.service, "title": change.title, "at": change.start.as_nanos() })
}

fn unknown(id: &str) -> Answer {
    let problem =
        format!("`{id}` is no incident that is open or was lately; GET /api/v1/incidents lists these");
    Answer::refused(404, &problem)
}
