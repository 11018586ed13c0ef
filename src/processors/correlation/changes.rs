//! Changes that telemetry shows by itself: another version of a service than before.

use std::sync::Arc;

use model::Deployment;

use super::{events::Event, ingest::FLAG};

/// What came up, as an event. One that comes back is another change than the one before.
pub(super) fn change_of(deployment: &Deployment) -> Event {
    let Deployment { service, what, version, at } = deployment;
    let id = format!("{service}/{what}/{version}/{}", at.as_nanos());
    Event::change(Arc::clone(service), id, title_of(deployment), *at)
}

fn title_of(Deployment { service, what, version, .. }: &Deployment) -> String {
    if let Some(flag) = what.strip_prefix(FLAG) {
        return format!("feature flag {flag} of {service} is {version}");
    }
    let kind = match &**what {
        "container.image.tags" => "image",
        "k8s.replicaset.name" => "replica set",
        "k8s.deployment.name" => "deployment",
        _ => "version",
    };
    format!("{kind} {version} of {service} came up")
}
