//! The queries of which indicators are made: events of a window over events of a window.

use std::time::Duration;

use promql_parser::parser::{
    BinaryExpr, Expr,
    token::{T_DIV, T_SUB},
};

use super::{
    Selector,
    expression::{Growth, bare, growth, is_plain, parse, shown, sum_of, without_zero},
};

/// Counters of all events, and of the good or of the bad.
#[derive(Clone, PartialEq, Debug)]
pub struct Quotient {
    pub total: Selector,
    pub part: Selector,
    pub part_is_good: bool,
}

/// Stands for the window that the reader of a query puts in: nobody writes so odd a range.
const WINDOW: Duration = Duration::from_secs(3600 + 60 + 1);
const WINDOW_TEXT: &str = "1h1m1s";

/// Reads the query of a counter, `sum(rate(name{label="value"}[5m]))`; `sum` may be left out, and `increase` stands
/// for `rate`. The range does not matter.
///
/// # Errors
/// What else the query holds.
pub fn counter(query: &str) -> Result<Selector, String> {
    let parsed = parse(&with_window(query, WINDOW_TEXT)?)?;
    let inner = without_zero(&parsed);
    let found = growth(sum_of(inner).unwrap_or(inner));
    found
        .map(|growth| growth.selector)
        .map_err(|problem| format!("{problem}; only sum(rate(counter{{labels}}[window])) is read"))
}

/// Reads the queries of bad and of all events, whose ranges are `[{{.window}}]`.
///
/// # Errors
/// What can not be told by two counters.
pub fn events(errors: &str, total: &str) -> Result<Quotient, String> {
    let named = |what: &str| {
        let what = what.to_owned();
        move |problem| format!("{what}: {problem}")
    };
    let parsed_total = parse(&with_window(total, WINDOW_TEXT)?).map_err(named("total_query"))?;
    let total = sum(&parsed_total).map_err(named("total_query"))?;
    let parsed_errors = parse(&with_window(errors, WINDOW_TEXT)?).map_err(named("error_query"))?;
    part(&parsed_errors, total).map_err(named("error_query"))
}

/// Reads the query of the share of bad events: `bad / all`, `(all - good) / all` or `1 - good / all`.
///
/// # Errors
/// What can not be told by two counters.
pub fn error_ratio(query: &str) -> Result<Quotient, String> {
    let parsed = parse(&with_window(query, WINDOW_TEXT)?)?;
    let whole = without_zero(&parsed);
    if let Some((one, rest)) = operands(whole, T_SUB)
        && matches!(bare(one), Expr::NumberLiteral(one) if one.val == 1.0)
    {
        let (good, total) = division(without_zero(rest))?;
        let (good, total) = (sum(good)?, sum(total)?);
        let Quotient { total, part, .. } = of_bad(good, total)?;
        return Ok(Quotient { total, part, part_is_good: true });
    }
    let (bad, total) = division(whole)?;
    part(bad, sum(total)?)
}

fn division(expr: &Expr) -> Result<(&Expr, &Expr), String> {
    operands(expr, T_DIV).ok_or_else(|| format!("`{}` is no plain quotient of two sums", shown(expr)))
}

/// Reads bad events: counted themselves, or as all without the good.
fn part(expr: &Expr, total: Growth) -> Result<Quotient, String> {
    let Some((all, good)) = operands(without_zero(expr), T_SUB) else {
        return of_bad(sum(expr)?, total);
    };
    let (all, good) = (sum(all)?, sum(good)?);
    if all != total {
        return Err(format!("`{}` takes good events from another sum than that of all", shown(expr)));
    }
    let Quotient { total, part, .. } = of_bad(good, total)?;
    Ok(Quotient { total, part, part_is_good: true })
}

fn of_bad(part: Growth, total: Growth) -> Result<Quotient, String> {
    if part.function != total.function {
        return Err(format!("one counts by {}() and the other by {}()", part.function, total.function));
    }
    Ok(Quotient { total: total.selector, part: part.selector, part_is_good: false })
}

fn operands(expr: &Expr, operator: u16) -> Option<(&Expr, &Expr)> {
    let Expr::Binary(binary) = bare(expr) else { return None };
    let BinaryExpr { op, lhs, rhs, .. } = binary;
    (op.id() == operator && is_plain(binary)).then_some((&**lhs, &**rhs))
}

/// Reads `sum(rate(counter[{{.window}}]))`.
fn sum(expr: &Expr) -> Result<Growth, String> {
    let inner = without_zero(expr);
    let Some(summed) = sum_of(inner) else {
        return Err(format!(
            "`{}` is no sum over all labels; sum(rate(counter{{labels}}[window])) is read",
            shown(inner)
        ));
    };
    let found = growth(without_zero(summed))?;
    if found.range != WINDOW {
        return Err(format!("`{}` has a range of its own, must be [{{{{.window}}}}]", shown(inner)));
    }
    Ok(found)
}

/// Puts a window in for each `{{.window}}`, where Go's templates would.
///
/// # Errors
/// What else the query has in such braces.
pub fn with_window(query: &str, window: &str) -> Result<String, String> {
    let mut out = String::with_capacity(query.len());
    let mut rest = query;
    while let Some((before, after)) = rest.split_once("{{") {
        // Two braces in a row are no PromQL, so they are the template's.
        let (action, after) = after.split_once("}}").ok_or("the query has {{ without }}")?;
        let action = action.trim_matches('-').trim();
        if action != ".window" {
            return Err(format!(
                "the query has the template {{{{{action}}}}}, only {{{{.window}}}} is known"
            ));
        }
        out += before;
        out += window;
        rest = after;
    }
    Ok(out + rest)
}
