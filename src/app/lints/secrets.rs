//! Secrets that stand in the file itself.

use config::{Node, Opaque, Place, Problem, Value, holds_credentials};

use super::warning;

pub(super) fn check(tree: Option<&Node>, opaque: &[Opaque], found: &mut Vec<Problem>) {
    let Some(tree) = tree else { return };
    for secret in opaque {
        // What an expansion stands for is not in the file.
        if secret.place.text().contains("${") {
            continue;
        }
        let Some(text) = at(tree, &secret.path) else { continue };
        let key = secret.path.rsplit("::").find(|key| key.parse::<usize>().is_err()).unwrap_or_default();
        if !text.is_empty() && is_credential(key, text) {
            found.push(in_clear(key, &secret.place, &secret.path));
        }
    }
    let is_told = |path: &str| opaque.iter().any(|secret| secret.path == path);
    urls(tree, "", "", &mut |node, key, path| {
        if !is_told(path) {
            found.push(in_clear(key, &node.place, path));
        }
    });
}

fn in_clear(key: &str, place: &Place, path: &str) -> Problem {
    let message = format!("a secret stands in the configuration, for all who read it ({key})");
    let help = "put it into the environment and write `${env:NAME}`, or into a file and write `${file:PATH}`";
    warning("credential_in_clear", place, path, message, help)
}

/// Calls back for each text that is no secret as a whole and has credentials in a URL, written in the file itself.
fn urls(node: &Node, key: &str, path: &str, tell: &mut impl FnMut(&Node, &str, &str)) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") };
    match &node.value {
        Value::Map(map) => {
            for entry in &map.entries {
                let name = &entry.key.name;
                urls(&entry.value, name, &below(name), tell);
            }
        }
        Value::Seq(items) => {
            for (index, item) in items.iter().enumerate() {
                urls(item, key, &below(&index.to_string()), tell);
            }
        }
        Value::String(text) if holds_credentials(text) && !node.place.text().contains("${") => {
            tell(node, key, path);
        }
        _ => {}
    }
}

/// Values that are never shown are of three kinds: what is secret by its key, headers, and URLs of which some hold a
/// key.
fn is_credential(key: &str, text: &str) -> bool {
    let key = key.to_ascii_lowercase();
    if key.contains("url") || key == "endpoint" {
        return holds_a_key(text);
    }
    const WORDS: [&str; 9] =
        ["auth", "token", "key", "secret", "cookie", "passw", "credential", "session", "assertion"];
    (key != "ca_pem" && key != "cert_pem") && WORDS.iter().any(|word| key.contains(word))
}

/// Whether a URL holds a password, or a part that nobody would type.
fn holds_a_key(url: &str) -> bool {
    const SHORTEST_KEY: usize = 20;
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_key = |part: &str| {
        part.len() >= SHORTEST_KEY
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && part.contains(|c: char| c.is_ascii_digit())
            && part.contains(|c: char| c.is_ascii_alphabetic())
    };
    authority.contains('@') || path.split(['/', '?', '&', '=']).any(is_key)
}

/// Returns the text at a path, which is joined by `::` as keys may have it within.
fn at<'n>(node: &'n Node, path: &str) -> Option<&'n str> {
    match &node.value {
        Value::Map(map) => map.entries.iter().find_map(|entry| {
            let rest = path.strip_prefix(entry.key.name.as_str())?;
            if rest.is_empty() { entry.value.as_str() } else { at(&entry.value, rest.strip_prefix("::")?) }
        }),
        Value::Seq(items) => {
            let (index, rest) = path.split_once("::").unwrap_or((path, ""));
            let item = items.get(index.parse::<usize>().ok()?)?;
            if rest.is_empty() { item.as_str() } else { at(item, rest) }
        }
        _ => None,
    }
}
