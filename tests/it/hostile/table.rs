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
    table.push_str(&toll.table());
    eprint!("{table}");
    write_between_marks(&Path::new(env!("CARGO_MANIFEST_DIR")).join("hostile/README.md"), "hostile", &table)?;
    held.into_iter().collect::<Result<Vec<_>>>()?;
    toll.check()
}
