//! What other tools know, as settings of trueline: `trueline slo import` and `trueline rules import`.
//!
//! `sloth` and `rules` read documents and make what stands in `settings`; `output` judges each as `validate` would
//! before it is written, so that what is imported is never refused later. What can not be said exactly is left out and
//! named: half an alert would be a wrong one.

mod command;
mod files;
mod go_template;
mod output;
mod rules;
mod settings;
mod sloth;
#[cfg(test)]
mod tests;

pub(crate) use command::{ImportRules, ImportSlos, import_rules, import_slos};
