//! Plays recordings through configurations.

use std::{path::PathBuf, sync::Arc};

use anyhow::bail;
use component::Telemetry;
use config::ConfigUri;
use engine::{Loaded, Offline, Plan};
use model::Rollups;

use super::alerts::{Alert, Alerts};
use crate::{
    commands::validate,
    detect::{Recording, series_of, with_step},
    registry::registry,
    replay::{Console, Files, Player, events_of, on_its_own_thread},
};

/// A configuration, by the name under which it was given.
pub(super) struct Candidate {
    pub(super) name: String,
    pub(super) uri: ConfigUri,
}

/// A configuration that is refused, and why.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// What a configuration told of a recording, and how long that was.
pub(super) struct Told {
    pub(super) alerts: Vec<Alert>,
    pub(super) span: std::time::Duration,
}

/// Returns the plan of a configuration that was read.
///
/// # Errors
/// [`Refused`], with everything that is wrong with it.
pub(super) fn plan(name: &str, loaded: Loaded) -> anyhow::Result<Plan> {
    match loaded.plan {
        Some(plan) => Ok(plan),
        None => bail!(Refused(format!("{name} is refused:\n{}", validate::render(&loaded.problems, false)))),
    }
}

/// Plays telemetry through all configurations at once, as reading it costs more than judging it. Returns
/// what each told, in their order.
///
/// # Errors
/// When a configuration is refused or a file can not be opened.
pub(super) fn telemetry(
    files: &[PathBuf],
    candidates: &[Candidate],
    prefix: &str,
    console: &Console,
) -> anyhow::Result<Vec<Told>> {
    let player = |candidate: &Candidate| {
        let plan = plan(&candidate.name, validate::check(std::slice::from_ref(&candidate.uri)))?;
        Ok((Player::new(plan), Alerts::new(prefix)))
    };
    let mut players: Vec<(Player, Alerts)> = candidates.iter().map(player).collect::<anyhow::Result<_>>()?;
    let mut found = Vec::new();
    on_its_own_thread(Files::open(files, console)?, |recorded| {
        let mut problem = None;
        for (player, alerts) in &mut players {
            // What is malformed is so for all, and named once.
            problem = player.take(&recorded, &mut found).err();
            found.drain(..).for_each(|event| alerts.take(&event));
        }
        if let Some(problem) = problem {
            console.damaged(&recorded.place, &problem.to_string());
        }
        console.reached(recorded.at);
        Ok(())
    })?;
    let told = |(mut player, mut alerts): (Player, Alerts)| {
        player.end().iter().for_each(|event| alerts.take(event));
        let span = player.played().map(|(begin, end)| end.since(begin)).unwrap_or_default();
        Told { alerts: alerts.list, span }
    };
    Ok(players.into_iter().map(told).collect())
}

/// Plays a series through a configuration, in windows of the series' own step.
///
/// # Errors
/// When the configuration is refused or judges nothing.
pub(super) fn series(recording: &Recording, candidate: &Candidate, prefix: &str) -> anyhow::Result<Told> {
    let uris = with_step(std::slice::from_ref(&candidate.uri), recording.step, &registry())?;
    let plan = plan(&candidate.name, validate::check_for_given_windows(&uris))?;
    let Some(first) = recording.points.first() else { bail!("{} has no points", recording.name) };
    let mut offline = Offline::new(plan, &Telemetry::default(), first.at);
    let (series, mut alerts) = (Arc::new(series_of(&recording.name)), Alerts::new(prefix));
    let mut collect = |offline: &mut Offline| {
        for mut event in events_of(&offline.told().exports) {
            event.service.clone_from(&recording.name);
            alerts.take(&event);
        }
    };
    for point in &recording.points {
        let mut table = Rollups { start: point.at, width: recording.step, ..Rollups::default() };
        table.push(Arc::clone(&series), 0, point.value, 1);
        offline.judge(table)?;
        collect(&mut offline);
    }
    offline.end();
    collect(&mut offline);
    let span = offline.now().since(first.at);
    Ok(Told { alerts: alerts.list, span })
}
