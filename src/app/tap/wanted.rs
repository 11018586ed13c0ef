//! What is asked of a tap.

use std::{collections::BTreeMap, time::Duration};

use engine::TapSide;
use model::{Signal, SignalSet};
use processors::lens::Condition;
use serde::{
    Deserialize,
    de::value::{Error, StrDeserializer},
};

/// Parameters of the question, with defaults.
pub(super) struct Wanted {
    pub(super) at: Option<String>,
    pub(super) side: TapSide,
    pub(super) signals: SignalSet,
    pub(super) condition: Option<Condition>,
    /// Ends after so many items.
    pub(super) limit: u64,
    /// Shows at most so many items in a second.
    pub(super) rate: u64,
    pub(super) duration: Duration,
    pub(super) shows_secrets: bool,
}

const KNOWN: [&str; 9] = ["at", "side", "signal", "where", "limit", "rate", "for", "secrets", "component"];

pub(super) const DEFAULT_LIMIT: u64 = 100;
pub(super) const MAX_LIMIT: u64 = 100_000;
pub(super) const DEFAULT_RATE: u64 = 20;
pub(super) const MAX_RATE: u64 = 1000;
pub(super) const DEFAULT_DURATION: &str = "1m";
const MAX_DURATION: Duration = Duration::from_secs(3600);
const SIDES: [&str; 2] = ["after", "before"];

impl Wanted {
    /// Reads the parameters of a question.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(super) fn of(parameters: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut wrong = Vec::new();
        for name in parameters.keys().filter(|name| !KNOWN.contains(&name.as_str())) {
            wrong.push(unknown("parameter", name, &KNOWN));
        }
        let text = |name: &str| parameters.get(name).map(String::as_str);
        let side = match text("side") {
            None | Some("after") => TapSide::After,
            Some("before") => TapSide::Before,
            Some(other) => {
                wrong.push(unknown("side", other, &SIDES));
                TapSide::After
            }
        };
        let mut number = |name: &str, default: u64, most: u64| {
            let Some(text) = text(name) else { return default };
            let read = text.parse().ok().filter(|number| (1..=most).contains(number));
            read.unwrap_or_else(|| {
                wrong.push(format!("{name} is `{text}`, must be a number from 1 to {most}"));
                default
            })
        };
        let limit = number("limit", DEFAULT_LIMIT, MAX_LIMIT);
        let rate = number("rate", DEFAULT_RATE, MAX_RATE);
        let duration = duration(text("for").unwrap_or(DEFAULT_DURATION));
        let duration = duration.unwrap_or_else(|problem| {
            wrong.push(format!("for: {problem}"));
            Duration::ZERO
        });
        let shows_secrets = match text("secrets") {
            None => false,
            Some("show") => true,
            Some(other) => {
                wrong.push(format!("secrets is `{other}`, must be `show` or left out"));
                false
            }
        };
        let mut signals = match text("signal") {
            None => SignalSet::ALL,
            Some(name) => Signal::ALL
                .into_iter()
                .find(|signal| signal.name() == name)
                .map(SignalSet::of)
                .unwrap_or_else(|| {
                    wrong.push(unknown("signal", name, &Signal::ALL.map(Signal::name)));
                    SignalSet::ALL
                }),
        };
        let condition = match text("where").map(Condition::new).transpose() {
            Ok(condition) => condition,
            Err(problem) => {
                wrong.push(format!("where: {problem}"));
                None
            }
        };
        if let Some(condition) = &condition {
            signals = signals.intersection(condition.signals());
            if signals.is_empty() {
                wrong.push("the condition is on another signal than the one that is asked for".to_owned());
            }
        }
        let at = text("at").filter(|at| !at.is_empty()).map(str::to_owned);
        match wrong.is_empty() {
            true => Ok(Self { at, side, signals, condition, limit, rate, duration, shows_secrets }),
            false => Err(wrong.join("; ")),
        }
    }
}

/// Reads a time as configurations have them.
///
/// # Errors
/// What would be right.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let read = config::Duration::deserialize(StrDeserializer::<Error>::new(text));
    let read = read.map_err(|problem| problem.to_string().replace('\n', ": "))?.get();
    match read.is_zero() || read > MAX_DURATION {
        true => Err(format!("`{text}` must be above 0 and at most an hour")),
        false => Ok(read),
    }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let near = config::did_you_mean(name, known.iter().copied());
    let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
    format!("there is no {what} `{name}`; {near}there are {}", known.join(", "))
}
