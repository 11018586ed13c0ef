//! What runs beside the pipelines.

use std::{cell::RefCell, sync::Arc};

use futures_util::future::LocalBoxFuture;

use crate::{Asks, Authenticator, Authenticators, BoxError, Clock, Config, Listen, Sockets, Stop, Telemetry};

/// A kind of extension: one row of its layer's table.
pub trait ExtensionDef: Send + Sync + 'static {
    const KIND: &'static str;
    const ALIASES: &'static [&'static str] = &[];
    type Config: Config;

    fn listens(_config: &Self::Config) -> Vec<Listen> {
        Vec::new()
    }

    /// Returns the directory that this extension offers for state, as `file_storage` does.
    fn storage_directory(_config: &Self::Config) -> Option<std::path::PathBuf> {
        None
    }

    /// Returns what this extension offers to servers and clients; they may ask before it runs.
    fn authenticator(_config: &Self::Config) -> Option<Authenticator> {
        None
    }

    fn build(config: &Self::Config, cx: ExtensionCx) -> Box<dyn Extension>;
}

/// Something that runs from start to stop.
pub trait Extension {
    /// # Errors
    /// When it can not go on; the engine reports it.
    fn run(self: Box<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>>;
}

/// What an extension is built with.
pub struct ExtensionCx {
    pub id: String,
    pub sockets: RefCell<Vec<Sockets>>,
    pub clock: Arc<dyn Clock>,
    pub telemetry: Telemetry,
    pub state: Arc<dyn ServiceState>,
    /// The stages, for those who ask.
    pub stages: Arc<dyn Asks>,
    pub authenticators: Authenticators,
}

/// How the service is, for health checks.
pub trait ServiceState: Send + Sync {
    /// Whether every part of the data path is up and has moved lately.
    fn is_ready(&self) -> bool;

    /// Why not, for people; empty when ready.
    fn reason(&self) -> String;

    /// What was lost although the service is ready, such as state at the start; empty when all is well.
    fn degraded(&self) -> String {
        String::new()
    }

    /// Returns which configuration is in force.
    fn config(&self) -> ConfigState {
        ConfigState::default()
    }

    /// Returns what is connected with what.
    fn parts(&self) -> ServiceParts {
        ServiceParts::default()
    }

    /// When the service became ready first.
    fn up_since(&self) -> model::Timestamp;
}

/// The parts of the configuration in force, by their ids.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServiceParts {
    pub pipelines: Vec<PipelineParts>,
    pub extensions: Vec<String>,
}

/// A pipeline, from where data comes to where it goes; connectors stand at both ends.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PipelineParts {
    pub id: String,
    pub signals: Vec<&'static str>,
    pub receivers: Vec<String>,
    pub processors: Vec<String>,
    pub exporters: Vec<String>,
}

/// Which configuration is in force, and what became of the one that was read last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfigState {
    /// A name that no other configuration has.
    pub hash: String,
    /// When it came in force.
    pub since: model::Timestamp,
    /// None when the one that was read last is in force.
    pub refused: Option<RefusedConfig>,
}

/// A configuration that was read while the service ran, and not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedConfig {
    pub at: model::Timestamp,
    /// The first problem, on one line and without the line of the file that it is about.
    pub reason: String,
    /// All, for people, each with its place.
    pub problems: String,
}
