//! The shape of the repository: what `src/README.md` promises, read from the files themselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// What processors must never reach: I/O and clocks.
const NOT_IN_PROCESSORS: &[&str] =
    &["tokio::", "tonic::", "std::fs", "std::net", "SystemTime", "Instant::now", "std::thread"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()))
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
    let mut folders: Vec<_> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

fn name(path: &Path) -> String {
    path.file_name().expect("a folder has a name").to_string_lossy().into_owned()
}

/// All Rust files below a folder, tests aside when asked.
fn sources(path: &Path, with_tests: bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            let is_test = name(&path).starts_with("tests") || name(&path) == "testing";
            if path.is_dir() && (with_tests || !is_test) {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && (with_tests || !is_test) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The names before `=` or `.workspace` below `[dependencies]`.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let section = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split(['.', '=', ' ']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Reads the table of `src/README.md`: which of our crates each crate may use. An edge that is not there is
/// a change of the design.
fn allowed(map: &str, ours: &BTreeSet<String>) -> BTreeMap<String, BTreeSet<String>> {
    let mut allowed = BTreeMap::new();
    for line in map.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [folder, _, may] = cells[..] else { continue };
        let Some(own) = folder.split('`').nth(1).and_then(|name| name.strip_suffix('/')) else { continue };
        // What follows a semicolon is said of other things than crates.
        let may = may.split(';').next().unwrap_or_default();
        let may = match may {
            "all" => ours.clone(),
            "nothing of ours" => BTreeSet::new(),
            list => list.split(", ").map(str::to_owned).collect(),
        };
        assert!(may.is_subset(ours), "src/README.md lets {own} use what is no crate: {may:?}");
        allowed.insert(own.to_owned(), may);
    }
    allowed
}

#[test]
fn crates_use_only_what_the_map_allows_and_all_of_it() {
    let crates = folders(&root().join("src"));
    let ours: BTreeSet<String> = crates.iter().map(|path| name(path)).collect();
    let allowed = allowed(&text(&root().join("src/README.md")), &ours);
    let mut wrong = Vec::new();
    for folder in &crates {
        let own = name(folder);
        let Some(may) = allowed.get(&own) else {
            wrong.push(format!("src/{own} is not in the table of src/README.md"));
            continue;
        };
        let uses = &dependencies(&text(&folder.join("Cargo.toml"))) & &ours;
        wrong.extend(uses.difference(may).map(|used| format!("src/{own} must not use {used}")));
        if own != "app" {
            wrong.extend(may.difference(&uses).map(|unused| format!("src/{own} does not use {unused}")));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn no_crate_lists_another_that_its_code_does_not_name() {
    let crates = folders(&root().join("src"));
    let ours: BTreeSet<String> = crates.iter().map(|path| name(path)).collect();
    let mut unused = Vec::new();
    for folder in &crates {
        let code: String = sources(folder, true).iter().map(|path| text(path)).collect();
        let listed = &dependencies(&text(&folder.join("Cargo.toml"))) & &ours;
        let is_named = |other: &&String| code.contains(&format!("{other}::"));
        unused.extend(listed.iter().filter(|it| !is_named(it)).map(|it| format!("{}: {it}", name(folder))));
    }
    assert_eq!(unused, Vec::<String>::new());
}

#[test]
fn processors_do_no_io_and_own_no_clock() {
    for path in sources(&root().join("src/processors"), false) {
        let code = text(&path);
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for forbidden in NOT_IN_PROCESSORS {
            assert!(!code.contains(forbidden), "{} reaches {forbidden}", path.display());
        }
    }
}

/// Folders of a layer that are shared code and no component.
const NOT_A_COMPONENT: &[&str] = &[
    "actions",
    "body",
    "consistent",
    "examples",
    "http",
    "lens",
    "prometheus_names",
    "ottl",
    "promql",
    "proptest-regressions",
    "temporality",
    "testing",
];

fn component_folders() -> Vec<PathBuf> {
    let layers = ["receivers", "processors", "exporters", "extensions"];
    let all = layers.iter().flat_map(|layer| folders(&root().join("src").join(layer)));
    all.filter(|path| !NOT_A_COMPONENT.contains(&name(path).as_str())).collect()
}

#[test]
fn every_component_has_one_shape() {
    for folder in component_folders() {
        for file in ["mod.rs", "README.md"] {
            assert!(folder.join(file).is_file(), "{} has no {file}", folder.display());
        }
        let code = text(&folder.join("mod.rs"));
        assert!(code.starts_with("//!"), "{}/mod.rs does not say what question it answers", folder.display());
    }
}

#[test]
fn every_component_is_in_its_layers_table() {
    for folder in component_folders() {
        let layer = folder.parent().expect("a component is in a layer");
        let table = text(&layer.join("lib.rs"));
        assert!(table.contains(&format!("{}::", name(&folder))), "{} is in no table", folder.display());
    }
}

/// Public fields of the structs that the configuration is read into.
fn keys(code: &str) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    let mut is_config = false;
    for line in code.lines() {
        if line.starts_with("#[derive(") {
            is_config = line.contains("Deserialize");
        }
        if line.starts_with('}') {
            is_config = false;
        }
        let field = line.trim().strip_prefix("pub(crate) ").or(line.trim().strip_prefix("pub(super) "));
        let field = field.or(line.trim().strip_prefix("pub "));
        if let Some((key, _)) = field.filter(|_| is_config).and_then(|field| field.split_once(": ")) {
            keys.insert(key.trim_start_matches("r#").to_owned());
        }
    }
    keys
}

#[test]
fn the_page_of_a_component_shows_how_it_is_configured() {
    let lacks = |page: &PathBuf| !text(page).contains("```yaml\n");
    let pages = component_folders().into_iter().map(|folder| folder.join("README.md"));
    let without: Vec<_> = pages.filter(lacks).collect();
    assert_eq!(without, Vec::<PathBuf>::new(), "no example in a block ```yaml");
}

#[test]
fn the_page_of_a_component_names_every_key() {
    let mut missing = Vec::new();
    for folder in component_folders() {
        let page = text(&folder.join("README.md"));
        for path in sources(&folder, false) {
            for key in keys(&text(&path)) {
                if !page.contains(&key) {
                    missing.push(format!("{}: {key} ({})", folder.join("README.md").display(), name(&path)));
                }
            }
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn no_file_has_grown_beyond_what_a_stranger_can_proofread() {
    let mut large = Vec::new();
    for path in sources(&root().join("src"), false) {
        let lines = text(&path).lines().count();
        if lines > 600 {
            large.push(format!("{}: {lines} lines", path.display()));
        }
    }
    assert_eq!(large, Vec::<String>::new());
}

#[test]
fn one_crate_knows_yaml() {
    for folder in folders(&root().join("src")) {
        let uses = dependencies(&text(&folder.join("Cargo.toml")))
            .iter()
            .any(|name| name.contains("yaml") || name.contains("saphyr"));
        assert!(!uses || name(&folder) == "config", "{} parses YAML beside config", folder.display());
    }
}
