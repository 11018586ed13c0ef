//! What every component's configuration must do.

use serde::{Deserialize, de::DeserializeOwned};

/// A component's part of the configuration file.
///
/// `Default` is what an operator gets who writes only the component's name.
pub trait Config: DeserializeOwned + Default + Clone + Send + Sync + 'static {
    /// The collector's keys that this component does not take, each with its reason.
    const NOT_SUPPORTED: config::NotSupportedKeys = &[];

    /// Checks what types cannot say, and reports every problem, not the first.
    fn validate(&self, checks: &mut Checks);
}

/// The configuration of a component that takes no keys.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct NoConfig {}

impl Config for NoConfig {
    fn validate(&self, _: &mut Checks) {}
}

/// One complaint about a configuration value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Keys from the component's own section to the value, joined by dots: `sending_queue.queue_size`.
    pub path: String,
    /// What is wrong and which value: `queue_size is 0, must be above 0`.
    pub message: String,
    /// Legal, but foolish.
    pub is_warning: bool,
}

/// Collects what [`Config::validate`] finds.
#[derive(Debug, Default)]
pub struct Checks {
    findings: Vec<Finding>,
}

impl Checks {
    /// Reports a value that stops the start.
    pub fn error(&mut self, path: &str, message: impl Into<String>) {
        self.findings.push(Finding { path: path.to_owned(), message: message.into(), is_warning: false });
    }

    /// Reports a value that is legal and probably a mistake.
    pub fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.findings.push(Finding { path: path.to_owned(), message: message.into(), is_warning: true });
    }

    pub fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}
