//! `trueline test`: telemetry in, what is expected out, and a clock that is moved by hand.
//!
//! # The path of a test
//! `file` reads tests with their places, `input` makes requests of what they give, `play` moves the time and gives them to the
//! pipelines, `items` takes what left apart into spans, points and records, `compare` sets these against what is
//! expected, `report` tells people and programs.

mod compare;
mod file;
mod input;
mod items;
mod play;
mod report;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

pub(crate) use self::items::items_of_json;
use self::{file::TestFile, report::Outcome};
use crate::{
    commands::validate::render,
    exit::{self, fail, tell},
};

/// Whether pipelines do with telemetry what is expected
///
/// Exit codes: 0 every test passed; 1 a file can not be read or written; 2 the options can not be understood; 4 a test
/// or a configuration is refused; 5 a test failed.
#[derive(Args)]
pub(crate) struct TestArgs {
    /// Files of tests, as the page of this command tells
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Only tests whose name has this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Writes the results as JUnit's XML too, for the pages of builds
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

#[expect(clippy::print_stderr, reason = "what is wrong with a test is no result")]
pub(crate) fn run(args: &TestArgs) -> ExitCode {
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut is_refused = false;
    for path in &args.files {
        let file = match TestFile::read(path) {
            Ok(file) => file,
            Err(problems) => {
                eprintln!("{}", render(&problems, std::io::IsTerminal::is_terminal(&std::io::stderr())));
                is_refused = true;
                continue;
            }
        };
        let is_wanted = |name: &str| args.filter.as_deref().is_none_or(|text| name.contains(text));
        outcomes.extend(file.cases().filter(|case| is_wanted(&case.name)).map(|case| file.run(case)));
    }
    if is_refused {
        return fail(exit::CONFIG, "a file of tests is refused; every problem is listed above");
    }
    if outcomes.is_empty() {
        return fail(exit::USAGE, "no test has such a name");
    }
    if let Some(path) = &args.junit
        && let Err(problem) = std::fs::write(path, report::junit(&outcomes))
    {
        return fail(exit::RUNTIME, &format!("{} can not be written: {problem}", path.display()));
    }
    let told = tell(&report::text(&outcomes));
    if outcomes.iter().any(Outcome::is_refused) {
        return ExitCode::from(exit::CONFIG);
    }
    if outcomes.iter().any(Outcome::is_failed) { ExitCode::from(exit::TESTS) } else { told }
}
