//! The tables.

use super::child::{Figures, Interval};
use super::{EVERY, Measured, OBJECTIVES, RULES};
use crate::analysis::{met, none, scaled, thousands};
use crate::table::{Report, Table};

/// Of one core, scaled.
const MOST_SHARE: f64 = 0.02;
const MOST_RSS_BYTES: f64 = 100e6;
/// Of ten objectives on every span, scaled.
const MOST_NANOS_AT_TEN: f64 = 30.0;
const LEAST_RATIO: f64 = 20.0;

pub(super) fn report(measured: &Measured) -> Report {
    let (scale, title) = scaled(measured.reference_walk_nanos, "One core.");
    let ours = &measured.ours;
    let mut tables = vec![interval(ours, scale), memory(ours), spans(ours, scale)];
    tables.extend(peer(measured));
    Report { title, tables }
}

fn interval(ours: &Figures, scale: f64) -> Table {
    let line = |what: &str, seconds: f64, is_met: String| {
        let share = seconds / EVERY as f64;
        vec![what.to_owned(), millis(seconds), percent(share), percent(share * scale), is_met]
    };
    let Interval { counting, sla, alerting, snapshots } = ours.all;
    let all = ours.all.seconds();
    let counted = format!("counting {} spans/s", thousands(ours.spans_per_second as f64));
    Table {
        caption: format!(
            "{} objectives and {} rules on as many series, evaluated every {EVERY} s: CPU of an interval, and its \
             share of a core; at most {:.0} % scaled.",
            thousands(f64::from(OBJECTIVES)),
            thousands(f64::from(RULES)),
            MOST_SHARE * 100.0
        ),
        heading: ["what", "ms", "share", "scaled", "met"].map(str::to_owned).into(),
        lines: vec![
            line(&counted, counting, none()),
            line("`sla`: judging and telling metrics", sla, none()),
            line("`alerting`: following objectives, judging rules", alerting, none()),
            line("storing the state of both", snapshots, none()),
            line("all", all, met(all / EVERY as f64 * scale <= MOST_SHARE)),
            line("objectives alone, with their alerts", ours.promises.seconds(), none()),
        ],
    }
}

fn memory(ours: &Figures) -> Table {
    let bytes = ours.rss_bytes as f64;
    let is_met = met(bytes <= MOST_RSS_BYTES);
    Table {
        caption: "Resident memory of both stages, with counts of 90 days and the values of one.".to_owned(),
        heading: ["what", "MB", "at most", "met"].map(str::to_owned).into(),
        lines: vec![vec!["all".to_owned(), megabytes(bytes), megabytes(MOST_RSS_BYTES), is_met]],
    }
}

fn spans(ours: &Figures, scale: f64) -> Table {
    let line = |(n, nanos): &(u32, f64)| {
        let what = match *n {
            OBJECTIVES => format!("{}, of which each span is of one", thousands(f64::from(OBJECTIVES))),
            n => format!("{n}, each on every span"),
        };
        let is_met = if *n == 10 { met(nanos * scale <= MOST_NANOS_AT_TEN) } else { none() };
        vec![what, format!("{nanos:.1}"), format!("{:.1}", nanos * scale), is_met]
    };
    Table {
        caption: format!(
            "What objectives add to the way of a span at ingest, ns; at most {MOST_NANOS_AT_TEN:.0} scaled for ten."
        ),
        heading: ["objectives", "ns/span", "scaled", "met"].map(str::to_owned).into(),
        lines: ours.by_objectives.iter().map(line).collect(),
    }
}

fn peer(measured: &Measured) -> Option<Table> {
    let theirs = measured.peer.as_ref()?;
    let line = |what: &str, seconds: f64| {
        let ratio = theirs.evaluation_seconds / seconds;
        let share = percent(seconds / EVERY as f64);
        vec![what.to_owned(), millis(seconds), share, format!("{ratio:.0} ×"), met(ratio >= LEAST_RATIO)]
    };
    Some(Table {
        caption: format!(
            "Prometheus 3.15, `GOMAXPROCS=1`, same core, Sloth's rules for {} objectives: CPU of one evaluation, mean \
             of {:.0}, less {:.1} % of a core that it takes when idle, peak RSS {} MB; and its share of a core if it \
             is made every {EVERY} s. Counting spans is in our figures, scraping is not in its. At least {LEAST_RATIO:.0} ×.",
            thousands(f64::from(OBJECTIVES)),
            theirs.evaluations,
            theirs.idle_cores * 100.0,
            megabytes(theirs.peak_rss_bytes as f64),
        ),
        heading: ["what", "ms", "share", "Prometheus takes", "met"].map(str::to_owned).into(),
        lines: vec![
            vec![
                "Prometheus".to_owned(),
                millis(theirs.evaluation_seconds),
                percent(theirs.evaluation_seconds / EVERY as f64),
                none(),
                none(),
            ],
            line("trueline, the same objectives", measured.ours.promises.seconds()),
            line("trueline, with ten thousand rules beside them", measured.ours.all.seconds()),
        ],
    })
}

fn millis(seconds: f64) -> String {
    format!("{:.2}", seconds * 1e3)
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn megabytes(bytes: f64) -> String {
    format!("{:.0}", bytes / 1e6)
}
