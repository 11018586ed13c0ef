//! What a scrape config comes to with its globals.

use std::{collections::BTreeSet, time::Duration};

use component::Checks;

use super::{
    super::{
        exposition::Dialect,
        labels::{Labels, is_classic_label},
        relabel::{RelabelConfig, Rule},
        target::{Origin, Target, targets},
    },
    GlobalConfig, PrometheusConfig, ScrapeConfig, client,
};

const INTERVAL: Duration = Duration::from_secs(60);
const TIMEOUT: Duration = Duration::from_secs(10);
/// More of a body is not read unless `body_size_limit` says so. *Units*: bytes.
const LARGEST_BODY: u64 = 64 << 20;
/// More samples of one scrape are not taken unless `sample_limit` says so.
const MOST_SAMPLES: u64 = 1_000_000;

/// A job, ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) scrape: ScrapeConfig,
    pub(crate) targets: Vec<Target>,
    pub(crate) metric_rules: Vec<Rule>,
    pub(crate) external_labels: Labels,
    pub(crate) limits: Limits,
    pub(crate) accept: String,
    pub(crate) fallback: Dialect,
    /// Whether names must be as they were before UTF-8.
    pub(crate) is_classic: bool,
    pub(crate) tells_extra: bool,
}

/// What a scrape may not exceed; 0 means no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Limits {
    /// *Units*: bytes, decompressed.
    pub(crate) body: u64,
    pub(crate) samples: u64,
    /// As configured, where it is.
    pub(crate) told_samples: u64,
    pub(crate) labels: u64,
    /// *Units*: bytes.
    pub(crate) label_name: u64,
    pub(crate) label_value: u64,
}

/// A format that a target may be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Protocol {
    name: &'static str,
    media_type: &'static str,
    /// Whether it may be told how to escape names.
    is_escaped: bool,
    dialect: Dialect,
}

const PROTOCOLS: [Protocol; 4] = [
    Protocol {
        name: "OpenMetricsText1.0.0",
        media_type: "application/openmetrics-text;version=1.0.0",
        is_escaped: true,
        dialect: Dialect::OpenMetrics,
    },
    Protocol {
        name: "OpenMetricsText0.0.1",
        media_type: "application/openmetrics-text;version=0.0.1",
        is_escaped: false,
        dialect: Dialect::OpenMetrics,
    },
    Protocol {
        name: "PrometheusText1.0.0",
        media_type: "text/plain;version=1.0.0",
        is_escaped: true,
        dialect: Dialect::Text,
    },
    Protocol {
        name: "PrometheusText0.0.4",
        media_type: "text/plain;version=0.0.4",
        is_escaped: false,
        dialect: Dialect::Text,
    },
];

const SCHEMES: [&str; 4] = ["allow-utf-8", "underscores", "dots", "values"];

impl Protocol {
    fn named(name: &str) -> Option<&'static Self> {
        PROTOCOLS.iter().find(|known| known.name == name)
    }
}

/// Writes `Accept`: the formats in the order in which they are wanted.
fn accept(wanted: &[&Protocol], escaping: &str) -> String {
    let mut weight = 6_usize;
    let mut all = String::new();
    for protocol in wanted {
        let escaping = if protocol.is_escaped { format!(";escaping={escaping}") } else { String::new() };
        all.push_str(&format!("{}{escaping};q=0.{weight},", protocol.media_type));
        weight = weight.saturating_sub(1);
    }
    all + &format!("*/*;q=0.{weight}")
}

/// Returns the jobs; of what [`validate`] reports something may be missing.
pub(crate) fn jobs(config: &PrometheusConfig) -> Vec<Job> {
    let Some(config) = &config.config else { return Vec::new() };
    config.scrape_configs.iter().map(|scrape| job(&config.global, scrape)).collect()
}

fn job(global: &GlobalConfig, scrape: &ScrapeConfig) -> Job {
    let is_classic = is_classic(global, scrape);
    let rules = |configs: &[RelabelConfig]| configs.iter().filter_map(|it| it.rule(is_classic)).collect();
    let relabel_rules: Vec<Rule> = rules(&scrape.relabel_configs);
    let own_or = |own: u64, global: u64, default: u64| [own, global, default].into_iter().find(|it| *it > 0);
    let limit = |own, global, default| own_or(own, global, default).unwrap_or(0);
    let names = scrape.scrape_protocols.as_ref().or(global.scrape_protocols.as_ref());
    let wanted: Vec<&Protocol> = match names {
        Some(names) => names.iter().filter_map(|name| Protocol::named(name)).collect(),
        None => PROTOCOLS.iter().collect(),
    };
    let mut all = Vec::new();
    let origin = origin(global, scrape, &relabel_rules);
    for (_, built) in targets(&origin) {
        all.extend(built.ok().flatten());
    }
    // Prometheus asks once what is the same.
    all.sort_by(|a: &Target, b| a.labels.cmp(&b.labels));
    all.dedup_by(|a, b| a.labels == b.labels);
    Job {
        targets: all,
        metric_rules: rules(&scrape.metric_relabel_configs),
        external_labels: global.external_labels.iter().map(|(k, v)| (k.as_str(), v.0.as_str())).collect(),
        limits: Limits {
            body: limit(scrape.body_size_limit.0, global.body_size_limit.0, LARGEST_BODY),
            samples: limit(scrape.sample_limit, global.sample_limit, MOST_SAMPLES),
            told_samples: limit(scrape.sample_limit, global.sample_limit, 0),
            labels: limit(scrape.label_limit, global.label_limit, 0),
            label_name: limit(scrape.label_name_length_limit, global.label_name_length_limit, 0),
            label_value: limit(scrape.label_value_length_limit, global.label_value_length_limit, 0),
        },
        accept: accept(&wanted, escaping(global, scrape)),
        fallback: Protocol::named(&scrape.fallback_scrape_protocol).map_or(Dialect::Text, |it| it.dialect),
        is_classic,
        tells_extra: scrape.extra_scrape_metrics.unwrap_or(global.extra_scrape_metrics),
        scrape: scrape.clone(),
    }
}

fn origin<'a>(global: &GlobalConfig, scrape: &'a ScrapeConfig, rules: &'a [Rule]) -> Origin<'a> {
    let (interval, timeout) = times(global, scrape);
    Origin { scrape, rules, interval, timeout }
}

/// How often targets are asked, and how long that may take.
fn times(global: &GlobalConfig, scrape: &ScrapeConfig) -> (Duration, Duration) {
    let or = |own: Duration, other: Duration| if own.is_zero() { other } else { own };
    let interval = or(scrape.scrape_interval.0, or(global.scrape_interval.0, INTERVAL));
    let timeout = or(scrape.scrape_timeout.0, or(global.scrape_timeout.0, TIMEOUT).min(interval));
    (interval, timeout)
}

fn is_classic(global: &GlobalConfig, scrape: &ScrapeConfig) -> bool {
    let own = &scrape.metric_name_validation_scheme;
    (if own.is_empty() { &global.metric_name_validation_scheme } else { own }) == "legacy"
}

fn escaping<'a>(global: &'a GlobalConfig, scrape: &'a ScrapeConfig) -> &'a str {
    let own = [&scrape.metric_name_escaping_scheme, &global.metric_name_escaping_scheme];
    let said = own.into_iter().find(|it| !it.is_empty()).map(String::as_str);
    said.unwrap_or(if is_classic(global, scrape) { "underscores" } else { "allow-utf-8" })
}

/// Reports everything that is wrong with jobs.
pub(super) fn validate(config: &PrometheusConfig, checks: &mut Checks) {
    let Some(config) = &config.config else { return };
    let global = &config.global;
    check_names(global.scrape_protocols.as_deref(), "config.global", checks);
    check_schemes(
        &global.metric_name_validation_scheme,
        &global.metric_name_escaping_scheme,
        "config.global",
        checks,
    );
    let native = (global.scrape_native_histograms, global.convert_classic_histograms_to_nhcb);
    check_native(native, "config.global", checks);
    if global.scrape_timeout.0 > or_default(global.scrape_interval.0) {
        checks.error("config.global.scrape_timeout", "scrape_timeout is longer than scrape_interval");
    }
    for name in global.external_labels.keys().filter(|name| name.is_empty()) {
        checks.error("config.global.external_labels", format!("{name:?} is no name of a label"));
    }
    let mut known = BTreeSet::new();
    for (index, scrape) in config.scrape_configs.iter().enumerate() {
        let path = format!("config.scrape_configs.{index}");
        if scrape.job_name.0.is_empty() {
            checks.error(&format!("{path}.job_name"), "job_name is missing, every job needs a name");
        } else if !known.insert(scrape.job_name.0.as_str()) {
            let message = format!("two jobs are called {:?}, a name can stand once", scrape.job_name.0);
            checks.error(&format!("{path}.job_name"), message);
        }
        check_job(global, scrape, &path, checks);
    }
}

fn or_default(interval: Duration) -> Duration {
    if interval.is_zero() { INTERVAL } else { interval }
}

fn check_job(global: &GlobalConfig, scrape: &ScrapeConfig, path: &str, checks: &mut Checks) {
    let (interval, timeout) = times(global, scrape);
    if timeout > interval {
        let message =
            format!("scrape_timeout is {timeout:?}, longer than scrape_interval, which is {interval:?}");
        checks.error(&format!("{path}.scrape_timeout"), message);
    }
    if !matches!(scrape.scheme.as_str(), "http" | "https") {
        let message = format!("scheme is {:?}, must be http or https", scrape.scheme);
        checks.error(&format!("{path}.scheme"), message);
    }
    check_names(scrape.scrape_protocols.as_deref(), path, checks);
    let fallback = &scrape.fallback_scrape_protocol;
    if !fallback.is_empty() {
        check_protocol(fallback, &format!("{path}.fallback_scrape_protocol"), checks);
    }
    let schemes = (&scrape.metric_name_validation_scheme, &scrape.metric_name_escaping_scheme);
    check_schemes(schemes.0, schemes.1, path, checks);
    check_native((scrape.scrape_native_histograms, scrape.convert_classic_histograms_to_nhcb), path, checks);
    let is_classic = is_classic(global, scrape);
    for (key, rules) in [
        ("relabel_configs", &scrape.relabel_configs),
        ("metric_relabel_configs", &scrape.metric_relabel_configs),
    ] {
        for (index, rule) in rules.iter().enumerate() {
            rule.validate(&format!("{path}.{key}.{index}"), is_classic, checks);
        }
    }
    client::validate(scrape, path, checks);
    check_targets(global, scrape, path, checks);
}

fn check_targets(global: &GlobalConfig, scrape: &ScrapeConfig, path: &str, checks: &mut Checks) {
    for (index, group) in scrape.static_configs.iter().enumerate() {
        for name in group.labels.keys().filter(|name| !is_classic_label(name) && is_classic(global, scrape)) {
            let message = format!("{name:?} is no name of a label");
            checks.error(&format!("{path}.static_configs.{index}.labels"), message);
        }
    }
    let rules: Vec<_> =
        scrape.relabel_configs.iter().filter_map(|it| it.rule(is_classic(global, scrape))).collect();
    let mut n_targets = 0_u64;
    for ((group, place), built) in targets(&origin(global, scrape, &rules)) {
        match built {
            Ok(target) => n_targets += u64::from(target.is_some()),
            Err(problem) => {
                checks.error(&format!("{path}.static_configs.{group}.targets.{place}"), problem);
            }
        }
    }
    let limit = [scrape.target_limit, global.target_limit].into_iter().find(|it| *it > 0).unwrap_or(u64::MAX);
    if n_targets > limit {
        let message = format!("there are {n_targets} targets, target_limit is {limit}");
        checks.error(&format!("{path}.target_limit"), message);
    }
}

fn check_names(names: Option<&[String]>, path: &str, checks: &mut Checks) {
    let Some(names) = names else { return };
    let path = format!("{path}.scrape_protocols");
    if names.is_empty() {
        checks.error(&path, "scrape_protocols is empty, name at least one or remove it");
    }
    for (index, name) in names.iter().enumerate() {
        check_protocol(name, &format!("{path}.{index}"), checks);
        if names[..index].contains(name) {
            checks.error(&format!("{path}.{index}"), format!("{name} stands twice, remove one"));
        }
    }
}

fn check_protocol(name: &str, path: &str, checks: &mut Checks) {
    if name == "PrometheusProto" {
        let message = "PrometheusProto is not spoken, as native histograms are not read; remove it, targets speak \
                       the formats of text as well";
        checks.error(path, message);
    } else if Protocol::named(name).is_none() {
        let known: Vec<_> = PROTOCOLS.iter().map(|known| known.name).collect();
        checks.unknown(path, "format of targets", name, &known);
    }
}

fn check_schemes(validation: &str, escaping: &str, path: &str, checks: &mut Checks) {
    if !matches!(validation, "" | "utf8" | "legacy") {
        let path = format!("{path}.metric_name_validation_scheme");
        checks.unknown(&path, "scheme of names", validation, &["utf8", "legacy"]);
    }
    if !escaping.is_empty() && !SCHEMES.contains(&escaping) {
        checks.unknown(
            &format!("{path}.metric_name_escaping_scheme"),
            "way to escape names",
            escaping,
            &SCHEMES,
        );
    }
}

fn check_native((scrapes, converts): (bool, bool), path: &str, checks: &mut Checks) {
    for (key, is_on) in
        [("scrape_native_histograms", scrapes), ("convert_classic_histograms_to_nhcb", converts)]
    {
        if is_on {
            let message =
                format!("{key} is true, but histograms are read from text, with their buckets; remove it");
            checks.error(&format!("{path}.{key}"), message);
        }
    }
}
