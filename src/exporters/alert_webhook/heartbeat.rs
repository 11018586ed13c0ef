//! Tells a dead man's switch that alarms work, for as long as the alert `Watchdog` comes.

use std::{cell::Cell, sync::Arc, time::Duration};

use bytes::Bytes;
use component::{Clock, Counter, ExporterCx, Stop};
use http::Method;
use model::Timestamp;

use super::{
    config::{HeartbeatConfig, HeartbeatMethod},
    sending::{Guard, Message, Network, Outcome, Sender, SenderSettings},
};
use crate::http::Warnings;

/// The stage reminds of what fires every minute; two reminders may be lost.
const SILENT_AFTER: Duration = Duration::from_secs(180);

pub(super) struct Heartbeat {
    sender: Sender,
    interval: Duration,
    is_post: bool,
    heard_at: Cell<Option<Timestamp>>,
    clock: Arc<dyn Clock>,
    sent: Counter,
    failed: Counter,
    warnings: Warnings,
}

impl Heartbeat {
    pub(super) fn new(config: &HeartbeatConfig, cx: &ExporterCx) -> Self {
        let allowed = config.allow_private.iter().filter_map(|text| Network::parse(text)).collect();
        let is_post = config.method == HeartbeatMethod::Post;
        let settings = SenderSettings {
            target: config.url(),
            path: "",
            method: if is_post { Method::POST } else { Method::GET },
            guard: Guard::new(false, allowed),
            headers: &config.headers,
            tls: config.tls.clone(),
            signer: None,
            timeout: config.timeout.get(),
            telemetry: cx.telemetry.clone(),
            auth: cx.authenticators.client(&config.auth),
        };
        let counter = |name: &str, what| {
            cx.telemetry.counter(&format!("trueline_alert_webhook_heartbeats_{name}"), what, "{beat}")
        };
        Self {
            sender: Sender::new(settings, &cx.clock),
            interval: config.interval.get(),
            is_post,
            heard_at: Cell::new(None),
            clock: Arc::clone(&cx.clock),
            sent: counter("sent", "Heartbeats that were taken."),
            failed: counter("failed", "Heartbeats that were not taken."),
            warnings: Warnings::default(),
        }
    }

    /// Takes note that the watchdog fires.
    pub(super) fn heard(&self) {
        self.heard_at.set(Some(self.clock.now()));
    }

    pub(super) async fn run(&self, stop: &Stop) {
        loop {
            let next = self.clock.sleep_until(self.clock.now() + self.interval);
            self.beat().await;
            tokio::select! {
                () = next => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Silence is the alarm: nothing is sent when the watchdog is silent.
    pub(super) async fn beat(&self) {
        let is_heard = |at: Timestamp| self.clock.now().since(at) <= SILENT_AFTER.max(self.interval * 2);
        if !self.heard_at.get().is_some_and(is_heard) {
            return;
        }
        let body = if self.is_post { Bytes::from_static(b"{\"status\":\"ok\"}") } else { Bytes::new() };
        let content_type = if self.is_post { "application/json".to_owned() } else { String::new() };
        let message = Message { id: String::new(), content_type, body };
        match self.sender.send(&message, &[]).await {
            Outcome::Delivered => self.sent.add(1),
            Outcome::Retry { problem, .. } | Outcome::Refused { problem, .. } => {
                self.failed.add(1);
                if let Some(held_back) = self.warnings.due(self.clock.now()) {
                    tracing::warn!(error = problem, held_back, "the heartbeat could not be delivered");
                }
            }
        }
    }
}
