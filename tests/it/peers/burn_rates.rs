//! Burn-rate alerts fire and resolve when those of Sloth's rules do in Prometheus 3, on the same events.
//!
//! # Layout
//! * `traffic`: what a service serves, by ten seconds, and the same as OTLP and as series.
//! * `ours`: when `sla` and `alerting` let alerts fire, by a virtual clock.
//! * `sloth`: rules as Sloth writes them, and `promtool` as the judge of when they fire.
//! * `scenarios`: the tests.

mod ours;
mod scenarios;
mod sloth;
mod traffic;

use std::time::Duration;

/// How often Prometheus scrapes and evaluates.
const EVALUATION: Duration = Duration::from_secs(30);

/// From when on an alert fired and until when, in seconds since the scenario began; an end that is none lies beyond
/// the end of the scenario.
type Firings = Vec<(u64, Option<u64>)>;
