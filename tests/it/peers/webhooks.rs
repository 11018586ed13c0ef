//! What `alert_webhook` sends, read by vendors' own libraries.

use anyhow::{Result, ensure};
use testbed::{clients, eventually, free_port};

use super::{
    SOON,
    alertmanager::{Transition, tell},
    gateway::{Gateway, Recipe},
};
use crate::rig::Folder;

const PIPELINES: &str = "
logs: {receivers: [otlp], exporters: [alert_webhook]}
traces: {receivers: [otlp], exporters: [nop]}
metrics: {receivers: [otlp], exporters: [nop]}";

#[test]
fn vendors_own_libraries_take_what_is_sent() -> Result<()> {
    let port = free_port();
    let receiver = clients::webhook_receiver(port)?;
    let folder = Folder::new()?;
    let (secret, rotated) = (folder.file("secret"), folder.file("rotated"));
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?;
    std::fs::write(&rotated, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")?;
    let gateway = Gateway::start(&Recipe {
        components: &format!(
            "exporters:
  alert_webhook:
    queue: {{directory: '{queue}'}}
    destinations:
      - name: standard
        format: standard_webhook
        url: http://127.0.0.1:{port}/standard
        signing: {{secret_file: '{secret}', rotate_secret_file: '{rotated}'}}
      - {{name: cloudevents, format: cloudevents, url: 'http://127.0.0.1:{port}/cloudevents'}}
      - {{name: slack, format: slack, url: 'http://127.0.0.1:{port}/slack', group_wait: 0s, group_interval: 1s}}
  nop:",
            queue = folder.file("queue").display(),
            secret = secret.display(),
            rotated = rotated.display(),
        ),
        pipelines: PIPELINES,
        ..Recipe::default()
    })?;
    for (state, sequence) in [("firing", 1), ("resolved", 2)] {
        tell(&gateway.http, &Transition { state, service: "shop <b> & \"co\"", sequence })?;
        for destination in ["standard", "cloudevents", "slack"] {
            eventually("the library has taken it", SOON, || {
                let sent = gateway
                    .counter("trueline_alert_webhook_sent_messages", &[("destination", destination)])?;
                ensure!(sent == sequence as f64, "{destination} took {sent}; it says: {}", receiver.log());
                Ok(())
            })?;
        }
    }
    Ok(())
}
