//! Keys that the collector has and we refuse: people bring them along, so they hear why.

use crate::{Place, Problem};

/// Ends what is said of a thing of the collector that is no key, such as a function, and that we have not.
pub const NOT_HERE: &str = "of the collector that trueline does not have";

/// One key of the collector that is refused, whatever its value.
#[derive(Debug)]
pub struct NotSupported {
    pub key: &'static str,
    /// Completes "is not supported: …".
    pub reason: &'static str,
    /// What to do instead, as an order.
    pub instead: &'static str,
}

/// Refused keys by the section they stand in, relative to the component: `"sending_queue.batch"`, `""` for
/// the component itself, `*` for any one key or index.
pub type NotSupportedKeys = &'static [(&'static str, &'static [NotSupported])];

impl NotSupported {
    pub const fn new(key: &'static str, reason: &'static str, instead: &'static str) -> Self {
        Self { key, reason, instead }
    }

    pub(super) fn problem(&self, place: Option<Place>, path: String) -> Problem {
        let message = format!("key `{}` of the collector is not supported: {}", self.key, self.reason);
        Problem { is_not_supported: true, ..Problem::error(place, path, message).with_help(self.instead) }
    }
}

/// Finds the row of the key `name`, which stands below `path` in the subtree of `root`.
pub(super) fn find(
    keys: NotSupportedKeys,
    root: &str,
    path: &str,
    name: &str,
) -> Option<&'static NotSupported> {
    let section = path.strip_prefix(root)?.trim_start_matches("::");
    let sections = keys.iter().filter(|(pattern, _)| matches(pattern, section));
    sections.flat_map(|(_, rows)| *rows).find(|row| row.key == name)
}

fn matches(pattern: &str, section: &str) -> bool {
    let (mut wanted, mut found) = (pattern.split('.'), section.split("::"));
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == "*" || wanted == found => {}
            _ => return false,
        }
    }
}
