//! The engine: makes a plan of a configuration and runs it.
//!
//! # Layout, in the order in which data meets it
//! * [`plan`](Plan): components and how they are connected; made alike by `validate` and `run`.
//! * `service`: starts and stops the threads; `supervise`: builds broken shards anew.
//! * `edition`: a configuration in force; `reload`: how the next one takes its place.
//! * `listen`: binds and accepts sockets, hands them to shards.
//! * `shard`: an ingest thread; `intake`: read, reserve, fold, acknowledge; `graph`: the pipelines of one thread.
//! * `hop`: what crosses between the halves, and in which order it is merged; `link`: the same between processes.
//! * `analysis`: the thread that owns the state.
//! * `outlets`, `queue`: exporters with their queues, batches, retries and timeouts.
//! * `tap`: who looks at what passes an edge of the graph.
//! * `pressure`: whether the process holds more memory than it may.
//! * `health`, `clock`: whether the data path moves, and by which configuration; what time it is.
//!
//! The engine knows no component and components know no engine: they meet in the tables that `app`
//! puts side by side.

mod analysis;
mod clock;
mod edition;
#[cfg(feature = "testing")]
pub mod fuzzing;
mod graph;
mod health;
mod hop;
mod intake;
mod link;
mod listen;
mod offline;
mod outlets;
mod plan;
mod pressure;
mod questions;
mod queue;
mod reload;
mod room;
mod service;
mod shard;
mod supervise;
mod tap;
mod verdicts;

/// The target of the service's own spans: a subscriber that leaves it out pays nothing for them.
pub const SPANS: &str = "trueline::spans";

pub use clock::SystemClock;
pub use health::Refusal;
pub use listen::BindError;
pub use offline::{NothingJudges, Offline, Told};
pub use plan::{
    ConnectorOutline, Difference, ExporterOutline, Loaded, Outline, PipelineOutline, Plan, StageOutline,
    StageWork, load, load_for_given_windows, settings_shape,
};
pub use pressure::resident_bytes;
pub use reload::{ReloadError, Reloaded, Reloads};
pub use service::{Running, StartError, start};
pub use tap::{MAX_TAPS, Side as TapSide, Tap, TapError, Taps};
