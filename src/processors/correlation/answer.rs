//! What is asked of incidents under `/api/v1/incidents`, and what is told of changes under `/api/v1/changes`.

use component::{Answer, Question};
use model::Timestamp;
use serde_json::{Map, Value, json};
use wire::build::Tree;

use super::{
    events::{Event, cut},
    feedback::{Feedback, Verdict, word_on_episodes},
    incident::{Incident, State},
    incidents::name,
    output::{self, News},
    processor::AnalysisHalf,
};

/// Incidents that are listed at most, the newest first.
const MOST_LISTED: usize = 1000;
/// Incidents that are named when an id is short.
const MOST_NAMED: usize = 3;
/// What is nanoseconds in log records.
const TIMES: [&str; 4] = ["start", "end", "first_seen", "at"];
const CHANGE: &str =
    r#"say what was changed, as {"service": "payment", "title": "version 2.3 was deployed"}"#;

const FEEDBACK: &str = r#"say what it is, as {"verdict": "true"}, {"verdict": "noise"}, or {"verdict": "wrong_cause", "root": "payment"}"#;

/// Answers `GET incidents`, `GET incidents/<id>`, `POST incidents/<id>/feedback`, `GET changes` and `POST changes`.
pub(super) fn answer(half: &mut AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    let rest: Vec<&str> = question.rest().collect();
    match (question.topic(), question.method.as_str(), &rest[..]) {
        ("incidents", "GET", []) => list(half, question, now),
        ("incidents", "GET", [id]) => show(half, id, now),
        ("incidents", "POST", [id, "feedback"]) => feedback(half, id, question, now),
        ("changes", "GET", []) => {
            let all: Vec<Value> = half.changes.iter().rev().map(change_view).collect();
            Answer::ok(json!({ "changes": all }).to_string())
        }
        ("changes", "POST", []) => change(half, question, now),
        ("incidents" | "changes", "GET" | "POST", _) => Answer::not_found(),
        _ => Answer::refused(
            405,
            "incidents are asked by GET and judged by POST to their `feedback`; changes are asked by GET and told by POST",
        ),
    }
}

fn list(half: &AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    let wanted = question.parameters.get("state");
    let state = wanted.and_then(|name| State::of_name(name));
    if let (Some(name), None) = (wanted, state) {
        let names = State::ALL.map(State::name).join(", ");
        return Answer::refused(400, &format!("state is {name:?}, must be one of {names}"));
    }
    let chosen = half.known().filter(|incident| state.is_none_or(|state| incident.state == state));
    let mut all: Vec<&Incident> = chosen.collect();
    all.sort_by(|a, b| b.id.cmp(&a.id));
    let listed: Vec<Value> = all.iter().take(MOST_LISTED).map(|incident| view(incident, now)).collect();
    Answer::ok(json!({ "n": all.len(), "incidents": listed }).to_string())
}

fn show(half: &AnalysisHalf, id: &str, now: Timestamp) -> Answer {
    match find(half, id) {
        Ok(incident) => Answer::ok(view(incident, now).to_string()),
        Err(refusal) => refusal,
    }
}

/// Finds one incident by its id, that of one which it took over, or a beginning of either that no other has.
///
/// *Errors*: the answer that says why there is none.
fn find<'a>(half: &'a AnalysisHalf, id: &str) -> Result<&'a Incident, Answer> {
    let id = id.to_uppercase();
    let has = |incident: &Incident, fits: &dyn Fn(&str) -> bool| {
        fits(&incident.id) || incident.merged.iter().any(|merged| fits(merged))
    };
    let exact = half.known().find(|incident| has(incident, &|known| known == id));
    let near = || half.known().filter(|incident| has(incident, &|known| known.starts_with(&id)));
    let found: Vec<&Incident> = exact.map_or_else(|| near().collect(), |incident| vec![incident]);
    match &found[..] {
        [] => Err(unknown(&id)),
        [incident] => Ok(*incident),
        several => {
            let names: Vec<&str> = several.iter().take(MOST_NAMED).map(|incident| &*incident.id).collect();
            let more = if several.len() > names.len() { " and others" } else { "" };
            let names = names.join(", ");
            let problem = format!("`{id}` begins {names}{more}; write more of the one that is meant");
            Err(Answer::refused(400, &problem))
        }
    }
}

/// Keeps what a person says of an incident, in place of what was said before.
fn feedback(half: &mut AnalysisHalf, id: &str, question: &Question, now: Timestamp) -> Answer {
    let Some((verdict, root)) = said(question) else { return Answer::refused(400, FEEDBACK) };
    let id = match find(half, id) {
        Ok(incident) => incident.id.clone(),
        Err(refusal) => return refusal,
    };
    let past = half.past.iter_mut().find(|incident| incident.id == id);
    let Some(incident) = half.incidents.all.get_mut(&id).or(past) else { return unknown(&id) };
    let before = incident.feedback.as_ref().map(|said| said.verdict);
    let author = cut(question.author.clone());
    let next = word_on_episodes(incident, before, verdict, &author);
    incident.feedback = Some(Feedback { verdict, root, author, at: now });
    incident.revision += 1;
    let told = view(incident, now).to_string();
    half.opinions.count(before, verdict);
    half.tell(&id, News::Feedback, now);
    Answer { next: next.into_iter().collect(), ..Answer::done(200, told) }
}

/// The verdict, and the service that is the cause instead of the one that is named.
fn said(question: &Question) -> Option<(Verdict, String)> {
    let said: Value = serde_json::from_slice(&question.body).ok()?;
    let verdict = Verdict::of_name(said.get("verdict")?.as_str()?)?;
    let root = match said.get("root") {
        None | Some(Value::Null) => String::new(),
        Some(root) => cut(root.as_str()?.to_owned()),
    };
    (root.is_empty() || verdict == Verdict::WrongCause).then_some((verdict, root))
}

/// Everything that is told of an incident in log records, with times as people read them.
fn view(incident: &Incident, now: Timestamp) -> Value {
    let title = output::title(incident);
    let facts = output::facts(incident, &title, now).into_iter();
    let mut view: Map<String, Value> =
        facts.map(|(key, tree)| (key.to_owned(), json_of(key, tree))).collect();
    let lasted = incident.end.unwrap_or(now).since(incident.start);
    view.insert("duration_seconds".to_owned(), lasted.as_secs().into());
    Value::Object(view)
}

fn json_of(key: &str, tree: Tree) -> Value {
    match tree {
        Tree::Text(text) => Value::String(text),
        Tree::Bool(flag) => Value::Bool(flag),
        Tree::Int(nanos) if TIMES.contains(&key) => time(u64::try_from(nanos).unwrap_or_default()),
        Tree::Int(number) => number.into(),
        Tree::Double(number) => number.into(),
        Tree::List(values) => values.into_iter().map(|value| json_of(key, value)).collect(),
        Tree::Map(entries) => {
            let entries = entries.into_iter().map(|(key, tree)| {
                let value = json_of(&key, tree);
                (key, value)
            });
            Value::Object(entries.collect::<Map<_, _>>())
        }
    }
}

/// Writes nanoseconds since 1970 as RFC 3339 does.
fn time(nanos: u64) -> Value {
    let at = jiff::Timestamp::from_nanosecond(i128::from(nanos));
    at.map_or(Value::Null, |at| Value::String(at.to_string()))
}

fn change(half: &mut AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    let said: Option<Value> = serde_json::from_slice(&question.body).ok();
    let text =
        |key: &str| said.as_ref().and_then(|said| said.get(key)?.as_str()).map(|text| cut(text.to_owned()));
    let (Some(service), Some(title)) = (text("service"), text("title")) else {
        return Answer::refused(400, CHANGE);
    };
    if service.is_empty() || title.is_empty() {
        return Answer::refused(400, CHANGE);
    }
    let id = format!("{service}/{}/{title}", now.as_nanos());
    let event = Event::change(name(&service), id, title, now);
    let told = change_view(&event);
    half.note_change(event);
    Answer::done(201, told.to_string())
}

fn change_view(change: &Event) -> Value {
    json!({ "service": &*change.service, "title": change.title, "at": time(change.start.as_nanos()) })
}

fn unknown(id: &str) -> Answer {
    let problem =
        format!("`{id}` is no incident that is open or was lately; GET /api/v1/incidents lists these");
    Answer::refused(404, &problem)
}
