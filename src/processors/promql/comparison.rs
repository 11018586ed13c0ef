//! The expressions of which alerts are made: a series, or how fast one grows, beside a number.

use std::time::Duration;

use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Expr, LabelModifier,
    token::{T_ADD, T_DIV, T_EQLC, T_GTE, T_GTR, T_LSS, T_LTE, T_MAX, T_MIN, T_MUL, T_NEQ, T_SUB, T_SUM},
};

use super::{
    Selector,
    expression::{Growth, bare, growth, is_plain, parse, selector, shown},
};

/// When an alert is to fire.
#[derive(Clone, PartialEq, Debug)]
pub struct Alert {
    pub compared: Compared,
    /// What is made of several series: `sum`, `max` or `min` by labels; none for each series alone.
    pub over: Option<Over>,
    pub operator: Operator,
    pub number: f64,
}

/// What is compared.
#[derive(Clone, PartialEq, Debug)]
pub enum Compared {
    /// The value of a series.
    Level(Selector),
    /// What a counter grew by per second, over so long.
    Rate(Selector, Duration),
}

/// What is made of several series.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Over {
    /// `sum`, `max`, `min`.
    pub aggregate: &'static str,
    pub by: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operator {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
}

/// Reads the expression of an alert: `selector > 5`, `rate(counter[5m]) > 5`, and `sum by (label) (…) > 5` of these.
///
/// # Errors
/// What is not understood.
pub fn alert(query: &str) -> Result<Alert, String> {
    let parsed = parse(query)?;
    let Expr::Binary(binary) = bare(&parsed) else {
        return Err(format!("`{}` compares with no number", shown(&parsed)));
    };
    let operator = operator(binary)
        .ok_or_else(|| format!("`{}` does more than compare with a number", shown(&parsed)))?;
    if !is_plain(binary) {
        return Err(format!("`{}` compares with bool or by labels, which is not read", shown(&parsed)));
    }
    let (expr, operator, number) = match (number(&binary.lhs), number(&binary.rhs)) {
        (None, Some(number)) => (bare(&binary.lhs), operator, number),
        (Some(number), None) => (bare(&binary.rhs), operator.turned(), number),
        _ => return Err(format!("`{}` compares with no number", shown(&parsed))),
    };
    if !number.is_finite() {
        return Err(format!("`{}` compares with {number}", shown(&parsed)));
    }
    let (over, inner) = over(expr)?;
    let compared = compared(inner)?;
    if let (Some(Over { aggregate: "max" | "min", .. }), Compared::Rate(..)) = (&over, &compared) {
        return Err(format!("`{}` asks for the extreme of rates, of which only sums are kept", shown(expr)));
    }
    Ok(Alert { compared, over, operator, number })
}

fn compared(expr: &Expr) -> Result<Compared, String> {
    match expr {
        Expr::VectorSelector(parsed) => {
            let selector = selector(parsed)?;
            if let Some(name) = selector.metric().filter(|name| is_total(name)) {
                return Err(format!(
                    "{name} is the total of a counter, of which windows hold the rate; compare rate({name}[5m])"
                ));
            }
            Ok(Compared::Level(selector))
        }
        Expr::Call(call) if call.func.name == "rate" => {
            let Growth { selector, range, .. } = growth(expr)?;
            Ok(Compared::Rate(selector, range))
        }
        Expr::Call(call) => Err(format!("{}() is not read; a series and rate() are", call.func.name)),
        _ => Err(format!("`{}` is neither a series nor the rate of one", shown(expr))),
    }
}

/// Whether Prometheus calls counters so.
fn is_total(name: &str) -> bool {
    ["_total", "_count", "_sum", "_bucket"].iter().any(|suffix| name.ends_with(suffix))
}

fn over(expr: &Expr) -> Result<(Option<Over>, &Expr), String> {
    let Expr::Aggregate(AggregateExpr { op, expr: inner, modifier, .. }) = expr else {
        return Ok((None, expr));
    };
    let aggregate = match op.id() {
        T_SUM => "sum",
        T_MAX => "max",
        T_MIN => "min",
        _ => return Err(format!("`{}` aggregates by {op}; sum, max and min are read", shown(expr))),
    };
    let by = match modifier {
        None => Vec::new(),
        Some(LabelModifier::Include(labels)) => labels.labels.clone(),
        Some(LabelModifier::Exclude(_)) => {
            return Err(format!("`{}` aggregates without labels; say by which", shown(expr)));
        }
    };
    Ok((Some(Over { aggregate, by }), bare(inner)))
}

fn number(expr: &Expr) -> Option<f64> {
    match bare(expr) {
        Expr::NumberLiteral(literal) => Some(literal.val),
        Expr::Unary(unary) => number(&unary.expr).map(|number| -number),
        // `0.5 * 1e6` and `100 / 3` are numbers to those who write them.
        Expr::Binary(binary) => {
            let (left, right) = (number(&binary.lhs)?, number(&binary.rhs)?);
            match binary.op.id() {
                T_ADD => Some(left + right),
                T_SUB => Some(left - right),
                T_MUL => Some(left * right),
                T_DIV => Some(left / right),
                _ => None,
            }
        }
        _ => None,
    }
}

fn operator(binary: &BinaryExpr) -> Option<Operator> {
    Some(match binary.op.id() {
        T_GTR => Operator::Greater,
        T_GTE => Operator::GreaterOrEqual,
        T_LSS => Operator::Less,
        T_LTE => Operator::LessOrEqual,
        T_EQLC => Operator::Equal,
        T_NEQ => Operator::NotEqual,
        _ => return None,
    })
}

impl Operator {
    /// With its sides changed.
    const fn turned(self) -> Self {
        match self {
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Equal | Self::NotEqual => self,
        }
    }
}
