//! The name of a label in Prometheus.

use super::Naming;

/// Translates an attribute's key, or returns none when nothing but underscores is left of it.
///
/// Reserved names (`__x__`) keep their underscores. A name may not begin with a digit, and one that
/// begins with an underscore reads as internal; both get `key` in front, as in the collector.
pub fn label_name(key: &str, naming: Naming) -> Option<String> {
    let name = if naming.escapes { escaped(key) } else { key.to_owned() };
    name.contains(|c| c != '_').then_some(name)
}

fn escaped(key: &str) -> String {
    if let Some(inner) = reserved(key) {
        return format!("__{}__", collapsed(inner));
    }
    let name = collapsed(key);
    match name.as_bytes().first() {
        Some(b'0'..=b'9') => format!("key_{name}"),
        Some(b'_') => format!("key{name}"),
        _ => name,
    }
}

fn reserved(key: &str) -> Option<&str> {
    if key.len() < 4 {
        return None;
    }
    key.strip_prefix("__")?.strip_suffix("__")
}

fn collapsed(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for c in key.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c);
        } else if !name.ends_with('_') {
            name.push('_');
        }
    }
    name
}
