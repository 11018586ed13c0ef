//! What is asked of episodes under `/api/v1/anomalies`, and what people say of them.

use component::{Answer, Question};
use serde_json::{Value, json};

use super::{episodes::Episode, hierarchy::Withheld, processor::AnalysisHalf};

/// Episodes that are listed at most: the first are those that matter.
const MOST_LISTED: usize = 1000;
const VERDICT: &str = r#"say what it is, as {"verdict": "noise"} or {"verdict": "useful"}"#;

/// Answers `GET anomalies`, `GET anomalies/<id>` and `POST anomalies/<id>/feedback`, where the id is that of an open
/// episode or of a series.
pub(super) fn answer(half: &mut AnalysisHalf, question: &Question) -> Answer {
    let rest: Vec<&str> = question.rest().collect();
    match (question.method.as_str(), &rest[..]) {
        ("GET", []) => list(half),
        ("GET", [id]) => match open(half, id) {
            Some(episode) => Answer::ok(view(episode).to_string()),
            None => unknown(id),
        },
        ("POST", [id, "feedback"]) => feedback(half, id, question),
        ("GET" | "POST", _) => Answer::not_found(),
        _ => Answer::refused(405, "anomalies are asked by GET, and judged by POST to their `feedback`"),
    }
}

fn list(half: &AnalysisHalf) -> Answer {
    let mut open: Vec<&Episode> = half.episodes.iter().collect();
    open.sort_by(|a, b| a.rank(b));
    let listed: Vec<Value> = open.iter().take(MOST_LISTED).map(|episode| view(episode)).collect();
    Answer::ok(json!({ "n_open": open.len(), "anomalies": listed }).to_string())
}

/// Counts a verdict. Only what is called noise changes anything: levels follow false alarms, not praise.
fn feedback(half: &mut AnalysisHalf, id: &str, question: &Question) -> Answer {
    let said: Option<Value> = serde_json::from_slice(&question.body).ok();
    let is_noise = match said.as_ref().and_then(|said| said.get("verdict")?.as_str()) {
        Some("noise") => true,
        Some("useful") => false,
        _ => return Answer::refused(400, VERDICT),
    };
    let Some(number) = number_of(id) else { return unknown(id) };
    let fingerprint = open(half, id).map_or(number, |episode| episode.series.fingerprint);
    let Some(n_marks) = half.count_verdict(fingerprint, is_noise) else { return unknown(id) };
    let said = json!({ "series": format!("{fingerprint:016x}"), "noise": n_marks }).to_string();
    if is_noise { Answer::done(200, said) } else { Answer::ok(said) }
}

fn number_of(id: &str) -> Option<u64> {
    u64::from_str_radix(id, 16).ok()
}

fn open<'a>(half: &'a AnalysisHalf, id: &str) -> Option<&'a Episode> {
    let number = number_of(id)?;
    half.episodes.iter().find(|episode| episode.id == number)
}

fn unknown(id: &str) -> Answer {
    let problem = format!(
        "`{id}` is no open episode and no series that was seen; GET /api/v1/anomalies lists what is open, and log \
         records name the series of what has ended"
    );
    Answer::refused(404, &problem)
}

fn view(episode: &Episode) -> Value {
    let (series, row) = (&episode.series, &episode.peak.row);
    let withheld = match (episode.told, episode.withheld) {
        (None, Some(Withheld::Budget)) => Some("incident_budget"),
        (None, Some(Withheld::NotSignificant)) => Some("not_significant"),
        _ => None,
    };
    let traces = episode.exemplars_in_hex();
    json!({
        "id": format!("{:016x}", episode.id),
        "series": format!("{:016x}", series.fingerprint),
        "service": *series.service,
        "metric": *series.metric,
        "stat": series.statistic.name(),
        "severity": episode.severity.name(),
        "is_told": episode.told.is_some(),
        "withheld": withheld,
        "direction": episode.direction().name(),
        "score": episode.peak.score,
        "confidence": episode.confidence,
        "value": row.value,
        "expected": row.expected,
        "lower": row.lower,
        "upper": row.upper,
        "start_unix_nano": episode.start.as_nanos().to_string(),
        "exemplars": traces.collect::<Vec<String>>(),
    })
}
