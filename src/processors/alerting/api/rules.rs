//! Rules that are made, replaced and removed while the service runs.

use std::sync::Arc;

use component::{Answer, Checks, Finding, Question};
use config::Duration;
use model::Timestamp;
use serde_json::{Value, json};

use super::{author_of, body, time};
use crate::alerting::{
    processor::AnalysisHalf,
    rule::RuleConfig,
    rules::{Origin, Rule},
};

const EXAMPLE: &str = concat!(
    r#"{"name": "Slow", "metric": "span.duration", "stat": "p95", "#,
    r#""when": {"op": "gt", "value": 800}, "severity": "warning"}"#
);

pub(super) fn list(half: &AnalysisHalf) -> Answer {
    let all: Vec<Value> = half.rules.by_name().map(show_one).collect();
    Answer::ok(json!({ "rules": all }).to_string())
}

pub(super) fn show(half: &AnalysisHalf, name: &str) -> Answer {
    let rule = half.rules.number_of(name).and_then(|number| half.rules.get(number));
    rule.map_or_else(|| unknown(name), |rule| Answer::ok(show_one(rule).to_string()))
}

pub(super) fn create(half: &mut AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    // Before the body is read: whoever asks for thousands costs nothing.
    let most = half.config.dynamic.max;
    if half.config.dynamic.enabled && half.rules.n_asked() >= most {
        let message =
            format!("there are {most} rules made so, which is dynamic.max: delete some, or raise it");
        return Answer::refused(429, &message);
    }
    let rule = match asked(half, question) {
        Ok(rule) => rule,
        Err(answer) => return answer,
    };
    if half.rules.number_of(&rule.name).is_some() {
        let message = format!("there is a rule {:?}, PUT /api/v1/rules/<name> replaces one", rule.name);
        return Answer::refused(409, &message);
    }
    insert(half, rule, question, now, 201)
}

pub(super) fn replace(half: &mut AnalysisHalf, name: &str, question: &Question, now: Timestamp) -> Answer {
    let rule = match asked(half, question) {
        Ok(rule) => rule,
        Err(answer) => return answer,
    };
    if rule.name != name {
        let message = format!("name is {:?}, must be {name:?} as in the path", rule.name);
        return Answer::refused(400, &message);
    }
    let number = match asked_for(half, name) {
        Ok(number) => number,
        Err(answer) => return answer,
    };
    // What it had to say is over: another rule begins.
    half.remove_rule(number, now, "its rule was replaced");
    insert(half, rule, question, now, 200)
}

pub(super) fn delete(half: &mut AnalysisHalf, name: &str, now: Timestamp) -> Answer {
    match asked_for(half, name) {
        Ok(number) => {
            half.remove_rule(number, now, "its rule was deleted");
            half.measure();
            Answer::done(200, json!({ "deleted": name }).to_string())
        }
        Err(answer) => answer,
    }
}

fn insert(
    half: &mut AnalysisHalf,
    rule: RuleConfig,
    question: &Question,
    now: Timestamp,
    status: u16,
) -> Answer {
    let ttl = match ttl_of(half, question) {
        Ok(ttl) => ttl,
        Err(problem) => return Answer::refused(400, &problem),
    };
    let origin = Origin::Asked { author: author_of(question, None), at: now, expires_at: now + ttl.get() };
    let number = half.rules.insert(Rule::of(&Arc::new(rule), origin, &half.config));
    half.set_clocks();
    half.measure();
    let shown = half.rules.get(number).map(show_one).unwrap_or_default();
    Answer::done(status, shown.to_string())
}

/// Reads and checks a rule, and how long it is to live.
fn asked(half: &AnalysisHalf, question: &Question) -> Result<RuleConfig, Answer> {
    if !half.config.dynamic.enabled {
        return Err(Answer::refused(
            403,
            "dynamic.enabled is false: rules are made in the configuration alone",
        ));
    }
    ttl_of(half, question).map_err(|problem| Answer::refused(400, &problem))?;
    let rule: RuleConfig = body::read(question, EXAMPLE)?;
    let mut checks = Checks::default();
    half.config.check_rule("", &rule, &mut checks);
    let mut findings: Vec<Finding> = checks.into_findings();
    findings.retain(|finding| !finding.is_warning);
    if findings.is_empty() { Ok(rule) } else { Err(body::refuse_findings(&findings)) }
}

fn ttl_of(half: &AnalysisHalf, question: &Question) -> Result<Duration, String> {
    let dynamic = &half.config.dynamic;
    let Some(text) = question.parameters.get("ttl") else { return Ok(dynamic.ttl) };
    let deserializer: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        serde::de::IntoDeserializer::into_deserializer(text.as_str());
    let ttl: Duration = serde::Deserialize::deserialize(deserializer)
        .map_err(|problem| format!("ttl is {text:?}, {}", problem.to_string().replace('\n', ": ")))?;
    if ttl.get().is_zero() || ttl > dynamic.max_ttl {
        return Err(format!("ttl is {ttl}, must be above 0s and at most {}", dynamic.max_ttl));
    }
    Ok(ttl)
}

/// Finds a rule that was made through the API.
fn asked_for(half: &AnalysisHalf, name: &str) -> Result<u32, Answer> {
    let number = half.rules.number_of(name).ok_or_else(|| unknown(name))?;
    match half.rules.get(number).map(|rule| &rule.origin) {
        Some(Origin::Asked { .. }) => Ok(number),
        _ => {
            let message = format!("the rule {name:?} is from the configuration, change it there");
            Err(Answer::refused(409, &message))
        }
    }
}

fn unknown(name: &str) -> Answer {
    Answer::refused(404, &format!("there is no rule {name:?}, GET /api/v1/rules lists all there are"))
}

fn show_one(rule: &Rule) -> Value {
    let (source, author, expires_at) = match &rule.origin {
        Origin::Configured => ("configuration", None, Value::Null),
        Origin::Asked { author, expires_at, .. } => ("api", Some(author), time(*expires_at)),
    };
    json!({
        "name": &*rule.name,
        "rule": &*rule.config,
        "source": source,
        "author": author,
        "expires_at": expires_at,
        "alerts": rule.alerts.len(),
    })
}
