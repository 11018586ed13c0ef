//! What is told of an import, and what it writes.

use std::{fs, io::Write, path::Path};

use anyhow::Context;
use component::{Checks, Config};
use config::{Problems, Source};
use serde::{Serialize, de::DeserializeOwned};

/// What was imported, what was not, and what is otherwise than it was.
#[derive(Default, Debug)]
pub(super) struct Report {
    pub(super) n_imported: usize,
    pub(super) n_left_out: usize,
    /// In the order in which it was found.
    pub(super) lines: Vec<String>,
}

impl Report {
    /// Names what is not imported.
    pub(super) fn leave_out(&mut self, what: &str, why: &str) {
        self.n_left_out += 1;
        self.lines.push(format!("left out: {what}: {why}"));
    }

    /// Names what is imported and not quite the same.
    pub(super) fn note(&mut self, what: &str, note: &str) {
        self.lines.push(format!("note: {what}: {note}"));
    }
}

/// Judges settings of a stage as `validate` would. Returns the warnings.
///
/// # Errors
/// What the stage would refuse.
pub(super) fn judge<T: DeserializeOwned + Config>(settings: &impl Serialize) -> Result<Vec<String>, String> {
    let text = config::write(settings).map_err(|problem| problem.title())?;
    let mut problems = Problems::default();
    let node = config::parse(&Source::new("import", text)).map_err(|problem| problem.title())?;
    let decoded: Option<T> = config::decode(&node, "", &mut problems);
    let told: Vec<String> = problems.iter().map(config::Problem::title).collect();
    let Some(decoded) = decoded.filter(|_| told.is_empty()) else { return Err(told.join("; ")) };
    let mut checks = Checks::default();
    decoded.validate(&mut checks);
    let (warnings, errors): (Vec<_>, Vec<_>) =
        checks.into_findings().into_iter().partition(|finding| finding.is_warning);
    let text = |all: Vec<component::Finding>| all.into_iter().map(|it| it.message).collect::<Vec<_>>();
    if errors.is_empty() { Ok(text(warnings)) } else { Err(text(errors).join("; ")) }
}

/// Writes settings to a file, or to standard output.
///
/// # Errors
/// When the file can not be written.
pub(super) fn write(settings: &impl Serialize, output: Option<&Path>) -> anyhow::Result<()> {
    let text = config::write(settings).map_err(|problem| anyhow::anyhow!(problem.title()))?;
    // Where it is read, one dollar sign may begin a variable.
    let text = text.replace('$', "$$");
    match output {
        Some(path) => {
            fs::write(path, text).with_context(|| format!("--output: {} can not be written", path.display()))
        }
        None => {
            // A reader that has seen enough is no failure.
            let _gone = std::io::stdout().write_all(text.as_bytes());
            Ok(())
        }
    }
}
