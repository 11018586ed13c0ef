//! What is asked of a Prometheus, and which of its answers count.

use std::time::Duration;

use component::{Checks, Past, PastTls};

use super::{
    indicator::{Counters, Indicator},
    objective::Settings,
};
use crate::{
    promql,
    sla::config::{BackfillConfig, SlaConfig},
};

/// Queries of the events of a window, which stands as `{{.window}}` in them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::sla) struct Queries {
    pub(in crate::sla) total: String,
    /// Of the good or the bad.
    pub(in crate::sla) part: String,
    pub(in crate::sla) part_is_good: bool,
}

/// Parts are no wider, as the slots of three days and more are an hour wide.
const HOUR: Duration = Duration::from_secs(3600);
const LEAST_STEP: Duration = Duration::from_secs(60);

/// Returns the queries of an objective: its own, or those of its counters.
pub(super) fn compile(
    settings: &Settings<'_>,
    indicator: &Indicator,
    checks: &mut Checks,
) -> Option<Queries> {
    let config = settings.config;
    let Some(own) = &config.backfill else { return of_counters(indicator) };
    if matches!(indicator, Indicator::Composite(_)) {
        settings.error(
            checks,
            "backfill",
            "a composite objective has no counts; fill those that it is made of",
        );
    }
    if config.sli.targets.len() > 1 {
        let message = "several percentiles count different events; write an objective with `within` for each";
        settings.error(checks, "backfill", message);
    }
    let (part, part_is_good) = match (&own.good, &own.bad) {
        (Some(good), None) => (good, true),
        (None, Some(bad)) => (bad, false),
        _ => {
            settings.error(checks, "backfill", "write total and one of good and bad");
            return None;
        }
    };
    for (key, query) in [("total", &own.total), (if part_is_good { "good" } else { "bad" }, part)] {
        let filled = promql::with_window(query, "5m");
        if filled.as_ref().is_ok_and(|filled| filled != query) {
            continue;
        }
        let wrong = filled.err().unwrap_or_else(|| format!("`{query}` has no window"));
        let message = format!("{wrong}; write sum(increase(counter[{{{{.window}}}}]))");
        settings.error(checks, &format!("backfill.{key}"), message);
    }
    Some(Queries { total: own.total.clone(), part: part.clone(), part_is_good })
}

fn of_counters(indicator: &Indicator) -> Option<Queries> {
    let Indicator::Counters(Counters { total, part, part_is_good }) = indicator else { return None };
    let query = |selector: &promql::Selector| format!("sum(increase({selector}[{{{{.window}}}}]))");
    Some(Queries {
        total: query(total.prometheus.as_ref()?),
        part: query(part.prometheus.as_ref()?),
        part_is_good: *part_is_good,
    })
}

/// Reports what is wrong with where the past comes from.
pub(super) fn check(config: &BackfillConfig, checks: &mut Checks) {
    let (step, timeout) = (config.step.get(), config.timeout.get());
    let is_whole = step.subsec_nanos() == 0 && step.as_secs() > 0 && 3600_u64.is_multiple_of(step.as_secs());
    if !is_whole || step < LEAST_STEP {
        let message = format!(
            "step is {}, must divide an hour and be from 1m, at least four times the interval of scrapes, such as 5m",
            config.step
        );
        checks.error("backfill.step", message);
    }
    if timeout < Duration::from_secs(1) || timeout > HOUR {
        checks.error("backfill.timeout", format!("timeout is {}, must be from 1s to 1h", config.timeout));
    }
    for name in config.headers.keys() {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(is_token) {
            checks.error("backfill.headers", format!("`{name}` is no name of a header"));
        }
    }
    if config.tls.cert_file.is_some() != config.tls.key_file.is_some() {
        checks.error("backfill.tls", "cert_file and key_file belong together, set both");
    }
    let Some(url) = &config.prometheus else { return };
    if config.tls != PastTls::default() && url.starts_with("http://") {
        checks.error("backfill.tls", format!("tls is for https, but prometheus is `{url}`"));
    }
    if url.split('/').nth(2).is_some_and(|authority| authority.contains('@')) {
        let message =
            "prometheus holds a user name or a password; send them as a header: headers: {Authorization: …}";
        return checks.error("backfill.prometheus", message);
    }
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    if !rest
        .is_some_and(|rest| !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control()))
    {
        checks.error(
            "backfill.prometheus",
            format!(
                "prometheus is `{url}`, must be http://HOST:PORT or https://HOST:PORT, perhaps with a path"
            ),
        );
    }
}

/// Returns where the past is asked for.
pub(in crate::sla) fn source(config: &SlaConfig) -> Option<Past> {
    let BackfillConfig { prometheus, headers, tls, timeout, .. } = &config.backfill;
    let headers = headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    Some(Past { prometheus: prometheus.clone()?, headers, tls: tls.clone(), timeout: timeout.get() })
}
