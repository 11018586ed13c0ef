//! What waits for a destination, and what it has been told.
//!
//! A book changes by entries alone, so that replaying a journal makes the same book. It does no I/O and reads no clock.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    rc::Rc,
};

use model::Timestamp;

use super::{Entry, Fate, entry};
use crate::alert_webhook::{
    alert::{Alert, Occurrence},
    formats::GroupKey,
};

/// So many transitions that were told are remembered, beside those of alerts that fire; and as many ends that were not.
const MAX_TOLD: usize = 16_384;

/// So many alerts that fire are remembered for one destination.
const MAX_KNOWN: usize = 20_000;

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Bounds {
    pub(in super::super) items: usize,
    pub(in super::super) bytes: u64,
}

/// A transition that waits.
#[derive(Clone, Debug)]
pub(in super::super) struct Pending {
    pub(in super::super) alert: Rc<Alert>,
    pub(in super::super) accepted_at: Timestamp,
    bytes: u64,
}

/// An alert of which the destination believes that it fires.
#[derive(Clone, Debug)]
pub(in super::super) struct Known {
    pub(in super::super) alert: Rc<Alert>,
    /// When the destination was told last.
    pub(in super::super) told_at: Timestamp,
    /// When the stage spoke of it last.
    pub(in super::super) heard_at: Timestamp,
    /// Whether a silence keeps it from being told again.
    pub(in super::super) is_suppressed: bool,
}

/// What a transition is to the book.
#[derive(Debug, PartialEq)]
pub(in super::super) enum Accepted {
    /// It waits, and is to be journaled.
    New(Entry),
    /// It waits already or was told.
    Known,
    /// It is the end of an alert of which the destination has never heard, and shall not.
    Unheard,
}

/// What must go to make room.
#[derive(Debug, Default, PartialEq)]
pub(in super::super) struct Overflow {
    /// The least severe first, of those the oldest. No resolve is among them.
    pub(in super::super) dropped: Vec<u64>,
    /// Resolves of alerts of which the destination never heard.
    pub(in super::super) moot: Vec<u64>,
}

pub(in super::super) struct Book {
    bounds: Bounds,
    group_by: Vec<String>,
    next: u64,
    pending: BTreeMap<u64, Pending>,
    bytes: u64,
    /// The numbers that wait, by alert.
    waiting: BTreeMap<Rc<str>, BTreeSet<u64>>,
    /// Occurrences that wait.
    queued: HashSet<Occurrence>,
    told: Recent,
    /// Ends of alerts that were kept from the destination. The stage reminds of them, and who kept them may have
    /// forgotten them by then.
    unheard: Recent,
    known: BTreeMap<Rc<str>, Known>,
    /// The group in which the destination heard of an alert first: an incident may go over into another, and a group
    /// that had lost an alert would never end.
    group_of: BTreeMap<Rc<str>, GroupKey>,
    /// The alerts of each group that wait or are known.
    members: BTreeMap<GroupKey, BTreeSet<Rc<str>>>,
    group_told: BTreeMap<GroupKey, Timestamp>,
}

impl Book {
    pub(in super::super) fn new(bounds: Bounds, group_by: &[String]) -> Self {
        Self {
            bounds,
            group_by: group_by.to_vec(),
            next: 1,
            pending: BTreeMap::new(),
            bytes: 0,
            waiting: BTreeMap::new(),
            queued: HashSet::new(),
            told: Recent::default(),
            unheard: Recent::default(),
            known: BTreeMap::new(),
            group_of: BTreeMap::new(),
            members: BTreeMap::new(),
            group_told: BTreeMap::new(),
        }
    }

    /// Says what a transition is, and takes note that its alert was spoken of. Changes nothing that is journaled:
    /// apply the entry when it is on disk.
    pub(in super::super) fn consider(&mut self, alert: &Alert, now: Timestamp) -> Accepted {
        self.hear(alert, now);
        let occurrence = alert.occurrence();
        if self.queued.contains(&occurrence) || self.was_told(alert, &occurrence) {
            return Accepted::Known;
        }
        if self.unheard.has(&occurrence) {
            return Accepted::Unheard;
        }
        let number = self.next;
        self.next += 1;
        Accepted::New(Entry::Accepted { number, at: now.as_nanos(), alert: Box::new(alert.clone()) })
    }

    fn hear(&mut self, alert: &Alert, now: Timestamp) {
        if let Some(known) = self.known.get_mut(alert.fingerprint.as_str()) {
            known.heard_at = now;
            known.is_suppressed = alert.is_suppressed();
        }
    }

    fn was_told(&self, alert: &Alert, occurrence: &Occurrence) -> bool {
        let known = self.known.get(alert.fingerprint.as_str());
        self.told.has(occurrence) || known.is_some_and(|known| known.alert.occurrence() == *occurrence)
    }

    /// Whether the destination believes that the alert fires, or will when it has got what waits.
    pub(in super::super) fn knows(&self, fingerprint: &str) -> bool {
        self.known.contains_key(fingerprint) || self.waiting.contains_key(fingerprint)
    }

    /// Returns what must go to make room for `more`. What is `held` by a message under way stays.
    ///
    /// Resolves stay beyond the bounds. Their number is bounded too: an alert that the destination knows needs one,
    /// and those of alerts that it does not know go when all that could be needed have room.
    pub(in super::super) fn overflow(&self, more: &[Entry], held: &dyn Fn(u64) -> bool) -> Overflow {
        let more: Vec<(u64, &Alert, u64)> = more.iter().filter_map(accepted).collect();
        let mut room = Room {
            bounds: self.bounds,
            items: self.pending.len() + more.len(),
            bytes: self.bytes + more.iter().map(|(.., bytes)| bytes).sum::<u64>(),
        };
        if room.is_enough() {
            return Overflow::default();
        }
        let waiting = self.pending.iter().map(|(number, pending)| (*number, &*pending.alert, pending.bytes));
        let all = waiting.chain(more).filter(|(number, ..)| !held(*number));
        let (mut firing, resolved): (Vec<_>, Vec<_>) = all.partition(|(_, alert, _)| alert.is_firing());
        firing.sort_by_key(|(number, alert, _)| (alert.severity, *number));
        let dropped = room.make(firing.into_iter().map(|(number, _, bytes)| (number, bytes)));
        room.bounds.items += MAX_KNOWN;
        room.bounds.bytes *= 2;
        let moot =
            resolved.into_iter().filter(|(_, alert, _)| !self.known.contains_key(alert.fingerprint.as_str()));
        let moot = room.make(moot.map(|(number, _, bytes)| (number, bytes)));
        Overflow { dropped, moot }
    }

    /// Makes a change that is on disk. The same change a second time changes nothing.
    pub(in super::super) fn apply(&mut self, entry: Entry, now: Timestamp) {
        match entry {
            Entry::Accepted { number, at, alert } => self.accept(number, Timestamp(at), *alert),
            Entry::Settled { numbers, at, fate, group } => {
                self.settle(&numbers, Timestamp(at), fate, group, now)
            }
            Entry::Forgotten { fingerprint } => self.forget(&fingerprint),
            Entry::Known { at, alert, group } => {
                if let Some(group) = group {
                    self.group_of.insert(self.key(&alert.fingerprint), group);
                }
                self.know(Rc::new(*alert), Timestamp(at), now);
            }
            Entry::Told { occurrences } => occurrences.into_iter().for_each(|told| self.told.remember(told)),
            Entry::Unheard { occurrences } => {
                occurrences.into_iter().for_each(|unheard| self.unheard.remember(unheard));
            }
            Entry::Group { key, at } => {
                self.group_told.insert(key, Timestamp(at));
            }
        }
    }

    fn accept(&mut self, number: u64, at: Timestamp, alert: Alert) {
        self.next = self.next.max(number + 1);
        let occurrence = alert.occurrence();
        if self.pending.contains_key(&number)
            || self.was_told(&alert, &occurrence)
            || !self.queued.insert(occurrence)
        {
            return;
        }
        let bytes = size(&alert);
        self.bytes += bytes;
        let key = self.key(&alert.fingerprint);
        self.join(&key, &alert);
        self.waiting.entry(key).or_default().insert(number);
        self.pending.insert(number, Pending { alert: Rc::new(alert), accepted_at: at, bytes });
    }

    fn settle(
        &mut self,
        numbers: &[u64],
        at: Timestamp,
        fate: Fate,
        group: Option<GroupKey>,
        now: Timestamp,
    ) {
        for number in numbers {
            let Some(pending) = self.pending.remove(number) else { continue };
            self.bytes -= pending.bytes;
            let occurrence = pending.alert.occurrence();
            self.queued.remove(&occurrence);
            let key = self.key(&pending.alert.fingerprint);
            if let Some(waiting) = self.waiting.get_mut(&key) {
                waiting.remove(number);
                if waiting.is_empty() {
                    self.waiting.remove(&key);
                }
            }
            if fate != Fate::Dropped {
                self.told.remember(occurrence);
            }
            match fate {
                Fate::Delivered if pending.alert.is_firing() => self.know(Rc::clone(&pending.alert), at, now),
                Fate::Delivered | Fate::Passed if !pending.alert.is_firing() => drop(self.known.remove(&key)),
                _ => {}
            }
            self.tidy(&pending.alert);
        }
        let Some(group) = group else { return };
        for key in self.members.get(&group).into_iter().flatten() {
            if let Some(known) = self.known.get_mut(key) {
                known.told_at = known.told_at.max(at);
            }
        }
        if self.members.contains_key(&group) {
            self.group_told.insert(group, at);
        } else {
            self.group_told.remove(&group);
        }
    }

    fn know(&mut self, alert: Rc<Alert>, at: Timestamp, now: Timestamp) {
        let key = self.key(&alert.fingerprint);
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&key) {
            return;
        }
        self.join(&key, &alert);
        let is_suppressed = alert.is_suppressed();
        self.known.insert(key, Known { alert, told_at: at, heard_at: now, is_suppressed });
    }

    /// Puts an alert into its group.
    fn join(&mut self, key: &Rc<str>, alert: &Alert) {
        let fresh = || GroupKey::of(alert, &self.group_by);
        let group = self.group_of.entry(Rc::clone(key)).or_insert_with(fresh);
        self.members.entry(group.clone()).or_default().insert(Rc::clone(key));
    }

    fn forget(&mut self, fingerprint: &str) {
        if let Some(known) = self.known.remove(fingerprint) {
            self.told.remember(known.alert.occurrence());
            self.tidy(&known.alert);
        }
    }

    /// Takes an alert out of its group when nothing of it is left.
    fn tidy(&mut self, alert: &Alert) {
        if self.knows(&alert.fingerprint) {
            return;
        }
        let Some(group) = self.group_of.remove(alert.fingerprint.as_str()) else { return };
        if let Some(members) = self.members.get_mut(&group) {
            members.remove(alert.fingerprint.as_str());
            if members.is_empty() {
                self.members.remove(&group);
                self.group_told.remove(&group);
            }
        }
    }

    /// One text for each alert, however often it is named.
    fn key(&self, fingerprint: &str) -> Rc<str> {
        let known = self.known.get_key_value(fingerprint).map(|(key, _)| key);
        let waiting = || self.waiting.get_key_value(fingerprint).map(|(key, _)| key);
        known.or_else(waiting).map_or_else(|| fingerprint.into(), Rc::clone)
    }

    /// Takes note that the destination was told again that alerts fire.
    pub(in super::super) fn told_again(&mut self, fingerprints: &[Rc<str>], at: Timestamp) {
        for fingerprint in fingerprints {
            if let Some(known) = self.known.get_mut(fingerprint) {
                known.told_at = at;
            }
        }
    }

    pub(in super::super) fn pending(&self, number: u64) -> Option<&Pending> {
        self.pending.get(&number)
    }

    /// Returns the oldest transition of each alert that waits, oldest first.
    pub(in super::super) fn heads(&self) -> impl Iterator<Item = (&Rc<str>, u64, &Pending)> {
        self.pending.iter().filter_map(|(number, pending)| {
            let (key, numbers) = self.waiting.get_key_value(pending.alert.fingerprint.as_str())?;
            (numbers.first() == Some(number)).then_some((key, *number, pending))
        })
    }

    /// Returns what waits of an alert, oldest first.
    pub(in super::super) fn waiting(&self, fingerprint: &str) -> impl Iterator<Item = u64> {
        self.waiting.get(fingerprint).into_iter().flatten().copied()
    }

    pub(in super::super) fn known(&self) -> impl Iterator<Item = (&Rc<str>, &Known)> {
        self.known.iter()
    }

    pub(in super::super) fn known_of(&self, fingerprint: &str) -> Option<&Known> {
        self.known.get(fingerprint)
    }

    pub(in super::super) fn groups(&self) -> impl Iterator<Item = (&GroupKey, &BTreeSet<Rc<str>>)> {
        self.members.iter()
    }

    pub(in super::super) fn group_told(&self, group: &GroupKey) -> Option<Timestamp> {
        self.group_told.get(group).copied()
    }

    pub(in super::super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(in super::super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns since when the oldest waits.
    pub(in super::super) fn oldest(&self) -> Option<Timestamp> {
        self.pending.values().map(|pending| pending.accepted_at).min()
    }

    /// Returns how many bytes its entries would take, roughly.
    pub(in super::super) fn footprint(&self) -> u64 {
        let known: u64 = self.known.values().map(|known| size(&known.alert)).sum();
        self.bytes + known + (self.told.order.len() + self.unheard.order.len()) as u64 * 90
    }

    /// Returns a journal that makes this book.
    pub(in super::super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for occurrences in self.told.chunks() {
            entry::encode(&Entry::Told { occurrences }, &mut out);
        }
        for occurrences in self.unheard.chunks() {
            entry::encode(&Entry::Unheard { occurrences }, &mut out);
        }
        for (key, known) in &self.known {
            let alert = Box::new((*known.alert).clone());
            let group =
                self.group_of.get(key).filter(|group| **group != GroupKey::of(&alert, &self.group_by));
            let (at, group) = (known.told_at.as_nanos(), group.cloned());
            entry::encode(&Entry::Known { at, alert, group }, &mut out);
        }
        for (number, pending) in &self.pending {
            let alert = Box::new((*pending.alert).clone());
            let at = pending.accepted_at.as_nanos();
            entry::encode(&Entry::Accepted { number: *number, at, alert }, &mut out);
        }
        for (key, at) in &self.group_told {
            entry::encode(&Entry::Group { key: key.clone(), at: at.as_nanos() }, &mut out);
        }
        out
    }
}

/// The latest occurrences of a kind.
#[derive(Default)]
struct Recent {
    order: VecDeque<Occurrence>,
    set: HashSet<Occurrence>,
}

impl Recent {
    fn has(&self, occurrence: &Occurrence) -> bool {
        self.set.contains(occurrence)
    }

    fn remember(&mut self, occurrence: Occurrence) {
        if !self.set.insert(occurrence.clone()) {
            return;
        }
        self.order.push_back(occurrence);
        if self.order.len() > MAX_TOLD
            && let Some(oldest) = self.order.pop_front()
        {
            self.set.remove(&oldest);
        }
    }

    /// In the order in which they came, as many as fit a line.
    fn chunks(&self) -> impl Iterator<Item = Vec<Occurrence>> {
        let all: Vec<&Occurrence> = self.order.iter().collect();
        let chunks: Vec<Vec<Occurrence>> =
            all.chunks(64).map(|chunk| chunk.iter().map(|one| (*one).clone()).collect()).collect();
        chunks.into_iter()
    }
}

/// How much would wait, and how much may.
struct Room {
    bounds: Bounds,
    items: usize,
    bytes: u64,
}

impl Room {
    const fn is_enough(&self) -> bool {
        self.items <= self.bounds.items && self.bytes <= self.bounds.bytes
    }

    /// Lets go until there is room, and returns who went.
    fn make(&mut self, may_go: impl Iterator<Item = (u64, u64)>) -> Vec<u64> {
        let mut gone = Vec::new();
        for (number, bytes) in may_go {
            if self.is_enough() {
                break;
            }
            self.items -= 1;
            self.bytes -= bytes;
            gone.push(number);
        }
        gone
    }
}

fn accepted(entry: &Entry) -> Option<(u64, &Alert, u64)> {
    match entry {
        Entry::Accepted { number, alert, .. } => Some((*number, alert, size(alert))),
        _ => None,
    }
}

/// What an alert takes of the queue's bytes: its texts and what is around them.
fn size(alert: &Alert) -> u64 {
    let texts = alert.labels.iter().chain(&alert.annotations);
    let texts: usize = texts.map(|(name, text)| name.len() + text.len() + 16).sum();
    (texts + alert.id.len() * 2 + alert.fingerprint.len() * 2 + alert.rule_type.len() + 256) as u64
}
