//! `alert_webhook`: brings alerts to people and to the tools that wake them.
//!
//! Takes log records named `trueline.alert.*` and `trueline.incident.*`; emits nothing. The path of an alert: `exporter` reads
//! the record ([`alert`], [`incident`]) and gives it to the lane of each URL that is told of such; a lane asks its destination's filter, writes the transition into
//! its queue ([`queue`], on disk before the request is answered), and sends what is due ([`lane`]): of each alert one
//! message at a time and in order, or of a group how it is by now. A message is written by [`formats`], sent by
//! [`sending`], and what nobody takes goes to [`dead_letters`], which [`deliveries`] shows and sends again. [`tracks`] tells
//! whoever asks what became of each.
//!
//! *Cost*: one `fdatasync` per burst; memory by `queue.max_bytes` for each URL and some KB for each alert that fires.
//! *Source*: Alertmanager's `dispatch` and `notify` for groups; Standard Webhooks 1.0; "Exponential Backoff And Jitter".

mod alert;
mod config;
mod dead_letters;
pub mod deliveries;
mod exporter;
mod formats;
mod heartbeat;
mod incident;
mod lane;
mod queue;
mod sending;
mod telemetry;
#[cfg(test)]
mod tests;
mod tracks;

pub(crate) use config::AlertWebhookConfig;
pub(crate) use exporter::AlertWebhook;
