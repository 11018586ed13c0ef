//! Warnings of what is legal and foolish in a configuration as a whole. What one component can say of its own keys it
//! says itself; here is what takes the sight of pipelines, of hosts, or of how a value is written.
//!
//! Each warning has a name, by which `validate --allow` leaves it out; the page beside lists them.

mod delivery;
mod hosts;
mod memory;
mod network;
mod pipelines;
mod secrets;
#[cfg(test)]
mod tests;

use config::{Collector, Node, Problem, Problems};

/// The names, in the order of the page.
pub(crate) const NAMES: [&str; 11] = [
    "unused_component",
    "extension_not_enabled",
    "debug_exporter",
    "memory_limiter_not_first",
    "batch_not_last",
    "queue_below_batch",
    "memory_limit_below_bounds",
    "no_retry",
    "public_endpoint",
    "plain_text",
    "credential_in_clear",
];

/// Adds every warning of a configuration that has been read.
pub(crate) fn check(collector: &Collector, tree: Option<&Node>, problems: &mut Problems) {
    let mut found = Vec::new();
    pipelines::check(collector, &mut found);
    delivery::check(collector, &mut found);
    memory::check(collector, &mut found);
    network::check(collector, &mut found);
    secrets::check(tree, problems.opaque(), &mut found);
    found.into_iter().for_each(|problem| problems.push(problem));
}

/// Makes a warning.
fn warning(
    name: &'static str,
    place: &config::Place,
    path: impl Into<String>,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Problem {
    debug_assert!(NAMES.contains(&name), "{name} is on the page");
    Problem::warning(Some(place.clone()), path, message).with_help(help).with_lint(name)
}
