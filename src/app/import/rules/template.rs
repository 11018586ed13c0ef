//! Texts of Prometheus's rules, which Go's templates fill, in the terms of `alerting`.

use crate::import::go_template::{Part, parts, piped};

/// A text in the terms of `alerting`, and functions that it lost.
pub(super) struct Converted {
    pub(super) text: String,
    pub(super) lost: Vec<String>,
    /// Whether it shows what was measured.
    pub(super) is_measured: bool,
}

/// Converts a text. Functions that only write a number otherwise are left out.
///
/// # Errors
/// The action that can not be said.
pub(super) fn convert(text: &str) -> Result<Converted, String> {
    let mut made = Converted { text: String::new(), lost: Vec::new(), is_measured: false };
    for part in parts(text) {
        let action = match part {
            Part::Text(text) => {
                made.text += text;
                continue;
            }
            Part::Action(action) => action,
        };
        let (subject, function) = simple(action).ok_or_else(|| action.to_owned())?;
        match subject {
            "$value" | ".Value" => {
                made.text += "{{ value }}";
                made.is_measured = true;
            }
            label => {
                let name = label.strip_prefix("$labels.").or_else(|| label.strip_prefix(".Labels."));
                let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
                let name = name.filter(is_name).ok_or_else(|| action.to_owned())?;
                made.text += &format!("{{{{ labels.{name} }}}}");
            }
        }
        made.lost.extend(function.map(str::to_owned));
    }
    Ok(made)
}

/// Functions that change how something is written, not what it is.
const FORMATS: [&str; 14] = [
    "humanize",
    "humanize1024",
    "humanizeDuration",
    "humanizePercentage",
    "humanizeTimestamp",
    "toTime",
    "title",
    "toUpper",
    "toLower",
    "stripPort",
    "stripDomain",
    "printf",
    "safeHtml",
    "pathPrefix",
];

/// Parts `$value | humanize`, `humanize $value` and `printf "%.2f" $value` into what is shown and how.
fn simple(action: &str) -> Option<(&str, Option<&str>)> {
    let is_format = |text: &str| {
        let mut functions = text.split('|').map(|it| it.split_whitespace().next().unwrap_or_default());
        functions.all(|name| FORMATS.contains(&name))
    };
    match piped(action) {
        (subject, Some(functions)) => is_format(functions).then_some((subject, Some(functions))),
        (subject, None) => match subject.rsplit_once(char::is_whitespace) {
            None => Some((subject, None)),
            Some((function, last)) if is_format(function) => Some((last, Some(function))),
            Some(_) => None,
        },
    }
}
