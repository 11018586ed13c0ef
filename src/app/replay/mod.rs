//! `trueline replay`: what a configuration would have found in telemetry of the past.
//!
//! # The path of a line
//! `files` merges the lines of all files by time, or `prometheus` asks for the past of series; both run on a
//! thread of their own (`source`), as reading costs as much as judging. `player` moves the virtual time
//! to each request and gives it to the pipelines. `events` picks what was found out of what leaves them,
//! `output` prints it, `state` stores what was learned.

mod args;
mod console;
mod events;
mod files;
mod output;
mod player;
mod prometheus;
mod run;
mod source;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use args::ReplayArgs;
pub(crate) use console::Console;
pub(crate) use events::{Event, PREFIX, of as events_of};
pub(crate) use files::Files;
pub(crate) use output::{rfc3339, short_span};
pub(crate) use player::Player;
pub(crate) use run::run;
pub(crate) use source::on_its_own_thread;
