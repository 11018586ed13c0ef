//! Takes log records that tell of alerts, and gives them to the lanes.

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use component::{
    BoxError, Clock, Delivered, Delivery, ExportError, Exporter, ExporterCx, ExporterDef, Placement,
    QueueConfig, Responds, RetryConfig, Stop,
};
use futures_util::future::{LocalBoxFuture, join_all};
use model::{Export, SignalSet};
use wire::view::{LogRecord, groups};

use super::{
    AlertWebhookConfig,
    alert::{self, Alert, Record},
    config::WATCHDOG,
    dead_letters::DeadLetters,
    heartbeat::Heartbeat,
    incident,
    lane::Lane,
    queue::{JournalError, Notes, Pen, Writer},
    telemetry::Intake,
    tracks::{Line, Tracks},
};

/// How long until a directory is tried again that could not be used.
const OPEN_AGAIN: Duration = Duration::from_secs(5);

/// The topic under which it is asked what became of notifications.
const DELIVERIES: &str = "deliveries";

/// What became of them is written to the file of this name in the queue's directory; no destination has a dot in its
/// name.
const TRACKS_FILE: &str = "deliveries";

/// The definition of `alert_webhook`.
pub(crate) struct AlertWebhook;

impl ExporterDef for AlertWebhook {
    const KIND: &'static str = "alert_webhook";
    const SIGNALS: SignalSet = SignalSet::LOGS;
    /// An alert is told once, and a queue has one writer.
    const PLACEMENT: Placement = Placement::Once;
    type Config = AlertWebhookConfig;

    /// What counts waits in queues of the exporter's own. Before them stands a short one: one request at a time
    /// keeps the order, it is retried for ever while the disk is full, and whoever sent it is answered when it is on
    /// disk.
    fn delivery(_: &AlertWebhookConfig) -> Delivery {
        Delivery {
            queue: QueueConfig { num_consumers: 1, wait_for_result: true, ..QueueConfig::default() },
            retry: RetryConfig {
                initial_interval: config::Duration::from_secs(1),
                max_elapsed_time: config::Duration::default(),
                ..RetryConfig::default()
            },
            timeout: Duration::ZERO,
        }
    }

    fn build(config: &AlertWebhookConfig, cx: &ExporterCx) -> Rc<dyn Exporter> {
        Rc::new(AlertExporter::new(config, cx))
    }
}

pub(super) struct AlertExporter {
    id: String,
    lanes: Vec<Rc<Lane>>,
    directory: Option<PathBuf>,
    /// Set when every lane goes on where it ended; locked while that is made so.
    opened: tokio::sync::Mutex<bool>,
    writer: RefCell<Option<Rc<Writer>>>,
    tracks: Arc<Tracks>,
    /// Held for as long as tracks are to be written.
    pen: RefCell<Option<Arc<Pen>>>,
    heartbeat: Option<Heartbeat>,
    intake: Intake,
    clock: Arc<dyn Clock>,
}

impl AlertExporter {
    pub(super) fn new(config: &AlertWebhookConfig, cx: &ExporterCx) -> Self {
        let dead_letters = Rc::new(DeadLetters::new(config));
        let tracks = Arc::new(Tracks::new(cx.started_at));
        let responds: Arc<dyn Responds> = Arc::clone(&tracks) as Arc<dyn Responds>;
        cx.desk.open(DELIVERIES, &cx.id, responds);
        let lanes = config.destinations.iter();
        Self {
            id: cx.id.clone(),
            lanes: lanes
                .flat_map(|destination| Lane::all_of(config, destination, cx, &dead_letters, &tracks))
                .collect(),
            directory: config.queue.directory.clone(),
            opened: tokio::sync::Mutex::new(false),
            writer: RefCell::default(),
            tracks,
            pen: RefCell::default(),
            heartbeat: config.heartbeat.get().map(|heartbeat| Heartbeat::new(heartbeat, cx)),
            intake: Intake::new(&cx.telemetry),
            clock: Arc::clone(&cx.clock),
        }
    }

    async fn take(&self, export: &Export) -> Result<Delivered, ExportError> {
        self.open().await.map_err(again)?;
        let (all, malformed) = self.read(&export.bytes.whole());
        let (incidents, alerts): (Vec<_>, Vec<_>) = all.into_iter().partition(|it| it.is_incident);
        let of = |lane: &Lane| if lane.tells_incidents() { &incidents } else { &alerts };
        let taken = join_all(self.lanes.iter().map(|lane| lane.accept(of(lane)))).await;
        taken.into_iter().collect::<Result<(), JournalError>>().map_err(again)?;
        let message = if malformed > 0 {
            "records named trueline.alert.* or trueline.incident.* lack what makes an alert or an incident"
                .to_owned()
        } else {
            String::new()
        };
        Ok(Delivered { rejected: malformed, message })
    }

    /// Returns the alerts and incidents of a request, and how many records say that they are one and are not.
    fn read(&self, request: &[u8]) -> (Vec<Alert>, u64) {
        let (mut alerts, mut malformed) = (Vec::new(), 0);
        for group in groups(request) {
            for item in group.items() {
                let record = LogRecord::of(item);
                let read = match alert::read(&record) {
                    Record::Other => incident::read(&record),
                    read => read,
                };
                match read {
                    Record::Incidents(all) => alerts.extend(all),
                    Record::Alert(alert) => {
                        if let Some(heartbeat) =
                            self.heartbeat.as_ref().filter(|_| alert.name() == WATCHDOG && alert.is_firing())
                        {
                            heartbeat.heard();
                        }
                        alerts.push(*alert);
                    }
                    Record::Other => self.intake.passed_over("other_event"),
                    Record::Malformed(reason) => {
                        self.intake.passed_over(reason);
                        malformed += 1;
                    }
                }
            }
        }
        (alerts, malformed)
    }

    /// Reads the journals, once.
    async fn open(&self) -> Result<(), JournalError> {
        let mut opened = self.opened.lock().await;
        if *opened {
            return Ok(());
        }
        if let Some(directory) = &self.directory {
            let writer = Rc::new(Writer::start(&self.id)?);
            for (file, lane) in self.lanes.iter().enumerate() {
                lane.open(&writer, directory, file).await?;
            }
            self.open_tracks(&writer, directory).await;
            *self.writer.borrow_mut() = Some(writer);
        }
        *opened = true;
        Ok(())
    }

    /// Goes on with what is known of notifications. Nothing that matters waits for it.
    async fn open_tracks(&self, writer: &Writer, directory: &Path) {
        let file = self.lanes.len();
        match writer.open_notes::<Line>(directory, TRACKS_FILE, file).await {
            Ok(recovered) => {
                self.tracks.restore(recovered.entries);
                let pen = Arc::new(writer.pen(file, Arc::clone(&self.tracks) as Arc<dyn Notes>));
                self.tracks.write_with(&pen);
                *self.pen.borrow_mut() = Some(pen);
            }
            Err(error) => {
                tracing::warn!(exporter = self.id, %error, "what became of notifications before can not be told");
            }
        }
    }

    async fn open_and_send(&self, stop: &Stop) {
        while let Err(error) = self.open().await {
            tracing::error!(exporter = self.id, %error, "alerts can not be queued");
            tokio::select! {
                () = self.clock.sleep_until(self.clock.now() + OPEN_AGAIN) => {}
                () = stop.cancelled() => return,
            }
        }
        join_all(self.lanes.iter().map(|lane| Rc::clone(lane).run(stop.clone()))).await;
    }
}

fn again(error: JournalError) -> ExportError {
    ExportError::Retryable { after: None, source: error.into() }
}

impl Exporter for AlertExporter {
    fn export(&self, export: Export) -> LocalBoxFuture<'_, Result<Delivered, ExportError>> {
        Box::pin(async move { self.take(&export).await })
    }

    fn run(self: Rc<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let beat = async {
                if let Some(heartbeat) = &self.heartbeat {
                    heartbeat.run(&stop).await;
                }
            };
            tokio::join!(beat, self.open_and_send(&stop));
            self.tracks.flush().await;
            Ok(())
        })
    }

    fn shutdown(&self) -> LocalBoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async move {
            join_all(self.lanes.iter().map(|lane| lane.finish())).await;
            Ok(())
        })
    }
}
