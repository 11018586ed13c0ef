//! Which objectives a composite is made of, and whether it can be reckoned from them.

use std::{collections::BTreeMap, time::Duration};

use component::Checks;

use super::{
    grain::Grain,
    indicator::{Indicator, Part},
    objective::Objective,
};
use crate::sla::calendar::Window;

/// What a composite asks of a part.
struct Known {
    id: String,
    name: String,
    is_composite: bool,
    window: Window,
    grain: Option<Grain>,
}

/// Finds the parts of composites, and has them read the windows that the composites' alerts ask for.
pub(super) fn resolve(found: &mut BTreeMap<String, (String, Objective)>, checks: &mut Checks) {
    let known: Vec<Known> = found.values().map(|(_, it)| Known::of(it)).collect();
    let mut asked = Vec::<(String, Vec<Duration>)>::new();
    found.retain(|_, (path, objective)| {
        let windows = objective.windows();
        let Indicator::Composite(composite) = &mut objective.indicator else { return true };
        let mut parts = Vec::with_capacity(composite.parts.len());
        for (at, part) in composite.parts.iter_mut().enumerate() {
            match part_of(&known, part, &objective.window) {
                Ok(found) => {
                    part.id.clone_from(&found.id);
                    parts.push(found);
                }
                Err(problem) => checks.error(&format!("{path}.sli.of.{at}.slo"), problem),
            }
        }
        let is_whole = parts.len() == composite.parts.len();
        let problem = is_whole.then(|| empty_alert(objective, &parts)).flatten();
        if let Some(problem) = &problem {
            checks.error(&format!("{path}.burn_alerts"), problem.as_str());
        }
        asked.extend(parts.iter().map(|part| (part.id.clone(), windows.clone())));
        is_whole && problem.is_none()
    });
    for (id, windows) in asked {
        if let Some((_, part)) = found.get_mut(&id) {
            part.also_read.extend(windows);
        }
    }
}

impl Known {
    fn of(objective: &Objective) -> Self {
        Self {
            id: objective.id.clone(),
            name: objective.name.clone(),
            is_composite: matches!(objective.indicator, Indicator::Composite(_)),
            window: objective.window.clone(),
            grain: Grain::of(&objective.indicator, objective.slices),
        }
    }
}

/// Finds the objective that a part names. Both must be kept over the same time, as the shares of a month and of a week
/// make neither.
fn part_of<'a>(known: &'a [Known], part: &Part, window: &Window) -> Result<&'a Known, String> {
    let name = &part.name;
    let fits = |it: &&Known| it.id == *name || it.name == *name;
    match known.iter().filter(fits).collect::<Vec<_>>()[..] {
        [found] if found.is_composite => {
            Err(format!("`{name}` is composite itself; name the objectives that it is made of"))
        }
        [found] if found.window != *window => Err(format!(
            "`{name}` is kept over {}, the composite over {}; give both the same window",
            found.window.zoned_text(),
            window.zoned_text()
        )),
        [found] => Ok(found),
        [] => Err(format!("there is no objective `{name}`; write the name or id of another one")),
        _ => Err(format!("`{name}` is the name of several objectives; write the id, service-name")),
    }
}

/// Returns why an alert can never fire, when no part ever has enough within its windows.
fn empty_alert(objective: &Objective, parts: &[&Known]) -> Option<String> {
    let grains: Vec<Grain> = parts.iter().map(|part| part.grain).collect::<Option<_>>()?;
    let mut pairs = objective.burn.iter().flat_map(|alert| &alert.pairs);
    pairs.find_map(|pair| {
        let problems = grains.iter().map(|grain| grain.problem_of(pair.short));
        if let Some(first) = problems.collect::<Option<Vec<_>>>().and_then(|all| all.into_iter().next()) {
            return Some(format!("of its parts, {first}"));
        }
        let most: Option<u64> = grains.iter().map(|grain| grain.most_within(pair.long)).sum();
        most.filter(|most| objective.min_events > *most).map(|most| {
            format!(
                "min_events is {}, but the parts together hold at most {most} slices in the window of {}; write {most} or less",
                objective.min_events,
                crate::sla::calendar::duration_text(pair.long)
            )
        })
    })
}
