//! Silences, in the words of Alertmanager's API.

use component::{Answer, Question};
use config::Duration;
use model::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{MOST_COMMENT_BYTES, author_of, body, time, time_of};
use crate::alerting::{
    matching::{Matcher, Operator},
    processor::AnalysisHalf,
    silences::Silence,
};
use crate::text::cut;

/// A silence that is asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SilenceConfig {
    /// Of the silence that it replaces.
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    matchers: Vec<MatcherConfig>,
    /// The same in the words of `amtool`: `severity=~"info|warning"`.
    #[serde(default)]
    r#match: Vec<String>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    /// In place of an end.
    #[serde(default)]
    duration: Option<Duration>,
    #[serde(default)]
    created_by: Option<String>,
    #[serde(default)]
    comment: String,
}

/// A matcher as Alertmanager's API has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MatcherConfig {
    name: String,
    value: String,
    #[serde(default)]
    is_regex: bool,
    #[serde(default = "yes")]
    is_equal: bool,
}

const fn yes() -> bool {
    true
}

const EXAMPLE: &str =
    r#"{"matchers": [{"name": "alertname", "value": "Slow"}], "duration": "2h", "comment": "we know"}"#;
const MOST_MATCHERS: usize = 16;

pub(super) fn list(half: &AnalysisHalf, now: Timestamp) -> Answer {
    let all: Vec<Value> = half.silences.iter().map(|silence| show_one(silence, now)).collect();
    Answer::ok(json!({ "silences": all }).to_string())
}

pub(super) fn show(half: &AnalysisHalf, id: &str, now: Timestamp) -> Answer {
    half.silences
        .get(id)
        .map_or_else(|| unknown(id), |silence| Answer::ok(show_one(silence, now).to_string()))
}

pub(super) fn create(half: &mut AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    let asked: SilenceConfig = match body::read(question, EXAMPLE) {
        Ok(asked) => asked,
        Err(answer) => return answer,
    };
    let silence = match silence_of(half, &asked, question, now) {
        Ok(silence) => silence,
        Err(problem) => return Answer::refused(400, &problem),
    };
    if let Some(id) = &asked.id {
        if half.silences.get(id).is_none() {
            return unknown(id);
        }
    } else if !half.silences.make_room(half.config.silences.max as usize, now) {
        let message = format!(
            "there are {} silences, which is silences.max: delete some, or raise it",
            half.silences.len()
        );
        return Answer::refused(429, &message);
    }
    let shown = show_one(&silence, now).to_string();
    half.silences.insert(silence);
    half.review_all(now);
    Answer::done(if asked.id.is_some() { 200 } else { 201 }, shown)
}

pub(super) fn expire(half: &mut AnalysisHalf, id: &str, now: Timestamp) -> Answer {
    let Some(silence) = half.silences.get_mut(id) else { return unknown(id) };
    silence.ends_at = silence.ends_at.min(now);
    silence.updated_at = now;
    let shown = show_one(silence, now).to_string();
    half.review_all(now);
    Answer::done(200, shown)
}

fn silence_of(
    half: &AnalysisHalf,
    asked: &SilenceConfig,
    question: &Question,
    now: Timestamp,
) -> Result<Silence, String> {
    let count = asked.matchers.len() + asked.r#match.len();
    if !(1..=MOST_MATCHERS).contains(&count) {
        return Err(format!("matchers and match have {count} entries, must have 1 to {MOST_MATCHERS}"));
    }
    let of_parts =
        |it: &MatcherConfig| Matcher::new(&it.name, Operator::of(it.is_regex, it.is_equal), &it.value);
    let of_texts = asked.r#match.iter().map(|text| Matcher::parse(text));
    let matchers = asked.matchers.iter().map(of_parts).chain(of_texts).collect::<Result<Vec<_>, _>>()?;
    if matchers.iter().all(Matcher::fits_nothing) {
        return Err(
            "every matcher fits a missing label too, so all alerts would be silent: name one".to_owned()
        );
    }
    let given = |key: &str, text: &Option<String>| text.as_deref().map(|text| time_of(key, text)).transpose();
    let starts_at = given("startsAt", &asked.starts_at)?.unwrap_or(now);
    let ends_at = match (given("endsAt", &asked.ends_at)?, asked.duration) {
        (Some(ends_at), None) => ends_at,
        (None, Some(duration)) => starts_at + duration.get(),
        (Some(_), Some(_)) => return Err("has both endsAt and duration, remove one".to_owned()),
        (None, None) => return Err("has neither endsAt nor duration, a silence must end".to_owned()),
    };
    let longest = half.config.silences.max_duration;
    if ends_at <= starts_at.max(now) || ends_at.since(starts_at) > longest.get() {
        return Err(format!(
            "endsAt is {}, must be after startsAt and now, and at most {longest} after startsAt",
            time(ends_at)
        ));
    }
    let author = author_of(question, asked.created_by.as_ref());
    if author.is_empty() {
        return Err("createdBy is missing, say who silences".to_owned());
    }
    let comment = cut(asked.comment.clone(), MOST_COMMENT_BYTES);
    let id = asked.id.clone().unwrap_or_else(|| new_id(half, &matchers, &author, now));
    Ok(Silence { id, matchers, starts_at, ends_at, author, comment, updated_at: now })
}

/// Names a silence that is not there yet.
fn new_id(half: &AnalysisHalf, matchers: &[Matcher], author: &str, now: Timestamp) -> String {
    let mut number = 0_u64;
    loop {
        let text = format!("{matchers:?} {author:?} {} {number}", now.as_nanos());
        let id = format!("{:016x}", rapidhash::v3::rapidhash_v3(text.as_bytes()));
        if half.silences.get(&id).is_none() {
            return id;
        }
        number += 1;
    }
}

fn show_one(silence: &Silence, now: Timestamp) -> Value {
    let matchers = silence.matchers.iter().map(|matcher| {
        json!({
            "name": matcher.name,
            "value": matcher.value,
            "isRegex": matches!(matcher.operator, Operator::Fits | Operator::FitsNot),
            "isEqual": matches!(matcher.operator, Operator::Equal | Operator::Fits),
        })
    });
    json!({
        "id": silence.id,
        "status": { "state": silence.state(now) },
        "matchers": matchers.collect::<Vec<_>>(),
        "startsAt": time(silence.starts_at),
        "endsAt": time(silence.ends_at),
        "updatedAt": time(silence.updated_at),
        "createdBy": silence.author,
        "comment": silence.comment,
    })
}

fn unknown(id: &str) -> Answer {
    Answer::refused(404, &format!("there is no silence {id:?}, GET /api/v1/silences lists all there are"))
}
