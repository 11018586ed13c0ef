//! Whether the authenticators that servers and clients name are there, and of the side that is wanted.

use std::collections::BTreeMap;

use component::{AuthSide, AuthUse, Authenticator, Authenticators};
use config::{Collector, Component, Problems, did_you_mean};

use super::build::Parts;

/// Returns the authenticators of the extensions that are started, by their ids.
fn started(collector: &Collector, parts: &Parts) -> BTreeMap<String, Option<Authenticator>> {
    let ids = collector.service.extensions.iter().map(|reference| reference.id.to_string());
    ids.filter_map(|id| Some((id.clone(), parts.extensions.get(&id)?.authenticator()))).collect()
}

pub(super) fn authenticators(collector: &Collector, parts: &Parts) -> Authenticators {
    let all = started(collector, parts).into_iter();
    Authenticators::new(all.filter_map(|(id, offered)| Some((id, offered?))).collect())
}

pub(super) fn check_auth(collector: &Collector, parts: &Parts, problems: &mut Problems) {
    let check = Check { collector, parts, started: started(collector, parts) };
    for (components, uses) in [
        (&collector.receivers, by_id(&parts.receivers, |part| part.auth())),
        (&collector.exporters, by_id(&parts.exporters, |part| part.auth())),
        (&collector.extensions, by_id(&parts.extensions, |part| part.auth())),
    ] {
        for component in components {
            for wanted in uses.get(&component.id.to_string()).into_iter().flatten() {
                check.one(component, wanted, problems);
            }
        }
    }
}

fn by_id<T: ?Sized>(
    parts: &BTreeMap<String, std::sync::Arc<T>>,
    uses: impl Fn(&T) -> Vec<AuthUse>,
) -> BTreeMap<String, Vec<AuthUse>> {
    parts.iter().map(|(id, part)| (id.clone(), uses(part))).collect()
}

struct Check<'a> {
    collector: &'a Collector,
    parts: &'a Parts,
    started: BTreeMap<String, Option<Authenticator>>,
}

impl Check<'_> {
    fn one(&self, component: &Component, wanted: &AuthUse, problems: &mut Problems) {
        let AuthUse { key, id, side } = wanted;
        let message = match self.started.get(id) {
            Some(Some(offered)) => match side {
                AuthSide::Server if offered.server.is_none() => {
                    format!("extension \"{id}\" is not for servers; it says who we are, not whom to let in")
                }
                AuthSide::Client if offered.client.is_none() => {
                    format!("extension \"{id}\" is not for clients; it says whom to let in, not who we are")
                }
                _ => return,
            },
            Some(None) => format!("extension \"{id}\" is no authenticator"),
            None => {
                let configured = |at: &&Component| at.id.to_string() == *id;
                match self.collector.extensions.iter().find(configured) {
                    // What is wrong with it has been told.
                    Some(_) if !self.parts.extensions.contains_key(id) => return,
                    Some(_) => format!("extension \"{id}\" is not started, add it to `service::extensions`"),
                    None => format!("failed to resolve authenticator \"{id}\": authenticator not found"),
                }
            }
        };
        let others = self.started.iter().filter(|(_, offered)| offered.is_some()).map(|(id, _)| id);
        let near = did_you_mean(id, others).filter(|near| near != id);
        let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        problems.report(&component.settings, &component.path(), key, format!("{message}{near}"), false);
    }
}
