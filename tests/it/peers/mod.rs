//! The binary between real peers: SDKs and load generators before it, Prometheus and Jaeger behind it,
//! the Go collector beside it.
//!
//! # Layout
//! * `gateway`: starts the binary with an OTLP receiver and whatever a test adds.
//! * `spans`: OTLP requests built by hand, so that every number in a test is known.
//! * `series`: OTLP metrics of two collectors made comparable.
//! * `dead_letters`: `trueline deliveries` shows what nobody took, and sends it again.
//! * `destination`: keeps the webhooks that it is sent, and answers as it is told.
//! * `explanations`: `trueline explain` says the same after a restart.
//! * `scraped`: what a Prometheus shows of itself comes out of another one, and ends there with it.
//! * `sdk`: what real clients send is counted, charted and found again.
//! * `alertmanager`: takes, groups and resolves what `alert_webhook` sends; `amtool` shows it.
//! * `browser`: what a page in a real Chromium sends with the web SDK is found.
//! * `burn_rates`: alerts of objectives fire when those of Sloth's rules do in Prometheus.
//! * `dashboards`: the queries of Grafana, the OpenTelemetry demo and Jaeger find the right numbers.
//! * `health_rules`: what ships for Prometheus to tell of trueline itself.
//! * `go_equivalence`: the Go collector's span metrics and ours, series by series.
//! * `jaeger`: edges of the service graph beside Jaeger's dependencies.
//! * `kills`: alerts of real spans through a hundred `kill -9` before destinations of many moods, format by format.
//! * `normal`: a service that becomes slow is told first, of recorded load as warm-up.
//! * `pairs`: one configuration in the Go collector and in ours, for what both have: the same comes out.
//! * `past`: baselines know from the start what a real Prometheus had for a day.
//! * `promises`: a promise that is broken, from spans to an alert in a real Alertmanager.
//! * `refused`: an SDK that is refused half the time is counted exactly.
//! * `restart`: counters in Prometheus across ends of the process.
//! * `secured`: TLS and passwords with telemetrygen, the Go collector and Prometheus.
//! * `slo_dashboards`: the queries of Sloth's dashboards find the right numbers of objectives.
//! * `two_instances`: people are told once by two that are fed alike, also when one dies.
//! * `webhooks`: what `alert_webhook` sends, read by vendors' libraries.

#![allow(clippy::unwrap_used, reason = "a helper of tests that fails fails its test")]

mod alertmanager;
mod browser;
mod burn_rates;
mod dashboards;
mod dead_letters;
pub(crate) mod destination;
mod explanations;
mod gateway;
mod go_equivalence;
mod health_rules;
mod jaeger;
mod kills;
mod normal;
mod pairs;
mod past;
mod promises;
mod refused;
mod restart;
mod scraped;
mod sdk;
mod secured;
mod series;
mod slo_dashboards;
mod spans;
mod two_instances;
mod webhooks;

use std::time::Duration;

/// Longer than any wait that succeeds takes, two cores shared with other tests considered.
const SOON: Duration = Duration::from_secs(120);
