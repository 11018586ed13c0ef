//! What is asked of episodes under `/api/v1/anomalies`, and what people say of them.

use std::collections::BTreeSet;

use component::{Answer, Question};
use model::Timestamp;
use serde_json::{Value, json};

use super::{episodes::Episode, hierarchy::Withheld, processor::AnalysisHalf};

/// Episodes that are listed at most: the first are those that matter.
const MOST_LISTED: usize = 1000;
const VERDICT: &str = r#"say what it is, as {"verdict": "noise"} or {"verdict": "useful"}"#;

const VERDICTS: &str = r#"say of which episodes, as {"verdict": "noise", "episodes": [{"id": "00000000000000ab", "start_unix_nano": "1700000000000000000"}]}"#;

/// Answers `GET anomalies`, `GET anomalies/<id>`, `POST anomalies/<id>/feedback`, where the id is that of an open
/// episode or of a series, and `POST anomalies/feedback` of several episodes, open or not.
pub(super) fn answer(half: &mut AnalysisHalf, question: &Question) -> Answer {
    let rest: Vec<&str> = question.rest().collect();
    match (question.method.as_str(), &rest[..]) {
        ("GET", []) => list(half),
        ("GET", [id]) => match open(half, id) {
            Some(episode) => Answer::ok(view(episode).to_string()),
            None => unknown(id),
        },
        ("POST", ["feedback"]) => feedback_on_many(half, question),
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

/// What a person may say of an episode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// A false alarm against the budget of the series.
    Noise,
    /// It takes back one word of noise. Levels follow false alarms, not praise: without such a word it changes nothing.
    Useful,
}

/// What came of a verdict on one series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Counted {
    /// How often noise was said of it and not taken back.
    pub(super) n_marks: u8,
    /// Whether the verdict changed that, so that it is to be stored.
    pub(super) is_news: bool,
}

fn feedback(half: &mut AnalysisHalf, id: &str, question: &Question) -> Answer {
    let said: Option<Value> = serde_json::from_slice(&question.body).ok();
    let Some(verdict) = said.as_ref().and_then(verdict) else { return Answer::refused(400, VERDICT) };
    let Some(number) = number_of(id) else { return unknown(id) };
    let fingerprint = open(half, id).map_or(number, |episode| episode.series.fingerprint);
    let counted = half.count_verdict(&BTreeSet::from([fingerprint]), verdict);
    let Some(Counted { n_marks, is_news }) = counted.first() else { return unknown(id) };
    let said = json!({ "series": format!("{fingerprint:016x}"), "noise": n_marks }).to_string();
    if *is_news { Answer::done(200, said) } else { Answer::ok(said) }
}

/// Counts a verdict on each series of some episodes, once however many of them it had.
///
/// *Cost*: a walk over all series.
fn feedback_on_many(half: &mut AnalysisHalf, question: &Question) -> Answer {
    let said: Option<Value> = serde_json::from_slice(&question.body).ok();
    let read = |said: &Value| {
        let episodes = said.get("episodes")?.as_array()?;
        let series = episodes.iter().map(|episode| {
            let start = episode.get("start_unix_nano")?.as_str()?.parse().ok()?;
            Some(series_of(number_of(episode.get("id")?.as_str()?)?, Timestamp(start)))
        });
        Some((verdict(said)?, series.collect::<Option<BTreeSet<u64>>>()?))
    };
    let Some((verdict, wanted)) = said.as_ref().and_then(read) else {
        return Answer::refused(400, VERDICTS);
    };
    let counted = half.count_verdict(&wanted, verdict);
    let said = json!({ "series": counted.len() }).to_string();
    if counted.iter().any(|counted| counted.is_news) { Answer::done(200, said) } else { Answer::ok(said) }
}

fn verdict(said: &Value) -> Option<Said> {
    match said.get("verdict")?.as_str()? {
        "noise" => Some(Said::Noise),
        "useful" => Some(Said::Useful),
        _ => None,
    }
}

/// Takes apart what an episode's id is made of: the series that had it, as it began at this time. An id of nothing
/// gives a series that nobody knows.
fn series_of(id: u64, start: Timestamp) -> u64 {
    let mixed = (id ^ id >> 32).wrapping_mul(UNMIX);
    (mixed ^ mixed >> 32) ^ start.as_nanos().wrapping_mul(GOLDEN)
}

/// The inverse, modulo 2^64, of the factor by which ids are mixed.
const UNMIX: u64 = 0xcfee_444d_8b59_a89b;
/// The factor of an episode's start in its id.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

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
