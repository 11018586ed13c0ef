//! Faults of `trueline load`, by script: of each kind as many as are asked for, and two at once.
//!
//! The generator and the detector have the same authors: these figures tell that nothing is broken, not how good it is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::series::parse_timestamp;

use super::subject::Subject;
use crate::table::Table;

/// Spans a second.
const RATE: &str = "60";
/// *Units*: minutes.
const CALM: u64 = 20;
const FAULT: u64 = 5;
const AFTER: u64 = 8;
/// When the first load begins; each begins at another hour. *Units*: seconds since the epoch.
const EPOCH: u64 = 1_700_000_000;
const HOUR: u64 = 3600;
/// An alert that comes so long after a fault belongs to it: windows close late, and some last. *Units*: seconds.
const FADES: u64 = 180;

/// A kind with its factor, and services that it is tried on in turn.
static KINDS: [(&str, &str, &[&str]); 5] = [
    ("latency", "=10", &["payment", "currency", "recommendation", "quote", "cart"]),
    ("errors", "=0.5", &["payment", "product-catalog", "inventory", "shipping", "ad"]),
    ("dead", "", &["currency", "cart", "payment", "ad", "quote"]),
    ("slow-query", "=20", &["product-catalog", "inventory", "payment", "shipping", "accounting"]),
    ("surge", "=4", &["frontend"]),
];

/// Faults of which none is on the way of another.
static APART: [&str; 6] = [
    "recommendation:latency=10",
    "ad:errors=0.5",
    "quote:latency=10",
    "inventory:slow-query=20",
    "accounting:slow-query=20",
    "shipping:errors=0.5",
];
/// Pairs of them of which one calls the other.
static CHAINED: [(&str, &str); 1] = [("quote:latency=10", "shipping:errors=0.5")];
/// Faults of which one is on the way of the other: they are one incident.
static RELATED: [(&str, &str); 5] = [
    ("payment:errors=0.5", "checkout:latency=10"),
    ("quote:latency=10", "shipping:errors=0.5"),
    ("currency:latency=10", "checkout:errors=0.5"),
    ("cart:dead", "checkout:latency=10"),
    ("product-catalog:slow-query=20", "recommendation:errors=0.5"),
];

/// Faults that come at one time.
struct Script {
    kind: &'static str,
    /// Each as the option of `trueline load` has it, without its times.
    faults: Vec<String>,
    seed: u64,
}

/// What was told of them.
#[derive(Default)]
struct Sum {
    runs: u64,
    faults: u64,
    /// Faults whose service is the first cause of an incident of its own.
    right: u64,
    incidents: u64,
    /// Incidents that began before a fault or long after it.
    beside: u64,
    alerts: u64,
    notified: u64,
    delays: Vec<u64>,
}

/// Replays `seeds` faults of each kind, and as many pairs.
pub(super) fn table(subject: &Subject, folder: &Path, seeds: u64) -> Result<Table> {
    let mut sums: BTreeMap<&str, Sum> = BTreeMap::new();
    for script in scripts(seeds) {
        let sum = sums.entry(script.kind).or_default();
        let right = sum.right;
        run(&script, subject, folder, sum).with_context(|| script.faults.join(" and "))?;
        let n_right = sum.right - right;
        let n = script.faults.len();
        eprintln!("{}, seed {}: {n_right} of {n} named", script.faults.join(" and "), script.seed);
    }
    let heading = [
        "faults",
        "runs",
        "right cause",
        "incidents per fault",
        "incidents before or after",
        "alerts",
        "of these told",
        "delay, median",
    ];
    let line = |(kind, sum): (&&str, &Sum)| {
        let share = |part: u64, of: u64| format!("{:.2}", part as f64 / of.max(1) as f64);
        let mut delays = sum.delays.clone();
        delays.sort_unstable();
        let median = delays.get(delays.len() / 2).map_or("–".to_owned(), |delay| format!("{delay} s"));
        vec![
            (*kind).to_owned(),
            sum.runs.to_string(),
            share(sum.right, sum.faults),
            share(sum.incidents, sum.faults),
            sum.beside.to_string(),
            sum.alerts.to_string(),
            sum.notified.to_string(),
            median,
        ]
    };
    Ok(Table {
        caption: format!(
            "Faults of `trueline load` at {RATE} spans/s, five minutes each; `two` are two at once of which neither \
             calls the other, `related` are two of which one calls the other: one incident, which names one of them. Alerts are those of rules on failures, slowness and traffic of every service and operation."
        ),
        heading: heading.map(str::to_owned).to_vec(),
        lines: sums.iter().map(line).collect(),
    })
}

fn scripts(seeds: u64) -> Vec<Script> {
    let mut all = Vec::new();
    for (kind, factor, services) in &KINDS {
        all.extend((0..seeds).map(|seed| {
            let service = services[seed as usize % services.len()];
            Script { kind, faults: vec![format!("{service}:{kind}{factor}")], seed }
        }));
    }
    let mut pairs: Vec<(&str, &str)> = Vec::new();
    for (place, one) in APART.iter().enumerate() {
        pairs.extend(APART[place + 1..].iter().map(|other| (*one, *other)));
    }
    pairs.retain(|pair| !CHAINED.contains(pair));
    for (kind, pairs) in [("two", &pairs[..]), ("related", &RELATED)] {
        all.extend((0..seeds).map(|seed| {
            let (one, other) = pairs[seed as usize % pairs.len()];
            Script { kind, faults: vec![one.to_owned(), other.to_owned()], seed }
        }));
    }
    all
}

/// Records a load and replays it.
fn run(script: &Script, subject: &Subject, folder: &Path, sum: &mut Sum) -> Result<()> {
    let start = EPOCH + HOUR * script.seed;
    let file = folder.join("load.jsonl.zst");
    let mut load = Command::new(&subject.binary);
    load.args(["load", "--rate", RATE, "--signals", "traces", "--signals", "logs", "--output"]).arg(&file);
    load.args(["--seed", &script.seed.to_string(), "--start", &start.to_string()]);
    load.args(["--duration", &format!("{}m", CALM + FAULT + AFTER)]);
    for fault in &script.faults {
        let (what, factor) = fault.split_once('=').map_or((&**fault, ""), |(what, factor)| (what, factor));
        let factor = if factor.is_empty() { String::new() } else { format!("={factor}") };
        load.args(["--fault", &format!("{what}@{CALM}m+{FAULT}m{factor}")]);
    }
    let told = told(load, subject, &file)?;
    let services: Vec<&str> = script.faults.iter().filter_map(|fault| fault.split(':').next()).collect();
    judge(&told, &services, start + 60 * CALM, sum)
}

/// Records a load and returns what a replay of it tells.
fn told(mut load: Command, subject: &Subject, file: &Path) -> Result<String> {
    let made = load.stdout(Stdio::null()).output().context("starting trueline load")?;
    ensure!(made.status.success(), "trueline load ended with {}", made.status);
    let replayed = Command::new(&subject.binary)
        .args(["replay", "--format", "jsonl", "--config"])
        .arg(&subject.config)
        .arg(file)
        .output()
        .context("starting trueline replay")?;
    ensure!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    String::from_utf8(replayed.stdout).context("the output of trueline replay")
}

/// Adds what was told of faults of these services, which began at an instant.
fn judge(told: &str, services: &[&str], begin: u64, sum: &mut Sum) -> Result<()> {
    let mut last: BTreeMap<String, (u64, Value)> = BTreeMap::new();
    let (mut alerts, mut notified) = (BTreeSet::new(), BTreeSet::new());
    for line in told.lines() {
        let event: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        let name = event["name"].as_str().unwrap_or_default();
        if name == "trueline.alert.firing" {
            let told = &event["attributes"];
            let fingerprint = told["trueline.alert.fingerprint"].to_string();
            if told.get("trueline.alert.suppressed_by").is_none() {
                notified.insert(fingerprint.clone());
            }
            alerts.insert(fingerprint);
        }
        if !name.starts_with("trueline.incident.") {
            continue;
        }
        let time = event["time"].as_str().context("an event has no time")?;
        let at = u64::try_from(parse_timestamp(time.trim_end_matches('Z'))?)?;
        let id = event["id"].as_str().context("an incident has no id")?.to_owned();
        last.entry(id).or_insert((at, Value::Null)).1 = event;
    }
    // What is said last counts: an incident that was one with another may be divided from it.
    let merged = last.values().flat_map(|(_, event)| event["merged"].as_array().into_iter().flatten());
    let merged: BTreeSet<String> = merged.filter_map(Value::as_str).map(str::to_owned).collect();
    last.retain(|id, _| !merged.contains(id));
    let end = begin + 60 * FAULT + FADES;
    for service in services {
        let is_within = |at: u64| (begin..=end).contains(&at);
        let is_named = |event: &Value| event["causes"][0]["service"] == **service && is_root(event, service);
        let own = last.values().find(|(at, event)| is_within(*at) && is_named(event));
        if let Some((at, _)) = own {
            sum.right += 1;
            sum.delays.push(at.saturating_sub(begin));
        }
    }
    sum.runs += 1;
    sum.faults += services.len() as u64;
    sum.incidents += last.len() as u64;
    sum.beside += last.values().filter(|(at, _)| *at < begin || *at > end).count() as u64;
    sum.alerts += alerts.len() as u64;
    sum.notified += notified.len() as u64;
    Ok(())
}

/// Whether a service is called the cause, and not only looked at first.
fn is_root(event: &Value, service: &str) -> bool {
    let chain = event["chain"].as_array().into_iter().flatten();
    chain.into_iter().any(|link| link["service"] == service && link["role"] == "root")
}

/// Spans a second of a healthy day.
const HEALTHY_RATE: &str = "30";
const HEALTHY_DAYS: u64 = 2;

/// Replays days without a fault.
pub(super) fn healthy(subject: &Subject, folder: &Path, seeds: u64) -> Result<Table> {
    let mut lines = Vec::new();
    for seed in 0..seeds {
        let file = folder.join("healthy.jsonl.zst");
        let mut load = Command::new(&subject.binary);
        load.args(["load", "--rate", HEALTHY_RATE, "--signals", "traces", "--signals", "logs", "--output"]);
        load.arg(&file).args(["--day", "24h", "--duration", &format!("{}h", 24 * HEALTHY_DAYS)]);
        load.args(["--seed", &(100 + seed).to_string(), "--start", &EPOCH.to_string()]);
        let told = told(load, subject, &file)?;
        let mut sum = Sum::default();
        judge(&told, &[], u64::MAX - FADES - 60 * FAULT, &mut sum)?;
        let mut named = BTreeSet::new();
        for line in told.lines() {
            let event: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            let mut chain = event["chain"].as_array().into_iter().flatten();
            if chain.any(|link| link["role"] == "root") {
                named.insert(event["id"].to_string());
            }
        }
        let a_day = |count: u64| format!("{:.1}", count as f64 / HEALTHY_DAYS as f64);
        eprintln!("{HEALTHY_DAYS} healthy days, seed {seed}: {} incidents", sum.incidents);
        let counts = [sum.incidents, named.len() as u64, sum.alerts, sum.notified];
        lines.push([seed.to_string()].into_iter().chain(counts.map(a_day)).collect());
    }
    let heading = ["seed", "incidents a day", "that name a cause", "alerts a day", "of these told"];
    Ok(Table {
        caption: format!(
            "Days without a fault: {HEALTHY_DAYS} of `trueline load --day 24h` at {HEALTHY_RATE} spans/s, fourteen services."
        ),
        heading: heading.map(str::to_owned).to_vec(),
        lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pair_has_one_service_twice_or_one_that_calls_the_other() {
        let pairs: Vec<Script> = scripts(40).into_iter().filter(|script| script.kind == "two").collect();
        assert_eq!(pairs.len(), 40);
        for pair in pairs {
            let services: BTreeSet<_> = pair.faults.iter().map(|fault| fault.split(':').next()).collect();
            assert_eq!(services.len(), 2);
            assert!(!(pair.faults[0].starts_with("quote") && pair.faults[1].starts_with("shipping")));
        }
    }

    #[test]
    fn what_was_told_is_counted_once_and_merged_incidents_are_one() {
        let line = |second: u64, id: &str, service: &str, merged: &str| {
            format!(
                r#"{{"time":"2026-01-01T00:{:02}:{:02}Z","name":"trueline.incident.opened","id":"{id}","causes":[{{"service":"{service}"}}],"chain":[{{"service":"{service}","role":"root"}}],"merged":[{merged}]}}"#,
                second / 60,
                second % 60
            )
        };
        let alert = |fingerprint: u64, more: &str| {
            format!(
                r#"{{"time":"2026-01-01T00:05:00Z","name":"trueline.alert.firing","attributes":{{"trueline.alert.fingerprint":"{fingerprint}"{more}}}}}"#
            )
        };
        let told = [
            line(100, "A", "ad", ""),
            line(330, "B", "cart", ""),
            line(340, "C", "web", ""),
            line(350, "B", "cart", r#""C""#),
            alert(1, ""),
            alert(1, r#","trueline.alert.suppressed_by":["incident B"]"#),
            alert(2, r#","trueline.alert.suppressed_by":["incident B"]"#),
        ];
        let mut sum = Sum::default();
        let begin = u64::try_from(parse_timestamp("2026-01-01T00:05:00").unwrap()).unwrap();
        judge(&told.join("\n"), &["cart"], begin, &mut sum).unwrap();
        assert_eq!((sum.right, sum.incidents, sum.beside, sum.alerts, sum.notified), (1, 2, 1, 2, 1));
        assert_eq!(sum.delays, [30]);
    }
}
