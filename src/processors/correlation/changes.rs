//! Changes that telemetry shows by itself: another version of a service than before.

use std::sync::Arc;

use model::{Deployment, Severity};

use super::{
    events::{Event, Kind},
    ingest::FLAG,
};

/// What came up, as an event. One that comes back is another change than the one before.
pub(super) fn change_of(deployment: &Deployment) -> Event {
    let Deployment { service, what, version, at } = deployment;
    Event {
        start: *at,
        kind: Kind::Change,
        id: format!("{service}/{what}/{version}/{}", at.as_nanos()),
        service: Arc::clone(service),
        severity: Severity::Info,
        end: Some(*at),
        title: title_of(deployment),
        slo_id: String::new(),
        resend: None,
        is_lost: false,
        trace: None,
    }
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
