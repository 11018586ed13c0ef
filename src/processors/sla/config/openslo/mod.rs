//! Objectives of `openslo/v1` files.
//!
//! Files are read while the settings are, as `${file:…}` is, so that what was validated is what runs and no half of
//! the stage reads anything.

mod alerts;
mod convert;
mod document;
mod paths;

use std::path::Path;

use component::Checks;
use config::{Environment, Node, Problems, Source, SystemEnvironment};
use serde::{Deserialize, Deserializer};

use self::{
    alerts::Known,
    document::{Document, Kind},
};
use super::ObjectiveConfig;

/// Paths of files, and the objectives in them.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct OpenSloFiles {
    is_empty: bool,
    /// Each with the place at which it stands.
    objectives: Vec<(String, ObjectiveConfig)>,
    problems: Vec<(String, Told)>,
}

/// What is wrong with a file, or left out of it.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Told {
    Error(String),
    Warning(String),
}

/// More documents in one file are refused.
const MAX_DOCUMENTS: usize = 10_000;

impl<'de> Deserialize<'de> for OpenSloFiles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::read(&Vec::<String>::deserialize(deserializer)?, &SystemEnvironment))
    }
}

impl OpenSloFiles {
    /// Reads files. What is wrong is kept for [`OpenSloFiles::report`].
    pub(in crate::sla) fn read(paths: &[String], environment: &dyn Environment) -> Self {
        let mut made = Self { is_empty: paths.is_empty(), ..Self::default() };
        let mut documents = Vec::new();
        let mut known = Known::default();
        for (at, pattern) in paths.iter().enumerate() {
            let place = format!("openslo_files.{at}");
            let files = paths::files(pattern, environment).unwrap_or_else(|problem| {
                made.problems.push((place.clone(), Told::Error(problem)));
                Vec::new()
            });
            for path in files {
                match environment.read_file(Path::new(&path)) {
                    Ok(text) => documents.extend(made.documents(&place, &path, &text, &mut known)),
                    Err(problem) => {
                        let problem = Told::Error(format!("{path} can not be read ({problem})"));
                        made.problems.push((place.clone(), problem));
                    }
                }
            }
        }
        // An indicator may stand in another file than the objective that refers to it.
        let indicators = documents.iter().filter_map(|(_, _, document)| document.indicator()).collect();
        for (place, name, document) in &documents {
            if document.kind != Kind::Slo {
                continue;
            }
            match convert::objectives(document, &indicators, &known) {
                Ok((objectives, left_out)) => {
                    let objectives = objectives.into_iter().map(|objective| (place.clone(), objective));
                    made.objectives.extend(objectives);
                    let warning = |what| (place.clone(), Told::Warning(format!("{name}: {what}")));
                    made.problems.extend(left_out.into_iter().map(warning));
                }
                Err(problem) => {
                    made.problems.push((place.clone(), Told::Error(format!("{name}: {problem}"))))
                }
            }
        }
        made
    }

    /// Reads the documents of a file, which lines of three dashes part.
    fn documents(
        &mut self,
        place: &str,
        path: &str,
        text: &str,
        known: &mut Known,
    ) -> Vec<(String, String, Document)> {
        let mut found = Vec::new();
        for (first_line, part) in config::documents(text) {
            let name = format!("{path} from line {first_line} on");
            if found.len() >= MAX_DOCUMENTS {
                let problem = format!("{path} has more than {MAX_DOCUMENTS} documents, split it");
                self.problems.push((place.to_owned(), Told::Error(problem)));
                break;
            }
            let source = Source::new(name.clone(), part);
            let mut problems = Problems::default();
            let document = match config::parse(&source) {
                Ok(node) if node.is_null() => continue,
                Ok(node) => decode(&node, known, &mut problems),
                Err(problem) => {
                    problems.push(*problem);
                    None
                }
            };
            let told =
                problems.iter().map(|it| (place.to_owned(), Told::Error(format!("{name}: {}", it.title()))));
            self.problems.extend(told);
            found.extend(document.map(|document| (place.to_owned(), name, document)));
        }
        found
    }

    pub(in crate::sla) fn is_empty(&self) -> bool {
        self.is_empty
    }

    pub(super) fn objectives(&self) -> impl Iterator<Item = (String, &ObjectiveConfig)> {
        self.objectives.iter().map(|(place, objective)| (place.clone(), objective))
    }

    /// Tells what is wrong with the files.
    pub(in crate::sla) fn report(&self, checks: &mut Checks) {
        for (place, told) in &self.problems {
            match told {
                Told::Error(message) => checks.error(place, message.clone()),
                Told::Warning(message) => checks.warn(place, message.clone()),
            }
        }
    }
}

/// Reads a document when it is one that promises are made of, and keeps what they may refer to; others of OpenSLO's kinds
/// are passed over.
fn decode(node: &Node, known: &mut Known, problems: &mut Problems) -> Option<Document> {
    let text = |key: &str| node.get(key).and_then(Node::as_str).unwrap_or_default().to_owned();
    let kind = text("kind");
    if text("apiVersion") != "openslo/v1" {
        let message = format!("apiVersion is `{}`, only openslo/v1 is read", text("apiVersion"));
        problems.push(config::Problem::error(None, "apiVersion", message));
        return None;
    }
    match kind.as_str() {
        "SLO" | "SLI" => return config::decode(node, "", problems),
        "AlertPolicy" => {
            let policy: Option<alerts::Policy> = config::decode(node, "", problems);
            known.policies.extend(policy.map(|policy| (policy.metadata.name().to_owned(), policy)));
        }
        "AlertCondition" => {
            let condition: Option<alerts::Condition> = config::decode(node, "", problems);
            known
                .conditions
                .extend(condition.map(|condition| (condition.metadata.name().to_owned(), condition)));
        }
        "Service" | "DataSource" | "AlertNotificationTarget" => {}
        _ => {
            let message = format!("kind is `{kind}`, which OpenSLO does not have");
            problems.push(config::Problem::error(None, "kind", message));
        }
    }
    None
}
