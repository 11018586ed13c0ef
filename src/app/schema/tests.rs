//! What the schema says of keys, and that no component is forgotten.

use super::*;

fn whole() -> Value {
    schema(&registry())
}

/// Returns what the schema says at a path of keys of a component.
fn at(definition: &str, keys: &[&str]) -> Value {
    let whole = whole();
    let start = &whole["definitions"][definition];
    keys.iter().fold(start, |node, key| &node["properties"][key]).clone()
}

#[test]
fn every_component_has_its_page_and_its_keys() {
    let (registry, whole) = (registry(), whole());
    let names =
        |section: &'static str, kinds: Vec<&'static str>| kinds.into_iter().map(move |kind| (section, kind));
    let all = names("receivers", registry.receivers.iter().map(|row| row.kind).collect())
        .chain(names("processors", registry.processors.iter().map(|row| row.kind).collect()))
        .chain(names("connectors", registry.connectors.iter().map(|row| row.kind).collect()))
        .chain(names("exporters", registry.exporters.iter().map(|row| row.kind).collect()))
        .chain(names("extensions", registry.extensions.iter().map(|row| row.kind).collect()));
    for (section, kind) in all {
        let definition = &whole["definitions"][format!("{section}.{kind}")];
        assert!(definition["description"].is_string(), "{section}.{kind} has no page");
        let has_keys = definition["properties"].as_object().is_some_and(|keys| !keys.is_empty());
        // There is nothing to say about these.
        let has_none = matches!(kind, "nop" | "forward");
        assert!(has_keys || has_none, "{section}.{kind} has no keys");
        assert!(has_none || !Page::of(section, kind).is_empty(), "{section}.{kind} has no table of keys");
    }
}

#[test]
fn a_key_bears_what_the_page_says_of_it() {
    let timeout = at("processors.batch", &["timeout"]);
    assert_eq!(timeout["default"], "200ms");
    assert!(
        timeout["description"].as_str().is_some_and(|it| it.starts_with("a batch leaves so long")),
        "{timeout}"
    );
    let size = at("processors.batch", &["send_batch_size"]);
    assert_eq!(
        (&size["type"][0], &size["default"], &size["minimum"]),
        (&json!("integer"), &json!(8192), &json!(0))
    );
    let nested = at("processors.tail_sampling", &["decision_cache", "sampled_cache_size"]);
    assert_eq!(nested["default"], 0);
    assert_eq!(
        at("exporters.otlp_http", &["headers"])["anyOf"][0]["additionalProperties"]["writeOnly"],
        true
    );
    let engine = at("service.trueline", &["hop", "role"]);
    assert!(engine["anyOf"].to_string().contains("analysis"), "{engine}");
    assert_eq!(engine["default"], "all");
}

/// Most keys of the first level are in a table, under their names; the others are in the text.
#[test]
fn nearly_all_keys_are_described() {
    let whole = whole();
    let (mut described, mut bare) = (0, Vec::new());
    for (name, definition) in whole["definitions"].as_object().into_iter().flatten() {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            if property["properties"].is_object() {
                continue;
            }
            if property["description"].is_string() {
                described += 1;
            } else {
                bare.push(format!("{name}.{key}"));
            }
        }
    }
    assert!(bare.len() * 20 <= described, "{described} are described, these are not: {bare:#?}");
}

/// What is shown of a file that is no YAML goes by names alone.
#[test]
fn every_secret_stands_behind_a_key_that_looks_so() {
    fn walk(node: &Value, keys: &mut Vec<String>, found: &mut Vec<(String, bool)>) {
        if node["writeOnly"] == true {
            found.push((keys.join("::"), keys.iter().any(|key| config::looks_secret(key))));
        }
        for (name, below) in node.as_object().into_iter().flatten() {
            if name == "properties" {
                for (key, property) in below.as_object().into_iter().flatten() {
                    keys.push(key.clone());
                    walk(property, keys, found);
                    keys.pop();
                }
            } else {
                walk(below, keys, found);
            }
        }
        node.as_array().into_iter().flatten().for_each(|item| walk(item, keys, found));
    }
    let schema = schema(&registry());
    let mut found = Vec::new();
    for (name, definition) in schema["definitions"].as_object().expect("the schema has definitions") {
        // Its type stands in the key of each component.
        walk(definition, &mut vec![name.clone()], &mut found);
    }
    assert!(found.len() > 20, "{found:?}");
    let unlike: Vec<_> = found.iter().filter(|(_, looks)| !looks).map(|(path, _)| path).collect();
    assert!(unlike.is_empty(), "{unlike:#?}");
}

/// Every property of a part of the schema, with its path.
fn properties<'s>(node: &'s Value, path: &str, found: &mut Vec<(String, &'s Value)>) {
    for (key, property) in node["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        found.push((path.clone(), property));
        properties(property, &path, found);
    }
    for form in node["anyOf"].as_array().into_iter().flatten() {
        properties(form, path, found);
    }
    for inner in ["items", "additionalProperties"] {
        if node[inner].is_object() {
            properties(&node[inner], path, found);
        }
    }
}

#[test]
fn what_people_type_is_described_without_links_that_lead_nowhere() {
    let whole = whole();
    let mut all = Vec::new();
    for (name, definition) in whole["definitions"].as_object().into_iter().flatten() {
        properties(definition, name, &mut all);
    }
    let bare: Vec<&String> = all
        .iter()
        .filter(|(_, it)| !it["description"].is_string() && !it["$ref"].is_string())
        .map(|(path, _)| path)
        .collect();
    assert!(bare.len() * 10 <= all.len(), "{} of {} are not described: {bare:#?}", bare.len(), all.len());
    for (path, property) in &all {
        let description = property["description"].as_str().unwrap_or_default();
        let leads_nowhere = ["](", "see below"].iter().any(|words| description.contains(words));
        assert!(!leads_nowhere, "{path}: {description}");
    }
}

#[test]
fn settings_that_many_components_share_are_described_in_each() {
    for component in ["exporters.otlp_grpc", "exporters.otlp_http"] {
        assert_eq!(at(component, &["sending_queue", "queue_size"])["default"], 1000, "{component}");
        assert_eq!(at(component, &["sending_queue", "max_bytes"])["default"], "128MiB", "{component}");
        assert_eq!(at(component, &["retry_on_failure", "max_elapsed_time"])["default"], "5m", "{component}");
        let authority = at(component, &["tls", "ca_file"])["description"].to_string();
        assert!(authority.contains("authorities to trust"), "{component}: {authority}");
    }
    let endpoint = |protocol| at("receivers.otlp", &["protocols", protocol, "endpoint"])["default"].clone();
    assert_eq!([endpoint("grpc"), endpoint("http")], ["localhost:4317", "localhost:4318"]);
}
