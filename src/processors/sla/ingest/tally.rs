//! What is counted of the spans of a selector, once for all objectives that ask the same of them.

use super::spot::{Choice, Place, Probe, Spot};
use crate::sla::plan::{Agreement, Verdict};

/// A question to each span, whose answers are numbered from the best: a cell for each.
pub(super) struct Tally {
    pub(super) judge: Judge,
    /// The cell of the best answer; those of the others follow.
    pub(super) first_cell: u32,
    pub(super) members: Vec<Member>,
}

/// An objective.
pub(super) struct Member {
    /// Its place in the plan.
    pub(super) objective: u32,
    /// So many answers are good, of the best ones.
    pub(super) n_good: usize,
}

/// How spans are told apart.
#[derive(PartialEq)]
pub(super) enum Judge {
    Success(Choice),
    /// By the most that each objective allows, the least first: within the first, the second, …, or none.
    Within(Vec<u64>),
    Value(Place, Agreement),
    Came,
}

/// The answer to one span.
pub(super) struct Answer {
    pub(super) number: usize,
    /// What was compared, where that tells which span is the worst; otherwise it is the slowest.
    pub(super) value: Option<f64>,
}

impl Tally {
    /// Makes tallies for objectives that look at the same spans. The first cell is set where the cells are made.
    pub(super) fn all(objectives: &[(u32, Verdict)], keys: &mut Vec<String>) -> Vec<Self> {
        let mut all = Vec::<Self>::new();
        let mut limits: Vec<u64> = objectives
            .iter()
            .filter_map(|(_, verdict)| if let Verdict::Within(most) = verdict { Some(*most) } else { None })
            .collect();
        limits.sort_unstable();
        limits.dedup();
        for (objective, verdict) in objectives {
            let (judge, n_good) = match verdict {
                Verdict::Success(bad) => {
                    let bad: Vec<_> = bad.iter().map(|it| Probe::of(it, keys)).collect();
                    (Judge::Success(Choice::of(&[], &bad)), 1)
                }
                Verdict::Within(most) => {
                    let better = limits.partition_point(|limit| limit < most);
                    (Judge::Within(limits.clone()), better + 1)
                }
                Verdict::Value(field, agreement) => (Judge::Value(Place::of(field, keys), *agreement), 1),
                Verdict::Came => (Judge::Came, 1),
            };
            let member = Member { objective: *objective, n_good };
            match all.iter_mut().find(|known| known.judge == judge) {
                Some(known) => known.members.push(member),
                None => all.push(Self { judge, first_cell: 0, members: vec![member] }),
            }
        }
        all
    }

    pub(super) fn n_cells(&self) -> usize {
        match &self.judge {
            Judge::Success(_) | Judge::Value(..) => 2,
            Judge::Within(limits) => limits.len() + 1,
            Judge::Came => 1,
        }
    }
}

impl Judge {
    /// Returns the answer to a span; none when nothing can be said of it.
    pub(super) fn answer(&self, spot: &Spot<'_>) -> Option<Answer> {
        let number = match self {
            Self::Success(good) => usize::from(!good.holds(spot)),
            Self::Within(limits) => {
                let nanos = spot.span.duration_nanos();
                limits.partition_point(|limit| *limit < nanos)
            }
            Self::Value(place, agreement) => {
                let value = spot.seen(*place)?.number().filter(|value| !value.is_nan())?;
                return Some(Answer { number: usize::from(!agreement.is_met(value)), value: Some(value) });
            }
            Self::Came => 0,
        };
        Some(Answer { number, value: None })
    }
}
