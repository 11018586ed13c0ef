//! One configuration in the Go collector and in ours: the same telemetry in, the same out.
//!
//! Everything that comes out is compared: resources, scopes, spans, points and records with all their fields, and
//! how requests were answered. What is meant to differ says why, and the rest must be the same.
//! `README.md` lists all pairs with what came of them; a test keeps it so.
//!
//! # Layout
//! * `run`: starts both, feeds them, collects what they let out.
//! * `canon`: makes it comparable.
//! * `authenticators`: whom servers let in.
//! * `health`: what probers are told.
//! * `exporters`: what leaves by OTLP and for Prometheus.
//! * `list`: the list in `README.md`.
//! * `receiver`: what senders are told.
//! * `refused`: configurations that neither runs.
//! * `scraping`: what both make of what targets show.
//! * `values`, `zoo`, `metric_zoo`, `crowd`: what is sent.

mod attributes;
mod authenticators;
mod canon;
mod crowd;
mod deltas;
mod detection;
mod exporters;
mod filter;
mod functions;
mod health;
mod list;
mod metric_zoo;
mod passing;
mod receiver;
mod redaction;
mod refused;
mod run;
mod sampling;
mod scraping;
mod totals;
mod transform;
mod values;
mod zoo;

use canon::Order;
use run::Output;
use zoo::Telemetry;

/// A configuration that both must treat alike.
#[derive(Clone, Copy)]
struct Pair {
    /// What is compared, as it stands in the list.
    name: &'static str,
    /// Entries of `processors`, in the order of the pipeline.
    processors: &'static str,
    /// Entries of `connectors`, which all pipelines that receive end in.
    connectors: &'static str,
    /// The processors of each pipeline behind the connectors.
    branches: &'static [&'static str],
    /// Signals that are sent.
    signals: &'static [&'static str],
    telemetry: fn() -> Telemetry,
    order: Order,
    /// Items that must be out of both before they are stopped; 0 where a request is answered after that.
    waits_for: usize,
    /// Whether it is right that nothing comes out.
    lets_nothing_out: bool,
    meant: Option<Meant>,
}

/// A difference that is meant.
#[derive(Clone, Copy)]
struct Meant {
    why: &'static str,
    /// Takes the difference out of both; what is left must be the same.
    undo: fn(ours: &mut Output, theirs: &mut Output),
}

const ALL: &[&str] = &["traces", "metrics", "logs"];
const TRACES: &[&str] = &["traces"];
const METRICS: &[&str] = &["metrics"];
const LOGS: &[&str] = &["logs"];

impl Pair {
    /// A pair that is sent something of everything.
    const fn new(name: &'static str, signals: &'static [&'static str], processors: &'static str) -> Self {
        Self {
            name,
            processors,
            connectors: "",
            branches: &[],
            signals,
            telemetry: zoo::zoo,
            order: Order::Sent,
            waits_for: 0,
            lets_nothing_out: false,
            meant: None,
        }
    }

    const fn differing(mut self, meant: Meant) -> Self {
        self.meant = Some(meant);
        self
    }

    /// Says that it is right when nothing comes out.
    const fn letting_nothing_out(mut self) -> Self {
        self.lets_nothing_out = true;
        self
    }
}
