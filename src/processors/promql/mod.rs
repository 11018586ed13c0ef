//! What is asked in the words of Prometheus, in terms of the series that stages see.
//!
//! A [`Selector`] names series as Prometheus would: by the translated name of the metric and by labels, `job` and
//! `instance` among them. [`quotient`](error_ratio) reads the queries that promises are made of, and
//! [`comparison`](alert) the expressions that alerts are made of. Everything else of PromQL is refused with the part that is not
//! understood, as half an answer would be a wrong one.
//!
//! *Cost*: a query is parsed once, when settings are read; a series is looked at once for each selector of its name.

mod comparison;
mod expression;
mod pattern;
mod quotient;
mod selector;
mod series;
#[cfg(test)]
mod tests;

pub use comparison::{Alert, Compared, Operator, Over, alert};
pub use expression::seconds;
pub(crate) use pattern::compile;
pub use quotient::{Quotient, counter, error_ratio, events, with_window};
pub use selector::Selector;
pub(crate) use series::{Named, labels};
