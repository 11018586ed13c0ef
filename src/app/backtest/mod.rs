//! `trueline backtest`: what configurations would have told of the past, side by side.
//!
//! `past` plays every recording through every configuration, `alerts` makes alerts of the events, `truth`
//! reads what really happened, `score` compares the two, `table` prints a column for each configuration.

mod alerts;
mod args;
mod past;
mod run;
mod score;
mod table;
#[cfg(test)]
mod tests;
mod truth;

pub(crate) use args::BacktestArgs;
pub(crate) use run::run;
