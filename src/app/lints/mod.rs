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

use config::{Collector, Node, Problem, Problems, Severity, is_at_or_below};

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

/// Adds every warning of a configuration, as far as it could be read: what an error touches is not judged, as it will
/// be another thing when the error is mended.
pub(crate) fn check(collector: &Collector, tree: Option<&Node>, problems: &mut Problems) {
    let mut found = Vec::new();
    pipelines::check(collector, &mut found);
    delivery::check(collector, &mut found);
    memory::check(collector, &mut found);
    network::check(collector, &mut found);
    secrets::check(tree, problems.opaque(), &mut found);
    let errors: Vec<String> = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| problem.path.clone())
        .collect();
    for warning in found {
        if !errors.iter().any(|error| is_touched(&warning, error)) {
            problems.push(warning);
        }
    }
}

/// Whether a warning could be the consequence of an error at a path.
fn is_touched(warning: &Problem, error: &str) -> bool {
    // Who is used and in which order is known when all of `service` is.
    const OF_SERVICE: [&str; 5] = [
        "unused_component",
        "extension_not_enabled",
        "memory_limiter_not_first",
        "batch_not_last",
        "debug_exporter",
    ];
    let is_of_service = warning.lint.is_some_and(|name| OF_SERVICE.contains(&name));
    // An error of a whole section is one of a name in it.
    (error.contains("::") && is_at_or_below(&warning.path, error))
        || is_at_or_below(error, &warning.path)
        || (is_of_service && is_at_or_below(error, "service"))
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
