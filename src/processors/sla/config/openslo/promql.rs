//! The queries of which indicators are made: a counter, its labels, summed.

use std::collections::BTreeMap;

/// Reads `sum(rate(name{label="value"}[5m]))`; `sum` and the function may be left out, and `increase` stands for
/// `rate`.
///
/// *Errors*: what else the query holds.
pub(super) fn counter(query: &str) -> Result<(String, BTreeMap<String, String>), String> {
    let refused =
        |what: &str| format!("the query `{query}` {what}; only sum(rate(counter{{labels}}[window])) is read");
    let mut rest = query.trim();
    for function in ["sum", "rate", "increase", "irate"] {
        if let Some(inner) = rest.strip_prefix(function).and_then(|rest| rest.trim_start().strip_prefix('('))
        {
            rest = inner.trim_end().strip_suffix(')').ok_or_else(|| refused("is not closed"))?.trim();
        }
    }
    if let Some(at) = rest.rfind('[') {
        if !rest.ends_with(']') {
            return Err(refused("does more than count"));
        }
        rest = rest[..at].trim_end();
    }
    let (name, labels) = match rest.split_once('{') {
        None => (rest, ""),
        Some((name, labels)) => {
            (name.trim(), labels.strip_suffix('}').ok_or_else(|| refused("is not closed"))?)
        }
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '.';
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(refused("does more than count"));
    }
    let labels = matchers(labels).ok_or_else(|| refused("has labels that are not equal to a text"))?;
    Ok((name.to_owned(), labels))
}

/// Reads `a="b", c!="d", e=~"f.*"`; none when a pattern says more than `.*` can.
fn matchers(text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let at = rest.find(['=', '!'])?;
        let (name, after) = rest.split_at(at);
        let (operator, after) =
            ["=~", "!=", "="].iter().find_map(|it| Some((*it, after.strip_prefix(it)?)))?;
        let after = after.trim_start().strip_prefix('"')?;
        let (value, after) = after.split_once('"')?;
        let value = match operator {
            "=" => value.to_owned(),
            "!=" => format!("!= {value}"),
            _ => pattern(value)?,
        };
        labels.insert(name.trim().to_owned(), value);
        let after = after.trim_start();
        rest = after.strip_prefix(',').unwrap_or(after).trim_start();
    }
    Some(labels)
}

/// Status classes are written `5..` by custom; that is a comparison of numbers here.
fn pattern(regex: &str) -> Option<String> {
    let class = regex.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(regex);
    if matches!(class, "5.." | "5xx" | "5\\d\\d" | "5[0-9][0-9]") {
        return Some(">= 500".to_owned());
    }
    let pattern = regex.replace(".*", "*");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "*_-/ :".contains(c);
    pattern.chars().all(is_plain).then_some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_rates_of_counters_are_read_and_nothing_else() {
        for (query, name, labels) in [
            (
                "sum(rate(http_requests_total{job=\"a\",code!=\"200\"}[5m]))",
                "http_requests_total",
                "code=!= 200 job=a",
            ),
            ("increase( errors [1h] )", "errors", ""),
            ("sum(rate(x{code=~\"5..\", path=~\"/api/.*\"}[{{.window}}]))", "x", "code=>= 500 path=/api/*"),
        ] {
            let (found, matchers) = counter(query).unwrap();
            let matchers: Vec<_> = matchers.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!((found.as_str(), matchers.join(" ").as_str()), (name, labels), "{query}");
        }
        for query in
            ["", "a / b", "sum(rate(a[5m])) - sum(rate(b[5m]))", "sum(rate(a{b=~\"c|d\"}[5m]))", "sum(rate(a"]
        {
            assert!(counter(query).unwrap_err().contains("only sum(rate"), "{query}");
        }
    }
}
