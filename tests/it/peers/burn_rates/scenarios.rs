//! The scenarios: what a service goes through, and how many pages and tickets that is worth.

use anyhow::{Result, ensure};

use super::{
    ours::{self, Feed},
    sloth,
    traffic::{HOURS, MINUTES, Process, SLOT_SECONDS, Stretch, scrapes, slots},
};

struct Scenario {
    /// The objective, and what it leaves for errors.
    target: &'static str,
    budget: &'static str,
    stretches: Vec<Stretch>,
    n_pages: usize,
    n_tickets: usize,
}

const THREE_NINES: (&str, &str) = ("0.999", "0.001");

/// So long, so many events in ten seconds, so many bad ones in ten thousand.
fn serves(seconds: u64, per_slot: u64, bad: u64) -> Stretch {
    Stretch { seconds, per_slot, bad, process: Process::Runs }
}

impl Scenario {
    fn new((target, budget): (&'static str, &'static str), stretches: Vec<Stretch>) -> Self {
        Self { target, budget, stretches, n_pages: 0, n_tickets: 0 }
    }

    /// Compares both ways to tell us with what Prometheus finds.
    fn check(&self) -> Result<()> {
        let slots = slots(&self.stretches);
        let scrapes = scrapes(&slots);
        let end = slots.len() as u64 * SLOT_SECONDS;
        let mut of_feeds = Vec::new();
        for feed in [Feed::Spans, Feed::Counters] {
            let firings = ours::firings(self.target, feed, &slots, &scrapes)?;
            let counts = (firings["page"].len(), firings["ticket"].len());
            ensure!(counts == (self.n_pages, self.n_tickets), "{feed:?}: {firings:?}");
            let unresolved = firings.values().flatten().filter(|firing| firing.1.is_none());
            ensure!(unresolved.count() == 0, "{feed:?}: not all is resolved: {firings:?}");
            of_feeds.push((feed, firings));
        }
        sloth::must_fire_with(&of_feeds, self.budget, &scrapes, end)
    }
}

#[test]
fn a_total_outage_pages_when_prometheus_does() -> Result<()> {
    let stretches =
        vec![serves(3 * HOURS, 20, 0), serves(20 * MINUTES, 20, 10_000), serves(7 * HOURS, 20, 0)];
    Scenario { n_pages: 1, n_tickets: 1, ..Scenario::new(THREE_NINES, stretches) }.check()
}

#[test]
fn a_slow_burn_is_a_ticket_and_no_page_as_in_prometheus() -> Result<()> {
    let stretches = vec![serves(25 * HOURS, 2, 0), serves(20 * HOURS, 2, 25), serves(8 * HOURS, 2, 0)];
    Scenario { n_tickets: 1, ..Scenario::new(THREE_NINES, stretches) }.check()
}

#[test]
fn a_burn_that_only_the_slow_page_sees_pages_when_prometheus_does() -> Result<()> {
    let stretches = vec![serves(7 * HOURS, 20, 0), serves(5 * HOURS, 20, 100), serves(8 * HOURS, 20, 0)];
    Scenario { n_pages: 1, n_tickets: 1, ..Scenario::new(THREE_NINES, stretches) }.check()
}

#[test]
fn a_short_blip_is_nothing_as_in_prometheus() -> Result<()> {
    let stretches = vec![serves(7 * HOURS, 20, 0), serves(20, 20, 10_000), serves(2 * HOURS, 20, 0)];
    Scenario::new(THREE_NINES, stretches).check()
}

#[test]
fn a_service_that_fails_again_and_again_pages_as_often_as_in_prometheus() -> Result<()> {
    let mut stretches = vec![serves(7 * HOURS, 20, 0)];
    for _ in 0..20 {
        stretches.extend([serves(MINUTES, 20, 10_000), serves(6 * MINUTES, 20, 0)]);
    }
    stretches.push(serves(7 * HOURS, 20, 0));
    Scenario { n_pages: 7, n_tickets: 1, ..Scenario::new(("0.995", "0.005"), stretches) }.check()
}

#[test]
fn silence_and_a_process_that_counts_anew_are_as_in_prometheus() -> Result<()> {
    let stretches = vec![
        serves(4 * HOURS, 20, 0),
        serves(10 * MINUTES, 20, 10_000),
        // The alert must not hang on when nobody asks any more.
        serves(90 * MINUTES, 0, 0),
        Stretch { process: Process::Gone, ..serves(30 * MINUTES, 0, 0) },
        serves(40 * MINUTES, 20, 2_000),
        serves(8 * HOURS, 20, 0),
    ];
    Scenario { n_pages: 2, n_tickets: 1, ..Scenario::new(THREE_NINES, stretches) }.check()
}
