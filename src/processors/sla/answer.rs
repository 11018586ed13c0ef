//! What is asked of objectives under `/api/v1/slos`.

mod backfill;
mod view;
mod wanted;

use component::{Answer, Question};
use model::Timestamp;
use serde_json::json;

use super::processor::AnalysisHalf;

/// Answers `GET slos`, `GET slos/<id>`, `GET slos/<id>/budget` and `POST slos/<id>/backfill`; `GET backfill` tells which
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
        ("GET", [], _) => Answer::ok(view::list(half).to_string()),
        (_, [name, ..], None) => unknown(name),
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

fn unknown(name: &str) -> Answer {
    Answer::refused(404, &format!("there is no objective `{name}`; GET /api/v1/slos lists all by id"))
}
