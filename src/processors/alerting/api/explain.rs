//! Why did it page, and why did it not? For any instant of the last 24 hours.

use component::{Answer, Question};
use model::Timestamp;
use serde_json::{Value, json};

use super::{
    alerts::{event, summary},
    number, time, time_of,
};
use crate::alerting::{
    alert::{Alert, Owner},
    history::{Event, What},
    matching::labels_fit,
    processor::AnalysisHalf,
    rules::Rule,
    tape::Played,
    template::short,
};

const MOST_ALERTS: usize = 50;
const MOST_BEFORE: usize = 12;
const MOST_AFTER: usize = 6;

pub(super) fn explain(half: &AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    let Some(subject) = question.parameters.get("subject").filter(|subject| !subject.is_empty()) else {
        let message =
            "subject is missing, name a rule, an objective, a metric or the fingerprint of an alert";
        return Answer::refused(400, message);
    };
    let at = match question.parameters.get("at").map(|text| time_of("at", text)) {
        None => now,
        Some(Ok(at)) if at <= now && now.since(at).as_secs() <= 24 * 3600 => at,
        Some(Ok(at)) => {
            let message = format!("at is {}, must lie within the 24 hours before {}", time(at), time(now));
            return Answer::refused(400, &message);
        }
        Some(Err(problem)) => return Answer::refused(400, &problem),
    };
    let mut alerts = half.all_sorted(|alert| is_about(half, alert, subject));
    let named = half.rules.by_name().filter(|rule| names(rule, subject));
    let rules: Vec<Value> = named.map(|rule| show_rule(half, rule)).collect();
    if alerts.is_empty() && rules.is_empty() {
        let message = format!(
            "nothing is known of {subject:?}: no rule, objective, metric of a rule, or alert has that name; \
             GET /api/v1/rules and /api/v1/alerts?state=all list what there is"
        );
        return Answer::refused(404, &message);
    }
    // Those that fired then are what people ask about.
    alerts.sort_by_key(|alert| state_at(alert, at) != Some("firing"));
    let shown: Vec<Value> =
        alerts.iter().take(MOST_ALERTS).map(|alert| explain_one(half, alert, at)).collect();
    let left_off = alerts.len() - shown.len();
    let body = json!({
        "subject": subject,
        "at": time(at),
        "since": time(half.started_at),
        "rules": rules,
        "alerts": shown,
        "left_off": left_off,
    });
    Answer::ok(body.to_string())
}

fn names(rule: &Rule, subject: &str) -> bool {
    *rule.name == *subject || rule.config.metric == subject
}

fn is_about(half: &AnalysisHalf, alert: &Alert, subject: &str) -> bool {
    let is_of_rule = || match alert.owner {
        Owner::Rule(number) => half.rules.get(number).is_some_and(|rule| names(rule, subject)),
        _ => false,
    };
    *alert.name == *subject
        || is_objective(&alert.slo_id, subject)
        || u64::from_str_radix(subject, 16) == Ok(alert.fingerprint)
        || is_of_rule()
}

/// Whether an objective has this id, or is one percentile of it: `name-p99`.
fn is_objective(id: &str, name: &str) -> bool {
    let percentile = id.strip_prefix(name).map(|rest| rest.strip_prefix("-p"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    id == name || percentile.flatten().is_some_and(is_number)
}

fn show_rule(half: &AnalysisHalf, rule: &Rule) -> Value {
    let owner = half.rules.number_of(&rule.name).map(Owner::Rule);
    let away = half.away().filter(|alert| Some(&alert.owner) == owner.as_ref());
    json!({
        "name": &*rule.name,
        "rule": &*rule.config,
        "threshold": number(rule.test.threshold()),
        "window": rule.window.as_secs(),
        "every": rule.every.as_secs(),
        "for": rule.policy.hold.as_secs(),
        "keep_firing_for": rule.policy.keep_firing_for.as_secs(),
        "cooldown": rule.policy.cooldown.as_secs(),
        "on_no_data": rule.policy.on_no_data,
        "groups": rule.alerts.len() + away.count(),
    })
}

fn explain_one(half: &AnalysisHalf, alert: &Alert, at: Timestamp) -> Value {
    // One that has just come back is evaluated before its values are found.
    let tape = alert.tape.as_deref().or_else(|| half.shelf.tape_of(alert.fingerprint));
    let played = tape.and_then(|tape| tape.play(at));
    let suppressed_by = suppressed_at(half, alert, at);
    let before: Vec<&Event> = alert.history.events().filter(|event| event.at <= at).collect();
    let after = alert.history.events().filter(|event| event.at > at).take(MOST_AFTER).map(event);
    let shown = before.iter().skip(before.len().saturating_sub(MOST_BEFORE)).map(|it| event(it));
    json!({
        "alert": summary(alert),
        "state_then": state_at(alert, at),
        "input": played.map(show_input),
        "input_is_kept": tape.is_some(),
        "threshold": number(alert.threshold_at(at)),
        "suppressed_by_then": suppressed_by,
        "events": shown.chain(after).collect::<Vec<_>>(),
        "events_forgotten": alert.history.forgotten,
        "why": why(alert, at, tape.is_some(), played, &suppressed_by),
    })
}

fn show_input(played: Played) -> Value {
    json!({
        "from": time(played.from),
        "until": time(played.until),
        "least": number(played.least),
        "greatest": number(played.greatest),
        "condition_held": played.was_true,
        "is_one_evaluation": played.is_one,
    })
}

/// Returns the state then; none when events of that time are forgotten.
fn state_at(alert: &Alert, at: Timestamp) -> Option<&'static str> {
    let last = alert.history.events().rev().filter(|event| event.at <= at).find_map(|it| it.what.state());
    last.or((alert.history.forgotten == 0).then_some("inactive"))
}

/// Returns what would have kept it from being told then.
fn suppressed_at(half: &AnalysisHalf, alert: &Alert, at: Timestamp) -> Vec<String> {
    let mut by = Vec::new();
    if let Owner::Rule(number) = alert.owner
        && let Some(rule) = half.rules.get(number)
    {
        let holding = rule.schedules.iter().filter(|schedule| schedule.contains(at));
        by.extend(holding.map(|schedule| format!("schedule {schedule} of the rule")));
    }
    for (patterns, schedule) in &half.schedules {
        if schedule.contains(at) && labels_fit(patterns, &alert.name, &alert.labels) {
            by.push(format!("schedule {schedule}"));
        }
    }
    half.silences.of(alert, at, &mut by);
    by
}

fn text(at: Timestamp) -> String {
    time(at).as_str().unwrap_or("an unknown time").to_owned()
}

/// Says in a sentence why it did or did not call anybody then.
fn why(
    alert: &Alert,
    at: Timestamp,
    is_taped: bool,
    played: Option<Played>,
    suppressed_by: &[String],
) -> String {
    let last = |wanted: &[What]| {
        alert.history.events().rev().find(|event| event.at <= at && wanted.contains(&event.what))
    };
    let threshold = short(alert.threshold_at(at));
    match state_at(alert, at) {
        None => "its events of that time are forgotten: it changed more often than is remembered".to_owned(),
        Some("pending") => {
            format!("its condition held, but not yet for as long as `for` says; the threshold is {threshold}")
        }
        Some("firing" | "recovering") if !suppressed_by.is_empty() => {
            format!("it fired, and nobody was told because of {}", suppressed_by.join(", "))
        }
        Some("firing" | "recovering") => {
            let how = last(&[What::Firing, What::FiringSilently, What::NoLongerSilent]);
            if how.is_some_and(|event| event.what == What::FiringSilently) {
                return "it fired again within its cooldown, so nobody was told again".to_owned();
            }
            let since = how.map_or(at, |how| how.at);
            let mut later = alert.history.events().filter(|event| event.at >= since);
            match later.find(|event| event.what == What::Told && event.detail == "firing") {
                Some(told) => format!(
                    "it fired at {} with {} and was told at {}",
                    text(since),
                    short(how.map_or(told.value, |how| how.value)),
                    text(told.at),
                ),
                None => "it fired, and is told as soon as its state is stored".to_owned(),
            }
        }
        Some(_) => match played {
            None if !is_taped => {
                "it did not fire; explain_bytes leaves no room for the values that it compared".to_owned()
            }
            None => "it did not fire: there was no data then, or nobody evaluated it".to_owned(),
            Some(Played { was_true: true, is_one: false, .. }) => {
                "its condition held for a part of these minutes, shorter than `for` asks".to_owned()
            }
            Some(played) if played.least == played.greatest => {
                format!("it did not fire: {} compared with {threshold} does not hold", short(played.least))
            }
            Some(played) => format!(
                "it did not fire: {} to {} compared with {threshold} does not hold",
                short(played.least),
                short(played.greatest)
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_objective_is_found_by_its_id_and_by_the_name_of_its_percentiles() {
        for name in ["checkout-latency", "checkout-latency-p99.9"] {
            assert!(is_objective("checkout-latency-p99.9", name), "{name}");
        }
        for other in ["checkout", "checkout-latency-p99", "checkout-latency-p99.9-x", ""] {
            assert!(!is_objective("checkout-latency-p99.9", other), "{other}");
        }
        assert!(!is_objective("checkout-latency-page", "checkout-latency"));
    }
}
