//! What is to be sent now, and when to look again.

use std::{collections::BTreeSet, rc::Rc, time::Duration};

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use model::Timestamp;

use super::{Lane, RESOLVED_FOR};
use crate::alert_webhook::{
    alert::Alert,
    config::Format,
    formats::{GroupKey, Notification, Told},
    queue::Book,
};

/// Alerts in one message to an Alertmanager.
const MAX_STATES: usize = 200;

/// When the stage has not spoken of an alert for so long, it is not told again: it reminds of each every minute.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(900);

/// A destination that is told transitions hears nothing between them, and shall get the resolve of all that it knows:
/// twice the longest time between two reminders of a stage.
const FORGOTTEN_BY_EVENTS_AFTER: Duration = Duration::from_secs(2 * 86_400);

/// A message to be sent.
pub(super) struct Delivery {
    /// What is retried: an alert, a group, or the whole Alertmanager.
    pub(super) key: String,
    pub(super) id: String,
    /// The transitions that it settles.
    pub(super) numbers: Vec<u64>,
    /// What has no other message meanwhile.
    pub(super) holds: Vec<Rc<str>>,
    /// Alerts that are told again without a transition.
    pub(super) again: Vec<Rc<str>>,
    pub(super) group: Option<GroupKey>,
    pub(super) told: Told,
    /// When the oldest of what it tells was accepted.
    pub(super) since: Timestamp,
    /// Nothing is sent: what it settles is not wanted.
    pub(super) is_empty: bool,
}

/// Collects what is due, and when the rest will be.
struct Plan {
    now: Timestamp,
    deliveries: Vec<Delivery>,
    due: Option<Timestamp>,
}

impl Plan {
    /// Whether the time has come; otherwise it is remembered.
    fn is_due(&mut self, at: Timestamp) -> bool {
        if at > self.now {
            self.due = Some(self.due.map_or(at, |due| due.min(at)));
        }
        at <= self.now
    }
}

impl Lane {
    /// Returns what is to be sent now, and when to look again if nothing happens before.
    pub(super) fn plan(&self, now: Timestamp) -> (Vec<Delivery>, Option<Timestamp>) {
        let mut plan = Plan { now, deliveries: Vec::new(), due: None };
        let under_way = self.under_way.borrow().messages;
        let (open_at, most) = self.breaker.allows(under_way);
        let room = most.min(self.config.max_in_flight.saturating_sub(under_way));
        if room == 0 || !plan.is_due(open_at) {
            return (plan.deliveries, plan.due);
        }
        let book = self.book.borrow();
        match self.config.format {
            Format::AlertmanagerV2 if under_way == 0 => self.plan_states(&book, &mut plan),
            Format::AlertmanagerV2 => {}
            format if format.carries_groups() => self.plan_groups(&book, room, &mut plan),
            _ => self.plan_events(&book, room, &mut plan),
        }
        (plan.deliveries, plan.due)
    }

    fn retry_at(&self, key: &str) -> Timestamp {
        self.retries.borrow().get(key).map_or(Timestamp::default(), |retry| retry.due)
    }

    /// One message for each transition; of each alert the oldest first.
    fn plan_events(&self, book: &Book, room: usize, plan: &mut Plan) {
        let busy = self.under_way.borrow();
        for (key, number, pending) in book.heads() {
            if plan.deliveries.len() >= room {
                return;
            }
            if busy.keys.contains(key) || !plan.is_due(self.retry_at(key)) {
                continue;
            }
            let alert = &pending.alert;
            plan.deliveries.push(Delivery {
                key: key.to_string(),
                id: alert.id.clone(),
                numbers: vec![number],
                holds: vec![Rc::clone(key)],
                again: Vec::new(),
                group: None,
                is_empty: !alert.is_firing() && !self.config.send_resolved,
                since: pending.accepted_at,
                told: Told::Event(Box::new((**alert).clone())),
            });
        }
    }

    /// One message with the oldest transition of each alert, and with what is told again.
    fn plan_states(&self, book: &Book, plan: &mut Plan) {
        if !plan.is_due(self.retry_at("")) {
            return;
        }
        let alone = self.alone.borrow();
        let mut heads: Vec<_> = book.heads().take(MAX_STATES).collect();
        if let Some(first) = heads.iter().position(|(key, ..)| alone.contains(*key)) {
            // Whatever is refused alone is refused for itself.
            heads = vec![heads.swap_remove(first)];
        }
        let is_alone = heads.len() == 1 && alone.contains(heads[0].0);
        let again =
            if is_alone { Vec::new() } else { self.states_again(book, plan, MAX_STATES - heads.len()) };
        if heads.is_empty() && again.is_empty() {
            return;
        }
        let since = heads.iter().map(|(.., pending)| pending.accepted_at).min().unwrap_or(plan.now);
        let mut holds: Vec<Rc<str>> = heads.iter().map(|(key, ..)| Rc::clone(key)).collect();
        holds.extend(again.iter().map(|(key, _)| Rc::clone(key)));
        let alerts = heads.iter().map(|(.., pending)| (*pending.alert).clone());
        let told = alerts.chain(again.iter().map(|(_, alert)| (**alert).clone())).collect();
        let numbers: Vec<u64> = heads.iter().map(|(_, number, _)| *number).collect();
        plan.deliveries.push(Delivery {
            key: String::new(),
            id: String::new(),
            numbers,
            holds,
            again: again.into_iter().map(|(key, _)| key).collect(),
            group: None,
            told: Told::States(told),
            since,
            is_empty: false,
        });
    }

    /// Returns alerts that fire and resolves of late that an Alertmanager is told again. What has a transition that
    /// waits is left out: that one tells more.
    fn states_again(&self, book: &Book, plan: &mut Plan, most: usize) -> Vec<(Rc<str>, Rc<Alert>)> {
        let resend = self.config.resend.get();
        let mut again = Vec::new();
        for (key, known) in book.known() {
            let waits = book.waiting(key).next().is_some();
            let is_forgotten = known.heard_at + FORGOTTEN_AFTER.max(resend * 4) <= plan.now;
            if !waits && !is_forgotten && again.len() < most && plan.is_due(known.told_at + resend) {
                again.push((Rc::clone(key), Rc::clone(&known.alert)));
            }
        }
        self.ended.borrow_mut().retain(|key, ended| {
            let is_over = ended.alert.ends_at().is_none_or(|at| at + RESOLVED_FOR < plan.now);
            !is_over && !book.knows(key)
        });
        for (key, ended) in &*self.ended.borrow() {
            if again.len() < most && plan.is_due(ended.told_at + resend) {
                again.push((Rc::clone(key), Rc::clone(&ended.alert)));
            }
        }
        again
    }

    /// Returns alerts of which nobody knows any more whether they fire.
    pub(super) fn forgotten(&self, now: Timestamp) -> Vec<Rc<str>> {
        let format = self.config.format;
        let is_reminded = format == Format::AlertmanagerV2 || format.carries_groups();
        // Of an incident the stage speaks only when it has news.
        let patience = match is_reminded && !self.tells_incidents() {
            true => FORGOTTEN_AFTER.max(self.config.resend.get() * 4),
            false => FORGOTTEN_BY_EVENTS_AFTER,
        };
        let book = self.book.borrow();
        let silent = book
            .known()
            .filter(|(key, known)| known.heard_at + patience <= now && book.waiting(key).next().is_none());
        silent.map(|(key, _)| Rc::clone(key)).collect()
    }

    /// One message for each group whose time has come.
    fn plan_groups(&self, book: &Book, room: usize, plan: &mut Plan) {
        let busy = self.under_way.borrow();
        for (group, members) in book.groups() {
            if plan.deliveries.len() >= room {
                return;
            }
            let key: Rc<str> = group.text().into();
            let Some(due) = self.group_due(book, group, members) else { continue };
            if busy.keys.contains(&key) || !plan.is_due(due.max(self.retry_at(&key))) {
                continue;
            }
            plan.deliveries.push(self.group_delivery(book, group, members, key, plan.now));
        }
    }

    /// Returns when a group is to be told, by Alertmanager's rules: `group_wait` after its first alert, then
    /// `group_interval` after it was told when something has changed, else `repeat_interval`.
    fn group_due(&self, book: &Book, group: &GroupKey, members: &BTreeSet<Rc<str>>) -> Option<Timestamp> {
        let waiting = members.iter().flat_map(|key| book.waiting(key));
        let first =
            waiting.filter_map(|number| book.pending(number)).map(|pending| pending.accepted_at).min();
        match (first, book.group_told(group)) {
            (Some(_), _) if self.is_closing.get() => Some(Timestamp::default()),
            (Some(first), None) => Some(first + self.config.group_wait.get()),
            (Some(_), Some(told)) => Some(told + self.config.group_interval.get()),
            (None, told) => {
                let is_shown = |key: &Rc<str>| book.known_of(key).is_some_and(|known| !known.is_suppressed);
                members.iter().any(is_shown).then_some(told? + self.config.repeat_interval.get())
            }
        }
    }

    /// Tells how each alert of the group is by now.
    fn group_delivery(
        &self,
        book: &Book,
        group: &GroupKey,
        members: &BTreeSet<Rc<str>>,
        key: Rc<str>,
        now: Timestamp,
    ) -> Delivery {
        let (mut alerts, mut numbers, mut since) = (Vec::new(), Vec::new(), now);
        for member in members {
            let waiting: Vec<u64> = book.waiting(member).collect();
            let last = waiting.last().and_then(|number| book.pending(*number));
            let known = || book.known_of(member).map(|known| &known.alert);
            if let Some(alert) = last.map(|pending| &pending.alert).or_else(known) {
                alerts.push((**alert).clone());
            }
            let accepted = waiting.iter().filter_map(|number| book.pending(*number));
            since = accepted.map(|pending| pending.accepted_at).fold(since, Timestamp::min);
            numbers.extend(waiting);
        }
        if !self.config.send_resolved {
            alerts.retain(Alert::is_firing);
        }
        let is_news = |number: &u64| book.pending(*number).is_some_and(|pending| pending.alert.is_firing());
        let is_repeat = numbers.is_empty();
        Delivery {
            key: key.to_string(),
            id: group_id(&key, book.group_told(group), &alerts),
            is_empty: alerts.is_empty()
                || (!self.config.send_resolved && !is_repeat && !numbers.iter().any(is_news)),
            numbers,
            holds: vec![key],
            again: Vec::new(),
            group: Some(group.clone()),
            told: Told::Group(Notification::new(group.clone(), alerts)),
            since,
        }
    }
}

/// Names what is told of a group: the same for the same told again, another for a repetition hours later.
fn group_id(key: &str, told: Option<Timestamp>, alerts: &[Alert]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(key.as_bytes());
    context.update(&told.unwrap_or_default().as_nanos().to_le_bytes());
    for alert in alerts {
        context.update(b"\0");
        context.update(alert.id.as_bytes());
        context.update(&alert.starts_at.to_le_bytes());
    }
    HEXLOWER.encode(&context.finish().as_ref()[..16])
}
