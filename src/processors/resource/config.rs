//! The collector's keys.

use component::{Checks, Config};
use serde::Deserialize;

use crate::actions::{ActionConfig, validate};

/// Settings of `resource`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ResourceConfig {
    /// Steps, taken in order.
    pub(crate) attributes: Vec<ActionConfig>,
}

impl Config for ResourceConfig {
    fn validate(&self, checks: &mut Checks) {
        validate("attributes", &self.attributes, checks);
    }
}
