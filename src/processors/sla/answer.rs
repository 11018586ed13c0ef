//! What is asked of objectives under `/api/v1/slos`.

mod backfill;
mod view;
mod wanted;

use component::{Answer, Question};
use model::Timestamp;
use serde_json::json;

use super::processor::AnalysisHalf;

/// Answers `GET slos`, `GET slos/<id>` (also with the name of an objective of several percentiles, which lists those), `GET slos/<id>/budget` and `POST slos/<id>/backfill`; `GET backfill` tells which
/// times were not observed and can be asked for, `POST backfill` fills times of several objectives.
pub(super) fn answer(half: &mut AnalysisHalf, question: &Question, now: Timestamp) -> Answer {
    let rest: Vec<&str> = question.rest().collect();
    if question.topic() == "backfill" {
        return match (question.method.as_str(), &rest[..]) {
            ("GET", []) => Answer::ok(wanted::list(half, now).to_string()),
            ("POST", []) => backfill::fill_all(half, &question.body, now),
            (_, []) => Answer::refused(405, "the past is asked for by GET and filled by POST"),
            _ => Answer::not_found(),
        };
    }
    let place = rest.first().and_then(|name| half.plan.find(name));
    match (question.method.as_str(), &rest[..], place) {
        ("GET", [], _) => Answer::ok(view::list(half, |_| true).to_string()),
        ("GET", [name], None) if !half.plan.family(name).is_empty() => {
            let family = half.plan.family(name);
            Answer::ok(view::list(half, |place| family.contains(&place)).to_string())
        }
        (_, [name, ..], None) => unknown(half, name),
        ("GET", [_], Some(place)) => Answer::ok(view::one(half, place).to_string()),
        ("GET", [name, "budget"], Some(place)) if half.plan.objectives[place].is_composite() => {
            Answer::refused(
                404,
                &format!(
                    "`{name}` is made of other objectives and counts nothing; ask for the budget of those"
                ),
            )
        }
        ("GET", [_, "budget"], Some(place)) => Answer::ok(view::budget(half, place, now).to_string()),
        ("POST", [_, "backfill"], Some(place)) => match backfill::fill(half, place, &question.body, now) {
            Ok(filled) => Answer::done(200, json!({ "filled": filled }).to_string()),
            Err(problem) => Answer::refused(400, &problem),
        },
        ("GET" | "POST", ..) => Answer::not_found(),
        _ => Answer::refused(405, "objectives are asked by GET and filled by POST to their `backfill`"),
    }
}

fn unknown(half: &AnalysisHalf, name: &str) -> Answer {
    let family = half.plan.family(name);
    if !family.is_empty() {
        let ids: Vec<_> = family.iter().map(|place| half.plan.objectives[*place].id.as_str()).collect();
        let message = format!("`{name}` is the name of several objectives; ask for {}", ids.join(" or "));
        return Answer::refused(404, &message);
    }
    Answer::refused(404, &format!("there is no objective `{name}`; GET /api/v1/slos lists all by id"))
}
