//! How many connections a listener may have, and who leaves when there are too many.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::Notify;

use crate::Permit;

/// The places of a listener.
///
/// When all are taken, a connection on which nothing is under way is asked to leave, so that those who keep connections
/// without using them do not keep others out.
#[derive(Debug)]
pub struct Places {
    open: AtomicUsize,
    most: AtomicUsize,
    /// Those who may be asked to leave, by [`Guest`].
    waiting: [Line; 2],
}

/// Who has a place and may be asked to leave. The order is that in which they are asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guest {
    /// Has never brought a request.
    Stranger,
    /// Has brought requests, and rests.
    Resting,
}

/// In the order in which they came.
#[derive(Debug, Default)]
struct Line {
    calls: Notify,
    length: AtomicUsize,
}

/// A place that is taken until this is dropped.
pub struct Place {
    places: Arc<Places>,
    /// What else the connection has claimed.
    pub beside: Permit,
}

impl Places {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(most),
            waiting: Default::default(),
        })
    }

    /// Changes how many there are. Connections that are open stay.
    pub fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Release);
    }

    /// Takes a place; none when all are taken.
    pub fn take(self: &Arc<Self>) -> Option<Place> {
        let most = self.most.load(Ordering::Acquire);
        let more = |open: usize| (open < most).then_some(open + 1);
        self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Place { places: Arc::clone(self), beside: Permit(None) })
    }

    /// Asks one who has not used its place for longest to leave it, strangers first.
    pub fn ask_one_to_leave(&self) {
        let line = self.waiting.iter().find(|line| line.length.load(Ordering::Acquire) > 0);
        if let Some(line) = line {
            line.calls.notify_one();
        }
    }
}

impl Place {
    /// Resolves when this guest is asked to leave. Who then has something under way calls [`Place::pass_on`].
    pub async fn is_wanted(&self, guest: Guest) {
        let line = &self.places.waiting[guest as usize];
        let _standing = Standing::new(line);
        line.calls.notified().await;
    }

    /// Returns how many places of the listener are taken, this one among them.
    pub fn n_open(&self) -> usize {
        self.places.open.load(Ordering::Acquire)
    }

    /// Asks another in its place.
    pub fn pass_on(&self) {
        self.places.ask_one_to_leave();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Counts who stands in a line, also when it is left early.
struct Standing<'a>(&'a Line);

impl<'a> Standing<'a> {
    fn new(line: &'a Line) -> Self {
        line.length.fetch_add(1, Ordering::AcqRel);
        Self(line)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.length.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn is_done(future: std::pin::Pin<&mut impl Future<Output = ()>>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn places_are_taken_until_they_are_given_back() {
        let places = Places::new(2);
        let (first, _second) = (places.take().unwrap(), places.take().unwrap());
        assert_eq!(first.n_open(), 2);
        assert!(places.take().is_none());
        drop(first);
        let _third = places.take().unwrap();
        assert!(places.take().is_none());
        places.set_most(3);
        let _fourth = places.take().unwrap();
        places.set_most(1);
        assert!(places.take().is_none());
    }

    #[test]
    fn strangers_are_asked_before_those_who_rest_and_the_first_before_the_next() {
        let places = Places::new(3);
        let [a, b, c] = std::array::from_fn(|_| places.take().unwrap());
        let mut resting = pin!(a.is_wanted(Guest::Resting));
        let mut first = pin!(b.is_wanted(Guest::Stranger));
        let mut next = pin!(c.is_wanted(Guest::Stranger));
        assert!(!is_done(resting.as_mut()) && !is_done(first.as_mut()) && !is_done(next.as_mut()));
        places.ask_one_to_leave();
        assert!(is_done(first.as_mut()) && !is_done(next.as_mut()) && !is_done(resting.as_mut()));
        b.pass_on();
        assert!(is_done(next.as_mut()) && !is_done(resting.as_mut()));
        places.ask_one_to_leave();
        assert!(is_done(resting.as_mut()));
        // Nobody is left to ask, and nobody who comes later is asked for that.
        places.ask_one_to_leave();
        let mut late = pin!(a.is_wanted(Guest::Stranger));
        assert!(!is_done(late.as_mut()));
    }
}
