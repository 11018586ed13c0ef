//! Which services open incidents concern, for stages that mark their telemetry.

use std::collections::BTreeMap;

use model::{OpenIncidents, Severity};

use super::{
    graph::Name,
    incident::{Incident, Link, Role, State},
    incidents::Incidents,
};

/// What was told last; none before anything was.
#[derive(Clone, Debug, Default)]
pub(super) struct Concerned(Option<OpenIncidents>);

impl Concerned {
    /// Returns which services are in trouble when that is not what was told last. *Cost*: a look at each service of
    /// each open incident.
    pub(super) fn news(&mut self, incidents: &Incidents) -> Option<OpenIncidents> {
        let open = open(incidents);
        let is_news = self.0.as_ref().map_or(!open.of_services.is_empty(), |told| *told != open);
        is_news.then(|| self.0.insert(open).clone())
    }
}

fn open(incidents: &Incidents) -> OpenIncidents {
    let mut worst: BTreeMap<Name, (Severity, &str)> = BTreeMap::new();
    // The oldest come first, and stay where a younger one is no worse.
    for incident in incidents.all.values().filter(|incident| incident.state < State::Resolved) {
        for link in incident.chain.iter().filter(|link| is_concerned(link, incident)) {
            let known = worst.entry(Name::clone(&link.service)).or_insert((incident.severity, &incident.id));
            if known.0 < incident.severity {
                *known = (incident.severity, &incident.id);
            }
        }
    }
    let of_services = worst.into_iter().map(|(service, (_, id))| (service, id.to_owned()));
    OpenIncidents { of_services: of_services.collect() }
}

/// The cause, and who suffers from it. While no cause is named, every service with an event may be either.
fn is_concerned(link: &Link, incident: &Incident) -> bool {
    link.role != Role::Suspected || incident.root().is_none()
}
