//! What runs beside the pipelines.

mod api;
mod file_storage;
mod health_check;
mod pprof;
mod serve;

use component::ExtensionEntry;

/// Every extension: one row per folder.
pub fn table() -> Vec<ExtensionEntry> {
    vec![
        ExtensionEntry::of::<api::Api>(),
        ExtensionEntry::of::<file_storage::FileStorage>(),
        ExtensionEntry::of::<health_check::HealthCheck>(),
        ExtensionEntry::of::<pprof::Pprof>(),
    ]
}
