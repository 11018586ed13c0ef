//! `config print` and `config diff`: what is in force, and nothing of what is secret.

use anyhow::Result;
use expect_test::expect;
use serde_json::{Value, json};

use super::text;
use crate::program::trueline;

const BASE: &str = "
receivers: {otlp: {protocols: {grpc: , http: {response_headers: {x-key: hidden-1}}}}}
processors:
  attributes: {actions: [{key: team, action: insert, value: shop}]}
exporters:
  otlp_http:
    endpoint: ${env:HOST:-https://tempo.example.com}
    headers: {authorization: Bearer hidden-3}
    tls: {server_name_override: tempo}
  alert_webhook: {destinations: [{name: hook, format: cloudevents, url: 'https://hooks.example.com/hidden-4'}]}
extensions: {api: {tokens: [{name: wall, token: hidden-5-hidden-5}]}}
service:
  extensions: [api]
  telemetry:
    logs: {processors: [{batch: {exporter: {otlp: {endpoint: 'http://localhost:1', headers: {x: hidden-6}}}}}]}
    metrics:
      readers: [{periodic: {exporter: {otlp: {endpoint: 'http://localhost:1', headers: [{name: a, value: hidden-7}]}}}}]
  pipelines:
    traces: {receivers: [otlp], processors: [attributes], exporters: [otlp_http]}
    logs: {receivers: [otlp], exporters: [alert_webhook]}
";

fn config(yaml: &str) -> String {
    format!("--config=yaml:{yaml}")
}

#[test]
fn what_is_printed_is_merged_and_expanded_and_can_be_read_again() -> Result<()> {
    let over =
        config("{exporters: {otlp_http: {timeout: 3s, endpoint: '${env:NOWHERE:-https://b.example.com}'}}}");
    let base = config(BASE);
    let printed = trueline(&["config", "print", "--mode=unredacted", &base, &over])?;
    let yaml = text(&printed.stdout);
    assert_eq!(printed.status.code(), Some(0), "{}", text(&printed.stderr));
    assert!(yaml.contains("endpoint: https://b.example.com") && yaml.contains("timeout: 3s"), "{yaml}");
    assert!(!yaml.contains("${") && yaml.contains("Bearer hidden-3"), "{yaml}");
    let again = trueline(&["print-config", "--mode=unredacted", &config(&yaml)])?;
    assert_eq!(text(&again.stdout), yaml);
    Ok(())
}

#[test]
fn no_secret_is_printed_wherever_it_stands() -> Result<()> {
    for format in ["--format=yaml", "--format=json"] {
        let printed = trueline(&["config", "print", format, &config(BASE)])?;
        let told = text(&printed.stdout);
        assert_eq!(printed.status.code(), Some(0), "{}", text(&printed.stderr));
        assert!(!told.contains("hidden"), "{told}");
        assert_eq!(told.matches("[REDACTED]").count(), 6, "{told}");
        assert!(told.contains("server_name_override"), "{told}");
    }
    let json = trueline(&["config", "print", "--format=json", &config(BASE)])?;
    let json: Value = serde_json::from_slice(&json.stdout)?;
    assert_eq!(json["receivers"]["otlp"]["protocols"]["grpc"], Value::Null);
    assert_eq!(json["processors"]["attributes"]["actions"][0]["value"], "shop");
    Ok(())
}

#[test]
fn of_what_can_not_be_read_nobody_knows_what_is_secret() -> Result<()> {
    let refused = config(
        "{receivers: {otlp: {protocols: {grpc: }}}, exporters: {datadog: {api: {key: hidden}}, \
         otlp_http: {headers: {a: hidden}, endpint: b}}, \
         service: {pipelines: {traces: {receivers: [otlp], exporters: [datadog, otlp_http]}}}}",
    );
    let told = trueline(&["config", "print", &refused])?;
    assert_eq!((told.status.code(), text(&told.stdout)), (Some(4), String::new()));
    assert!(text(&told.stderr).contains("unknown type: \"datadog\""));
    let told = trueline(&["config", "print", "--validate=false", &refused])?;
    let yaml = text(&told.stdout);
    assert!(
        told.status.success() && !yaml.contains("hidden") && yaml.contains("datadog: \"[REDACTED]\""),
        "{yaml}"
    );
    Ok(())
}

#[test]
fn a_difference_is_told_by_its_path_and_a_secret_only_as_such() -> Result<()> {
    let other = BASE
        .replace("value: shop", "value: cart")
        .replace("hidden-3", "hidden-8")
        .replace("server_name_override: tempo", "");
    let (a, b) = (format!("yaml:{BASE}"), format!("yaml:{other}"));
    let told = trueline(&["config", "diff", &a, &b])?;
    expect![[r#"
        - processors::attributes::actions::0::value: "shop"
        + processors::attributes::actions::0::value: "cart"
        - exporters::otlp_http::headers::authorization: "[REDACTED]"
        + exporters::otlp_http::headers::authorization: "[REDACTED]"
        - exporters::otlp_http::tls::server_name_override: "tempo"
    "#]]
    .assert_eq(&text(&told.stdout));
    let json: Value =
        serde_json::from_slice(&trueline(&["config", "diff", "--format=json", &a, &b])?.stdout)?;
    assert_eq!(json[2], json!({"path": "exporters::otlp_http::tls::server_name_override", "a": "tempo"}));
    let same = trueline(&["config", "diff", &a, &a])?;
    assert_eq!((same.status.code(), same.stdout.len()), (Some(0), 0));
    Ok(())
}
