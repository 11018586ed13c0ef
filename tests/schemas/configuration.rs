//! `trueline schema`, judged by a validator of others: every configuration of the repository is valid against it, and what
//! `validate` refuses is not. It stands here and not with the other tests of the program, as the validator changes how
//! some hundred packages are compiled.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// What the program writes.
fn written() -> Result<String> {
    let output = Command::new(testbed::trueline_binary()?).arg("schema").output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The blocks of configuration in all pages below a folder, each with its page and line.
fn examples(folder: &Path, found: &mut Vec<(String, String)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            examples(&path, found)?;
        } else if name == "README.md" {
            let text = fs::read_to_string(&path)?;
            for (index, block) in text.split("\n```yaml\n").enumerate().skip(1) {
                let yaml = block.split("```").next().unwrap_or_default();
                found.push((format!("{} (block {index})", path.display()), yaml.to_owned()));
            }
        }
    }
    Ok(())
}

/// The schema, ready to judge.
struct Validator {
    schemas: Schemas,
    root: SchemaIndex,
}

fn schema() -> Result<(Value, Validator)> {
    let schema: Value = serde_json::from_str(&written()?)?;
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let place = "http://localhost/schema.json";
    let wrong = |problem: boon::CompileError| anyhow::anyhow!("{problem:#}");
    compiler.add_resource(place, schema.clone()).map_err(wrong)?;
    let root = compiler.compile(place, &mut schemas).map_err(wrong)?;
    Ok((schema, Validator { schemas, root }))
}

/// Reads YAML as an editor does: nothing is merged or expanded.
fn read(yaml: &str) -> Result<Value> {
    let node = config::parse(&config::Source::new("example", yaml))
        .map_err(|problem| anyhow::anyhow!(problem.title()))?;
    Ok(serde_json::to_value(config::Effective::new(&node, &config::Redaction::none()))?)
}

fn problems(validator: &Validator, yaml: &str) -> Result<Option<String>> {
    let value = read(yaml)?;
    Ok(validator.schemas.validate(&value, validator.root).err().map(|problem| format!("{problem:#}")))
}

#[test]
fn every_example_and_every_pipeline_of_the_repository_is_valid() -> Result<()> {
    let (_, validator) = schema()?;
    let mut all = Vec::new();
    examples(&root(), &mut all)?;
    for entry in fs::read_dir(root().join("pipelines"))? {
        let path = entry?.path();
        all.push((path.display().to_string(), fs::read_to_string(&path)?));
    }
    ensure!(all.len() > 30, "only {} were found", all.len());
    let mut wrong = Vec::new();
    for (place, yaml) in &all {
        let told = problems(&validator, yaml).with_context(|| place.clone())?;
        wrong.extend(told.into_iter().map(|it| format!("{place}: {it}")));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn what_is_unknown_or_of_another_kind_is_not_valid() -> Result<()> {
    let (_, validator) = schema()?;
    for wrong in [
        "recievers: {}",
        "receivers: {otpl: }",
        "receivers: {otlp: {protocols: {grpc: {endpint: x}}}}",
        "receivers: {otlp: {protocols: {grpc: {max_recv_msg_size_mib: -1}}}}",
        "processors: {batch: {timeout: 5}}",
        "processors: {filter: {trace_conditions: [{contxt: span}]}}",
        "processors: {anomaly: {detectors: [sesonal]}}",
        "processors: {sla: {slos: [{nme: x}]}}",
        "exporters: {otlp_http: {compression: gzipp}}",
        "exporters: {otlp_http/2: {sending_queue: {batch: {flush: 1s}}}}",
        "service: {pipelines: {traces: {reciever: [a]}}}",
        "service: {trueline: {shards: many}}",
        "service: {telemetry: {logs: {level: loud}}}",
        "service: {pipelines: {traces: {receivers: 'a, b', exporters: [c]}}}",
    ] {
        ensure!(problems(&validator, wrong)?.is_some(), "{wrong} passes for valid");
    }
    Ok(())
}

#[test]
fn what_configurations_may_hold_beside_plain_values_is_valid() -> Result<()> {
    let (_, validator) = schema()?;
    for good in [
        "receivers: {otlp/second: {protocols: {grpc: , http: {enabled: false}}}}",
        "receivers: {otlp: {protocols: {grpc: {max_recv_msg_size_mib: '${env:MIB}'}}}}",
        "processors: '${file:processors.yaml}'",
        "processors: {batch: , slo: }",
        "exporters: {otlphttp: {endpoint: '${env:URL:-http://localhost}', compression: '${env:GZIP}'}}",
        "service: {extensions: '${env:EXTENSIONS}', pipelines: {traces/a: {receivers: [a], exporters: [b]}}}",
    ] {
        let told = problems(&validator, good)?;
        ensure!(told.is_none(), "{good}: {told:?}");
    }
    Ok(())
}

#[test]
fn it_is_written_in_draft_7_and_always_the_same() -> Result<()> {
    let (schema, _) = schema()?;
    assert_eq!(schema["$schema"], json!("http://json-schema.org/draft-07/schema#"));
    assert_eq!(written()?, format!("{schema:#}\n"));
    Ok(())
}
