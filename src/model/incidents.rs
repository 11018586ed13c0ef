//! Which services are in trouble.

use std::{collections::BTreeMap, sync::Arc};

/// All services that an open incident concerns; it replaces what was told before.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OpenIncidents {
    /// By service the id of its incident; of several the most severe one's, of these the oldest one's.
    pub of_services: BTreeMap<Arc<str>, String>,
}
