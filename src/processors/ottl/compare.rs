//! Comparison as the collector has it: numbers with numbers, else like with like, and nil with itself alone.

use std::cmp::Ordering;

use super::{
    syntax::Comparison,
    value::{Map, Value, elements},
};

/// Compares two values. Of different types nothing holds but `!=`.
#[inline]
pub(super) fn compare(left: &Value<'_>, right: &Value<'_>, comparison: Comparison) -> bool {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => ordered(a.as_ref().cmp(b.as_ref()), comparison),
        (Value::Int(a), Value::Int(b)) => ordered(a.cmp(b), comparison),
        (Value::Int(a), Value::Double(b)) => doubles(*a as f64, *b, comparison),
        (Value::Double(a), Value::Int(b)) => doubles(*a, *b as f64, comparison),
        (Value::Double(a), Value::Double(b)) => doubles(*a, *b, comparison),
        (Value::Bool(a), Value::Bool(b)) => ordered(a.cmp(b), comparison),
        (Value::Bytes(a), Value::Bytes(b)) => ordered(a.as_ref().cmp(b.as_ref()), comparison),
        (Value::Nil, Value::Nil) => ordered(Ordering::Equal, comparison),
        (Value::Time(a, _), Value::Time(b, _)) | (Value::Duration(a), Value::Duration(b)) => {
            ordered(a.cmp(b), comparison)
        }
        (Value::TraceId(a), Value::TraceId(b)) => same(a == b, comparison),
        (Value::SpanId(a), Value::SpanId(b)) => same(a == b, comparison),
        (Value::Map(_), Value::Map(_)) | (Value::List(_), Value::List(_)) => {
            same(equal(left, right), comparison)
        }
        _ => same(false, comparison),
    }
}

fn ordered(order: Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Equal => order.is_eq(),
        Comparison::NotEqual => order.is_ne(),
        Comparison::Less => order.is_lt(),
        Comparison::LessOrEqual => order.is_le(),
        Comparison::Greater => order.is_gt(),
        Comparison::GreaterOrEqual => order.is_ge(),
    }
}

fn doubles(a: f64, b: f64, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Equal => a == b,
        Comparison::NotEqual => a != b,
        Comparison::Less => a < b,
        Comparison::LessOrEqual => a <= b,
        Comparison::Greater => a > b,
        Comparison::GreaterOrEqual => a >= b,
    }
}

/// What has no order is equal or not.
fn same(is_equal: bool, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Equal => is_equal,
        Comparison::NotEqual => !is_equal,
        Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual => {
            false
        }
    }
}

/// Whether two values are the same down to their types: in lists and maps 1 is not 1.0.
fn equal(left: &Value<'_>, right: &Value<'_>) -> bool {
    match (left, right) {
        (Value::Map(a), Value::Map(b)) => equal_maps(a, b),
        (Value::List(a), Value::List(b)) => {
            let pairs = elements(a).zip(elements(b));
            elements(a).count() == elements(b).count()
                && pairs.into_iter().all(|(a, b)| equal(&Value::of(a), &Value::of(b)))
        }
        _ => left.kind() == right.kind() && compare(left, right, Comparison::Equal),
    }
}

fn equal_maps(a: &Map<'_>, b: &Map<'_>) -> bool {
    a.entries().count() == b.entries().count()
        && a.entries().all(|entry| {
            b.get(entry.key).is_some_and(|other| equal(&Value::of(entry.value), &Value::of(other)))
        })
}
