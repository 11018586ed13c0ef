//! Rules as Sloth writes them, and `promtool` as the judge of when they fire.

use std::{collections::BTreeMap, fmt::Write as _, process::Command};

use anyhow::{Result, ensure};
use testbed::part;

use super::{
    EVALUATION, Firings,
    ours::Feed,
    traffic::{Scrape, series},
};
use crate::rig::Folder;

/// Severity, factor, long and short window: the SRE workbook's for thirty days, with Sloth's fourth pair.
const PAIRS: [(&str, &str, &str, &str); 4] = [
    ("page", "14.4", "1h", "5m"),
    ("page", "6", "6h", "30m"),
    ("ticket", "3", "1d", "2h"),
    ("ticket", "1", "3d", "6h"),
];

const LABELS: &str = "{sloth_id: shop-availability, sloth_service: shop, sloth_slo: availability";

/// A recording for each window, in one group, and an alert for each severity in another.
fn rules(budget: &str) -> String {
    let mut text = "groups:\n  - name: sloth-slo-sli-recordings-shop-availability\n    rules:\n".to_owned();
    for window in PAIRS.iter().flat_map(|(_, _, long, short)| [long, short]) {
        text += &format!(
            "      - record: slo:sli_error:ratio_rate{window}
        expr: sum(rate(requests_total{{outcome=\"bad\"}}[{window}])) / sum(rate(requests_total[{window}]))
        labels: {LABELS}, sloth_window: {window}}}\n"
        );
    }
    text += "  - name: sloth-slo-alerts-shop-availability\n    rules:\n";
    for severity in ["page", "ticket"] {
        let pairs = PAIRS.iter().filter(|pair| pair.0 == severity).map(|(_, factor, long, short)| {
            let burns = |window: &str| {
                let ratio = format!("slo:sli_error:ratio_rate{window}{{sloth_id=\"shop-availability\"}}");
                format!("max({ratio} > ({factor} * {budget})) without (sloth_window)")
            };
            format!("({} and {})", burns(short), burns(long))
        });
        text += &format!(
            "      - alert: ErrorBudgetBurn
        expr: {}
        labels: {{sloth_severity: {severity}}}\n",
            pairs.collect::<Vec<_>>().join(" or ")
        );
    }
    text
}

/// Lets Prometheus evaluate the rules on the series from 0 to `end` seconds.
///
/// # Errors
/// When an alert does not fire or resolve within one evaluation of when it should.
pub(super) fn must_fire_with(
    firings: &[(Feed, BTreeMap<String, Firings>)],
    budget: &str,
    scrapes: &[Scrape],
    end: u64,
) -> Result<()> {
    let folder = Folder::new()?;
    std::fs::write(folder.file("rules.yaml"), rules(budget))?;
    let groups =
        ["sloth-slo-sli-recordings", "sloth-slo-alerts"].map(|group| format!("{group}-shop-availability"));
    let mut test = format!(
        "rule_files: [rules.yaml]
evaluation_interval: {interval}s
group_eval_order: {groups:?}
tests:
  - interval: {interval}s
    input_series:
{series}    promql_expr_test:\n",
        interval = EVALUATION.as_secs(),
        series = series(scrapes),
    );
    for (severity, firings) in firings.iter().flat_map(|(_, firings)| firings) {
        for phase in phases(firings, end) {
            phase.write(severity, &mut test)?;
        }
    }
    std::fs::write(folder.file("test.yaml"), test)?;
    let promtool = Command::new(part("prometheus", "promtool")?)
        .args(["test", "rules"])
        .arg(folder.file("test.yaml"))
        .output()?;
    let said = [promtool.stdout, promtool.stderr].concat();
    ensure!(promtool.status.success(), "ours: {firings:?}\n{}", String::from_utf8_lossy(&said));
    Ok(())
}

/// Evaluations of Prometheus at all of which an alert must fire, or at none.
struct Phase {
    is_firing: bool,
    /// The last of them, in seconds.
    last: u64,
    n_evaluations: u64,
}

/// Cuts the time at what changed, and leaves out one evaluation around each change.
fn phases(firings: &Firings, end: u64) -> Vec<Phase> {
    let step = EVALUATION.as_secs();
    let changes = firings.iter().flat_map(|(from, until)| [Some(*from), *until]).flatten();
    let bounds: Vec<u64> = changes.collect();
    let mut phases = Vec::new();
    for place in 0..=bounds.len() {
        let first = if place == 0 { 0 } else { (bounds[place - 1] + step).div_ceil(step) };
        // The first evaluation that may be another already.
        let beyond =
            bounds.get(place).map_or(end / step + 1, |bound| bound.saturating_sub(step).div_ceil(step));
        let is_firing = place % 2 == 1;
        if beyond > first {
            phases.push(Phase { is_firing, last: (beyond - 1) * step, n_evaluations: beyond - first });
        }
    }
    phases
}

impl Phase {
    fn write(&self, severity: &str, text: &mut String) -> Result<()> {
        let Self { is_firing, last, n_evaluations } = *self;
        let expected = if is_firing { n_evaluations } else { 0 };
        let range = n_evaluations * EVALUATION.as_secs();
        let alerts = format!("ALERTS{{alertstate=\"firing\",sloth_severity=\"{severity}\"}}[{range}s]");
        writeln!(
            text,
            "      - expr: 'sum(count_over_time({alerts})) or vector(0)'
        eval_time: {last}s
        exp_samples: [{{labels: '{{}}', value: {expected}}}]"
        )?;
        Ok(())
    }
}
