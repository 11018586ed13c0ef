//! Which devices, mount points and interfaces are told of.

use component::Checks;
use regex::RegexSet;
use serde::Deserialize;

/// How names are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MatchType {
    #[default]
    Unset,
    Strict,
    Regexp,
}

/// Names to include or exclude; the key of the list is that of what it names.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct MatchConfig {
    pub(super) match_type: MatchType,
    pub(super) devices: Vec<String>,
    pub(super) interfaces: Vec<String>,
    pub(super) fs_types: Vec<String>,
    pub(super) mount_points: Vec<String>,
}

/// What a list names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Named {
    Devices,
    Interfaces,
    FsTypes,
    MountPoints,
}

impl MatchConfig {
    fn list(&self, named: Named) -> &[String] {
        match named {
            Named::Devices => &self.devices,
            Named::Interfaces => &self.interfaces,
            Named::FsTypes => &self.fs_types,
            Named::MountPoints => &self.mount_points,
        }
    }

    pub(super) fn validate(&self, path: &str, named: Named, checks: &mut Checks) {
        for other in [Named::Devices, Named::Interfaces, Named::FsTypes, Named::MountPoints] {
            if other != named && !self.list(other).is_empty() {
                let message = format!("{} is no key here, write {}", other.key(), named.key());
                checks.error(&format!("{path}.{}", other.key()), message);
            }
        }
        let list = self.list(named);
        if !list.is_empty() && self.match_type == MatchType::Unset {
            checks.error(
                &format!("{path}.match_type"),
                format!("match_type is missing, write strict or regexp beside {}", named.key()),
            );
        }
        if self.match_type == MatchType::Regexp {
            for (index, pattern) in list.iter().enumerate() {
                if let Err(problem) = regex::Regex::new(pattern) {
                    let problem = problem.to_string();
                    let why = problem.lines().last().unwrap_or_default().trim_start_matches("error: ");
                    let message = format!("the pattern {pattern:?} is no regular expression: {why}");
                    checks.error(&format!("{path}.{}.{index}", named.key()), message);
                }
            }
        }
    }
}

impl Named {
    const fn key(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Interfaces => "interfaces",
            Self::FsTypes => "fs_types",
            Self::MountPoints => "mount_points",
        }
    }
}

/// Two lists, prepared.
pub(super) struct Filter {
    include: Option<Names>,
    exclude: Option<Names>,
}

enum Names {
    Exact(Vec<String>),
    Patterns(RegexSet),
}

impl Filter {
    pub(super) fn new(include: &MatchConfig, exclude: &MatchConfig, named: Named) -> Self {
        Self { include: Names::new(include, named), exclude: Names::new(exclude, named) }
    }

    pub(super) fn takes(&self, name: &str) -> bool {
        self.include.as_ref().is_none_or(|names| names.hold(name))
            && !self.exclude.as_ref().is_some_and(|names| names.hold(name))
    }
}

impl Names {
    fn new(config: &MatchConfig, named: Named) -> Option<Self> {
        let list = config.list(named);
        if list.is_empty() {
            return None;
        }
        Some(match config.match_type {
            // Patterns were compiled when they were validated.
            MatchType::Regexp => Self::Patterns(RegexSet::new(list).unwrap_or_else(|_| RegexSet::empty())),
            MatchType::Strict | MatchType::Unset => Self::Exact(list.to_vec()),
        })
    }

    fn hold(&self, name: &str) -> bool {
        match self {
            Self::Exact(names) => names.iter().any(|known| known == name),
            Self::Patterns(patterns) => patterns.is_match(name),
        }
    }
}
