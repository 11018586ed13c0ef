//! Files of tests.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use config::{ConfigUri, Duration, Environment, Problem, Problems, Source, SystemEnvironment};
use model::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{
    play,
    report::{Outcome, Verdict},
};
use crate::detect::parse_time;

/// A file as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Written {
    /// Locations that are merged, paths relative to the file of tests.
    config: Vec<String>,
    /// Variables for `${env:NAME}`, before those of the process.
    env: BTreeMap<String, String>,
    tests: Vec<Case>,
}

/// One test.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Case {
    pub(super) name: String,
    /// When the pipelines begin.
    #[serde(default)]
    pub(super) start: Option<String>,
    #[serde(default)]
    pub(super) inputs: Vec<Input>,
    /// How long the time goes on after the start, at least until the last input.
    #[serde(default)]
    pub(super) until: Duration,
    /// Whether the pipelines are stopped in the end, so that all that is open comes out.
    #[serde(default = "yes")]
    pub(super) drain: bool,
    /// By exporter.
    pub(super) expect: BTreeMap<String, Expected>,
}

const fn yes() -> bool {
    true
}

/// A request, or a file of recorded ones.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Input {
    /// After the start.
    pub(super) at: Duration,
    pub(super) traces: Option<Value>,
    pub(super) metrics: Option<Value>,
    pub(super) logs: Option<Value>,
    /// Recorded telemetry, played at its own times.
    pub(super) file: Option<PathBuf>,
}

/// What shall leave through an exporter. Kinds that are not named are not looked at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Expected {
    pub(super) spans: Option<Vec<Value>>,
    pub(super) data_points: Option<Vec<Value>>,
    pub(super) log_records: Option<Vec<Value>>,
    /// Whether more than that may come.
    pub(super) allow_more: bool,
}

/// A file that has been read.
pub(super) struct TestFile {
    path: PathBuf,
    written: Written,
    uris: Vec<ConfigUri>,
}

impl TestFile {
    /// # Errors
    /// All that is wrong with the file, with its places.
    pub(super) fn read(path: &Path) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let name = path.display().to_string();
        let text = match SystemEnvironment.read_file(path) {
            Ok(text) => text,
            Err(problem) => {
                problems.push(Problem::error(None, "", format!("{name} can not be read: {problem}")));
                return Err(problems);
            }
        };
        let node = match config::parse(&Source::new(name, text)) {
            Ok(node) => node,
            Err(problem) => {
                problems.push(*problem);
                return Err(problems);
            }
        };
        let written: Option<Written> = config::decode(&node, "", &mut problems);
        let written = written.unwrap_or_default();
        let folder = path.parent().unwrap_or(Path::new(""));
        let uris = uris(&written.config, folder).unwrap_or_else(|problem| {
            problems.at(&node, "", "config", problem);
            Vec::new()
        });
        if written.config.is_empty() && !problems.has_errors() {
            problems.at(
                &node,
                "",
                "config",
                "there is no config, name the files of the configuration that is tested",
            );
        }
        if written.tests.is_empty() && !problems.has_errors() {
            problems.at(&node, "", "tests", "there are no tests");
        }
        // What could not be read is left out, so that the others stand at other places.
        let readable = if problems.has_errors() { &[][..] } else { written.tests.as_slice() };
        for (index, case) in readable.iter().enumerate() {
            case.validate(|key, message| {
                problems.at(&node, "", format!("tests.{index}.{key}").as_str(), message);
            });
        }
        if problems.has_errors() { Err(problems) } else { Ok(Self { path: path.to_owned(), written, uris }) }
    }

    pub(super) fn cases(&self) -> impl Iterator<Item = &Case> {
        self.written.tests.iter()
    }

    pub(super) fn run(&self, case: &Case) -> Outcome {
        let environment = Overlay { variables: &self.written.env, folder: self.folder() };
        let verdict = match play::play(case, &self.uris, &environment, self.folder()) {
            Ok(differences) if differences.is_empty() => Verdict::Passed,
            Ok(differences) => Verdict::Failed(differences),
            Err(problem) => Verdict::Refused(problem),
        };
        Outcome { file: self.path.display().to_string(), name: case.name.clone(), verdict }
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }
}

/// Reads locations; paths are relative to a folder.
fn uris(written: &[String], folder: &Path) -> Result<Vec<ConfigUri>, String> {
    let one = |uri: &String| match uri.parse() {
        Ok(ConfigUri::File(path)) => Ok(ConfigUri::File(folder.join(path))),
        Ok(other) => Ok(other),
        Err(problem) => Err(format!("{uri}: {problem}")),
    };
    written.iter().map(one).collect()
}

impl Case {
    pub(super) fn start(&self) -> Option<Timestamp> {
        self.start.as_deref().and_then(parse_time)
    }

    /// Says what types can not.
    fn validate(&self, mut wrong: impl FnMut(&str, String)) {
        if self.start.is_some() && self.start().is_none() {
            wrong("start", "start is no time, write RFC 3339: `2026-01-01T00:00:00Z`".to_owned());
        }
        if self.inputs.is_empty() {
            wrong("inputs", "there are no inputs, give at least one".to_owned());
        }
        for (index, input) in self.inputs.iter().enumerate() {
            let n_kinds =
                [input.traces.is_some(), input.metrics.is_some(), input.logs.is_some(), input.file.is_some()]
                    .into_iter()
                    .filter(|is_there| *is_there)
                    .count();
            if n_kinds != 1 {
                wrong(
                    &format!("inputs.{index}"),
                    "an input is one of traces, metrics, logs and file".to_owned(),
                );
            }
        }
        if self.expect.is_empty() {
            wrong(
                "expect",
                "nothing is expected, name an exporter and what shall leave through it".to_owned(),
            );
        }
    }
}

/// The process's variables and files, with variables of the file of tests before them.
struct Overlay<'f> {
    variables: &'f BTreeMap<String, String>,
    folder: &'f Path,
}

impl Environment for Overlay<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned().or_else(|| SystemEnvironment.variable(name))
    }

    fn read_file(&self, path: &Path) -> std::io::Result<String> {
        // What the command line names is joined already; what a configuration names is relative to where it runs.
        SystemEnvironment.read_file(path).or_else(|problem| {
            if path.is_relative() {
                SystemEnvironment.read_file(&self.folder.join(path))
            } else {
                Err(problem)
            }
        })
    }

    fn list_folder(&self, path: &Path) -> std::io::Result<Vec<String>> {
        SystemEnvironment.list_folder(path)
    }

    fn ask(&self, socket: &Path, path: &str, patience: std::time::Duration) -> std::io::Result<String> {
        SystemEnvironment.ask(socket, path, patience)
    }
}
