//! Rules, settings, what becomes of an answer, and a server in the target's place.

mod config;
mod receiver;
mod relabel;
mod scrape;
mod server;

use super::config::PrometheusConfig;

/// Reads settings and returns every complaint, with where it belongs.
fn complaints(yaml: &str) -> (Option<PrometheusConfig>, Vec<String>) {
    use ::config::{Problems, Source, decode_telling, parse};
    use component::{Checks, Config};
    let node = parse(&Source::new("test.yaml", yaml)).expect("the text is YAML");
    let mut problems = Problems::default();
    let config =
        decode_telling::<PrometheusConfig>(&node, "", PrometheusConfig::NOT_SUPPORTED, &mut problems);
    let mut told: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
    let mut checks = Checks::default();
    if let Some(config) = &config {
        config.validate(&mut checks);
    }
    told.extend(checks.into_findings().into_iter().map(|it| format!("{}: {}", it.path, it.message)));
    (config, told)
}

/// Reads settings that are right.
fn settings(yaml: &str) -> PrometheusConfig {
    let (config, told) = complaints(yaml);
    assert_eq!(told, [""; 0], "{yaml}");
    config.expect("the settings are read")
}
