//! `trueline schema`: the whole configuration as a JSON Schema, for editors that complete and check while one writes.
//!
//! Keys and kinds of values come from the types that are decoded, so they can not differ from what is read. What a key
//! means and its default come from the page of its component, which operators read.

mod draft07;
mod pages;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use component::{Entry, Registry};
use config::Telemetry;
use serde_json::{Map, Value, json};

use self::{
    draft07::{Writer, or_expansion},
    pages::Page,
};
use crate::{exit::tell, registry::registry};

pub(crate) fn write() -> ExitCode {
    tell(&format!("{:#}\n", schema(&registry())))
}

/// Returns the schema of a configuration, in draft 7, which editors' YAML servers know best.
pub(crate) fn schema(registry: &Registry) -> Value {
    let mut definitions = Map::new();
    let mut properties = Map::new();
    section("receivers", &registry.receivers, &mut definitions, &mut properties);
    section("processors", &registry.processors, &mut definitions, &mut properties);
    section("connectors", &registry.connectors, &mut definitions, &mut properties);
    section("exporters", &registry.exporters, &mut definitions, &mut properties);
    section("extensions", &registry.extensions, &mut definitions, &mut properties);
    properties.insert("service".to_owned(), service(&mut definitions));
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "trueline",
        "description": "The configuration of trueline, an OpenTelemetry collector",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
        "definitions": definitions,
    })
}

/// Adds a section of components, each of which may stand there often: `otlp`, `otlp/second`.
fn section<T: ?Sized>(
    name: &str,
    table: &[Entry<T>],
    definitions: &mut Map<String, Value>,
    properties: &mut Map<String, Value>,
) {
    let mut patterns = Map::new();
    for row in table {
        let definition = format!("{name}.{}", row.kind);
        let page = Page::of(name, row.kind);
        let mut written = Writer::new(&page, format!("#/definitions/{definition}")).write(&(row.shape)());
        if let (Some(about), Some(map)) = (page.about(), written.as_object_mut()) {
            map.insert("description".to_owned(), about.into());
        }
        definitions.insert(definition.clone(), written);
        let names: Vec<&str> = std::iter::once(row.kind).chain(row.aliases.iter().copied()).collect();
        let pattern = format!("^({})(/.+)?$", names.join("|"));
        patterns.insert(pattern, json!({ "$ref": format!("#/definitions/{definition}") }));
    }
    let section = json!({ "type": "object", "patternProperties": patterns, "additionalProperties": false });
    properties.insert(name.to_owned(), or_expansion(section));
}

fn service(definitions: &mut Map<String, Value>) -> Value {
    // A string is an expansion, which is not known before the start.
    let ids = |about: &str| json!({ "type": ["array", "string", "null"], "items": { "type": "string" }, "pattern": r"\$\{", "description": about });
    let pipeline = or_expansion(json!({
        "type": "object",
        "properties": {
            "receivers": ids("where data comes from: receivers, and connectors that other pipelines feed"),
            "processors": ids("what is done with it, in this order"),
            "exporters": ids("where it goes: exporters, and connectors that feed other pipelines"),
        },
        "additionalProperties": false,
    }));
    definitions.insert("pipeline".to_owned(), pipeline);
    for (name, page, shape) in [
        ("telemetry", Page::of("service", "telemetry"), config::shape::<Telemetry>()),
        ("trueline", Page::of("service", "trueline"), engine::settings_shape()),
    ] {
        let written = Writer::new(&page, format!("#/definitions/service.{name}")).write(&shape);
        definitions.insert(format!("service.{name}"), written);
    }
    json!({
        "type": "object",
        "properties": {
            "extensions": ids("extensions that are started"),
            "pipelines": or_expansion(json!({
                "type": "object",
                "description": "`traces`, `metrics` and `logs`, each with `/name` or without, carry that signal; any other name carries all",
                "additionalProperties": { "$ref": "#/definitions/pipeline" },
            })),
            "telemetry": { "$ref": "#/definitions/service.telemetry" },
            "trueline": { "$ref": "#/definitions/service.trueline" },
        },
        "additionalProperties": false,
    })
}
