//! Broken configurations: every problem of each is found in one pass, at its place.
//!
//! A file of `broken/` holds configurations, each behind a line `--- what is wrong`. A line in which a problem stands ends
//! with `#! TEXT | WORDS`: the problem is shown where TEXT begins in that line, and WORDS are in its message; several
//! stand one behind the other. What stands nowhere is said before the first line: `#! | WORDS`.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use config::{ConfigUri, MapEnvironment, Problem, Severity};

use crate::rig::registry;

/// Where a problem is to be found, and words of it.
#[derive(Debug)]
struct Mark {
    /// Line and column, both from one on.
    place: Option<(u32, u32)>,
    words: String,
}

struct Case {
    name: String,
    yaml: String,
    marks: Vec<Mark>,
}

fn cases() -> Result<Vec<Case>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("broken");
    let mut files: Vec<_> = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        for part in text.split("\n--- ").skip(1) {
            let (name, body) = part.split_once('\n').context("a configuration follows its name")?;
            cases.push(case(name, body).with_context(|| format!("{}: {name}", file.display()))?);
        }
    }
    Ok(cases)
}

fn case(name: &str, body: &str) -> Result<Case> {
    let (mut yaml, mut marks) = (String::new(), Vec::new());
    for line in body.lines() {
        let (written, said) = line.split_once("#! ").unwrap_or((line, ""));
        let is_placed = !written.is_empty() || said.is_empty();
        if is_placed {
            yaml += written.trim_end();
            yaml.push('\n');
        }
        for mark in said.split("#! ").filter(|mark| !mark.is_empty()) {
            let (text, words) = mark.split_once('|').with_context(|| format!("`{mark}` has no `|`"))?;
            let (text, words) = (text.trim(), words.trim().to_owned());
            let column = || written.find(text).with_context(|| format!("`{text}` is not in `{written}`"));
            let place = match is_placed {
                true => Some((yaml.lines().count() as u32, column()? as u32 + 1)),
                false => None,
            };
            marks.push(Mark { place, words });
        }
    }
    Ok(Case { name: name.to_owned(), yaml, marks })
}

impl Mark {
    fn is_of(&self, problem: &Problem) -> bool {
        let place = problem.place.as_ref().map(|place| (place.line, place.column));
        self.place == place && problem.title().contains(&self.words)
    }
}

#[test]
fn every_problem_of_broken_configurations_is_found_in_one_pass_and_at_its_place() -> Result<()> {
    let cases = cases()?;
    let mut wrong = Vec::new();
    for Case { name, yaml, marks } in &cases {
        let loaded = engine::load(&[ConfigUri::Yaml(yaml.clone())], &MapEnvironment::default(), &registry());
        let problems = loaded.problems.sorted();
        let errors: Vec<_> = problems.iter().filter(|it| it.severity == Severity::Error).collect();
        let unmarked = errors.iter().filter(|it| !marks.iter().any(|mark| mark.is_of(it)));
        let unmarked: Vec<Problem> = unmarked.map(|it| (*it).clone()).collect();
        let unfound: Vec<_> = marks.iter().filter(|mark| !errors.iter().any(|it| mark.is_of(it))).collect();
        if !unmarked.is_empty() || !unfound.is_empty() || marks.is_empty() || loaded.plan.is_some() {
            let shown = config::render(&unmarked);
            wrong.push(format!("=== {name}\nnot found: {unfound:?}\nnot expected:\n{shown}"));
        }
    }
    ensure!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    ensure!(cases.len() >= 60, "{} configurations", cases.len());
    Ok(())
}
