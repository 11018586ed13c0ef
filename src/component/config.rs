//! What every component's configuration must do.

use std::time::Duration;

use model::Columns;
use serde::{Deserialize, de::DeserializeOwned};

use crate::AuthUse;

/// A component's part of the configuration file.
///
/// `Default` is what an operator gets who writes only the component's name.
pub trait Config: DeserializeOwned + Default + Clone + Send + Sync + 'static {
    /// The collector's keys that this component does not take, each with its reason.
    const NOT_SUPPORTED: config::NotSupportedKeys = &[];

    /// Checks what types cannot say, and reports every problem, not the first.
    fn validate(&self, checks: &mut Checks);

    /// Returns which keys name an authenticator.
    fn auth(&self) -> Vec<AuthUse> {
        Vec::new()
    }

    /// Returns of closed windows of which widths a processor reads columns; none for one that takes all that come.
    fn read_widths(&self) -> Vec<Widths> {
        Vec::new()
    }

    /// Returns to closed windows of which widths a processor adds columns; none for one that adds to all that come.
    fn added_widths(&self) -> Vec<Widths> {
        Vec::new()
    }
}

/// Closed windows that a stage reads or makes, as one key of its configuration says.
///
/// The plan compares them: a stage that waits for windows that nobody makes would never have anything to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Widths {
    /// What is read of the windows, or added to them.
    pub columns: Columns,
    /// Keys from the component's own section to the value, joined by dots: `rca.window`.
    pub key: String,
    pub all: Vec<Duration>,
    pub setting: WidthSetting,
}

/// What may be written at a key that says how wide windows are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WidthSetting {
    One,
    List,
    /// Nothing: the width follows from something else that stands there.
    Fixed,
}

impl Widths {
    /// Makes those of a key that takes one width.
    pub fn one(columns: Columns, key: impl Into<String>, width: Duration) -> Self {
        Self { columns, key: key.into(), all: vec![width], setting: WidthSetting::One }
    }
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
    /// That nothing of several things is there. Not told where one of them was written and could not be read.
    pub is_absence: bool,
}

/// Collects what [`Config::validate`] finds.
#[derive(Debug, Default)]
pub struct Checks {
    findings: Vec<Finding>,
}

impl Checks {
    /// Reports a value that stops the start.
    pub fn error(&mut self, path: &str, message: impl Into<String>) {
        self.push(path, message.into());
    }

    /// Reports that nothing stands at a key where one of several things must.
    pub fn absent(&mut self, path: &str, message: impl Into<String>) {
        self.push(path, message.into()).is_absence = true;
    }

    /// Reports a value that is legal and probably a mistake.
    pub fn warn(&mut self, path: &str, message: impl Into<String>) {
        self.push(path, message.into()).is_warning = true;
    }

    fn push(&mut self, path: &str, message: String) -> &mut Finding {
        self.findings.push(Finding { path: path.to_owned(), message, is_warning: false, is_absence: false });
        self.findings.last_mut().expect("a finding was just added")
    }

    /// Reports a name that is none of those that are known: `"insrt" is no action`, the nearest, and all of them.
    pub fn unknown(&mut self, path: &str, what: &str, name: &str, known: &[&str]) {
        let near = config::did_you_mean(name, known.iter().copied());
        let near = near.map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
        self.error(path, format!("{name:?} is no {what}, {near}write one of {}", known.join(", ")));
    }

    pub fn into_findings(self) -> Vec<Finding> {
        self.findings
    }
}
