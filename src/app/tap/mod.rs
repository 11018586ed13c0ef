//! `trueline tap`: a sample of what passes an edge of a running collector.
//!
//! # The path of a sample
//! `desk` is asked over the extension `api`, `wanted` reads what is asked, `session` looks at what passes on a thread of its
//! own, chooses, hides secrets and hands over lines; `command` asks for them, and `text` writes them for people.

mod command;
mod desk;
mod session;
#[cfg(test)]
mod tests;
mod text;
mod wanted;

pub(crate) use command::{TapArgs, run};
pub(crate) use desk::TapDesk;
