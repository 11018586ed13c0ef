//! `trueline components`: what this program can be configured with, as YAML.

use std::process::ExitCode;

use component::Registry;

use crate::{exit::tell, registry::registry};

pub(super) fn list() -> ExitCode {
    tell(&render(&registry()))
}

fn render(registry: &Registry) -> String {
    let mut text = format!("buildinfo:\n  command: trueline\n  version: {}\n", env!("CARGO_PKG_VERSION"));
    let mut section = |name: &str, mut rows: Vec<(&str, &[&str])>| {
        rows.sort_unstable();
        text.push_str(name);
        text.push_str(":\n");
        for (kind, aliases) in rows {
            text.push_str(&format!("  - name: {kind}\n"));
            if !aliases.is_empty() {
                text.push_str(&format!("    aliases: [{}]\n", aliases.join(", ")));
            }
        }
    };
    section("receivers", registry.receivers.iter().map(|row| (row.kind, row.aliases)).collect());
    section("processors", registry.processors.iter().map(|row| (row.kind, row.aliases)).collect());
    section("connectors", registry.connectors.iter().map(|row| (row.kind, row.aliases)).collect());
    section("exporters", registry.exporters.iter().map(|row| (row.kind, row.aliases)).collect());
    section("extensions", registry.extensions.iter().map(|row| (row.kind, row.aliases)).collect());
    text
}
