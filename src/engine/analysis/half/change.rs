//! How the state of stages comes from one configuration to the next.

use std::{rc::Rc, sync::Arc};

use component::{Pieces, Processor};
use tracing::warn;

use super::{
    AnalysisHalf, Change, StageState,
    restore::{begins_anew, restore},
};
use crate::{
    graph::{Graph, Identity, NodeId, Side},
    plan::Fate,
    queue::Inbox,
    reload::Swap,
};

impl AnalysisHalf {
    /// Changes to another configuration, when all that was told by the one before is merged. Stages that are kept go on
    /// as they are; a changed one gets what the one before had, as after a restart; one that leaves is stored.
    pub(in crate::analysis) async fn change(&mut self, swap: &Swap, inboxes: Vec<Option<Rc<Inbox>>>) {
        let (edition, fates) = (Arc::clone(&swap.edition), &swap.changes.nodes);
        let is_kept = |node: NodeId| fates.iter().any(|fate| fate.kept() == Some(node));
        self.end_halves_that_leave(&is_kept).await;
        let identity = Identity { instance_id: &self.shared.instance_id, started_at: self.shared.started_at };
        let graph = Graph::new(&edition.plan, Side::Both, inboxes, &self.shared.telemetry, &identity)
            .watched(&self.shared.taps, edition.number);
        let mut before = std::mem::replace(&mut self.graph, graph);
        for node in (0..self.edition.plan.nodes.len()).filter(|node| !is_kept(*node)) {
            self.shared.health.forget(self.edition.plan.stage_key(node));
        }
        let mut states = std::mem::take(&mut self.stages);
        for (node, fate) in fates.iter().enumerate() {
            let half = match *fate {
                Fate::Kept(old) | Fate::Changed(old) => before.take_half(old),
                Fate::Added => None,
            };
            let state = fate.before().and_then(|old| states.remove(&old));
            match (*fate, half) {
                (Fate::Kept(_), Some(half)) => {
                    self.graph.put_half(node, half);
                    self.stages.extend(state.map(|state| (node, state)));
                }
                (Fate::Changed(_), Some(half)) => {
                    self.hand_on(node, edition.plan.stage_key(node), half.as_ref());
                    let state = StageState { change: Change::Changed, ..state.unwrap_or_default() };
                    self.stages.insert(node, state);
                }
                _ => self.restore_added(node, edition.plan.stage_key(node)),
            }
        }
        self.edition = edition;
        self.tell_what_was_found();
    }

    /// Ingest halves of this thread are new and have to hear what analysis halves have found before.
    fn tell_what_was_found(&mut self) {
        for (stage, verdicts) in self.shared.verdicts.since(&mut 0) {
            if let Some(node) = self.edition.plan.stage_by_key(&stage) {
                self.graph.tell(node, verdicts, self.reached);
            }
        }
    }

    /// As at a stop: what a stage emits at its end is stored before.
    async fn end_halves_that_leave(&mut self, is_kept: &impl Fn(NodeId) -> bool) {
        self.save(|node, _| !is_kept(node)).await;
        let order = &self.edition.plan.order;
        self.graph.end_halves(order, self.reached, |node| !is_kept(node));
        self.note_changes();
        self.publish();
        self.save(|node, _| !is_kept(node)).await;
        self.archive(|node| !is_kept(node)).await;
    }

    /// Gives a stage what the one before it had, as far as it can take it.
    fn hand_on(&mut self, node: NodeId, key: &str, before: &dyn Processor) {
        let Some(half) = self.graph.half(node) else { return };
        let taken = before.snapshot_pieces().map(Pieces::whole).map(|snapshot| half.restore(snapshot));
        if let Some(Err(problem)) = taken {
            begins_anew(&self.shared, key, &problem);
        }
        let archive = before.archive_pieces().map(Pieces::whole);
        if let Some(Err(problem)) = archive.map(|archive| half.restore_archive(archive)) {
            warn!(stage = key, error = %problem, "what was before the reload can not be asked about");
        }
    }

    /// A stage that was here before, in this process or the one before it, goes on from what is stored.
    fn restore_added(&mut self, node: NodeId, key: &str) {
        let Some(store) = self.store.clone() else { return };
        let Some(half) = self.graph.half(node) else { return };
        let state = restore(&self.shared, &store, key, half);
        self.stages.extend(state.map(|state| (node, state)));
    }
}
