//! The way to one URL: what waits for it is sent in order, again when need be, until it is settled.
//!
//! # Layout
//! * [`Lane`]: takes alerts, keeps the book and its journal.
//! * `plan`: what is to be sent now, and when to look again.
//! * `deliver`: one message, from the book to what became of it.

mod deliver;
mod plan;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use component::{Authenticators, Clock, Stop, Telemetry};
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::Method;
use model::{AlertState, Timestamp};
use tokio::sync::Notify;

use super::{
    alert::Alert,
    config::{AlertWebhookConfig, DestinationConfig, Format, SecretSource, Tells},
    dead_letters::DeadLetters,
    formats::Renderer,
    queue::{Accepted, Book, Bounds, Entry, Fate, Journal, JournalError, Overflow, Writer},
    sending::{Breaker, Guard, Jitter, Network, Sender, SenderSettings, Signer},
    telemetry::Metrics,
    tracks::{End, Place, Tracks},
};
use crate::http::Warnings;

/// Alertmanager's own path.
const ALERTS_PATH: &str = "/api/v2/alerts";

/// A resolve is told to an Alertmanager again for so long, in case it has lost it.
const RESOLVED_FOR: Duration = Duration::from_secs(300);

/// When something is looked at again without cause, for the age in the metrics.
const TICK: Duration = Duration::from_secs(10);

/// The way to one URL of a destination.
pub(super) struct Lane {
    config: DestinationConfig,
    /// The folder below the queue's directory.
    folder: String,
    renderer: Renderer,
    sender: Sender,
    book: RefCell<Book>,
    /// None: the queue is in memory only.
    journal: RefCell<Option<Rc<Journal>>>,
    /// Entries that are applied and could not be written yet.
    unsaved: RefCell<Vec<Entry>>,
    under_way: RefCell<UnderWay>,
    retries: RefCell<BTreeMap<String, Retry>>,
    /// Alerts that an Alertmanager is told alone, since it refused a message with others.
    alone: RefCell<BTreeSet<Rc<str>>>,
    /// Resolves that an Alertmanager is told again.
    ended: RefCell<BTreeMap<Rc<str>, Ended>>,
    breaker: Breaker,
    jitter: Jitter,
    max_elapsed: Duration,
    dead_letters: Rc<DeadLetters>,
    clock: Arc<dyn Clock>,
    changed: Notify,
    is_closing: Cell<bool>,
    metrics: Metrics,
    tracks: Arc<Tracks>,
    warnings: Warnings,
}

/// What messages under way tell of.
#[derive(Default)]
struct UnderWay {
    messages: usize,
    numbers: BTreeSet<u64>,
    /// Alerts, or groups by their text: one message of each at a time.
    keys: BTreeSet<Rc<str>>,
}

/// When something that failed is tried again.
#[derive(Clone, Copy, Debug)]
struct Retry {
    failed: u32,
    due: Timestamp,
}

struct Ended {
    alert: Rc<Alert>,
    told_at: Timestamp,
}

impl Lane {
    /// Makes the lanes of a destination, one for each URL.
    pub(super) fn all_of(
        config: &AlertWebhookConfig,
        destination: &DestinationConfig,
        cx: &component::ExporterCx,
        dead_letters: &Rc<DeadLetters>,
        tracks: &Arc<Tracks>,
    ) -> Vec<Rc<Self>> {
        let targets = destination.targets();
        let is_one = targets.len() == 1;
        let lane = |target: SecretSource| {
            let folder = match is_one {
                true => destination.name.clone(),
                // A replica keeps its queue whatever its place in the list.
                false => {
                    let hash = rapidhash::v3::rapidhash_v3(target.value.expose().as_bytes());
                    format!("{}@{hash:016x}", destination.name)
                }
            };
            Rc::new(Self::new(config, destination, target, folder, cx, (dead_letters, tracks)))
        };
        targets.into_iter().map(lane).collect()
    }

    fn new(
        config: &AlertWebhookConfig,
        destination: &DestinationConfig,
        target: SecretSource,
        folder: String,
        cx: &component::ExporterCx,
        (dead_letters, tracks): (&Rc<DeadLetters>, &Arc<Tracks>),
    ) -> Self {
        let bounds = Bounds { items: config.queue.max_items, bytes: config.queue.max_bytes.0 };
        let seed = cx.clock.now().as_nanos() ^ rapidhash::v3::rapidhash_v3(folder.as_bytes());
        Self {
            renderer: Renderer::new(destination, &config.external_url),
            sender: sender_of(destination, target, &cx.clock, &cx.telemetry, &cx.authenticators),
            book: RefCell::new(Book::new(bounds, destination.group_by())),
            journal: RefCell::default(),
            unsaved: RefCell::default(),
            under_way: RefCell::default(),
            retries: RefCell::default(),
            alone: RefCell::default(),
            ended: RefCell::default(),
            breaker: Breaker::new(&config.circuit_breaker),
            jitter: Jitter::new(&config.retry, seed),
            max_elapsed: config.retry.max_elapsed_time.get(),
            dead_letters: Rc::clone(dead_letters),
            clock: Arc::clone(&cx.clock),
            changed: Notify::new(),
            is_closing: Cell::new(false),
            metrics: Metrics::new(&cx.telemetry, &destination.name),
            tracks: Arc::clone(tracks),
            warnings: Warnings::default(),
            config: destination.clone(),
            folder,
        }
    }

    /// Opens the journal, and goes on where the process before ended.
    ///
    /// # Errors
    /// When the directory can not be used; try again later.
    pub(super) async fn open(
        &self,
        writer: &Writer,
        directory: &std::path::Path,
        file: usize,
    ) -> Result<(), JournalError> {
        let (journal, recovered) = writer.open(&directory.join(&self.folder), file).await?;
        let now = self.clock.now();
        if recovered.damaged > 0 {
            self.metrics.damaged.add(recovered.damaged);
            tracing::warn!(
                destination = self.config.name,
                lines = recovered.damaged,
                "lines of the queue's file can not be read, a crash leaves one"
            );
        }
        recovered.entries.into_iter().for_each(|entry| self.book.borrow_mut().apply(entry, now));
        let waiting = self.book.borrow().len();
        if waiting > 0 {
            tracing::info!(
                destination = self.config.name,
                waiting,
                "what waited for the destination goes on"
            );
        }
        *self.journal.borrow_mut() = Some(Rc::new(journal));
        self.changed.notify_one();
        Ok(())
    }

    /// Whether the destination is told of incidents in place of alerts.
    pub(super) fn tells_incidents(&self) -> bool {
        self.config.tells == Tells::Incidents
    }

    /// Takes alerts; when it returns, they are on disk.
    ///
    /// # Errors
    /// They are sent all the same, and would be lost in a crash. Give them again: they are not told twice.
    pub(super) async fn accept(&self, alerts: &[Alert]) -> Result<(), JournalError> {
        let entries = self.entries_of(alerts);
        let now = self.clock.now();
        entries.iter().for_each(|entry| self.book.borrow_mut().apply(entry.clone(), now));
        self.unsaved.borrow_mut().extend(entries);
        let saved = self.save().await;
        self.show();
        self.changed.notify_one();
        saved
    }

    /// Returns what the alerts change: those that are new here, and what goes to make room.
    fn entries_of(&self, alerts: &[Alert]) -> Vec<Entry> {
        let now = self.clock.now();
        let mut book = self.book.borrow_mut();
        let views: Vec<_> = alerts.iter().map(|alert| self.config.view_of(alert)).collect();
        let (mut entries, mut news) = (Vec::new(), BTreeSet::new());
        for alert in views.iter().map(AsRef::as_ref) {
            let fingerprint = alert.fingerprint.as_str();
            // One request may tell that an alert fires and that it has ended.
            let wants = self.config.wants(alert, book.knows(fingerprint) || news.contains(fingerprint));
            match book.consider(alert, now) {
                Accepted::New(entry) if wants => {
                    self.tracks.took(self.place(), alert, None);
                    news.insert(fingerprint);
                    entries.push(entry);
                }
                Accepted::Known if alert.state == AlertState::Resolved => self.remind_of_end(alert, now),
                Accepted::New(_) if alert.state != AlertState::Pending => {
                    let end = End::NotWanted(self.config.why_not(alert).into());
                    self.tracks.took(self.place(), alert, Some((now, end)));
                    if alert.state == AlertState::Resolved && alert.is_suppressed() {
                        entries.push(Entry::Unheard { occurrences: vec![alert.occurrence()] });
                    }
                }
                Accepted::New(_) | Accepted::Known | Accepted::Unheard => {}
            }
        }
        let under_way = self.under_way.borrow();
        let Overflow { dropped, moot } =
            book.overflow(&entries, &|number| under_way.numbers.contains(&number));
        for (numbers, reason) in [(dropped, "queue_full"), (moot, "resolve_not_needed")] {
            if !numbers.is_empty() {
                self.metrics.dropped(reason, numbers.len() as u64);
                for pending in numbers.iter().filter_map(|number| book.pending(*number)) {
                    self.tracks.settled(self.place(), &pending.alert, now, Fate::Dropped);
                }
                entries.push(Entry::Settled {
                    numbers,
                    at: now.as_nanos(),
                    fate: Fate::Dropped,
                    group: None,
                });
            }
        }
        entries
    }

    fn place(&self) -> Place<'_> {
        Place { lane: &self.folder, destination: &self.config.name }
    }

    /// An Alertmanager is told of a resolve again, for as long as the stage reminds of it after a restart of ours.
    fn remind_of_end(&self, alert: &Alert, now: Timestamp) {
        if self.config.format != Format::AlertmanagerV2 {
            return;
        }
        let fingerprint: Rc<str> = alert.fingerprint.as_str().into();
        let mut ended = self.ended.borrow_mut();
        ended.entry(fingerprint).or_insert_with(|| Ended { alert: Rc::new(alert.clone()), told_at: now });
    }

    /// Writes what is not on disk yet.
    async fn save(&self) -> Result<(), JournalError> {
        let journal = self.journal.borrow().clone();
        let entries = std::mem::take(&mut *self.unsaved.borrow_mut());
        let Some(journal) = journal else { return Ok(()) };
        if entries.is_empty() {
            return Ok(());
        }
        let held = Unsaved { lane: self, entries };
        journal.append(&held.entries).await?;
        held.are_saved();
        Ok(())
    }

    /// Makes a change that was not asked for from outside, and waits until it is on disk.
    async fn change(&self, entry: Entry) {
        self.book.borrow_mut().apply(entry.clone(), self.clock.now());
        self.unsaved.borrow_mut().push(entry);
        if let Err(error) = self.save().await
            && let Some(held_back) = self.warnings.due(self.clock.now())
        {
            tracing::warn!(destination = self.config.name, %error, held_back, "what was delivered can not be written down, after a crash it is told again");
        }
        self.show();
    }

    /// Gives up alerts of which nobody knows any more whether they fire.
    async fn forget(&self) {
        for fingerprint in self.forgotten(self.clock.now()) {
            self.change(Entry::Forgotten { fingerprint: fingerprint.to_string() }).await;
        }
    }

    /// Writes the journal anew when it has grown too long.
    async fn tidy(&self) {
        let Some(journal) = self.journal.borrow().clone() else { return };
        if !journal.wants_rewrite(self.book.borrow().footprint()) || !self.unsaved.borrow().is_empty() {
            return;
        }
        let bytes = self.book.borrow().encode();
        if let Err(error) = journal.rewrite(bytes).await {
            tracing::warn!(destination = self.config.name, %error, "the queue's file can not be written anew");
        }
    }

    /// Sends until told to stop; what is under way then is waited for.
    pub(super) async fn run(self: Rc<Self>, stop: Stop) {
        let mut under_way = FuturesUnordered::new();
        self.tidy().await;
        while !stop.is_cancelled() {
            let (deliveries, due) = self.plan(self.clock.now());
            for delivery in deliveries {
                self.begin(&delivery);
                under_way.push(Rc::clone(&self).deliver(delivery));
            }
            self.show();
            let next = due.unwrap_or(Timestamp(u64::MAX)).min(self.clock.now() + TICK);
            tokio::select! {
                Some(()) = under_way.next(), if !under_way.is_empty() => self.tidy().await,
                () = self.changed.notified() => {}
                () = self.clock.sleep_until(next) => self.forget().await,
                () = stop.cancelled() => {}
            }
        }
        while under_way.next().await.is_some() {}
    }

    /// Waits until everything is told, as it would be lost: nothing is on disk.
    pub(super) async fn finish(&self) {
        self.is_closing.set(true);
        self.changed.notify_one();
        while self.journal.borrow().is_none() && self.book.borrow().len() > 0 {
            self.clock.sleep_until(self.clock.now() + Duration::from_millis(10)).await;
        }
    }

    fn show(&self) {
        let book = self.book.borrow();
        let age = book.oldest().map_or(Duration::ZERO, |oldest| self.clock.now().since(oldest));
        self.metrics.queue(book.len() as u64, book.bytes(), age, self.breaker.is_open(self.clock.now()));
    }
}

/// Entries on their way to the disk, which come back when they do not get there.
struct Unsaved<'a> {
    lane: &'a Lane,
    entries: Vec<Entry>,
}

impl Unsaved<'_> {
    fn are_saved(mut self) {
        self.entries.clear();
    }
}

impl Drop for Unsaved<'_> {
    fn drop(&mut self) {
        let mut unsaved = self.lane.unsaved.borrow_mut();
        let later = std::mem::replace(&mut *unsaved, std::mem::take(&mut self.entries));
        unsaved.extend(later);
    }
}

/// Makes the sender of a destination's URL.
pub(super) fn sender_of(
    destination: &DestinationConfig,
    target: SecretSource,
    clock: &Arc<dyn Clock>,
    telemetry: &Telemetry,
    authenticators: &Authenticators,
) -> Sender {
    let is_alertmanager = destination.format == Format::AlertmanagerV2;
    let allowed = destination.allow_private.iter().filter_map(|text| Network::parse(text)).collect();
    let settings = SenderSettings {
        target,
        path: if is_alertmanager { ALERTS_PATH } else { "" },
        method: Method::POST,
        guard: Guard::new(is_alertmanager, allowed),
        headers: &destination.headers,
        tls: destination.tls.clone(),
        signer: destination.signing.get().map(Signer::new),
        timeout: destination.timeout.get(),
        telemetry: telemetry.clone(),
        auth: authenticators.client(&destination.auth),
    };
    Sender::new(settings, clock)
}
