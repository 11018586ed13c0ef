//! Tests that need more than one crate: the shape of the repository, the binary, real peers.
#![allow(clippy::disallowed_methods, reason = "a test may wait for the wall clock")]

mod admission;
mod bad_config;
mod bad_input;
mod bottlenecks;
mod broken_stage;
mod causes;
mod clean;
mod components;
mod determinism;
mod determinism_rollups;
mod docs;
mod exact;
mod hostile_series;
mod imports;
mod incidents;
mod offline;
mod own_telemetry;
mod parts;
mod peers;
mod queues;
mod quick_start;
mod replay;
mod rig;
mod secure_api;
mod shards;
mod state;
mod tidy;
mod two_processes;
mod two_programs;
mod verdicts;
mod year;
