//! Who may come in, and what goes out for all to read.

use config::{Collector, Component, Entry, Node, Problem, Telemetry, Value};

use super::{
    hosts::{host_of, is_open, is_remote},
    warning,
};

pub(super) fn check(collector: &Collector, found: &mut Vec<Problem>) {
    for receiver in &collector.receivers {
        doors(&receiver.settings, &receiver.path(), found);
    }
    for exporter in &collector.exporters {
        plain(&exporter.settings, &exporter.path(), is_plain_without_scheme(exporter), found);
    }
    if let Some(written) = &collector.service.telemetry.written {
        plain(written, Telemetry::PATH, false, found);
    }
}

/// Looks for sections with an `endpoint` that is open and asks nobody who they are.
fn doors(node: &Node, path: &str, found: &mut Vec<Problem>) {
    let Some(map) = node.as_map() else { return };
    if let Some(endpoint) = node.get("endpoint")
        && let Some(text) = endpoint.as_str()
        && is_open(host_of(text))
        && node.get("tls").is_none_or(Node::is_null)
    {
        let message =
            format!("{text} is open to all who reach this machine, without TLS and without authentication");
        let help = "listen on localhost or on one address of the machine, or set `tls` with `client_ca_file`";
        found.push(warning("public_endpoint", &endpoint.place, format!("{path}::endpoint"), message, help));
    }
    for Entry { key, value } in &map.entries {
        doors(value, &format!("{path}::{}", key.name), found);
    }
}

/// gRPC endpoints have no scheme; `tls.insecure` makes them plain.
fn is_plain_without_scheme(exporter: &Component) -> bool {
    let insecure = exporter.settings.get("tls").and_then(|tls| tls.get("insecure"));
    insecure.is_some_and(|node| node.value == Value::Bool(true))
}

/// Looks for destinations that are far away and spoken to in plain text.
fn plain(node: &Node, path: &str, without_scheme: bool, found: &mut Vec<Problem>) {
    match &node.value {
        Value::Map(map) => {
            for Entry { key, value } in &map.entries {
                let path = format!("{path}::{}", key.name);
                let is_destination = key.name.ends_with("endpoint")
                    || matches!(key.name.as_str(), "url" | "urls" | "proxy_url");
                if is_destination {
                    destination(value, &path, without_scheme, found)
                } else {
                    plain(value, &path, false, found)
                }
            }
        }
        Value::Seq(items) => {
            for (index, item) in items.iter().enumerate() {
                plain(item, &format!("{path}::{index}"), false, found);
            }
        }
        _ => {}
    }
}

fn destination(node: &Node, path: &str, without_scheme: bool, found: &mut Vec<Problem>) {
    if let Some(items) = node.as_seq() {
        items.iter().for_each(|item| destination(item, path, without_scheme, found));
    }
    let Some(text) = node.as_str() else { return };
    let is_plain = text.starts_with("http://") || (without_scheme && !text.contains("://"));
    let host = host_of(text);
    if is_plain && is_remote(host) {
        let message = format!("telemetry goes to {host} in plain text, for all on the way to read");
        let help = if text.starts_with("http://") { "write `https://`" } else { "remove `tls.insecure`" };
        found.push(warning("plain_text", &node.place, path, message, help));
    }
}
