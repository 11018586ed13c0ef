//! What runs beside the pipelines.

mod api;
mod basicauth;
mod bearertokenauth;
mod file_storage;
mod headers_setter;
mod health_check;
mod oauth2client;
mod pprof;
mod rotating;
mod serve;
mod times;
mod zpages;

use component::ExtensionEntry;

/// Every extension: one row per folder.
pub fn table() -> Vec<ExtensionEntry> {
    vec![
        ExtensionEntry::of::<api::Api>(),
        ExtensionEntry::of::<basicauth::BasicAuth>(),
        ExtensionEntry::of::<bearertokenauth::BearerTokenAuth>(),
        ExtensionEntry::of::<file_storage::FileStorage>(),
        ExtensionEntry::of::<headers_setter::HeadersSetter>(),
        ExtensionEntry::of::<health_check::HealthCheck>(),
        ExtensionEntry::of::<oauth2client::OAuth2Client>(),
        ExtensionEntry::of::<pprof::Pprof>(),
        ExtensionEntry::of::<zpages::Zpages>(),
    ]
}
