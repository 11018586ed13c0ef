//! What alerts there are, and what people say of them.

use component::{Answer, Question};
use model::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{MOST_COMMENT_BYTES, author_of, body, number, time};
use crate::alerting::{
    alert::Alert,
    history::{Event, What},
    machine::Phase,
    metrics::Opinion,
    notice::Acknowledgement,
    output::all_labels,
    processor::AnalysisHalf,
};
use crate::text::cut;

/// What comes with an acknowledgement.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct SayConfig {
    /// Counts when nobody had to say who asks.
    pub(super) author: Option<String>,
    pub(super) comment: String,
}

/// What a person thinks of an alert.
#[derive(Clone, Debug, Deserialize)]
struct FeedbackConfig {
    pub(super) verdict: Opinion,
    #[serde(default)]
    pub(super) author: Option<String>,
}

const EXAMPLE: &str = r#"{"author": "ann", "comment": "I look at it"}"#;
const MOST_LISTED: usize = 1000;
const MOST_RULES_WITH_FEEDBACK: usize = 20_000;

pub(super) fn list(half: &AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    let parameter = |name: &str| question.parameters.get(name).map(String::as_str);
    for name in question.parameters.keys() {
        if !["state", "severity", "alertname", "component"].contains(&name.as_str()) {
            let message = format!("{name:?} selects nothing, write state, severity or alertname");
            return Answer::refused(400, &message);
        }
    }
    let wanted = |alert: &Alert| {
        let is_of_state = match parameter("state") {
            None => alert.alert_state().is_some() || alert.machine.phase == Phase::Cooldown,
            Some("all") => true,
            Some(state) => state_of(alert) == state || alert.alert_state() == Some(state),
        };
        is_of_state
            && parameter("severity").is_none_or(|severity| alert.severity().name() == severity)
            && parameter("alertname").is_none_or(|name| *alert.name == *name)
    };
    let all = half.alerts.sorted(wanted);
    let shown: Vec<Value> = all.iter().take(MOST_LISTED).map(|alert| summary(alert)).collect();
    Answer::ok(json!({ "at": time(now), "alerts": shown, "left_off": all.len() - shown.len() }).to_string())
}

pub(super) fn show(half: &AnalysisHalf, fingerprint: &str) -> Answer {
    let Some(place) = place_of(half, fingerprint) else { return unknown(fingerprint) };
    let Some(alert) = half.alerts.get(place) else { return unknown(fingerprint) };
    let mut shown = summary(alert);
    if let Value::Object(shown) = &mut shown {
        shown.insert("events".to_owned(), alert.history.events().map(event).collect());
        shown.insert("events_forgotten".to_owned(), json!(alert.history.forgotten));
    }
    Answer::ok(shown.to_string())
}

pub(super) fn acknowledge(
    half: &mut AnalysisHalf,
    fingerprint: &str,
    question: &Question,
    now: Timestamp,
) -> Answer {
    let said: SayConfig = match said(question) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    let Some(place) = place_of(half, fingerprint) else { return unknown(fingerprint) };
    let Some(alert) = half.alerts.get_mut(place) else { return unknown(fingerprint) };
    if !alert.machine.is_firing() {
        let message = format!("the alert is {}, one that fires can be acknowledged", state_of(alert));
        return Answer::refused(409, &message);
    }
    let author = author_of(question, said.author.as_ref());
    let comment = cut(said.comment, MOST_COMMENT_BYTES);
    if alert.notice.acknowledgement.is_none() {
        half.figures.to_acknowledge.add(now.since(alert.machine.starts_at).as_secs_f64());
    }
    alert.remember(now, What::Acknowledged, format!("by {author:?}: {comment}"));
    half.tellings.clear();
    let by = Acknowledgement { author, comment, at: now };
    alert.notice.acknowledge(&alert.machine, by, &mut half.tellings);
    half.tell(place, now);
    done(half, place)
}

pub(super) fn unacknowledge(
    half: &mut AnalysisHalf,
    fingerprint: &str,
    question: &Question,
    now: Timestamp,
) -> Answer {
    let Some(place) = place_of(half, fingerprint) else { return unknown(fingerprint) };
    let Some(alert) = half.alerts.get_mut(place) else { return unknown(fingerprint) };
    if alert.notice.acknowledgement.take().is_none() {
        return Answer::refused(409, "the alert is not acknowledged");
    }
    alert.remember(now, What::Unacknowledged, format!("by {:?}", author_of(question, None)));
    done(half, place)
}

pub(super) fn feedback(
    half: &mut AnalysisHalf,
    fingerprint: &str,
    question: &Question,
    now: Timestamp,
) -> Answer {
    let said: FeedbackConfig = match body::read(question, r#"{"verdict": "noise"}"#) {
        Ok(said) => said,
        Err(answer) => return answer,
    };
    let Some(place) = place_of(half, fingerprint) else { return unknown(fingerprint) };
    let Some(alert) = half.alerts.get_mut(place) else { return unknown(fingerprint) };
    if alert.machine.starts_at.as_nanos() == 0 {
        return Answer::refused(409, "the alert has never fired, so there is nothing to say of it");
    }
    let all = &mut half.figures.feedback;
    if !all.contains_key(&*alert.name) && all.len() >= MOST_RULES_WITH_FEEDBACK {
        return Answer::refused(
            507,
            "feedback on too many rules is remembered, remove rules that are not used",
        );
    }
    let firing = alert.machine.starts_at;
    let before = alert.notice.opinion.filter(|(of, _)| *of == firing).map(|(_, opinion)| opinion);
    all.entry(alert.name.to_string()).or_default().count(before, said.verdict);
    alert.notice.opinion = Some((firing, said.verdict));
    let author = author_of(question, said.author.as_ref());
    alert.remember(now, What::Feedback, format!("{}, by {author:?}", said.verdict.name()));
    done(half, place)
}

/// An empty body says nothing.
fn said(question: &Question) -> Result<SayConfig, Answer> {
    if question.body.is_empty() { Ok(SayConfig::default()) } else { body::read(question, EXAMPLE) }
}

fn done(half: &AnalysisHalf, place: u32) -> Answer {
    half.alerts
        .get(place)
        .map_or_else(Answer::not_found, |alert| Answer::done(200, summary(alert).to_string()))
}

fn place_of(half: &AnalysisHalf, fingerprint: &str) -> Option<u32> {
    half.alerts.place_of(u64::from_str_radix(fingerprint, 16).ok()?)
}

fn unknown(fingerprint: &str) -> Answer {
    let message = format!(
        "there is no alert with the fingerprint {fingerprint:?}, GET /api/v1/alerts?state=all lists all there are"
    );
    Answer::refused(404, &message)
}

/// Returns the state in one word.
pub(super) fn state_of(alert: &Alert) -> &'static str {
    match alert.machine.phase {
        Phase::Inactive => "inactive",
        Phase::Pending => "pending",
        Phase::Firing => "firing",
        Phase::Recovering => "recovering",
        Phase::Cooldown => "cooldown",
    }
}

/// Tells all of an alert but its history.
pub(super) fn summary(alert: &Alert) -> Value {
    let (machine, notice) = (&alert.machine, &alert.notice);
    let acknowledgement = notice.acknowledgement.as_ref();
    json!({
        "fingerprint": format!("{:016x}", alert.fingerprint),
        "labels": all_labels(alert),
        "annotations": alert.annotations,
        "rule_type": &*alert.rule_type,
        "slo_id": alert.slo_id,
        "severity": alert.severity().name(),
        "state": state_of(alert),
        "since": time(machine.since),
        "active_at": time(machine.active_at),
        "starts_at": time(machine.starts_at),
        "ends_at": time(machine.ends_at),
        "evaluated_at": time(machine.evaluated_at),
        "value": number(alert.value),
        "threshold": number(alert.threshold),
        "has_data": alert.has_data,
        "is_silent": machine.is_firing() && machine.is_silent,
        "is_flapping": machine.is_held,
        "suppressed_by": notice.suppressed_by,
        "is_told": notice.is_known_to_fire(),
        "acknowledged_by": acknowledgement.map(|it| &it.author),
        "acknowledged_at": acknowledgement.map(|it| time(it.at)),
        "comment": acknowledgement.map(|it| &it.comment),
    })
}

/// Tells an event.
pub(super) fn event(event: &Event) -> Value {
    json!({
        "at": time(event.at),
        "event": event.what.name(),
        "value": number(event.value),
        "severity": event.severity.name(),
        "detail": event.detail,
    })
}
