//! Real programs beside ours: stores, collectors and clients that nobody here wrote.
//!
//! Every part is built once by `tests/testbed/build.sh` into a cache outside the clone, is started
//! on free loopback ports in a folder of its own, and is gone when its value is dropped. See
//! `README.md` for the parts and their limits. Everything blocks: call it from a test's own thread.

mod alertmanager;
mod browser;
mod cache;
pub mod clients;
mod deadline;
mod exposition;
mod go_collector;
mod http;
mod jaeger;
mod ports;
mod process;
mod prometheus;
pub mod series;
mod telemetrygen;
mod trueline;

#[cfg(test)]
mod tests;

pub use alertmanager::{Alertmanager, Version as AlertmanagerVersion};
pub use browser::{Site, open_page};
pub use cache::{cache_dir, part};
pub use deadline::{Deadline, eventually};
pub use exposition::{Exposition, Line};
pub use go_collector::{DebugCounts, GoCollector};
pub use http::{Answer, get, get_json, post};
pub use jaeger::{Edge, Jaeger, Span, Trace};
pub use ports::free_port;
pub use process::{Launch, Process};
pub use prometheus::{Bucket, Exemplar, Labels, NativeHistogram, Prometheus, Sample, Value, Version};
pub use telemetrygen::telemetrygen;
pub use trueline::{Trueline, Watch, binary as trueline_binary};
