//! The states of all chosen series, side by side.

use super::state::SeriesState;

const PAGE: usize = 1024;

/// States found by their place. In pages, so that growth never holds everything twice and a state takes its own
/// bytes and no more.
#[derive(Clone, Debug, Default)]
pub(super) struct States {
    pages: Vec<Vec<Option<SeriesState>>>,
    free: Vec<u32>,
    n_used: u64,
}

impl States {
    pub(super) fn len(&self) -> u64 {
        self.n_used
    }

    /// Keeps a state and returns its place.
    pub(super) fn insert(&mut self, state: SeriesState) -> u32 {
        self.n_used += 1;
        if let Some(place) = self.free.pop() {
            *self.place_mut(place) = Some(state);
            return place;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let page = self.pages.len() - 1;
        self.pages[page].push(Some(state));
        (page * PAGE + self.pages[page].len() - 1) as u32
    }

    pub(super) fn get(&self, place: u32) -> &SeriesState {
        let place = place as usize;
        self.pages[place / PAGE][place % PAGE].as_ref().expect("places are forgotten with their states")
    }

    pub(super) fn get_mut(&mut self, place: u32) -> &mut SeriesState {
        self.place_mut(place).as_mut().expect("places are forgotten with their states")
    }

    pub(super) fn remove(&mut self, place: u32) {
        if self.place_mut(place).take().is_some() {
            self.n_used -= 1;
            self.free.push(place);
        }
    }

    /// Removes all but some.
    pub(super) fn retain_places(&mut self, mut kept: Vec<u32>) {
        kept.sort_unstable();
        let n_places = self.pages.iter().map(Vec::len).sum::<usize>() as u32;
        let mut kept = kept.into_iter().peekable();
        for place in 0..n_places {
            if kept.next_if_eq(&place).is_none() {
                self.remove(place);
            }
        }
    }

    fn place_mut(&mut self, place: u32) -> &mut Option<SeriesState> {
        &mut self.pages[place as usize / PAGE][place as usize % PAGE]
    }
}
