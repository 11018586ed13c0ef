//! What is wrong with a condition or statement, and where in it.

/// A mistake of the operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    /// Where it begins. *Units*: bytes from the start of the text.
    at: usize,
    message: String,
}

/// As much of the text is shown behind the place.
const SHOWN_CHARACTERS: usize = 30;

impl Fault {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }

    /// Says what is wrong with `text` and where: `at character 14 (== 5): expected a value, found ==`.
    pub(crate) fn told(&self, text: &str) -> String {
        let (before, after) = text.split_at_checked(self.at).unwrap_or((text, ""));
        let character = before.chars().count() + 1;
        let mut shown: String = after.chars().take(SHOWN_CHARACTERS).collect();
        if shown.len() < after.len() {
            shown.push('…');
        }
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        match shown.is_empty() {
            true => format!("at the end: {}", self.message),
            false => format!("at character {character} ({shown}): {}", self.message),
        }
    }
}

/// Adds the nearest known name to a complaint about an unknown one.
pub(super) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let near = config::did_you_mean(name, known.iter().copied());
    let near = near.map(|near| format!("did you mean {near}? ")).unwrap_or_default();
    format!("{name} is no {what}, {near}write one of {}", known.join(", "))
}
