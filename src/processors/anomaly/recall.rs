//! Earlier states of what was learned, for a range of time that is excluded afterwards.

use std::collections::BTreeMap;

use model::{Recall, Slots};

use super::{
    detectors::{Forests, Relations},
    processor::AnalysisHalf,
    snapshot::{Memory, VERSION},
    state::SeriesState,
};
use crate::recall::Return;

impl AnalysisHalf {
    /// Goes with `baseline`, before a window is judged: back to an earlier state, and keeps the present one.
    pub(super) fn recall(&mut self, recall: &Recall) {
        if let Some(found) = self.earlier.follow(recall) {
            let memory = match found {
                // Snapshots are read as a whole; what could not be read would be no state from before.
                Return::To(state) => Memory::decode(state.version, &state.bytes).unwrap_or_default(),
                Return::Nothing => Memory::default(),
            };
            self.go_back_to(memory);
        }
        if let Some(checkpoint) = recall.checkpoint {
            let bytes = self.learned().encode(self.series.iter());
            self.earlier.keep(checkpoint, VERSION, bytes);
        }
        self.checkpoint_bytes.set(self.earlier.size());
    }

    /// What was learned, without the series.
    pub(super) fn learned(&self) -> Memory {
        Memory {
            window: self.window,
            tunings: self.tunings.to_vec(),
            relations: self.relations.pairs.clone(),
            forests: self
                .forests
                .of
                .iter()
                .map(|(service, forest)| (service.clone(), forest.clone()))
                .collect(),
            ..Memory::default()
        }
    }

    /// Takes what was learned back to an earlier state. What people said of series stays, and so do open episodes,
    /// which end when it is quiet and are no false alarms, and what services may still tell.
    fn go_back_to(&mut self, mut memory: Memory) {
        let marked = self.series.iter().filter(|(_, state)| state.marks > 0);
        let mut marks: BTreeMap<u64, (u8, u32)> =
            marked.map(|(fingerprint, state)| (fingerprint, (state.marks, state.last_window))).collect();
        for (fingerprint, state) in &mut memory.series {
            state.marks = marks.remove(fingerprint).map_or(0, |(marks, _)| marks);
            state.is_open = false;
        }
        let began_since = marks.into_iter().map(|(fingerprint, (marks, last_window))| {
            (fingerprint, SeriesState { marks, last_window, ..SeriesState::default() })
        });
        memory.series.extend(began_since);
        self.series = Slots::default();
        self.tunings = Default::default();
        self.relations = Relations::new(&self.config.relations);
        self.forests = Forests::default();
        self.remember_learned(memory);
        self.episodes.iter_mut().for_each(|episode| episode.alone = None);
    }

    /// Takes what [`Self::learned`] tells, and series.
    pub(super) fn remember_learned(&mut self, memory: Memory) {
        for (fingerprint, state) in memory.series {
            self.series.restore(fingerprint, state);
        }
        for (mine, stored) in self.tunings.iter_mut().zip(memory.tunings) {
            *mine = stored;
        }
        self.judge.tune(&self.tunings);
        // Relations that are no longer named are forgotten.
        if self.has_relations {
            memory.relations.into_iter().for_each(|stored| self.relations.restore(stored));
        }
        if self.has_forests {
            self.forests.remember(memory.forests);
        }
    }
}
