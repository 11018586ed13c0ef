//! The collector's keys.

use component::{Checks, Config};
use config::{NotSupported, NotSupportedKeys};
use serde::Deserialize;

use crate::actions::{ActionConfig, validate};

const EVERY_ITEM: &str = "the actions apply to every item of the pipeline";
const INSTEAD_OF_A_FILTER: &str = "remove it, and put the processor into a pipeline of what it is meant for";

/// Settings of `attributes`.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AttributesConfig {
    /// Steps, taken in order.
    pub(crate) actions: Vec<ActionConfig>,
}

impl Config for AttributesConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[(
        "",
        &[
            NotSupported::new("include", EVERY_ITEM, INSTEAD_OF_A_FILTER),
            NotSupported::new("exclude", EVERY_ITEM, INSTEAD_OF_A_FILTER),
        ],
    )];

    fn validate(&self, checks: &mut Checks) {
        validate("actions", &self.actions, checks);
    }
}
