//! OTTL, the language in which operators of the collector say what is dropped and what is changed: the useful part.
//!
//! # Layout
//! * `lexer`, `syntax`: text to a tree, with the place of each mistake (`fault`).
//! * `context`: what a condition is run for, and which names mean something there.
//! * `fields`: paths to fields of OTLP; `item`: reading and splicing them in the bytes.
//! * `value`, `compare`, `regexes`, `letters`, `json`: what is calculated with.
//! * `actions`, `matching`: what `attributes` and `resource` say in the collector's older words, as an editor and as a
//!   condition; `replacing`: requests written anew in the place of what came.
//! * `everywhere`: all attributes and bodies of a request, for those who change them by rules of their own.
//! * `expression`, `functions`, `arguments`, `convert`: the tree with its names resolved, and what it gives; `plain`: the
//!   functions of values alone, with `digests`, `pairs`, `network`, `times`, `time_format` and `time_reading`;
//!   `editors`, `replace`: what it does.
//! * `walk`, `conditions`, `group`: the way through a request, and what processors are made of: a [`Sieve`] of
//!   conditions, a [`Group`] of statements. `fork`: one condition that tells two parts of a request apart; `words`: such a
//!   condition as people type it; `request`: one about the head of a request.
//!
//! *Source*: the collector's package `ottl`, release 0.155, whose comparison, nil and errors this keeps. *Cost*: a
//! condition reads the fields that it names; a request in which nothing holds is neither copied nor decoded.

mod actions;
mod arguments;
mod compare;
mod conditions;
mod context;
mod convert;
mod digests;
mod editors;
mod everywhere;
mod expression;
mod fault;
mod fields;
mod fork;
mod functions;
mod group;
mod item;
mod json;
mod letters;
mod lexer;
mod matching;
mod metrics;
mod missing;
mod network;
mod pairs;
mod places;
mod plain;
pub(crate) mod re2;
pub(crate) mod regexes;
mod replace;
mod replacing;
mod request;
mod syntax;
#[cfg(test)]
mod tests;
mod time_format;
mod time_reading;
mod times;
mod value;
mod walk;
mod words;

pub(crate) use actions::{Action, Converted};
pub(crate) use conditions::{ErrorMode, Faults, Sieve, error_mode};
pub(crate) use context::Context;
pub(crate) use digests::Digest;
pub(crate) use everywhere::{Change, Everywhere};
pub(crate) use fork::{Fork, Rule, Verdict};
pub(crate) use group::{Chosen, Group};
pub(crate) use matching::{Owner, Place, Property, Texts, Wanted};
pub(crate) use replacing::Replacing;
pub(crate) use request::{REQUEST_CONTEXTS, RequestRule};

/// Compiles a pattern as Go spells it.
///
/// *Errors*: what is wrong with it.
pub(crate) fn pattern(text: &str) -> Result<regex::bytes::Regex, String> {
    regexes::compile(text.as_bytes())
}
