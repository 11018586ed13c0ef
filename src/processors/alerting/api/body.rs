//! Bodies of requests, read as the configuration is: with the same names, and problems said with their places.

use component::{Answer, Finding, Question};
use serde::de::DeserializeOwned;
use serde_json::json;

/// No body is longer.
const MOST_BYTES: usize = 64 << 10;

/// Reads the body, which is JSON; YAML does too.
///
/// *Errors*: the answer that says what is wrong and what is right.
pub(super) fn read<T: DeserializeOwned>(question: &Question, example: &str) -> Result<T, Answer> {
    if question.body.len() > MOST_BYTES {
        let message = format!("the body has {} bytes, at most {MOST_BYTES} are taken", question.body.len());
        return Err(Answer::refused(413, &message));
    }
    let text = std::str::from_utf8(&question.body)
        .map_err(|_| Answer::refused(400, "the body is no UTF-8, send JSON"))?;
    if text.trim().is_empty() {
        return Err(Answer::refused(400, &format!("the body is empty, send JSON such as {example}")));
    }
    let mut problems = config::Problems::default();
    let node = match config::parse(&config::Source::new("body", text)) {
        Ok(node) => node,
        Err(problem) => {
            problems.push(*problem);
            return Err(refuse(&problems));
        }
    };
    let read = config::decode(&node, "", &mut problems);
    match read {
        Some(read) if !problems.has_errors() => Ok(read),
        _ => Err(refuse(&problems)),
    }
}

fn refuse(problems: &config::Problems) -> Answer {
    let all = problems.sorted();
    let list: Vec<_> = all
        .iter()
        .map(|problem| json!({ "field": problem.path, "problem": problem.message, "help": problem.help }))
        .collect();
    answer(all.iter().map(sentence).collect(), list)
}

/// Says what is wrong and what is right.
fn sentence(problem: &config::Problem) -> String {
    match &problem.help {
        Some(help) => format!("{}, {help}", problem.title()),
        None => problem.title(),
    }
}

/// Refuses what types can not tell.
pub(super) fn refuse_findings(findings: &[Finding]) -> Answer {
    let title = |finding: &Finding| format!("{}: {}", finding.path, finding.message);
    let list = findings.iter().map(|it| json!({ "field": it.path, "problem": it.message })).collect();
    answer(findings.iter().map(title).collect(), list)
}

fn answer(titles: Vec<String>, list: Vec<serde_json::Value>) -> Answer {
    let body = json!({ "error": titles.join("; "), "problems": list }).to_string();
    Answer { status: 400, body: body.into(), is_changed: false, next: Vec::new() }
}
