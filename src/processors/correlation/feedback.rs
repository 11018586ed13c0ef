//! What people say of incidents.

use component::Question;
use model::Timestamp;
use serde_json::json;

use super::{events::Kind, incident::Incident};

/// What a person thinks of an incident.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Something was wrong, and its cause is the one that is named, if any is.
    True,
    /// Nothing was wrong that anybody should have been told of.
    Noise,
    /// Something was wrong, and its cause is another.
    WrongCause,
}

impl Verdict {
    pub(super) const ALL: [Self; 3] = [Self::True, Self::Noise, Self::WrongCause];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::Noise => "noise",
            Self::WrongCause => "wrong_cause",
        }
    }

    /// Returns the verdict of that name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }
}

/// The last word on an incident.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Feedback {
    pub(super) verdict: Verdict,
    /// The service that is the cause instead; empty when nobody said.
    pub(super) root: String,
    /// Empty when nobody had to say who asks.
    pub(super) author: String,
    pub(super) at: Timestamp,
}

/// How many incidents were called what, since the first start: of each the last word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Opinions(pub(super) [u64; Verdict::ALL.len()]);

impl Opinions {
    /// Counts a word about an incident in place of the one before.
    pub(super) const fn count(&mut self, before: Option<Verdict>, now: Verdict) {
        if let Some(before) = before {
            self.0[before as usize] = self.0[before as usize].saturating_sub(1);
        }
        self.0[now as usize] += 1;
    }
}

/// What `anomaly` is told of an incident's episodes when people change their mind about it: as noise each was a false
/// alarm, and what was noise and is something else now was none. Nothing where neither is so, and without episodes.
pub(super) fn word_on_episodes(
    incident: &Incident,
    before: Option<Verdict>,
    now: Verdict,
    author: &str,
) -> Option<Question> {
    let verdict = match (before, now) {
        // Told again it is no other false alarm.
        (Some(Verdict::Noise), Verdict::Noise) => return None,
        (_, Verdict::Noise) => "noise",
        (Some(Verdict::Noise), _) => "useful",
        _ => return None,
    };
    let episodes = incident.members.values().filter(|event| event.kind == Kind::Anomaly);
    let named = episodes
        .map(|event| json!({ "id": event.id, "start_unix_nano": event.start.as_nanos().to_string() }))
        .collect::<Vec<_>>();
    let body = json!({ "verdict": verdict, "episodes": named }).to_string();
    (!named.is_empty()).then(|| Question {
        method: "POST".to_owned(),
        path: ["anomalies", "feedback"].map(str::to_owned).to_vec(),
        body: body.into(),
        author: author.to_owned(),
        ..Question::default()
    })
}
