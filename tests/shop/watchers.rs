//! Who watches the shop: trueline, and Prometheus with Alertmanager over what trueline writes to it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use testbed::{Alertmanager, AlertmanagerVersion, Launch, Prometheus, Trueline, Version, Watch};

use crate::inbox::Inbox;
use crate::promises;
use crate::sandbox::source;

const API: &str = "http://127.0.0.1:8390/api/v1";

pub(crate) struct Watchers {
    pub(crate) inbox: Inbox,
    pub(crate) trueline: Trueline,
    pub(crate) prometheus: Prometheus,
    _alertmanager: Alertmanager,
    /// Holds the file of rules.
    _rules: Launch,
}

impl Watchers {
    pub(crate) fn start() -> Result<Self> {
        let inbox = Inbox::start()?;
        // It does not know what belongs together beyond a service.
        let alertmanager = Alertmanager::start(
            AlertmanagerVersion::Current,
            &format!(
                "route: {{receiver: inbox, group_by: [sloth_service], group_wait: 1s, group_interval: 1s}}\n\
                 receivers:\n  - name: inbox\n    webhook_configs: [{{url: '{}/prometheus'}}]\n",
                inbox.url()
            ),
        )?;
        let rules = Launch::new("rules", "true")?;
        let file = rules.write("rules.yml", &promises::rules())?;
        let prometheus = Prometheus::start_with(
            Version::Three,
            &format!(
                "rule_files: ['{}']\nalerting:\n  alertmanagers:\n    - static_configs: [{{targets: ['{}']}}]\n",
                file.display(),
                alertmanager.url().trim_start_matches("http://")
            ),
        )?;
        let yaml = fs::read_to_string(source("trueline.yaml"))?
            .replace("@SLOS@", &promises::slos())
            .replace("@INBOX@", inbox.url())
            .replace("@REMOTE_WRITE@", &prometheus.remote_write_url());
        let health = "127.0.0.1:13133".parse().expect("an address");
        let trueline = Trueline::start(&yaml, Watch { health, metrics: None })?;
        Ok(Self { inbox, trueline, prometheus, _alertmanager: alertmanager, _rules: rules })
    }

    /// Returns the incidents that trueline knows, the newest first.
    pub(crate) fn incidents(&self) -> Result<Vec<Value>> {
        let told = testbed::get_json(&format!("{API}/incidents"))?;
        Ok(told["incidents"].as_array().context("the answer has no incidents")?.clone())
    }

    /// Returns the alerts that fire at Prometheus.
    pub(crate) fn firing(&self) -> Result<usize> {
        Ok(self.prometheus.query(r#"ALERTS{alertstate="firing"}"#)?.len())
    }

    /// Waits until requests of the shop have come through trueline to Prometheus and its rules have seen them.
    pub(crate) fn wait_for_traffic(&self, limit: Duration) -> Result<()> {
        self.prometheus.query_until("count(slo:sli_error:ratio_rate1m >= 0)", limit, |found| {
            found.first().is_some_and(|sample| sample.float().is_ok_and(|count| count >= 8.0))
        })?;
        Ok(())
    }
}
