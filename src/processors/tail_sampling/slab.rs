//! Values by place, where places that become free are used again.

pub(super) struct Slab<T> {
    all: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { all: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn insert(&mut self, value: T) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.all.push(None);
            self.all.len() as u32 - 1
        });
        if let Some(free) = self.all.get_mut(place as usize) {
            *free = Some(value);
        }
        place
    }

    pub(super) fn get(&self, place: u32) -> Option<&T> {
        self.all.get(place as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        self.all.get_mut(place as usize)?.as_mut()
    }

    pub(super) fn remove(&mut self, place: u32) -> Option<T> {
        let value = self.all.get_mut(place as usize)?.take()?;
        self.free.push(place);
        Some(value)
    }

    /// Returns what stands at each place, free ones included.
    pub(super) fn places(&self) -> impl Iterator<Item = Option<&T>> {
        self.all.iter().map(Option::as_ref)
    }
}
