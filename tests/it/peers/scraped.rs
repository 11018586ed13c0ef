//! The receiver `prometheus` between two real Prometheus servers: what the one shows of itself, the other has by remote write.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testbed::{Exposition, Labels, Prometheus, Version, eventually, get};

use super::{
    SOON,
    gateway::{Gateway, Recipe},
};

const INTERVAL: Duration = Duration::from_secs(2);

/// Samples by name and labels; bounds and quantiles as numbers, as `1` and `1.0` are the same.
type Samples = BTreeMap<(String, Labels), f64>;

fn comparable(mut labels: Labels) -> Labels {
    for bound in ["le", "quantile"] {
        if let Some(value) = labels.get_mut(bound)
            && let Ok(number) = value.parse::<f64>()
        {
            *value = number.to_string();
        }
    }
    // An empty label is none.
    labels.retain(|name, value| !name.starts_with("otel_scope_") && name != "__name__" && !value.is_empty());
    labels
}

/// What a server shows of itself now.
fn shown(source: &Prometheus) -> Result<Samples> {
    let page = Exposition::parse(&get(&format!("{}/metrics", source.url()))?.success()?)?;
    let labels = |mut labels: Labels| {
        labels.insert("job".to_owned(), "source".to_owned());
        comparable(labels)
    };
    Ok(page.lines.into_iter().map(|line| ((line.name, labels(line.labels)), line.value)).collect())
}

/// What the other server has of it.
fn written(sink: &Prometheus, instance: &str) -> Result<Samples> {
    let mut all = Samples::new();
    for sample in sink.query("{job=\"source\"}")? {
        let (name, value) = (sample.label("__name__").to_owned(), sample.float()?);
        let mut labels = comparable(sample.labels);
        ensure!(labels.remove("instance").as_deref() == Some(instance), "{labels:?}");
        all.insert((name, labels), value);
    }
    Ok(all)
}

#[test]
fn what_a_prometheus_shows_of_itself_comes_out_of_another_and_ends_with_it() -> Result<()> {
    let source = Prometheus::start(Version::Three)?;
    let sink = Prometheus::start(Version::Three)?;
    let instance = source.url().trim_start_matches("http://").to_owned();
    let gateway = Gateway::start(&Recipe {
        receivers: &format!(
            "  prometheus: {{config: {{scrape_configs: [{{job_name: source, scrape_interval: {}s, static_configs: [{{targets: ['{instance}']}}]}}]}}}}",
            INTERVAL.as_secs()
        ),
        components: &format!(
            "exporters: {{prometheus_remote_write: {{endpoint: '{}', add_metric_suffixes: false, target_info: {{enabled: false}}}}}}",
            sink.remote_write_url()
        ),
        pipelines: "metrics: {receivers: [prometheus], exporters: [prometheus_remote_write]}",
        state: None,
    })?;
    sink.query_until("up{job=\"source\"}", SOON, |found| {
        found.len() == 1 && found[0].float().is_ok_and(|up| up == 1.0)
    })?;
    // What stands still between two looks at the page is known, if a scrape of it has arrived between two others.
    let compared = eventually("what stands still has the same values", SOON, || {
        let before = shown(&source)?;
        let at = sink.value("timestamp(up{job=\"source\"})")?;
        eventually("a scrape between", SOON, || {
            let now = sink.value("timestamp(up{job=\"source\"})")?;
            ensure!(
                now >= at + 2.0 * INTERVAL.as_secs_f64(),
                "it is still that of {now}, the first was {at}"
            );
            Ok(())
        })?;
        let have = written(&sink, &instance)?;
        let after = shown(&source)?;
        let mut n_compared = 0;
        for (series, value) in &before {
            if !after.contains_key(series) {
                continue;
            }
            let found = have.get(series).with_context(|| format!("{series:?} did not come"))?;
            // Others may have gone and come back between the looks.
            let only_grows =
                ["_total", "_count", "_sum", "_bucket"].iter().any(|end| series.0.ends_with(end));
            if !only_grows || after.get(series) != Some(value) {
                continue;
            }
            ensure!(
                found == value || (found.is_nan() && value.is_nan()),
                "{series:?} is {found}, must be {value}"
            );
            n_compared += 1;
        }
        let is_own = |name: &str| name == "up" || name.starts_with("scrape_");
        let strange: Vec<_> = have.keys().filter(|key| !is_own(&key.0) && !after.contains_key(key)).collect();
        ensure!(strange.is_empty(), "nobody shows {strange:?}");
        Ok(n_compared)
    })?;
    ensure!(compared > 300, "only {compared} series stood still");
    let scraped = sink.value("scrape_samples_scraped{job=\"source\"}")?;
    ensure!(scraped > 500.0, "{scraped} samples");
    // A query finds nothing of it within an interval, where Prometheus would look back for five minutes otherwise.
    drop(source);
    sink.query_until("up{job=\"source\"}", SOON, |found| {
        found.iter().all(|up| up.float().is_ok_and(|up| up == 0.0))
    })?;
    let ended = "{job=\"source\",__name__!~\"up|scrape_.*\"}";
    sink.query_until(ended, INTERVAL, <[_]>::is_empty)?;
    let failed =
        gateway.counter("otelcol_receiver_prometheus_failed_scrapes", &[("reason", "unreachable")])?;
    ensure!(failed >= 1.0, "{failed} scrapes have failed");
    Ok(())
}
