//! The tables.

use super::plan::{Order, Plan, Stage, StageFigures};
use super::{MOST, Measured, OLD, PEER_SERIES, Run, STAGES_AT};
use crate::machine::Machine;
use crate::table::{Report, Table};

/// The reference walk on the machine for which limits are stated.
const REFERENCE_WALK_NANOS: f64 = 76.0;
const MOST_NANOS: f64 = 1_000.0;
const MOST_RSS_BYTES: f64 = 1.3e9;
const MOST_TAKE_SECONDS: f64 = 0.3;
const MOST_RESTORE_SECONDS: f64 = 0.4;
const LEAST_RATIO: f64 = 50.0;
const WANTED_RATIO: f64 = 150.0;

/// Returns by what times are multiplied to be those of the reference machine, and where and how they were taken.
pub(crate) fn scaled(reference_walk_nanos: f64, how: &str) -> (f64, String) {
    let scale = REFERENCE_WALK_NANOS / reference_walk_nanos;
    let machine = Machine::here();
    let stamp = machine.stamp();
    let Machine { cpu, cores, kernel, .. } = machine;
    let title = format!(
        "{cpu}, {cores} cores, Linux {kernel}; {stamp}. {how}\n\
         Reference walk in memory: {reference_walk_nanos:.0} ns/span; *scaled* means × {scale:.2}, to a machine where it takes {REFERENCE_WALK_NANOS} ns."
    );
    (scale, title)
}

pub(super) fn report(measured: &Measured) -> Report {
    let how = "One core, windows of 10 s, every row is scored.";
    let (scale, title) = scaled(measured.reference_walk_nanos, how);
    let mut tables = vec![curve(measured, scale), stages(measured, scale)];
    tables.extend(snapshots(measured, scale));
    tables.extend(memory(measured));
    tables.extend(peer(measured));
    Report { title, tables }
}

/// The runs of all stages, by the number of series.
fn curve_runs(measured: &Measured) -> impl Iterator<Item = &Run> {
    measured.runs.iter().filter(|run| is_whole(&run.plan))
}

fn is_whole(plan: &Plan) -> bool {
    plan.stages.contains(&Stage::Novelty)
        && (plan.stages.contains(&Stage::Forecast) || !super::chain::exists(Stage::Forecast))
}

/// The run of all stages over so many series that began together, a quarter of an hour ago.
fn plain_run(measured: &Measured, n_series: u32) -> Option<&Run> {
    curve_runs(measured).find(|run| {
        let Plan { order, warm_up, hours, .. } = &run.plan;
        run.plan.n_series == n_series && *order == Order::Rows && *warm_up < OLD && *hours == 0
    })
}

fn curve(measured: &Measured, scale: f64) -> Table {
    let lines = curve_runs(measured).map(|run| {
        let Run { plan, figures } = run;
        let of = |kind: &str| {
            let stage = figures.stages.iter().find(|it| it.stage.kind() == kind);
            stage.map_or_else(none, |it| whole(it.hourly_mean_nanos()))
        };
        let all = figures.all_nanos();
        let n_series = f64::from(plan.n_series);
        let touch = measured.touches.iter().find(|touch| touch.n_series == plan.n_series);
        vec![
            thousands(n_series) + what(plan),
            of("baseline"),
            of("anomaly"),
            of("forecast"),
            whole(all),
            whole(all * scale),
            met(all * scale <= MOST_NANOS),
            touch.map_or_else(none, |touch| whole(touch.in_order_nanos)),
            touch.map_or_else(none, |touch| whole(touch.at_random_nanos)),
            thousands(figures.n_anomalous as f64),
        ]
    });
    Table {
        caption: format!(
            "CPU per series and window, ns, at most {MOST_NANOS} scaled: `baseline`, `anomaly` with `seasonal` and \
             `novelty`, `forecast` of every series. Beside it what it costs to walk over memory that lies as theirs \
             does and to change a word in each of its cache lines.{}",
            growth(measured)
        ),
        heading: [
            "series",
            "baseline",
            "anomaly",
            "forecast",
            "all",
            "scaled",
            "met",
            "touched in order",
            "at random",
            "anomalous rows",
        ]
        .map(str::to_owned)
        .into(),
        lines: lines.collect(),
    }
}

fn what(plan: &Plan) -> &'static str {
    match (plan.order, plan.warm_up >= OLD, plan.hours > 0) {
        (Order::Shuffled, ..) => ", slots at random",
        (_, true, _) => ", 26 h old",
        (.., true) => ", 9 days old",
        _ => "",
    }
}

/// Says what more series cost, and what reaching their bytes does.
fn growth(measured: &Measured) -> String {
    let sizes = super::SIZES.map(|(n_series, _)| plain_run(measured, n_series));
    let (Some(first), Some(last)) = (sizes[0], sizes.into_iter().flatten().last()) else {
        return String::new();
    };
    let touch = |run: &Run| measured.touches.iter().find(|touch| touch.n_series == run.plan.n_series);
    let (Some(touch_few), Some(touch_many)) = (touch(first), touch(last)) else { return String::new() };
    let grown = last.figures.all_nanos() - first.figures.all_nanos();
    let explained = touch_many.in_order_nanos - touch_few.in_order_nanos;
    let mut said = format!(
        " From {} to {} series, in the order of rows, a window costs {grown:+.0} ns per series and reaching its memory in \
         that order {explained:+.0}: explained by it {}.",
        thousands(f64::from(first.plan.n_series)),
        thousands(f64::from(last.plan.n_series)),
        met(is_explained(grown, explained)),
    );
    let shuffled = curve_runs(measured).find(|run| run.plan.order == Order::Shuffled);
    if let Some(shuffled) = shuffled
        && let Some(plain) = plain_run(measured, shuffled.plan.n_series)
        && let Some(touch) = touch(shuffled)
    {
        let grown = shuffled.figures.all_nanos() - plain.figures.all_nanos();
        let explained = touch.at_random_nanos - touch.in_order_nanos;
        let verdict = met(is_explained(grown, explained));
        said += &format!(
            " With slots at random {} series cost {grown:+.0} ns, and reaching them so {explained:+.0}: {verdict}.",
            thousands(f64::from(shuffled.plan.n_series))
        );
    }
    said
}

/// By how much two runs of one plan differ on this machine. *Units*: nanoseconds per series and window.
const NOISE_NANOS: f64 = 10.0;

/// Whether series cost no more by being many than the memory that they take does.
fn is_explained(grown_nanos: f64, touch_nanos: f64) -> bool {
    grown_nanos <= touch_nanos.max(0.0) + NOISE_NANOS
}

/// Each stage by itself: the last of its run, and by how much the memory grows through it.
fn stages(measured: &Measured, scale: f64) -> Table {
    let runs = || measured.runs.iter().filter(|run| run.plan.n_series == STAGES_AT.0);
    let bytes_of = |stages: &[Stage]| {
        let run = runs().find(|run| run.plan.stages == stages)?;
        Some(run.figures.warm_rss_bytes as f64 / f64::from(run.plan.n_series))
    };
    let line = |run: &Run| {
        let (last, before) = run.figures.stages.split_last()?;
        let StageFigures { stage, hour_turn_nanos, .. } = last;
        let nanos = last.hourly_mean_nanos();
        let before: Vec<Stage> = before.iter().map(|it| it.stage).collect();
        let bytes = bytes_of(&run.plan.stages)? - bytes_of(&before).unwrap_or(0.0);
        Some(vec![
            stage.name().to_owned(),
            whole(nanos),
            whole(nanos * scale),
            whole(*hour_turn_nanos),
            thousands(bytes),
        ])
    };
    let mut lines: Vec<_> = runs()
        .filter(|run| run.plan.order == Order::Rows && !run.plan.with_checkpoints)
        .filter_map(line)
        .collect();
    for run in runs().filter(|run| run.plan.with_checkpoints) {
        let n_series = f64::from(run.plan.n_series);
        lines.push(vec![
            "both checkpoints of `baseline` and `anomaly`, of which one is made in three days".to_owned(),
            none(),
            none(),
            whole(run.figures.checkpoint_seconds * 1e9 / n_series),
            thousands(run.figures.checkpoint_rss_bytes as f64 / n_series),
        ]);
    }
    Table {
        caption: format!(
            "Each stage over {} series: CPU per series and window; what the turn of an hour (a checkpoint) costs \
             per series once; resident memory, with the columns of one table in it.",
            thousands(f64::from(STAGES_AT.0))
        ),
        heading: ["stage", "ns", "scaled", "once, ns", "bytes/series"].map(str::to_owned).into(),
        lines,
    }
}

fn snapshots(measured: &Measured, scale: f64) -> Option<Table> {
    let run_of = |with_checkpoints: bool| {
        let mut all = measured.runs.iter().filter(|run| run.plan.with_snapshots);
        all.find(|run| run.plan.with_checkpoints == with_checkpoints)
    };
    let n_series = f64::from(run_of(false)?.plan.n_series);
    let line = |name: &str, bytes: f64, take: f64, restore: f64| {
        vec![
            name.to_owned(),
            format!("{:.1}", bytes / 1e6),
            whole(bytes / n_series),
            format!("{take:.3}"),
            format!("{:.3}", take * scale),
            met(take * scale <= MOST_TAKE_SECONDS),
            format!("{restore:.3}"),
            format!("{:.3}", restore * scale),
            met(restore * scale <= MOST_RESTORE_SECONDS),
        ]
    };
    let mut lines = Vec::new();
    for (run, what) in [(run_of(false), ""), (run_of(true), ", two checkpoints held")] {
        let Some(run) = run else { continue };
        let taken = run.figures.stages.iter().filter_map(|it| Some((it.stage, it.snapshot.as_ref()?)));
        let mut sums = (0.0, 0.0, 0.0);
        for (stage, it) in taken {
            let bytes = it.bytes as f64;
            sums = (sums.0 + bytes, sums.1 + it.take_seconds, sums.2 + it.restore_seconds);
            let name = format!("{}{what}", stage.name());
            lines.push(line(&name, bytes, it.take_seconds, it.restore_seconds));
        }
        lines.push(line(&format!("all{what}"), sums.0, sums.1, sums.2));
    }
    Some(Table {
        caption: format!(
            "Snapshots of {} series, seconds of CPU: at most {MOST_TAKE_SECONDS} s to take, \
             {MOST_RESTORE_SECONDS} s to restore, scaled. Two checkpoints are held by default up to 100,000 series, \
             once a week has passed.",
            thousands(n_series)
        ),
        heading: ["stage", "MB", "bytes/series", "take", "scaled", "met", "restore", "scaled", "met"]
            .map(str::to_owned)
            .into(),
        lines,
    })
}

fn memory(measured: &Measured) -> Option<Table> {
    let n_series = f64::from(MOST.0);
    let run_of = |last: Stage| {
        let mut all = measured.runs.iter().filter(|run| run.plan.n_series == MOST.0 && run.plan.hours == 0);
        all.find(|run| run.plan.stages.last() == Some(&last))
    };
    let judged = run_of(Stage::Novelty)?;
    let checkpointed = measured.runs.iter().find(|run| run.plan.with_checkpoints)?;
    let checkpoints =
        checkpointed.figures.checkpoint_rss_bytes as f64 / f64::from(checkpointed.plan.n_series) * n_series;
    let line = |what: &str, bytes: f64| {
        let is_met = met(bytes <= MOST_RSS_BYTES);
        vec![what.to_owned(), format!("{:.2}", bytes / 1e9), thousands(bytes / n_series), is_met]
    };
    let warm = judged.figures.warm_rss_bytes as f64;
    let mut lines = vec![
        line("`baseline`, `anomaly`", warm),
        line("with two checkpoints of both, once a week has passed", warm + checkpoints),
    ];
    for (stage, what) in [
        (Stage::ForecastOfRates, "and `forecast` of the rate of each operation, 16 % of all series"),
        (Stage::Forecast, "and `forecast` of every series"),
    ] {
        if let Some(Run { figures, .. }) = run_of(stage) {
            lines.push(line(what, figures.warm_rss_bytes as f64));
            lines.push(line("… after the turn of an hour", figures.rss_bytes as f64));
            lines.push(line("… at most, while forecasts go out", figures.peak_rss_bytes as f64));
        }
    }
    if let Some(Run { figures, .. }) = measured.runs.iter().find(|run| run.plan.hours > 0) {
        lines.push(line("… nine days old, which is all that they ever take", figures.warm_rss_bytes as f64));
        lines.push(line("… after the turn of an hour", figures.rss_bytes as f64));
    }
    Some(Table {
        caption: format!(
            "Resident memory over {} series after {} windows, beyond the series and the table but with the columns \
             that stages add to it; at most 1.3 GB.",
            thousands(n_series),
            judged.plan.warm_up
        ),
        heading: ["what", "GB", "bytes/series", "met"].map(str::to_owned).into(),
        lines,
    })
}

fn peer(measured: &Measured) -> Option<Table> {
    let theirs = measured.peer.as_ref()?;
    let ours = plain_run(measured, PEER_SERIES)?.figures.all_nanos();
    let ratio = theirs.nanos_per_series / ours;
    let micros = |nanos: f64| format!("{:.2}", nanos / 1e3);
    let band = "Prometheus, one evaluation of the band";
    let lines = vec![
        vec!["trueline, one window".to_owned(), micros(ours), none(), none(), none()],
        vec![
            band.to_owned(),
            micros(theirs.nanos_per_series),
            format!("{ratio:.0} ×"),
            met(ratio >= LEAST_RATIO),
            met(ratio >= WANTED_RATIO),
        ],
        vec![
            "the same against the six windows of a minute".to_owned(),
            micros(theirs.nanos_per_series),
            format!("{:.0} ×", ratio / 6.0),
            none(),
            none(),
        ],
    ];
    Some(Table {
        caption: format!(
            "Prometheus 3.15, `GOMAXPROCS=1`, same core, {} series a minute apart, 26 h: adaptive bands as recording \
             rules; CPU per series over {:.0} evaluations, less {:.1} % of a core that it takes when idle. At \
             least {LEAST_RATIO} ×, wanted {WANTED_RATIO} ×.",
            thousands(f64::from(theirs.n_series)),
            theirs.evaluations,
            theirs.idle_cores * 100.0
        ),
        heading: ["what", "µs/series", "ratio", "at least", "wanted"].map(str::to_owned).into(),
        lines,
    })
}

pub(crate) fn met(is_met: bool) -> String {
    if is_met { "yes".to_owned() } else { "**no**".to_owned() }
}

pub(crate) fn none() -> String {
    "–".to_owned()
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

/// Writes a whole number in groups of three digits.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut out = if value < -0.5 { "-".to_owned() } else { String::new() };
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{is_explained, thousands};

    #[test]
    fn growth_is_explained_by_memory_that_costs_as_much() {
        assert!(is_explained(112.0, 110.0) && is_explained(-20.0, -5.0) && is_explained(8.0, 0.0));
        assert!(!is_explained(112.0, 69.0) && !is_explained(30.0, -100.0));
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        let cases = [
            (0.4, "0"),
            (999.0, "999"),
            (1_000.0, "1,000"),
            (1_234_567.2, "1,234,567"),
            (-12_345.0, "-12,345"),
        ];
        for (value, text) in cases {
            assert_eq!(thousands(value), text);
        }
    }
}
