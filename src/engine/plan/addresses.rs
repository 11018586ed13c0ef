//! Whether two parts of a configuration would listen on one address. The start would find out, but with
//! "Address already in use" for the second and no word of the first.

use component::Listen;
use config::{Collector, Component, Node, Place, Problem, Problems, PullExporter, Reader, Reference, Value};

use super::{
    build::Parts,
    settings::{EngineConfig, HopRole},
};

/// One address of a configuration.
struct Address {
    /// Which part listens: `receivers::otlp (grpc)`.
    name: String,
    /// Where the part is configured.
    path: String,
    /// Absent for what nobody wrote, a default.
    place: Option<Place>,
    host: String,
    port: u16,
}

/// Reports each address that something before it listens on too. Addresses are compared as they are
/// written: names are not resolved.
///
/// What is wrong elsewhere does not matter: of a component whose settings could not be read nothing is known.
pub(super) fn check_addresses(
    collector: &Collector,
    parts: &Parts,
    engine: &EngineConfig,
    problems: &mut Problems,
) {
    let all = addresses(collector, parts, engine);
    for (at, address) in all.iter().enumerate() {
        let Some(first) = all.iter().take(at).find(|other| other.meets(address)) else { continue };
        let message = format!(
            "{} listens on {}:{}, and so does {}{}",
            address.name,
            address.host,
            address.port,
            first.name,
            first.place.as_ref().map_or(String::new(), |place| format!(" at {place}")),
        );
        problems.push(
            Problem::error(address.place.clone(), address.path.clone(), message)
                .with_help("give one of them another port"),
        );
    }
}

/// Everything that this process binds, in the order in which it does.
fn addresses(collector: &Collector, parts: &Parts, engine: &EngineConfig) -> Vec<Address> {
    let mut all = Vec::new();
    let role = engine.hop.role;
    let service = &collector.service;
    let receivers = used(service.pipelines.iter().flat_map(|pipeline| &pipeline.receivers));
    for id in receivers.iter().filter(|_| role != HopRole::Analysis) {
        let listens = parts.receivers.get(id).map(|part| part.listens());
        all.extend(of_component(&collector.receivers, id, &listens.unwrap_or_default()));
    }
    for id in used(service.pipelines.iter().flat_map(|pipeline| &pipeline.exporters)) {
        let listens = parts.exporters.get(&id).map(|part| part.listens());
        all.extend(of_component(&collector.exporters, &id, &listens.unwrap_or_default()));
    }
    for id in used(&service.extensions) {
        let listens = parts.extensions.get(&id).map(|part| part.listens());
        all.extend(of_component(&collector.extensions, &id, &listens.unwrap_or_default()));
    }
    if role == HopRole::Analysis {
        let endpoint = &engine.hop.endpoint;
        let written = collector.service.trueline.iter();
        let place = written.flat_map(|node| places_of(node, endpoint)).next();
        all.extend(Address::new("the hop".to_owned(), "service::trueline::hop", place, endpoint));
    }
    all.extend(collector.service.telemetry.metrics.readers_in_force().iter().filter_map(|reader| {
        let Reader::Pull(pull) = reader else { return None };
        let PullExporter::Prometheus(page) = &pull.exporter;
        Some(Address {
            name: "the page of self-metrics".to_owned(),
            path: "service::telemetry::metrics::readers".to_owned(),
            place: None,
            host: page.host.clone(),
            port: page.port,
        })
        .filter(|page| page.port != 0)
    }));
    all
}

/// Returns the components that are named, each once, in their order.
fn used<'r>(references: impl IntoIterator<Item = &'r Reference>) -> Vec<String> {
    let mut used: Vec<String> = Vec::new();
    for reference in references {
        let id = reference.id.to_string();
        if !used.contains(&id) {
            used.push(id);
        }
    }
    used
}

fn of_component(section: &[Component], id: &str, listens: &[Listen]) -> Vec<Address> {
    let mut all = Vec::new();
    let found = section.iter().find(|component| component.id.to_string() == id);
    let Some(component) = found else { return all };
    for (at, listen) in listens.iter().enumerate() {
        // The second of two equal addresses is written at the second place.
        let before = listens.iter().take(at).filter(|other| other.address == listen.address).count();
        let place = places_of(&component.settings, &listen.address).into_iter().nth(before);
        let place = place.unwrap_or_else(|| component.place.clone());
        let path = component.path();
        all.extend(Address::new(format!("{path} ({})", listen.name), &path, Some(place), &listen.address));
    }
    all
}

/// Returns where a text is written below a node.
fn places_of(node: &Node, text: &str) -> Vec<Place> {
    match &node.value {
        Value::String(found) if found == text => vec![node.place.clone()],
        Value::Seq(items) => items.iter().flat_map(|item| places_of(item, text)).collect(),
        Value::Map(map) => map.entries.iter().flat_map(|entry| places_of(&entry.value, text)).collect(),
        _ => Vec::new(),
    }
}

impl Address {
    /// Returns none for a port that the system chooses, and for what is no `host:port`: the start tells of
    /// that.
    fn new(name: String, path: &str, place: Option<Place>, address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port != 0)?;
        Some(Self { name, path: path.to_owned(), place, host: host.to_owned(), port })
    }

    fn meets(&self, other: &Self) -> bool {
        let is_any = |address: &Self| matches!(address.host.as_str(), "" | "0.0.0.0" | "[::]");
        self.port == other.port && (is_any(self) || is_any(other) || self.plain_host() == other.plain_host())
    }

    fn plain_host(&self) -> String {
        // Where a name has both families, IPv4 is bound.
        if self.host.eq_ignore_ascii_case("localhost") {
            "127.0.0.1".to_owned()
        } else {
            self.host.to_lowercase()
        }
    }
}
