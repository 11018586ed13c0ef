//! The collector's keys.

use component::{Checks, Config};
use serde::Deserialize;

use crate::actions::{ActionConfig, validate};

/// Settings of `attributes`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AttributesConfig {
    /// Steps, taken in order.
    pub(crate) actions: Vec<ActionConfig>,
}

impl Config for AttributesConfig {
    fn validate(&self, checks: &mut Checks) {
        validate("actions", &self.actions, checks);
    }
}
