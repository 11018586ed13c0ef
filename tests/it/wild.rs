//! Configurations as people run them with the Go collector, written after public examples: which of them run here
//! unchanged, and what the others lack. The table is `wild/README.md`.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use config::{ConfigUri, MapEnvironment, Severity};
use expect_test::expect_file;

use crate::rig::registry;

/// A configuration and what keeps it from running.
struct Wild {
    name: String,
    after: String,
    /// Components that are not here, `receivers: jaeger`, and keys that are not.
    missing: Vec<String>,
}

fn all() -> Result<Vec<Wild>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("wild");
    let mut files: Vec<_> = fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|it| it == "yaml"));
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Result<Wild> {
    let text = fs::read_to_string(file)?;
    let first = text.lines().next().unwrap_or_default();
    let after =
        first.strip_prefix("# After: ").with_context(|| format!("{} says not whence", file.display()))?;
    let loaded = engine::load(&[ConfigUri::Yaml(text.clone())], &MapEnvironment::default(), &registry());
    let problems = loaded.problems.sorted();
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let mut missing: Vec<String> = errors.map(missing).collect();
    missing.dedup();
    ensure!(missing.is_empty() == loaded.plan.is_some(), "{}", file.display());
    let name = file.file_stem().context("a name")?.to_string_lossy().into_owned();
    Ok(Wild { name, after: after.to_owned(), missing })
}

/// What is named by an error: a component, or the key where it stands.
fn missing(problem: &config::Problem) -> String {
    let kind = problem.message.split('"').nth(1).filter(|_| problem.message.starts_with("unknown type: "));
    let key = || format!("{}: {}", problem.path, problem.message.split(": ").next().unwrap_or_default());
    kind.map_or_else(key, |kind| format!("{} `{kind}`", problem.path.trim_end_matches('s')))
}

fn table(all: &[Wild]) -> String {
    let n_run = all.iter().filter(|wild| wild.missing.is_empty()).count();
    let mut out = format!(
        "# Configurations from the wild

{} configurations as people run them with the Go collector, written after what the column names, in its own spelling.
{n_run} run here unchanged; of the others the table has what `trueline validate` names. The test `wild` keeps it true.

| configuration | after | runs |
|---|---|---|
",
        all.len()
    );
    for Wild { name, after, missing } in all {
        let verdict =
            if missing.is_empty() { "yes".to_owned() } else { format!("no: {}", missing.join("; ")) };
        out += &format!("| [`{name}`]({name}.yaml) | {after} | {verdict} |\n");
    }
    let mut wanted = BTreeMap::<&str, usize>::new();
    all.iter().flat_map(|wild| &wild.missing).for_each(|missing| *wanted.entry(missing).or_default() += 1);
    let mut wanted: Vec<_> = wanted.into_iter().collect();
    wanted.sort_by_key(|(missing, n)| (std::cmp::Reverse(*n), *missing));
    out += "\n## Most wanted\n\n| missing | configurations |\n|---|---:|\n";
    for (missing, n) in wanted {
        out += &format!("| {missing} | {n} |\n");
    }
    out
}

#[test]
fn the_table_of_wild_configurations_is_true_and_most_of_them_run() -> Result<()> {
    let all = all()?;
    expect_file!["wild/README.md"].assert_eq(&table(&all));
    let n_run = all.iter().filter(|wild| wild.missing.is_empty()).count();
    ensure!(all.len() >= 40 && n_run >= 28, "{n_run} of {} run", all.len());
    Ok(())
}
