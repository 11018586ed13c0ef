//! The report: each component, each problem and each default that is another.

use component::Registry;
use config::{Component, ComponentKind, NOT_HERE, Node, Place, Problem, Severity, Value, instead_of};
use engine::Loaded;
use serde::Serialize;

use super::contrib::{CONTRIB, OtherDefault, OtherMeaning};

/// What becomes of a configuration.
#[derive(Serialize)]
pub(super) struct Report {
    /// Which collector it is compared with.
    contrib: String,
    runs: Vec<Found>,
    missing: Vec<Found>,
    keys: Vec<Found>,
    problems: Vec<Found>,
    no_effect: Vec<Found>,
    defaults: Vec<Found>,
    meanings: Vec<Found>,
}

/// One thing that is told, and where it stands.
#[derive(Serialize)]
struct Found {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl Found {
    fn new(
        path: impl Into<String>,
        place: Option<&Place>,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Self {
        Self { path: path.into(), place: place.map(ToString::to_string), message: message.into(), help }
    }

    fn of(problem: &Problem) -> Self {
        Self::new(problem.path.clone(), problem.place.as_ref(), problem.message.clone(), problem.help.clone())
    }
}

impl Report {
    pub(super) fn of(loaded: &Loaded, registry: &Registry) -> Self {
        let mut report = Self {
            contrib: format!("otelcol-contrib {}", CONTRIB.version),
            runs: Vec::new(),
            missing: Vec::new(),
            keys: Vec::new(),
            problems: Vec::new(),
            no_effect: Vec::new(),
            defaults: Vec::new(),
            meanings: Vec::new(),
        };
        // What is missing is told once, with its component, and not for each pipeline that names it.
        let missing: Vec<&Place> =
            components(loaded).filter(|it| kind_of(it, registry).is_none()).map(|it| &it.place).collect();
        for problem in loaded.problems.sorted() {
            let is_of_missing = problem.place.as_ref().is_some_and(|place| missing.contains(&place));
            match problem.severity {
                _ if is_of_missing => {}
                _ if problem.message.contains(NOT_HERE) => report.missing.push(Found::of(&problem)),
                _ if problem.is_not_supported => report.keys.push(Found::of(&problem)),
                Severity::Error => report.problems.push(Found::of(&problem)),
                Severity::Warning => report.no_effect.push(Found::of(&problem)),
            }
        }
        for component in components(loaded) {
            report.component(component, loaded, registry);
        }
        report
    }

    fn component(&mut self, component: &Component, loaded: &Loaded, registry: &Registry) {
        let path = component.path();
        let Some(kind) = kind_of(component, registry) else {
            let (kind, name) = (component.kind, component.id.component_type.as_str());
            let message = if CONTRIB.has(kind, name) {
                format!("the Go collector's {kind} `{name}` is not here")
            } else {
                format!("there is no {kind} `{name}`, neither here nor in {}", self.contrib)
            };
            let help = instead_of(kind, name).map(str::to_owned);
            return self.missing.push(Found::new(path, Some(&component.place), message, help));
        };
        let has_errors = loaded.problems.iter().any(|problem| {
            let below = problem.path.strip_prefix(&path);
            problem.severity == Severity::Error
                && below.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        if !has_errors {
            self.runs.push(Found::new(path.clone(), Some(&component.place), "", None));
        }
        let name = format!("{}/{kind}", component.kind.section());
        for other in CONTRIB.defaults.iter().filter(|other| other.component == name) {
            if is_left_to_default(&component.settings, other) {
                let OtherDefault { key, there, here, why, .. } = other;
                let message = format!("{there} in the Go collector, {here} here: {why}");
                let path = format!("{path}::{}", key.replace('.', "::"));
                self.defaults.push(Found::new(path, Some(&component.place), message, None));
            }
        }
        for OtherMeaning { there, here, .. } in
            CONTRIB.meanings.iter().filter(|other| other.component == name)
        {
            let message = format!("the Go collector: {there}; here: {here}");
            self.meanings.push(Found::new(path.clone(), Some(&component.place), message, None));
        }
    }

    pub(super) fn all_runs(&self) -> bool {
        self.missing.is_empty() && self.keys.is_empty() && self.problems.is_empty()
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report of texts is always JSON") + "\n"
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for (title, found) in [
            ("Runs here", &self.runs),
            ("Not here", &self.missing),
            ("Keys that are refused", &self.keys),
            ("Refused for another reason", &self.problems),
            ("Runs, with a remark", &self.no_effect),
            ("Other defaults than in the Go collector", &self.defaults),
            ("Means something else than in the Go collector", &self.meanings),
        ] {
            if found.is_empty() {
                continue;
            }
            text += &format!("{title}\n");
            for Found { path, place, message, help } in found {
                let place = place.as_ref().map_or(String::new(), |place| format!("  ({place})"));
                text += &format!("  {path}{place}\n");
                for line in
                    [Some(message), help.as_ref()].into_iter().flatten().filter(|line| !line.is_empty())
                {
                    text += &format!("      {line}\n");
                }
            }
            text.push('\n');
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let (runs, missing) = (self.runs.len(), self.missing.len());
        let refused = self.keys.len() + self.problems.len();
        if self.all_runs() {
            return format!("all {runs} components run here; compared with {}\n", self.contrib);
        }
        format!(
            "{runs} components run as they are, {missing} are not here, {refused} settings are refused; compared with {}\n",
            self.contrib
        )
    }
}

fn components(loaded: &Loaded) -> impl Iterator<Item = &Component> {
    use ComponentKind::{Connector, Exporter, Extension, Processor, Receiver};
    let kinds = [Receiver, Processor, Connector, Exporter, Extension];
    kinds.into_iter().flat_map(|kind| loaded.collector.section(kind))
}

/// Returns the name of a component here, whatever alias it has been given; none for one that is not here.
fn kind_of(component: &Component, registry: &Registry) -> Option<&'static str> {
    fn among<T: ?Sized>(table: &[component::Entry<T>], name: &str) -> Option<&'static str> {
        table.iter().find(|row| row.answers_to(name)).map(|row| row.kind)
    }
    let name = component.id.component_type.as_str();
    match component.kind {
        ComponentKind::Receiver => among(&registry.receivers, name),
        ComponentKind::Processor => among(&registry.processors, name),
        ComponentKind::Connector => among(&registry.connectors, name),
        ComponentKind::Exporter => among(&registry.exporters, name),
        ComponentKind::Extension => among(&registry.extensions, name),
    }
}

/// Whether nobody wrote a key, and the section that it stands in is on: a protocol that is absent is off.
fn is_left_to_default(settings: &Node, other: &OtherDefault) -> bool {
    let mut node = Some(settings);
    let keys: Vec<&str> = other.key.split('.').collect();
    for (at, key) in keys.iter().enumerate() {
        let is_switch = keys.get(at.wrapping_sub(1)) == Some(&"protocols");
        match node.and_then(|node| node.get(key)) {
            Some(section)
                if section.get("enabled").is_some_and(|enabled| enabled.value == Value::Bool(false)) =>
            {
                return false;
            }
            Some(found) if at + 1 == keys.len() => return found.is_null(),
            Some(found) => node = Some(found),
            None if is_switch => return false,
            None => node = None,
        }
    }
    true
}
