//! What may be a secret in a text that is no YAML: there is no type yet that says so, so names do.

use std::ops::Range;

use crate::{Node, Place, REDACTED, Value, did_you_mean};

/// Parts of keys that stand before secrets, or before maps of them.
const WORDS: [&str; 18] = [
    "passw",
    "passphrase",
    "secret",
    "token",
    "credential",
    "auth",
    "bearer",
    "basic",
    "cookie",
    "header",
    "api_key",
    "apikey",
    "api-key",
    "private",
    "pem",
    "session",
    "signature",
    "htpasswd",
];

/// Ends of keys that have such a part and stand before something else.
const HARMLESS_ENDS: [&str; 4] = ["_file", "filename", "_url", "endpoint"];

/// Keys that stand before addresses of webhooks, which are secrets themselves, or before PEM.
const WHOLE: [&str; 5] = ["url", "urls", "key", "cert", "ca"];

/// Whether a key looks as if a secret stood behind it.
pub fn looks_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let ends = |ends: &[&str]| ends.iter().any(|end| key.ends_with(end));
    if WHOLE.contains(&key.as_str()) {
        return true;
    }
    !ends(&HARMLESS_ENDS) && (WORDS.iter().any(|word| key.contains(word)) || ends(&["_key", "-key"]))
}

/// What a key may be a slip of.
const OFTEN: [&str; 8] =
    ["password", "token", "headers", "authorization", "credentials", "secret", "client_secret", "api_key"];

/// Hides what may be a secret behind or below a key that nobody knows: it, a key below it, or what it is a slip of looks so.
pub fn hide_below(key: &str, node: &Node) {
    let is_secret = looks_secret(key) || did_you_mean(key, OFTEN).is_some();
    match &node.value {
        Value::Map(map) if !is_secret => {
            map.entries.iter().for_each(|entry| hide_below(&entry.key.name, &entry.value));
        }
        Value::Seq(items) if !is_secret => items.iter().for_each(|item| hide_below("", item)),
        _ if is_secret => hide_all(node),
        _ => {}
    }
}

fn hide_all(node: &Node) {
    match &node.value {
        Value::Map(map) => map.entries.iter().for_each(|entry| hide_all(&entry.value)),
        Value::Seq(items) => items.iter().for_each(hide_all),
        Value::Null | Value::Bool(_) => {}
        _ => node.place.hide(),
    }
}

/// Hides what may be a secret in the line of a place, and returns the message without it.
pub(crate) fn hide(place: &Place, message: String) -> String {
    let text = place.file.text.as_str();
    let at = text.floor_char_boundary(place.span.start);
    let (before, _) = text.split_at_checked(at).unwrap_or_default();
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let (above, rest) = text.split_at_checked(start).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let Some(found) = suspect(above, line) else { return message };
    let hidden = line.get(found.clone()).unwrap_or_default();
    Place { span: start + found.start..start + found.end, ..place.clone() }.hide();
    // What is told of a syntax may name a part of it: a tag, a key.
    let parts = hidden.split(|c: char| c.is_whitespace() || "\"'{}[],:".contains(c));
    parts.filter(|part| part.len() > 2).fold(message, |message, part| message.replace(part, REDACTED))
}

/// Returns what of a line may be a secret: all behind a key that looks so, or all of it below such a key.
fn suspect(above: &str, line: &str) -> Option<Range<usize>> {
    let all = line.len() - line.trim_start().len()..line.trim_end().len();
    if is_below(above, line) {
        return (!all.is_empty()).then_some(all);
    }
    behind_key(line).filter(|behind| !behind.is_empty())
}

/// Returns what stands behind the first word that looks like the key of a secret; where that ends can not be known.
fn behind_key(line: &str) -> Option<Range<usize>> {
    let (_, end) = words(line).find(|(word, _)| looks_secret(word))?;
    let rest = line.get(end..)?;
    let value = rest.trim_start_matches(|c: char| c.is_whitespace() || ":\"'=".contains(c));
    // What only closes something is nothing to hide: `${env:TOKEN}`.
    let says = value.trim_start_matches(|c: char| c.is_whitespace() || "}]),\"'".contains(c));
    (!says.is_empty()).then(|| line.len() - value.len()..line.trim_end().len())
}

/// Returns runs of what keys are made of, and where each ends.
fn words(line: &str) -> impl Iterator<Item = (&str, usize)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    line.split(move |c| !is_part(c)).map(move |word| {
        let start = word.as_ptr() as usize - line.as_ptr() as usize;
        (word, start + word.len())
    })
}

/// Whether a line belongs to a key above it that looks so: by its indentation, or as something there was not closed.
fn is_below(above: &str, line: &str) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let (mut least, mut is_item) = (indent(line), line.trim_start().starts_with("- "));
    let mut has_key = line.contains(':');
    for earlier in above.lines().rev() {
        let said = earlier.trim_start();
        if said.is_empty() || said.starts_with('#') {
            continue;
        }
        let is_secret = words(said).any(|(word, _)| looks_secret(word));
        if is_secret && (!has_key || is_open(said)) {
            return true;
        }
        // Only the line that it may continue tells of one without a key.
        has_key = true;
        let of_list = is_item && !said.starts_with("- ") && indent(earlier) == least;
        if indent(earlier) < least || of_list {
            if is_secret {
                return true;
            }
            (least, is_item) = (indent(earlier), said.starts_with("- "));
        }
    }
    false
}

/// Whether quotes or braces are opened and not closed.
fn is_open(line: &str) -> bool {
    let count = |of: &[char]| line.matches(of).count();
    count(&['"']) % 2 == 1 || count(&['\'']) % 2 == 1 || count(&['{', '[']) > count(&['}', ']'])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Source, parse, render};

    /// Returns what is told of a text that is refused.
    fn told(text: &str) -> String {
        let problem = parse(&Source::new("t.yaml", text)).expect_err("it is no YAML");
        render(std::slice::from_ref(&problem)) + &crate::to_json(&[*problem])
    }

    #[test]
    fn no_secret_is_in_what_is_told_of_a_syntax() {
        for text in [
            "exporters:\n  otlp: {headers: {x: CANARY, y: [CANARY}}\n",
            "a:\n  password: CANARY: b\n",
            "a:\n  password: \"CANARY\n  b: c\n",
            "a:\n  password: \"CANARY\n CANARY\nb: c\n",
            "a:\n  password: !CANARY x\n",
            "a:\n  password: *CANARY\n",
            "a:\n  password: @CANARY\n",
            "a:\n  password: %CANARY: [\n",
            "a:\n  password: `CANARY`\n",
            "a:\n\tpassword: CANARY\n",
            "a:\n  b: 1\n password:CANARY\n",
            "a:\n  password CANARY\n  b: 1\n",
            "headers:\n  Authorization: Bearer CANARY: b\n",
            "headers:\n  - name: x\n    value: CANARY: b\n",
            "headers:\n- {name: x, value: CANARY\n- {name: y, value: CANARY}\n",
            "key_pem: |\n  -----BEGIN\n CANARY: b\n\tc: d\n",
            "{password: CANARY, token: {CANARY: {}, CANARY: {}}}\n",
            "client_secret: [CANARY,\n  CANARY}\n",
            "exporters::otlp::headers::x: [CANARY",
            "api_token: 'CANARY'CANARY'\n",
            "headers:\n  CANARY: 1\n  CANARY: 2\n",
        ] {
            let told = told(text);
            assert!(!told.contains("CANARY"), "{text}\n{told}");
            assert!(told.contains("t.yaml:"), "the place is told: {told}");
        }
    }

    #[test]
    fn no_secret_is_in_what_is_told_of_a_key_that_nobody_knows() {
        #[derive(serde::Deserialize)]
        struct Known {
            #[expect(dead_code, reason = "only its name is asked for")]
            endpoint: Option<String>,
        }
        let told = |text: &str| {
            let tree = parse(&Source::new("t.yaml", text)).expect("it is YAML");
            let mut problems = crate::Problems::default();
            crate::decode::<Known>(&tree, "exporters::a", &mut problems);
            render(&problems.sorted())
        };
        for text in [
            "header: {api-key: CANARY}",
            "headders: {a: CANARY}",
            "client_auth: {pasword: CANARY}",
            "tokn: CANARY",
            "auth: {authenticator: a, token: CANARY}",
            "list: [{name: x, api_kye: CANARY}]",
            "otlphttpp: {headers: {x: [CANARY]}}",
        ] {
            let told = told(text);
            assert!(told.contains("unknown key") && !told.contains("CANARY"), "{told}");
        }
        assert!(told("endpont: SHOWN").contains("SHOWN"));
        assert!(told("retry: {interval: SHOWN}").contains("SHOWN"));
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for text in [
            "a:\n  endpoint: SHOWN: b\n",
            "password: x\nb:\n  endpoint: SHOWN: b\n",
            "a: {token_file: SHOWN, b: [c}\n",
            "a: {b: '${env:TOKEN}', SHOWN: [c}\n".replace("TOKEN", "HOME").as_str(),
            "headers: {a: b}\nlist:\n- SHOWN: [x\n- b}\n",
        ] {
            assert!(told(text).contains("SHOWN") || text.contains("- b}"), "{text}\n{}", told(text));
        }
    }

    #[test]
    fn no_text_panics() {
        for text in
            ["", "é", "password", "password:é\u{85}x: [", "\u{feff}token: é: é", "- - - password: '\n'é"]
        {
            for at in 0..=text.len() + 1 {
                let file = Arc::clone(&Source::new("t.yaml", text));
                let place = Place { file, line: 1, column: 1, span: at..at };
                hide(&place, "message".to_owned());
                render(&[crate::Problem::error(Some(place), "", "wrong")]);
            }
        }
    }
}
