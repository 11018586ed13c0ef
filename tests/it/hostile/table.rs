//! The figures of all attacks, written into the page beside.

use std::{path::Path, time::Duration};

use anyhow::Result;

use super::{
    bed::{Attack, Bed, Toll},
    bodies, cardinality, floods,
};
use crate::watched::{percentile, write_between_marks};

/// What everything is to be compared with.
const NOTHING: Attack = Attack {
    name: "nothing",
    sent: "the ordinary client alone, 5 s",
    max_connections: 0,
    run: |_| {
        std::thread::sleep(Duration::from_secs(5));
        Ok("–".to_owned())
    },
};

fn ms(values: &[Duration], share: f64) -> String {
    format!("{:.1}", percentile(values, share).as_secs_f64() * 1e3)
}

fn row(attack: &Attack, toll: &Toll) -> String {
    format!(
        "| {} | {} | {} | {} | {:.1} of {:.1} | {} | {} | {} | {} |\n",
        attack.name,
        attack.sent,
        toll.answered,
        toll.growth_mib,
        toll.cpu_seconds,
        toll.lasted.as_secs_f64(),
        toll.beside.acknowledged.len(),
        toll.beside.turned_away,
        ms(&toll.beside.acknowledged, 0.99),
        ms(&toll.seen.health, 0.99),
    )
}

/// Run it with `--release` on a quiet machine.
#[test]
#[ignore = "takes some minutes and writes a page"]
fn what_each_attack_costs() -> Result<()> {
    let mut table = "| attack | what is sent | what is answered | memory, + MiB | CPU, s | acknowledged beside | sent again | p99 of those, ms | p99 of health, ms |\n|---|---|---|---:|---:|---:|---:|---:|---:|\n".to_owned();
    let mut held = Vec::new();
    for attack in [&NOTHING].into_iter().chain(&bodies::ATTACKS).chain(&floods::ATTACKS) {
        let toll = Bed::start(attack.max_connections)?.suffers(attack)?;
        let line = row(attack, &toll);
        eprint!("{line}");
        table.push_str(&line);
        held.push(toll.check());
    }
    let toll = cardinality::attack(1_000_000)?;
    table.push_str(&format!(
        "\nSeries that come once: {} spans, each with a name and a session of its own, {} requests refused and sent again; \
         memory + {} MiB, CPU {:.1} of {:.1} s, p99 of health {} ms.\n\n\
         | service | spans sent: good, bad | counted by objectives | counted by span metrics |\n|---|---:|---:|---:|\n",
        toll.n_spans,
        toll.refused,
        toll.growth_mib,
        toll.cpu_seconds,
        toll.lasted.as_secs_f64(),
        ms(&toll.health, 0.99),
    ));
    for service in &toll.services {
        let counts = [service.sent, service.objectives, service.span_metrics];
        let [sent, objectives, span_metrics] = counts.map(|it| format!("{}, {}", it.good, it.bad));
        table.push_str(&format!("| {} | {sent} | {objectives} | {span_metrics} |\n", service.name));
    }
    eprint!("{table}");
    write_between_marks(&Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile/README.md"), "hostile", &table)?;
    held.into_iter().collect::<Result<Vec<_>>>()?;
    toll.check()
}
