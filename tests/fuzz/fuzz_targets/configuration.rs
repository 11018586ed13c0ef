//! Any document becomes a plan or a list of problems that can be shown, the same each time.
#![no_main]

use std::{str, sync::LazyLock};

use component::Registry;
use config::{ConfigUri, MapEnvironment};
use libfuzzer_sys::fuzz_target;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry {
    receivers: receivers::table(),
    processors: processors::processors(),
    connectors: processors::connectors(),
    exporters: exporters::table(),
    extensions: extensions::table(),
});

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else { return };
    let environment = MapEnvironment::default()
        .with_variable("PORT", "4317")
        .with_variable("LIST", "[a, {b: 1}]")
        .with_variable("AGAIN", "${env:AGAIN}")
        .with_file("part.yaml", "endpoint: localhost:4317\ntls: {insecure: true}\n");
    let uris = [ConfigUri::Yaml(text.to_owned())];
    let loaded = engine::load(&uris, &environment, &REGISTRY);
    assert_eq!(loaded.plan.is_none(), loaded.problems.has_errors(), "there is a plan or an error");
    let problems = loaded.problems.sorted();
    let shown = config::render(&problems);
    assert_eq!(shown.is_empty(), problems.is_empty());
    serde_json::from_str::<serde_json::Value>(&config::to_json(&problems))
        .expect("problems have a JSON form");
    let again = engine::load(&uris, &environment, &REGISTRY).problems.sorted();
    assert_eq!(again, problems, "the same document has the same problems");
});
