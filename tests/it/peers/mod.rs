//! The binary between real peers: SDKs and load generators before it, Prometheus and Jaeger behind it,
//! the Go collector beside it.
//!
//! # Layout
//! * `gateway`: starts the binary with an OTLP receiver and whatever a test adds.
//! * `spans`: OTLP requests built by hand, so that every number in a test is known.
//! * `series`: OTLP metrics of two collectors made comparable.
//! * `sdk`: what real clients send is counted, charted and found again.
//! * `go_equivalence`: the Go collector's span metrics and ours, series by series.
//! * `restart`: counters in Prometheus across ends of the process.

mod gateway;
mod go_equivalence;
mod restart;
mod sdk;
mod series;
mod spans;

use std::time::Duration;

/// Longer than any wait that succeeds takes, two cores shared with other tests considered.
const SOON: Duration = Duration::from_secs(40);
