//! Prometheus's rules that change, keep and drop sets of labels.

use std::borrow::Cow;

use component::Checks;
use regex::Regex;
use serde::Deserialize;

use super::{
    config::Text,
    labels::{Labels, is_classic_label},
};

/// An entry of `relabel_configs` or `metric_relabel_configs`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RelabelConfig {
    pub(crate) source_labels: Vec<String>,
    pub(crate) separator: Option<Text>,
    pub(crate) regex: Option<Text>,
    pub(crate) modulus: u64,
    pub(crate) target_label: String,
    pub(crate) replacement: Option<Text>,
    pub(crate) action: Option<String>,
}

/// A rule, ready for use.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    source_labels: Vec<String>,
    separator: String,
    regex: Regex,
    modulus: u64,
    target_label: String,
    replacement: String,
    action: Action,
    is_classic: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

const ACTIONS: [(&str, Action); 11] = [
    ("replace", Action::Replace),
    ("keep", Action::Keep),
    ("drop", Action::Drop),
    ("keepequal", Action::KeepEqual),
    ("dropequal", Action::DropEqual),
    ("hashmod", Action::HashMod),
    ("labelmap", Action::LabelMap),
    ("labeldrop", Action::LabelDrop),
    ("labelkeep", Action::LabelKeep),
    ("lowercase", Action::Lowercase),
    ("uppercase", Action::Uppercase),
];

const SEPARATOR: &str = ";";
const ANYTHING: &str = "(.*)";
const ALL_OF_IT: &str = "$1";

fn or<'a>(text: Option<&'a Text>, default: &'a str) -> &'a str {
    text.map_or(default, |text| &text.0)
}

impl RelabelConfig {
    /// Reports what is wrong; `path` is where the rule stands, `is_classic` whether names are as they were before UTF-8.
    pub(super) fn validate(&self, path: &str, is_classic: bool, checks: &mut Checks) {
        let name = self.action.as_deref().unwrap_or("replace").to_ascii_lowercase();
        if let Err(problem) = anchored(or(self.regex.as_ref(), ANYTHING)) {
            let message = format!("regex is no regular expression: {}", last_line(&problem));
            checks.error(&format!("{path}.regex"), message);
        }
        let Some((_, action)) = ACTIONS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = ACTIONS.iter().map(|(known, _)| *known).collect();
            return checks.unknown(&format!("{path}.action"), "action of a relabelling rule", &name, &known);
        };
        if self.modulus == 0 && *action == Action::HashMod {
            checks.error(&format!("{path}.modulus"), "modulus is missing, hashmod needs one above 0");
        }
        let wants_target = !matches!(
            action,
            Action::Keep | Action::Drop | Action::LabelMap | Action::LabelDrop | Action::LabelKeep
        );
        let target = self.target_label.as_str();
        if wants_target && target.is_empty() {
            checks
                .error(&format!("{path}.target_label"), format!("target_label is missing, {name} needs one"));
        } else if wants_target && is_classic && !target.contains('$') && !is_classic_label(target) {
            let message = format!("target_label is {target:?}, which is no name of a label");
            checks.error(&format!("{path}.target_label"), message);
        }
        self.check_superfluous(path, &name, *action, checks);
    }

    /// Reports keys that an action does not heed.
    fn check_superfluous(&self, path: &str, name: &str, action: Action, checks: &mut Checks) {
        let has = |key: &str| match key {
            "source_labels" => !self.source_labels.is_empty(),
            "separator" => or(self.separator.as_ref(), SEPARATOR) != SEPARATOR,
            "regex" => or(self.regex.as_ref(), ANYTHING) != ANYTHING,
            "modulus" => self.modulus != 0,
            "target_label" => !self.target_label.is_empty(),
            _ => or(self.replacement.as_ref(), ALL_OF_IT) != ALL_OF_IT,
        };
        let unheeded: &[&str] = match action {
            Action::LabelDrop | Action::LabelKeep => {
                &["source_labels", "separator", "modulus", "target_label", "replacement"]
            }
            Action::KeepEqual | Action::DropEqual => &["separator", "regex", "modulus", "replacement"],
            Action::Lowercase | Action::Uppercase => &["replacement"],
            _ => &[],
        };
        for key in unheeded.iter().filter(|key| has(key)) {
            checks.error(
                &format!("{path}.{key}"),
                format!("{key} is set, but {name} does not heed it; remove it"),
            );
        }
    }

    /// Makes a rule; none of one that is not right, which [`RelabelConfig::validate`] reports.
    pub(super) fn rule(&self, is_classic: bool) -> Option<Rule> {
        let name = self.action.as_deref().unwrap_or("replace").to_ascii_lowercase();
        let (_, action) = ACTIONS.iter().find(|(known, _)| *known == name)?;
        Some(Rule {
            source_labels: self.source_labels.clone(),
            separator: or(self.separator.as_ref(), SEPARATOR).to_owned(),
            regex: anchored(or(self.regex.as_ref(), ANYTHING)).ok()?,
            modulus: self.modulus,
            target_label: self.target_label.clone(),
            replacement: or(self.replacement.as_ref(), ALL_OF_IT).to_owned(),
            action: *action,
            is_classic,
        })
    }
}

fn anchored(pattern: &str) -> Result<Regex, String> {
    // By itself first, so that what ends a group does not end the anchor's.
    Regex::new(pattern).map_err(|problem| problem.to_string())?;
    Regex::new(&format!("^(?s:{pattern})$")).map_err(|problem| problem.to_string())
}

fn last_line(problem: &str) -> &str {
    problem.lines().last().unwrap_or_default().trim_start_matches("error: ")
}

/// Applies rules in their order. Returns whether the set is kept.
pub(super) fn apply(rules: &[Rule], labels: &mut Labels) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

impl Rule {
    fn apply(&self, labels: &mut Labels) -> bool {
        let value = self.value(labels);
        match self.action {
            Action::Keep => return self.regex.is_match(&value),
            Action::Drop => return !self.regex.is_match(&value),
            Action::KeepEqual => return labels.get(&self.target_label) == value,
            Action::DropEqual => return labels.get(&self.target_label) != value,
            Action::Lowercase => {
                let lower = value.to_lowercase();
                labels.set(&self.target_label, &lower);
            }
            Action::Uppercase => {
                let upper = value.to_uppercase();
                labels.set(&self.target_label, &upper);
            }
            Action::HashMod => {
                let rest = hash(value.as_bytes()) % self.modulus.max(1);
                labels.set(&self.target_label, &rest.to_string());
            }
            Action::Replace => {
                let value = value.into_owned();
                self.replace(&value, labels);
            }
            Action::LabelMap => self.map(labels),
            Action::LabelDrop => labels.retain(|name| !self.regex.is_match(name)),
            Action::LabelKeep => labels.retain(|name| self.regex.is_match(name)),
        }
        true
    }

    /// Joins the values of the source labels.
    fn value<'l>(&self, labels: &'l Labels) -> Cow<'l, str> {
        match self.source_labels.as_slice() {
            [] => Cow::Borrowed(""),
            [one] => Cow::Borrowed(labels.get(one)),
            several => {
                let values: Vec<&str> = several.iter().map(|name| labels.get(name)).collect();
                Cow::Owned(values.join(&self.separator))
            }
        }
    }

    fn replace(&self, value: &str, labels: &mut Labels) {
        let Some(captures) = self.regex.captures(value) else { return };
        let (mut target, mut text) = (String::new(), String::new());
        captures.expand(&self.target_label, &mut target);
        if target.is_empty() || (self.is_classic && !is_classic_label(&target)) {
            return;
        }
        captures.expand(&self.replacement, &mut text);
        labels.set(&target, &text);
    }

    fn map(&self, labels: &mut Labels) {
        let mapped: Vec<(String, String)> = labels
            .iter()
            .filter_map(|(name, value)| {
                let mut renamed = String::new();
                self.regex.captures(name)?.expand(&self.replacement, &mut renamed);
                Some((renamed, value.to_owned()))
            })
            .collect();
        for (name, value) in mapped.iter().filter(|(name, _)| !name.is_empty()) {
            labels.set(name, value);
        }
    }
}

/// Prometheus's hash: the last eight bytes of MD5.
fn hash(bytes: &[u8]) -> u64 {
    use md5::Digest;
    let digest: [u8; 16] = md5::Md5::digest(bytes).into();
    u64::from_be_bytes(digest.last_chunk().copied().unwrap_or_default())
}
