//! What is asked, and what it is called.

use std::time::Duration;

use http::Uri;

use super::{
    config::{PromDuration, ScrapeConfig},
    labels::{INSTANCE, JOB, Labels},
    relabel::{self, Rule},
};

pub(super) const ADDRESS: &str = "__address__";
pub(super) const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
const SCRAPE_INTERVAL: &str = "__scrape_interval__";
const SCRAPE_TIMEOUT: &str = "__scrape_timeout__";
const PARAM: &str = "__param_";
const META: &str = "__meta_";
/// Labels that begin so belong to the target alone.
const RESERVED: &str = "__";

/// What targets are made of.
pub(super) struct Origin<'a> {
    pub(super) scrape: &'a ScrapeConfig,
    pub(super) rules: &'a [Rule],
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
}

/// An address that is asked at an interval.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Target {
    pub(crate) uri: Uri,
    /// All labels, those that begin with `__` too.
    pub(crate) labels: Labels,
    /// Those that series bear.
    pub(crate) public: Labels,
    /// `__scheme__` as it was before rules changed it, which is what the collector tells.
    pub(crate) told_scheme: String,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// Builds the targets of a job, each with its group and its place there: none where rules drop it, or what is wrong.
pub(super) fn targets<'a>(
    origin: &'a Origin<'a>,
) -> impl Iterator<Item = ((usize, usize), Result<Option<Target>, String>)> + 'a {
    origin.scrape.static_configs.iter().enumerate().flat_map(move |(group, config)| {
        config.targets.iter().enumerate().map(move |(place, address)| {
            let mut labels = Labels::default();
            config.labels.iter().for_each(|(name, value)| labels.set(name, &value.0));
            labels.set(ADDRESS, address);
            ((group, place), target(origin, labels))
        })
    })
}

fn target(origin: &Origin<'_>, mut labels: Labels) -> Result<Option<Target>, String> {
    discovered(origin, &mut labels);
    let told_scheme = labels.get(SCHEME).to_owned();
    if !relabel::apply(origin.rules, &mut labels) {
        return Ok(None);
    }
    let address = labels.get(ADDRESS).to_owned();
    if address.is_empty() {
        return Err("the target has no address".to_owned());
    }
    if address.contains('/') {
        return Err(format!("{address:?} is no address, write host:port alone; the path is `metrics_path`"));
    }
    let time = |label: &str| {
        let text = labels.get(label);
        let time = PromDuration::parse(text).filter(|time| !time.0.is_zero());
        time.map(|time| time.0).ok_or_else(|| format!("{label} is {text:?}, must be a duration above 0s"))
    };
    let (interval, timeout) = (time(SCRAPE_INTERVAL)?, time(SCRAPE_TIMEOUT)?);
    if timeout > interval {
        return Err(format!("{SCRAPE_TIMEOUT} is longer than {SCRAPE_INTERVAL}"));
    }
    labels.retain(|name| !name.starts_with(META));
    if labels.get(INSTANCE).is_empty() {
        labels.set(INSTANCE, &address);
    }
    let uri = uri(origin, &labels)?;
    let mut public = labels.clone();
    public.retain(|name| !name.starts_with(RESERVED));
    Ok(Some(Target { uri, labels, public, told_scheme, interval, timeout }))
}

/// Adds the labels that a target has before rules see it.
fn discovered(origin: &Origin<'_>, labels: &mut Labels) {
    let scrape = origin.scrape;
    let (interval, timeout) = (PromDuration(origin.interval), PromDuration(origin.timeout));
    let own = [
        (JOB, scrape.job_name.0.clone()),
        (SCRAPE_INTERVAL, interval.to_string()),
        (SCRAPE_TIMEOUT, timeout.to_string()),
        (METRICS_PATH, scrape.metrics_path.clone()),
        (SCHEME, scrape.scheme.clone()),
    ];
    let params = scrape
        .params
        .iter()
        .filter_map(|(name, values)| values.first().map(|first| (format!("{PARAM}{name}"), first.0.clone())));
    for (name, value) in own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(params) {
        if labels.get(&name).is_empty() {
            labels.set(&name, &value);
        }
    }
}

/// Writes the address that is asked: rules may have changed each part of it.
fn uri(origin: &Origin<'_>, labels: &Labels) -> Result<Uri, String> {
    let scheme = labels.get(SCHEME);
    if !matches!(scheme, "http" | "https") {
        return Err(format!("{SCHEME} is {scheme:?}, must be http or https"));
    }
    let mut params: Vec<(&str, Vec<&str>)> = origin
        .scrape
        .params
        .iter()
        .map(|(name, values)| (name.as_str(), values.iter().map(|value| value.0.as_str()).collect()))
        .collect();
    for (name, value) in labels.iter() {
        let Some(name) = name.strip_prefix(PARAM) else { continue };
        match params.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) if !values.is_empty() => values[0] = value,
            Some((_, values)) => values.push(value),
            None => params.push((name, vec![value])),
        }
    }
    params.sort();
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in
        params.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
    {
        query.append_pair(name, value);
    }
    let query = query.finish();
    let path = labels.get(METRICS_PATH);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mark = match (query.is_empty(), path.contains('?')) {
        (true, _) => "",
        (false, true) => "&",
        (false, false) => "?",
    };
    let text = format!("{scheme}://{}{slash}{path}{mark}{query}", labels.get(ADDRESS));
    let uri: Uri = text.parse().map_err(|_| format!("{text:?} is no address that can be asked"))?;
    match uri.authority() {
        Some(authority) if !authority.host().is_empty() && !authority.as_str().contains('@') => Ok(uri),
        _ => Err(format!("{:?} is no address, write host:port", labels.get(ADDRESS))),
    }
}
