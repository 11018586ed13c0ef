//! One message, from the book to what became of it.

use std::rc::Rc;

use model::Timestamp;

use super::{Ended, Lane, Retry, plan::Delivery};
use crate::alert_webhook::{
    alert::Alert,
    config::Format,
    dead_letters::DeadLetter,
    formats::{RenderError, Told},
    queue::{Entry, Fate},
    sending::Outcome,
};

impl Lane {
    /// Takes note that a message is under way.
    pub(super) fn begin(&self, delivery: &Delivery) {
        let mut under_way = self.under_way.borrow_mut();
        under_way.messages += 1;
        under_way.numbers.extend(&delivery.numbers);
        under_way.keys.extend(delivery.holds.iter().cloned());
    }

    /// The next message of the same alert begins when this one is settled on disk: so after a crash no older
    /// transition comes behind a newer one.
    pub(super) async fn deliver(self: Rc<Self>, delivery: Delivery) {
        if delivery.is_empty {
            self.settle(&delivery, Fate::Passed).await;
        } else {
            self.attempt(&delivery).await;
        }
        let mut under_way = self.under_way.borrow_mut();
        under_way.messages -= 1;
        under_way.numbers.retain(|number| !delivery.numbers.contains(number));
        under_way.keys.retain(|key| !delivery.holds.contains(key));
    }

    async fn attempt(&self, delivery: &Delivery) {
        let n_alerts = delivery.told.alerts().len() as u64;
        let outcome = match self.renderer.render(&delivery.told, &delivery.id, self.clock.now()) {
            Ok(rendered) => self.sender.send(&rendered.message, &rendered.secrets).await,
            Err(error @ RenderError::Template(_)) => {
                Outcome::Refused { reason: "template", problem: error.to_string() }
            }
            Err(error) => Outcome::Retry { after: None, problem: error.to_string() },
        };
        let now = self.clock.now();
        match outcome {
            Outcome::Delivered => {
                self.breaker.succeeded();
                self.retries.borrow_mut().remove(&delivery.key);
                self.metrics.sent(n_alerts);
                self.measure(delivery, now);
                self.settle(delivery, Fate::Delivered).await;
            }
            Outcome::Retry { after, problem } => {
                self.breaker.failed(now, after);
                self.metrics.failed.add(1);
                self.note_failure(delivery, now, &problem);
                self.retry(delivery, after, problem).await;
            }
            Outcome::Refused { reason, problem } => {
                // It is well and does not want this.
                self.breaker.succeeded();
                self.metrics.failed.add(1);
                self.note_failure(delivery, now, &problem);
                self.refused(delivery, reason, problem).await;
            }
        }
    }

    /// Tells how long it took from the stage's word to the destination's; a repetition says nothing of that.
    fn measure(&self, delivery: &Delivery, now: Timestamp) {
        let book = self.book.borrow();
        for number in &delivery.numbers {
            if let Some(pending) = book.pending(*number) {
                self.metrics.took(now.since(Timestamp(pending.alert.told_at)));
            }
        }
    }

    async fn retry(&self, delivery: &Delivery, after: Option<std::time::Duration>, problem: String) {
        let now = self.clock.now();
        let is_too_old = !self.max_elapsed.is_zero() && now.since(delivery.since) > self.max_elapsed;
        if is_too_old && !delivery.numbers.is_empty() {
            return self.bury(delivery, "expired", problem).await;
        }
        let wait = self.wait_again(delivery, after);
        self.metrics.retried.add(1);
        if let Some(held_back) = self.warnings.due(now) {
            tracing::warn!(
                destination = self.config.name, error = problem, interval = ?wait, held_back,
                "an alert could not be delivered; will try again after interval"
            );
        }
    }

    fn wait_again(&self, delivery: &Delivery, after: Option<std::time::Duration>) -> std::time::Duration {
        let mut retries = self.retries.borrow_mut();
        let retry =
            retries.entry(delivery.key.clone()).or_insert(Retry { failed: 0, due: Timestamp::default() });
        retry.failed += 1;
        let wait = self.jitter.wait(retry.failed, after);
        retry.due = self.clock.now() + wait;
        wait
    }

    async fn refused(&self, delivery: &Delivery, reason: &'static str, problem: String) {
        // An Alertmanager takes the good ones of a message and refuses the whole: each is told alone to find out.
        let is_batch = matches!(&delivery.told, Told::States(alerts) if alerts.len() > 1);
        if is_batch {
            self.alone.borrow_mut().extend(delivery.holds.iter().cloned());
            self.book.borrow_mut().told_again(&delivery.again, self.clock.now());
            tracing::debug!(
                destination = self.config.name,
                error = problem,
                "a message was refused; its alerts are told one by one"
            );
            return;
        }
        if delivery.numbers.is_empty() && delivery.group.is_none() {
            // It was taken once: the next time may be good again.
            self.book.borrow_mut().told_again(&delivery.again, self.clock.now());
            return;
        }
        self.bury(delivery, reason, problem).await;
    }

    /// Returns the transitions that a message settles.
    fn pending(&self, delivery: &Delivery) -> Vec<Rc<Alert>> {
        let book = self.book.borrow();
        let pending = delivery.numbers.iter().filter_map(|number| book.pending(*number));
        pending.map(|pending| Rc::clone(&pending.alert)).collect()
    }

    fn note_failure(&self, delivery: &Delivery, now: Timestamp, problem: &str) {
        for alert in self.pending(delivery) {
            self.tracks.failed(self.place(), &alert, now, problem);
        }
    }

    /// Puts what nobody takes among the dead letters. When even that fails it waits on.
    async fn bury(&self, delivery: &Delivery, reason: &'static str, problem: String) {
        tracing::error!(
            destination = self.config.name,
            error = problem,
            reason,
            "an alert can not be delivered and is put among the dead letters; `trueline deliveries` shows and sends them"
        );
        let letter =
            DeadLetter::new(self.clock.now(), &self.config, reason, problem, &delivery.told, &delivery.id);
        if let Err(error) = self.dead_letters.write(letter).await {
            let wait = self.wait_again(delivery, None);
            tracing::error!(destination = self.config.name, %error, interval = ?wait, "a dead letter can not be written; will try again after interval");
            return;
        }
        self.metrics.dead_letter(reason, delivery.told.alerts().len() as u64);
        self.retries.borrow_mut().remove(&delivery.key);
        self.settle(delivery, Fate::DeadLetter).await;
    }

    async fn settle(&self, delivery: &Delivery, fate: Fate) {
        let now = self.clock.now();
        for alert in self.pending(delivery) {
            self.tracks.settled(self.place(), &alert, now, fate);
        }
        self.keep_telling_of_ends(delivery, fate, now);
        self.alone.borrow_mut().retain(|key| !delivery.holds.contains(key));
        self.book.borrow_mut().told_again(&delivery.again, now);
        if !delivery.numbers.is_empty() || delivery.group.is_some() {
            let (numbers, group) = (delivery.numbers.clone(), delivery.group.clone());
            self.change(Entry::Settled { numbers, at: now.as_nanos(), fate, group }).await;
        }
    }

    fn keep_telling_of_ends(&self, delivery: &Delivery, fate: Fate, now: Timestamp) {
        if self.config.format != Format::AlertmanagerV2 || fate != Fate::Delivered {
            return;
        }
        let mut ended = self.ended.borrow_mut();
        for alert in delivery.told.alerts().iter().filter(|alert| !alert.is_firing()) {
            let key: Rc<str> = alert.fingerprint.as_str().into();
            ended.insert(key, Ended { alert: Rc::new(alert.clone()), told_at: now });
        }
    }
}
