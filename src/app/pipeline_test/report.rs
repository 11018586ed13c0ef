//! Results, for people and for the pages of builds.

use serde_json::Value;

use super::compare::{Difference, Unlike, What};

/// What became of a test.
pub(super) struct Outcome {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) verdict: Verdict,
}

pub(super) enum Verdict {
    Passed,
    Failed(Vec<Difference>),
    /// It could not be run, and why.
    Refused(String),
}

impl Outcome {
    pub(super) fn is_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed(_))
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self.verdict, Verdict::Refused(_))
    }

    /// Says what is wrong, a line for each thing; nothing of a test that passed.
    fn problem(&self) -> String {
        match &self.verdict {
            Verdict::Passed => String::new(),
            Verdict::Refused(problem) => problem.lines().map(|line| format!("  {line}\n")).collect(),
            Verdict::Failed(differences) => {
                let shown = differences.iter().take(MOST_SHOWN).map(shown).collect::<String>();
                match differences.len().checked_sub(MOST_SHOWN) {
                    None | Some(0) => shown,
                    Some(more) => format!("{shown}  … and {more} more\n"),
                }
            }
        }
    }
}

/// A test that fails wholly would drown the others.
const MOST_SHOWN: usize = 20;

pub(super) fn text(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let word = match outcome.verdict {
            Verdict::Passed => "ok     ",
            Verdict::Failed(_) => "FAILED ",
            Verdict::Refused(_) => "REFUSED",
        };
        text += &format!("{word} {}: {}\n{}", outcome.file, outcome.name, outcome.problem());
    }
    let n_failed = outcomes.iter().filter(|it| it.is_failed()).count();
    let n_refused = outcomes.iter().filter(|it| it.is_refused()).count();
    let n_passed = outcomes.len() - n_failed - n_refused;
    let refused = if n_refused == 0 { String::new() } else { format!(", {n_refused} could not be run") };
    text + &format!("\n{n_passed} passed, {n_failed} failed{refused}\n")
}

fn shown(difference: &Difference) -> String {
    let place = format!("{} {}", difference.exporter, difference.kind);
    match &difference.what {
        What::Unexpected(item) => format!("  {place}: nobody expected\n    + {item}\n"),
        What::Missing { expected, nearest: None } => {
            format!("  {place}: nothing like this came\n    - {expected}\n")
        }
        What::Missing { expected, nearest: Some(unlike) } => {
            format!("  {place}: the nearest to {expected} is not as expected\n{}", lines(unlike))
        }
    }
}

fn lines(unlike: &[Unlike]) -> String {
    let line = |sign: char, path: &str, value: Option<&Value>| {
        value.map_or(String::new(), |value| format!("    {sign} {path}: {value}\n"))
    };
    let both =
        |it: &Unlike| line('-', &it.path, it.expected.as_ref()) + &line('+', &it.path, it.found.as_ref());
    unlike
        .iter()
        .map(|it| match (&it.expected, &it.found) {
            (Some(expected), None) => format!("    - {}: {expected}\n    + nothing\n", it.path),
            _ => both(it),
        })
        .collect()
}

/// Writes the results as JUnit's XML: a suite for each file.
pub(super) fn junit(outcomes: &[Outcome]) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    let mut files: Vec<&str> = outcomes.iter().map(|it| it.file.as_str()).collect();
    files.dedup();
    for file in files {
        let cases: Vec<&Outcome> = outcomes.iter().filter(|it| it.file == file).collect();
        xml += &format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\">\n",
            escaped(file),
            cases.len(),
            cases.iter().filter(|it| it.is_failed()).count(),
            cases.iter().filter(|it| it.is_refused()).count()
        );
        for case in cases {
            let name =
                format!("    <testcase classname=\"{}\" name=\"{}\"", escaped(file), escaped(&case.name));
            let element = match &case.verdict {
                Verdict::Passed => None,
                Verdict::Failed(_) => Some("failure"),
                Verdict::Refused(_) => Some("error"),
            };
            xml += &match element {
                None => format!("{name}/>\n"),
                Some(element) => {
                    format!(
                        "{name}>\n      <{element}>{}</{element}>\n    </testcase>\n",
                        escaped(&case.problem())
                    )
                }
            };
        }
        xml += "  </testsuite>\n";
    }
    xml + "</testsuites>\n"
}

/// Text for XML, without what XML can not hold.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            letter if letter.is_control() && letter != '\n' => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
