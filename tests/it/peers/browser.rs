//! A page in a real Chromium sends with the OpenTelemetry web SDK, across origins.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::{Site, Trueline, Watch, eventually, free_port, open_page};

use super::SOON;

struct Collector {
    trueline: Trueline,
    http: String,
    folder: tempfile::TempDir,
}

impl Collector {
    /// Starts trueline, to which pages of one origin may send.
    fn start(origin: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = |name: &str| folder.path().join(name).display().to_string();
        let http = format!("127.0.0.1:{}", free_port());
        let health = format!("127.0.0.1:{}", free_port());
        let metrics = format!("127.0.0.1:{}", free_port());
        let (_, metrics_port) = metrics.split_once(':').context("an address")?;
        let config = format!(
            "receivers:
  otlp:
    protocols:
      http:
        endpoint: '{http}'
        cors: {{allowed_origins: ['{origin}'], allowed_headers: [x-shop]}}
extensions: {{health_check: {{endpoint: '{health}'}}}}
exporters:
  otlp_file/traces: {{path: '{}'}}
  otlp_file/logs: {{path: '{}'}}
service:
  extensions: [health_check]
  telemetry:
    metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{host: 127.0.0.1, port: {metrics_port}}}}}}}}}]}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_file/traces]}}
    logs: {{receivers: [otlp], exporters: [otlp_file/logs]}}
",
            file("traces.jsonl"),
            file("logs.jsonl"),
        );
        let watch = Watch { health: health.parse()?, metrics: Some(metrics.parse()?) };
        let trueline = Trueline::start(&config, watch).with_context(|| format!("with\n{config}"))?;
        Ok(Self { trueline, http: format!("http://{http}"), folder })
    }

    /// Returns spans by name, of the page alone.
    fn spans(&self) -> Result<BTreeMap<String, Value>> {
        let items =
            items(&self.folder.path().join("traces.jsonl"), ["resourceSpans", "scopeSpans", "spans"])?;
        Ok(items
            .into_iter()
            .map(|span| (span["name"].as_str().unwrap_or_default().to_owned(), span))
            .collect())
    }

    /// Returns web vitals by name.
    fn vitals(&self) -> Result<BTreeMap<String, f64>> {
        let records =
            items(&self.folder.path().join("logs.jsonl"), ["resourceLogs", "scopeLogs", "logRecords"])?;
        let vitals = records.iter().filter(|record| record["eventName"] == "browser.web_vital");
        vitals
            .map(|record| {
                let name = attribute(record, "name")?["stringValue"].as_str().context("a name is a text")?;
                let value = attribute(record, "value")?;
                let number = value["doubleValue"].as_f64();
                // Whole numbers are written as texts.
                let whole = || value["intValue"].as_str().and_then(|text| text.parse().ok());
                Ok((name.to_owned(), number.or_else(whole).context("a vital is a number")?))
            })
            .collect()
    }
}

/// Returns the items of a file of requests; nothing before there is one.
fn items(file: &Path, [resources, scopes, items]: [&str; 3]) -> Result<Vec<Value>> {
    let Ok(text) = fs::read_to_string(file) else { return Ok(Vec::new()) };
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let mut all = Vec::new();
    for line in text.lines() {
        let request: Value = serde_json::from_str(line).with_context(|| format!("a line is {line}"))?;
        for resource in list(&request, resources) {
            let service = attribute(&resource["resource"], "service.name")?;
            ensure!(service["stringValue"] == "shop-page", "{resource}");
            all.extend(list(&resource, scopes).iter().flat_map(|scope| list(scope, items)));
        }
    }
    Ok(all)
}

fn attribute<'a>(of: &'a Value, key: &str) -> Result<&'a Value> {
    let mut attributes = of["attributes"].as_array().context("it has attributes")?.iter();
    let found = attributes.find(|attribute| attribute["key"] == key);
    Ok(&found.with_context(|| format!("{of} has no {key}"))?["value"])
}

#[test]
fn a_page_sends_spans_and_web_vitals_and_one_of_another_origin_may_not() -> Result<()> {
    let (shop, other) = (Site::start()?, Site::start()?);
    let mut collector = Collector::start(shop.origin())?;
    let mut refused = open_page(&other.page_for(&collector.http))?;
    refused.wait_until("refused", SOON, |browser| browser.log().contains("blocked by CORS policy"))?;
    drop(refused);
    let accepted =
        |metric: &str| collector.trueline.metrics().map(|page| page.sum(metric, &[]).unwrap_or(0.0));
    ensure!(accepted("otelcol_receiver_accepted_spans")? == 0.0);

    let _browser = open_page(&shop.page_for(&collector.http))?;
    let wanted = ["documentLoad", "documentFetch", "visit", "GET"];
    eventually("the page's spans", SOON, || {
        let spans = collector.spans()?;
        let missing: Vec<_> = wanted.iter().filter(|name| !spans.contains_key(**name)).collect();
        ensure!(missing.is_empty(), "{missing:?} are missing of {:?}", spans.keys());
        Ok(())
    })?;
    let spans = collector.spans()?;
    let (visit, fetch) = (&spans["visit"], &spans["GET"]);
    ensure!(
        fetch["parentSpanId"] == visit["spanId"] && fetch["traceId"] == visit["traceId"],
        "{fetch}\n{visit}"
    );
    ensure!(spans["documentFetch"]["parentSpanId"] == spans["documentLoad"]["spanId"], "{spans:?}");
    eventually("web vitals", SOON, || {
        let vitals = collector.vitals()?;
        for name in ["ttfb", "fcp", "lcp"] {
            let millis = vitals.get(name).with_context(|| format!("{name} is missing of {vitals:?}"))?;
            ensure!((0.0..60_000.0).contains(millis), "{name} is {millis} ms");
        }
        ensure!(vitals["fcp"] > 0.0 && vitals["lcp"] >= vitals["fcp"], "{vitals:?}");
        Ok(())
    })?;
    ensure!(accepted("otelcol_receiver_accepted_spans")? >= 4.0);
    ensure!(collector.trueline.stop(SOON)?.success(), "{}", collector.trueline.log());
    Ok(())
}
