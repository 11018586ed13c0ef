//! The binary between real peers: SDKs and load generators before it, Prometheus and Jaeger behind it,
//! the Go collector beside it.
//!
//! # Layout
//! * `gateway`: starts the binary with an OTLP receiver and whatever a test adds.
//! * `spans`: OTLP requests built by hand, so that every number in a test is known.
//! * `series`: OTLP metrics of two collectors made comparable.
//! * `sdk`: what real clients send is counted, charted and found again.
//! * `alertmanager`: takes, groups and resolves what `alert_webhook` sends; `amtool` shows it.
//! * `burn_rates`: alerts of objectives fire when those of Sloth's rules do in Prometheus.
//! * `dashboards`: the queries of Grafana, the OpenTelemetry demo and Jaeger find the right numbers.
//! * `health_rules`: what ships for Prometheus to tell of trueline itself.
//! * `go_equivalence`: the Go collector's span metrics and ours, series by series.
//! * `jaeger`: edges of the service graph beside Jaeger's dependencies.
//! * `normal`: a service that becomes slow is told first, of recorded load as warm-up.
//! * `promises`: a promise that is broken, from spans to an alert in a real Alertmanager.
//! * `refused`: an SDK that is refused half the time is counted exactly.
//! * `restart`: counters in Prometheus across ends of the process.
//! * `slo_dashboards`: the queries of Sloth's dashboards find the right numbers of objectives.
//! * `webhooks`: what `alert_webhook` sends, read by vendors' libraries, and through `kill -9`.

#![allow(clippy::unwrap_used, reason = "a helper of tests that fails fails its test")]

mod alertmanager;
mod burn_rates;
mod dashboards;
mod gateway;
mod go_equivalence;
mod health_rules;
mod jaeger;
mod normal;
mod promises;
mod refused;
mod restart;
mod sdk;
mod series;
mod slo_dashboards;
mod spans;
mod webhooks;

use std::time::Duration;

/// Longer than any wait that succeeds takes, two cores shared with other tests considered.
const SOON: Duration = Duration::from_secs(120);
