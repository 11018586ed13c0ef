//! Documents of files.

use std::path::PathBuf;

use config::{Environment, Node, Problems, Source, SystemEnvironment};
use serde::de::DeserializeOwned;

use super::output::Report;

/// A document, and where it stands.
pub(super) struct Found {
    /// For people: `slos.yaml from line 12 on`.
    pub(super) place: String,
    pub(super) node: Node,
}

/// Reads all documents of files. What can not be read is reported.
pub(super) fn documents(paths: &[PathBuf], report: &mut Report) -> Vec<Found> {
    let mut found = Vec::new();
    for path in paths {
        let shown = path.display().to_string();
        let text = match SystemEnvironment.read_file(path) {
            Ok(text) => text,
            Err(problem) => {
                report.leave_out(&shown, &format!("it can not be read ({problem})"));
                continue;
            }
        };
        for (line, part) in config::documents(&text) {
            let place = if line == 1 { shown.clone() } else { format!("{shown} from line {line} on") };
            match config::parse(&Source::new(place.clone(), part)) {
                Ok(node) if node.is_null() => {}
                Ok(node) => found.push(Found { place, node }),
                Err(problem) => report.leave_out(&place, &problem.title()),
            }
        }
    }
    found
}

impl Found {
    /// Returns a text that stands at the top.
    pub(super) fn text(&self, key: &str) -> &str {
        self.node.get(key).and_then(Node::as_str).unwrap_or_default()
    }

    /// Reads a document, or a part of one. What is wrong with it is reported.
    pub(super) fn decode<T: DeserializeOwned>(&self, node: &Node, report: &mut Report) -> Option<T> {
        let mut problems = Problems::default();
        let decoded = config::decode(node, "", &mut problems);
        let told: Vec<String> = problems.iter().map(config::Problem::title).collect();
        if !told.is_empty() {
            report.leave_out(&self.place, &told.join("; "));
            return None;
        }
        decoded
    }
}
