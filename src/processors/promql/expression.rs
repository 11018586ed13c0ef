//! PromQL to its parts, by the parser of others.

use std::{fmt, sync::LazyLock, time::Duration};

use promql_parser::parser::{
    self, AggregateExpr, BinaryExpr, Expr, LabelModifier, VectorMatchCardinality, VectorSelector,
    token::{T_LOR, T_SUM},
};
use regex::Regex;

use super::Selector;

/// A query as long as this is written by nobody; and the parser goes as deep as the query does.
const MOST_BYTES: usize = 4096;
const MOST_BRACKETS: usize = 64;
/// The parser turns numbers into times without a look, and greater ones are none.
const MOST_NUMBER: f64 = 1e18;

/// Parses an expression.
///
/// *Errors*: what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Expr, String> {
    if text.len() > MOST_BYTES {
        return Err(format!("the query has {} bytes, at most {MOST_BYTES} are read", text.len()));
    }
    let mut depth = 0_usize;
    let mut deepest = 0;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if deepest > MOST_BRACKETS {
        return Err(format!("the query nests {deepest} brackets deep, at most {MOST_BRACKETS} are read"));
    }
    if let Some(number) = numbers(text).find(|number| *number >= MOST_NUMBER) {
        return Err(format!("the query has the number {number:e}, less than {MOST_NUMBER:e} is read"));
    }
    parser::parse(text).map_err(|problem| format!("`{}` is no PromQL: {}", shown(text), problem.trim()))
}

/// Texts, which are passed over, and numbers.
static TOKENS: LazyLock<Regex> = LazyLock::new(|| {
    let texts = r#""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`"#;
    let numbers = r"\b0x[0-9a-f]+|\b[0-9][0-9_]*(?:\.[0-9_]*)?(?:e[+-]?[0-9]+)?|\.[0-9]+(?:e[+-]?[0-9]+)?";
    Regex::new(&format!("(?is){texts}|{numbers}")).expect("the pattern is sound")
});

fn numbers(text: &str) -> impl Iterator<Item = f64> {
    TOKENS.find_iter(text).filter_map(|token| {
        let token = token.as_str().replace('_', "").to_ascii_lowercase();
        if token.starts_with(['"', '\'', '`']) {
            return None;
        }
        let number = match token.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok().map(|number| number as f64),
            None => token.parse().ok(),
        };
        // What can not be read is too great, as nothing else is wrong with it.
        Some(number.unwrap_or(f64::INFINITY))
    })
}

/// One line, and not too long.
pub(super) fn shown(text: impl fmt::Display) -> String {
    let line = text.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

/// Takes brackets away.
pub(super) fn bare(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(paren) => bare(&paren.expr),
        other => other,
    }
}

/// Takes `or vector(0)` away, which stands for silence: here silence counts nothing anyhow.
pub(super) fn without_zero(expr: &Expr) -> &Expr {
    match bare(expr) {
        Expr::Binary(binary) if binary.op.id() == T_LOR && is_zero(&binary.rhs) && joins_all(binary) => {
            without_zero(&binary.lhs)
        }
        other => other,
    }
}

fn is_zero(expr: &Expr) -> bool {
    let Expr::Call(call) = bare(expr) else { return false };
    let number = call.args.args.first().map(|argument| bare(argument));
    call.func.name == "vector" && matches!(number, Some(Expr::NumberLiteral(zero)) if zero.val == 0.0)
}

/// Whether nothing is said of labels, or that none matters.
fn joins_all(binary: &BinaryExpr) -> bool {
    let Some(modifier) = &binary.modifier else { return true };
    let is_plain = match &modifier.matching {
        None => true,
        Some(LabelModifier::Include(labels)) => labels.labels.is_empty(),
        Some(LabelModifier::Exclude(_)) => false,
    };
    is_plain && !is_joined(&modifier.card)
}

fn is_joined(card: &VectorMatchCardinality) -> bool {
    matches!(card, VectorMatchCardinality::OneToMany(_) | VectorMatchCardinality::ManyToOne(_))
}

/// Whether a binary operator stands between sums without labels, and says nothing of them.
pub(super) fn is_plain(binary: &BinaryExpr) -> bool {
    joins_all(binary) && binary.modifier.as_ref().is_none_or(|modifier| !modifier.return_bool)
}

/// Reads `sum(…)` over all labels.
pub(super) fn sum_of(expr: &Expr) -> Option<&Expr> {
    let Expr::Aggregate(AggregateExpr { op, expr, param: None, modifier }) = expr else { return None };
    let is_over_all = match modifier {
        None => true,
        Some(LabelModifier::Include(labels)) => labels.labels.is_empty(),
        Some(LabelModifier::Exclude(_)) => false,
    };
    (op.id() == T_SUM && is_over_all).then(|| bare(expr))
}

/// What a counter grew by, in a range.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Growth {
    /// `rate` or `increase`.
    pub(super) function: &'static str,
    pub(super) selector: Selector,
    pub(super) range: Duration,
}

/// Reads `rate(counter{…}[5m])` and `increase(…)`.
///
/// *Errors*: what else it is.
pub(super) fn growth(expr: &Expr) -> Result<Growth, String> {
    let Expr::Call(call) = bare(expr) else {
        return Err(format!("`{}` is no rate of a counter", shown(expr)));
    };
    let function = call.func.name;
    let argument = call.args.args.first().map(|argument| bare(argument));
    match (function, argument) {
        ("rate" | "increase", Some(Expr::MatrixSelector(matrix))) => {
            Ok(Growth { function, selector: selector(&matrix.vs)?, range: matrix.range })
        }
        ("rate" | "increase", _) => Err(format!("`{}` is over a subquery, which is not read", shown(expr))),
        _ => Err(format!("{function}() is not read, rate() and increase() are")),
    }
}

/// Reads a selector of series as they are now.
///
/// *Errors*: what is not understood.
pub(super) fn selector(selector: &VectorSelector) -> Result<Selector, String> {
    if selector.offset.is_some() || selector.at.is_some() {
        return Err(format!("`{}` looks at another time (offset or @), which is not read", shown(selector)));
    }
    Selector::of(selector)
}

/// Reads a duration as Prometheus writes it: `5m`, `1h30m`, `2w`. *Units*: seconds.
pub fn seconds(text: &str) -> Option<f64> {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric())
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(|c: char| c.is_ascii_alphabetic());
    let read = is_plain.then(|| promql_parser::util::parse_duration(text))?;
    read.ok().map(|duration| duration.as_secs_f64())
}
