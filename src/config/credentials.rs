//! Credentials within URLs, wherever in a configuration one is written.

use std::{borrow::Cow, ops::Range};

use crate::REDACTED;

/// Finds what stands before `@` in URLs, and the values of parameters that are secrets by their names. In order, and
/// none within another.
pub(crate) fn credentials(text: &str) -> Vec<Range<usize>> {
    let mut found = user_infos(text);
    let mut parameters = secret_parameters(text);
    parameters.retain(|range| !found.iter().any(|it| it.start < range.end && range.start < it.end));
    found.extend(parameters);
    found.sort_by_key(|range| range.start);
    found
}

/// Whether a URL in a text holds a password or a token.
pub fn holds_credentials(text: &str) -> bool {
    !credentials(text).is_empty()
}

/// Returns a text without the credentials in its URLs.
pub fn without_credentials(text: &str) -> Cow<'_, str> {
    let found = credentials(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut shown = text.to_owned();
    for range in found.into_iter().rev() {
        shown.replace_range(range, REDACTED);
    }
    Cow::Owned(shown)
}

fn ends_value(letter: char) -> bool {
    matches!(letter, '#' | '"' | '\'') || letter.is_whitespace()
}

fn user_infos(text: &str) -> Vec<Range<usize>> {
    let authority = |(at, _): (usize, &str)| {
        let start = at + "://".len();
        let rest = text.get(start..)?;
        let end = rest.find(|letter| matches!(letter, '/' | '?') || ends_value(letter));
        let end = rest.get(..end.unwrap_or(rest.len()))?.rfind('@')?;
        Some(start..start + end)
    };
    text.match_indices("://").filter_map(authority).collect()
}

fn secret_parameters(text: &str) -> Vec<Range<usize>> {
    let value = |(at, mark): (usize, &str)| {
        let start = at + mark.len();
        let rest = text.get(start..)?;
        let (name, after) = rest.split_once('=')?;
        if !is_secret(name) {
            return None;
        }
        let end = after.find(|letter| letter == '&' || ends_value(letter)).unwrap_or(after.len());
        let start = start + name.len() + 1;
        // What an expansion stands for is not in the text.
        (end > 0 && !after.starts_with("${")).then(|| start..start + end)
    };
    text.match_indices(['?', '&']).filter_map(value).collect()
}

/// Whether a parameter of this name carries a secret.
fn is_secret(name: &str) -> bool {
    const WITHIN: [&str; 9] = [
        "token",
        "secret",
        "passw",
        "apikey",
        "accesskey",
        "signature",
        "credential",
        "authorization",
        "session",
    ];
    const WHOLE: [&str; 6] = ["key", "auth", "sig", "pwd", "pass", "code"];
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    if !name.chars().all(is_name) {
        return false;
    }
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let plain: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    WHOLE.contains(&plain.as_str()) || WITHIN.iter().any(|part| plain.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_urls_are_taken_out_and_the_rest_stays() {
        for (text, shown) in [
            ("https://u:p@host/x?y=a@b", "https://[REDACTED]@host/x?y=a@b"),
            ("https://host/x?token=abc", "https://host/x?token=[REDACTED]"),
            ("https://host/x?a=1&api_key=abc&b=2#c", "https://host/x?a=1&api_key=[REDACTED]&b=2#c"),
            ("see \"http://h?password=abc\" there", "see \"http://h?password=[REDACTED]\" there"),
            (
                "https://me:pw@host?client-secret=a&X-Amz-Signature=b",
                "https://[REDACTED]@host?client-secret=[REDACTED]&X-Amz-Signature=[REDACTED]",
            ),
            ("https://h?key=${env:KEY}&keys=3&author=me", "https://h?key=${env:KEY}&keys=3&author=me"),
            ("/metrics?match[]=token=x", "/metrics?match[]=token=x"),
            ("https://h?token=", "https://h?token="),
            ("https://user:a?token=b@host/x", "https://user:a?token=[REDACTED]"),
        ] {
            assert_eq!(without_credentials(text), shown);
        }
    }
}
