//! `trueline components`: what this program can be configured with, as YAML or JSON.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use component::{Entry, Registry};
use serde_json::{Value, json};

use crate::{exit::tell, registry::registry};

#[derive(Args)]
pub(super) struct ComponentsArgs {
    #[arg(long, value_enum, default_value_t = Format::Yaml)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Yaml,
    Json,
}

pub(super) fn list(args: &ComponentsArgs) -> ExitCode {
    let sections = sections(&registry());
    tell(&match args.format {
        Format::Yaml => yaml(&sections),
        Format::Json => format!("{:#}\n", json(&sections)),
    })
}

/// A section of a configuration with its components, sorted by name.
type Section = (&'static str, Vec<(&'static str, &'static [&'static str])>);

fn sections(registry: &Registry) -> [Section; 5] {
    fn rows<T: ?Sized>(table: &[Entry<T>]) -> Vec<(&'static str, &'static [&'static str])> {
        let mut rows: Vec<_> = table.iter().map(|row| (row.kind, row.aliases)).collect();
        rows.sort_unstable();
        rows
    }
    [
        ("receivers", rows(&registry.receivers)),
        ("processors", rows(&registry.processors)),
        ("connectors", rows(&registry.connectors)),
        ("exporters", rows(&registry.exporters)),
        ("extensions", rows(&registry.extensions)),
    ]
}

fn yaml(sections: &[Section]) -> String {
    let mut text = format!("buildinfo:\n  command: trueline\n  version: {}\n", env!("CARGO_PKG_VERSION"));
    for (name, rows) in sections {
        text += &format!("{name}:\n");
        for (kind, aliases) in rows {
            text += &format!("  - name: {kind}\n");
            if !aliases.is_empty() {
                text += &format!("    aliases: [{}]\n", aliases.join(", "));
            }
        }
    }
    text
}

fn json(sections: &[Section]) -> Value {
    let mut all = json!({ "buildinfo": { "command": "trueline", "version": env!("CARGO_PKG_VERSION") } });
    for (name, rows) in sections {
        let rows = rows.iter().map(|(kind, aliases)| json!({ "name": kind, "aliases": aliases }));
        all[name] = rows.collect();
    }
    all
}
