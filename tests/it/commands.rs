//! The command line: what each command writes where, and the code with which it ends.

mod cardinality;
mod compare;
mod effective;
mod exit_codes;
mod graph;
mod migrate;
mod pipeline_test;
mod validate;

use std::path::{Path, PathBuf};

/// A configuration that is good and has nothing to warn of.
const GOOD: &str = "--config=yaml:{receivers: {otlp: {protocols: {grpc: }}}, exporters: {nop: }, \
    service: {pipelines: {traces: {receivers: [otlp], exporters: [nop]}}}}";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}
