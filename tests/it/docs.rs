//! Every example in the pages for operators is a configuration that `validate` accepts.
//!
//! An example shows what its page is about: a component, a part of `service`. What is missing to a whole
//! is put around it, so that it is judged as an operator's file would be. A block fenced as anything but
//! `yaml` alone is no configuration.

use std::{
    fs,
    path::{Path, PathBuf},
};

use config::{ConfigUri, MapEnvironment, Node, Source};

use crate::rig::registry;

/// One block of a page.
struct Example {
    page: PathBuf,
    line: usize,
    yaml: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// Every README of the repository but those of built and fetched things.
fn pages() -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            let name = path.file_name().expect("an entry has a name").to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
                open.push(path);
            } else if name == "README.md" {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn examples(page: &Path) -> Vec<Example> {
    let text = fs::read_to_string(page).expect("a page can be read");
    let (mut examples, mut open): (Vec<Example>, _) = (Vec::new(), false);
    for (index, line) in text.lines().enumerate() {
        match line {
            "```yaml" => {
                open = true;
                examples.push(Example { page: page.to_owned(), line: index + 1, yaml: String::new() });
            }
            "```" => open = false,
            _ if open => {
                let example = examples.last_mut().expect("an open block was begun");
                example.yaml.push_str(line);
                example.yaml.push('\n');
            }
            _ => {}
        }
    }
    examples
}

/// The ids in a section of an example.
fn ids(example: &Node, section: &str) -> Vec<String> {
    let map = example.get(section).and_then(Node::as_map);
    map.map_or(Vec::new(), |map| map.entries.iter().map(|entry| entry.key.name.clone()).collect())
}

/// Stages that need those before them; a page shows its own alone.
const CHAIN: [&str; 4] = ["aggregation", "baseline", "anomaly", "alerting"];

/// The stages that those of an example need and it does not show.
fn before(processors: &[String]) -> Vec<String> {
    let last = CHAIN.iter().rposition(|stage| processors.iter().any(|shown| shown == stage));
    let needed = CHAIN.iter().take(last.unwrap_or(0)).map(|stage| (*stage).to_owned());
    needed.filter(|stage| !processors.contains(stage)).collect()
}

/// What an example lacks to a whole: a way in, a way out, and pipelines that use all it shows.
fn around(example: &Node) -> String {
    let has_pipelines = example.get("service").is_some_and(|service| service.get("pipelines").is_some());
    if has_pipelines {
        return String::new();
    }
    let or = |ids: Vec<String>, default: &str| if ids.is_empty() { vec![default.to_owned()] } else { ids };
    let (mut receivers, mut exporters) =
        (or(ids(example, "receivers"), "otlp/around"), or(ids(example, "exporters"), "nop/around"));
    let mut yaml = "receivers: {otlp/around: {protocols: {grpc: }}}\nexporters: {nop/around: }\n".to_owned();
    let connectors = ids(example, "connectors");
    receivers.extend(connectors.iter().cloned());
    exporters.extend(connectors.iter().cloned());
    let list = |ids: &[String]| ids.join(", ");
    yaml += &format!("service:\n  extensions: [{}]\n  pipelines:\n", list(&ids(example, "extensions")));
    if connectors.is_empty() {
        let shown = ids(example, "processors");
        let before = before(&shown);
        if !before.is_empty() {
            yaml = format!("processors: {{{}: }}\n{yaml}", before.join(": , "));
        }
        let processors = list(&[before, shown].concat());
        yaml += &format!(
            "    all: {{receivers: [{}], processors: [{processors}], exporters: [{}]}}\n",
            list(&receivers),
            list(&exporters)
        );
    } else {
        let connectors = list(&connectors);
        yaml += &format!("    traces: {{receivers: [otlp/around], exporters: [{connectors}]}}\n");
        yaml += &format!("    metrics: {{receivers: [{connectors}], exporters: [nop/around]}}\n");
    }
    yaml
}

/// Judges an example as `validate` does and returns what it would say.
fn judge(example: &Example) -> Result<(), String> {
    let place = format!("{}:{}", example.page.display(), example.line);
    let source = Source::new(place.as_str(), example.yaml.as_str());
    let node = config::parse(&source).map_err(|problem| format!("{place}: {}", problem.title()))?;
    let uris = [around(&node), example.yaml.clone()].map(ConfigUri::Yaml);
    let mut environment = MapEnvironment::default();
    for (_, rest) in example.yaml.match_indices("${env:").map(|(at, _)| example.yaml.split_at(at + 6)) {
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        environment = environment.with_variable(name.as_str(), "value-of-a-variable");
    }
    let loaded = engine::load(&uris, &environment, &registry());
    if loaded.plan.is_some() && !loaded.problems.has_errors() {
        return Ok(());
    }
    Err(format!("{place}\n{}", config::render(&loaded.problems.sorted())))
}

#[test]
fn every_example_is_a_configuration_that_validate_accepts() {
    let examples: Vec<Example> = pages().iter().flat_map(|page| examples(page)).collect();
    assert!(examples.len() >= 15, "only {} examples were found", examples.len());
    let refused: Vec<String> = examples.iter().filter_map(|example| judge(example).err()).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n\n"));
}

#[test]
fn every_pipeline_of_the_repository_is_a_configuration_that_validate_accepts() {
    let entries = fs::read_dir(root().join("pipelines")).expect("the folder can be read");
    let files: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    assert!(!files.is_empty());
    for file in files {
        let yaml = fs::read_to_string(&file).expect("a pipeline can be read");
        let loaded = engine::load(&[ConfigUri::Yaml(yaml)], &MapEnvironment::default(), &registry());
        let told = config::render(&loaded.problems.sorted());
        assert!(loaded.plan.is_some() && loaded.problems.is_empty(), "{}\n{told}", file.display());
    }
}

#[test]
fn an_example_with_a_wrong_key_would_be_found() {
    let page = Path::new("page.md").to_owned();
    let example = Example { page, line: 7, yaml: "exporters: {debug: {verbose: true}}\n".to_owned() };
    let told = judge(&example).unwrap_err();
    assert!(told.starts_with("page.md:7\n") && told.contains("unknown key `verbose`"), "{told}");
}
