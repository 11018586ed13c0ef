//! The contract between components and the engine.
//!
//! # Layout
//! * [`auth`](Authenticators): who may come in, and who we are.
//! * [`config`](Config): what every component's configuration must do.
//! * [`receiver`](ReceiverDef), [`processor`](ProcessorDef), [`exporter`](ExporterDef), [`extension`](ExtensionDef):
//!   one definition per kind of component, and what it builds.
//! * [`question`](Question): what people and programs ask of stages while they run.
//! * [`registry`](Registry): the definitions with their types erased, as plain tables.
//! * [`telemetry`](Telemetry): counters and gauges that components own and the service exposes.
//! * [`clock`](Clock): the only way to learn the time outside a processor.
//! * [`testing`]: a clock that stands still and a harness that runs one processor.
//!
//! Components are built on the thread that runs them and stay there: futures are local, and only
//! payloads, acknowledgements and telemetry cross threads.

mod auth;
mod clock;
mod config;
mod delivery;
mod exporter;
mod extension;
mod memory;
mod metadata;
mod places;
mod processor;
mod question;
mod receiver;
mod registry;
mod snapshot;
mod telemetry;
pub mod testing;

pub use auth::{
    AuthConfig, AuthSide, AuthUse, Authenticator, Authenticators, ClientAuth, Denied, ServerAuth,
};
pub use clock::Clock;
pub use config::{Checks, Config, Finding, NoConfig, WidthSetting, Widths};
pub use delivery::{
    BATCH_NOT_SUPPORTED, BatchConfig, Delivery, QUEUE_NOT_SUPPORTED, QueueConfig, RetryConfig, Sizer,
};
pub use exporter::{Delivered, ExportError, Exporter, ExporterCx, ExporterDef};
pub use extension::{
    ConfigState, Extension, ExtensionCx, ExtensionDef, PipelineParts, RefusedConfig, ServiceParts,
    ServiceState,
};
pub use memory::{MemoryLimit, MemorySize};
pub use metadata::{Metadata, MetadataKeys, MetadataSource, Shown};
pub use places::{Guest, Place, Places};
pub use processor::{BuildCx, Cx, Masks, Past, PastTls, Processor, ProcessorDef, Route, Workbench};
pub use question::{Answer, AskError, Asks, Desk, Lines, Question, Responds};
pub use receiver::{
    Inlet, Intake, Listen, Permit, Placement, Receipt, Receiver, ReceiverCx, ReceiverDef, Refusal, Socket,
    Sockets,
};
pub use registry::{
    ConfiguredExporter, ConfiguredExtension, ConfiguredProcessor, ConfiguredReceiver, Entry, ExporterEntry,
    ExtensionEntry, ProcessorEntry, ReceiverEntry, Registry,
};
pub use snapshot::{Pieces, RestoreError, Snapshot};
pub use telemetry::{Counter, Gauge, Instrument, InstrumentKind, Labels, Telemetry};

/// Tells a component to finish what it has and to end.
pub use tokio_util::sync::CancellationToken as Stop;

/// An error of any kind, for logs and answers.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
