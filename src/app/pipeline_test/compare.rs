//! What is expected against what came.

use serde_json::Value;

/// What is not as expected at one exporter.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Difference {
    /// Of which exporter.
    pub(super) exporter: String,
    /// `spans`, `data_points` or `log_records`.
    pub(super) kind: &'static str,
    pub(super) what: What,
}

#[derive(Clone, PartialEq, Debug)]
pub(super) enum What {
    /// Something that was expected, and what is the least unlike it of what came.
    Missing { expected: Value, nearest: Option<Vec<Unlike>> },
    /// Something that nobody expected.
    Unexpected(Value),
}

/// A value that is another; none where there is nothing.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Unlike {
    pub(super) path: String,
    pub(super) expected: Option<Value>,
    pub(super) found: Option<Value>,
}

/// Sets lists against one another, whatever their order. Each item that came is as one that is expected at most.
///
/// *Cost*: each expected item with each that came.
pub(super) fn compare(
    exporter: &str,
    kind: &'static str,
    expected: &[Value],
    found: &[Value],
    allow_more: bool,
) -> Vec<Difference> {
    let fits: Vec<Vec<usize>> = expected
        .iter()
        .map(|item| (0..found.len()).filter(|&at| unlike(item, &found[at]).is_empty()).collect())
        .collect();
    let taken_by = matched(&fits, found.len());
    let mut rest: Vec<&Value> =
        found.iter().zip(&taken_by).filter(|(_, by)| by.is_none()).map(|(item, _)| item).collect();
    let difference = |what| Difference { exporter: exporter.to_owned(), kind, what };
    let mut differences = Vec::new();
    for (_, item) in expected.iter().enumerate().filter(|(index, _)| !taken_by.contains(&Some(*index))) {
        let nearest = (0..rest.len()).min_by_key(|&at| unlike(item, rest[at]).len());
        // What is told of here is not told of as unexpected again.
        let nearest = nearest.map(|at| unlike(item, rest.remove(at)));
        differences.push(difference(What::Missing { expected: item.clone(), nearest }));
    }
    if !allow_more {
        differences.extend(rest.into_iter().map(|item| difference(What::Unexpected(item.clone()))));
    }
    differences
}

/// Gives each expected item one that fits, moving others where that makes room. Returns by whom each is taken.
fn matched(fits: &[Vec<usize>], n_found: usize) -> Vec<Option<usize>> {
    let mut taken_by = vec![None; n_found];
    for index in 0..fits.len() {
        // What is looked at once for this item is not looked at again.
        let mut seen = vec![false; n_found];
        let mut way: Vec<(usize, usize)> = vec![(index, 0)];
        while let Some((item, next)) = way.last_mut() {
            let Some(&at) = fits[*item].get(*next) else {
                way.pop();
                continue;
            };
            *next += 1;
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            match taken_by[at] {
                Some(other) => way.push((other, 0)),
                None => {
                    // Everybody on the way moves to what they came to last.
                    for (item, next) in &way {
                        taken_by[fits[*item][next - 1]] = Some(*item);
                    }
                    break;
                }
            }
        }
    }
    taken_by
}

/// Returns what of an expectation does not hold. Keys that it does not have are not looked at; null means that there is
/// nothing.
pub(super) fn unlike(expected: &Value, found: &Value) -> Vec<Unlike> {
    let mut all = Vec::new();
    look(expected, Some(found), "", &mut all);
    all
}

fn look(expected: &Value, found: Option<&Value>, path: &str, all: &mut Vec<Unlike>) {
    let join = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (expected, found) {
        (Value::Null, None | Some(Value::Null)) => {}
        (Value::Object(wanted), Some(Value::Object(there))) => {
            for (key, value) in wanted {
                look(value, there.get(key), &join(key), all);
            }
        }
        (Value::Array(wanted), Some(Value::Array(there))) if wanted.len() == there.len() => {
            for (index, (value, other)) in wanted.iter().zip(there).enumerate() {
                look(value, Some(other), &join(&index.to_string()), all);
            }
        }
        (Value::Number(wanted), Some(Value::Number(there))) if is_same(wanted, there) => {}
        (wanted, Some(there)) if wanted == there => {}
        _ => all.push(Unlike {
            path: path.to_owned(),
            expected: Some(expected.clone()).filter(|value| !value.is_null()),
            found: found.cloned(),
        }),
    }
}

/// `1` is `1.0`, and sums of doubles are as near as makes no difference to a person.
fn is_same(a: &serde_json::Number, b: &serde_json::Number) -> bool {
    const NEAR: f64 = 1e-9;
    match (a.as_f64(), b.as_f64()) {
        _ if a == b => true,
        (Some(a), Some(b)) if a.fract() != 0.0 || b.fract() != 0.0 => {
            (a - b).abs() <= NEAR * a.abs().max(b.abs())
        }
        (Some(one), Some(other)) => one == other && (a.is_f64() || b.is_f64()),
        _ => false,
    }
}
