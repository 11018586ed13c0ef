//! Alertmanager: groups, silences and sends on what it is told to its API v2.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::cache::part;
use crate::http::{get, get_json, post};
use crate::ports::free_port;
use crate::process::{Launch, Process};

/// Debian's build has this path compiled in.
const DEBIAN_TEMPLATES: &str = "/usr/share/prometheus/alertmanager/default.tmpl";

/// Which Alertmanager to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 0.28.
    Current,
    /// Debian 12's 0.25, the oldest that we promise.
    Debian,
}

pub struct Alertmanager {
    process: Process,
    url: String,
}

impl Alertmanager {
    /// Starts it on a configuration of its own language, such as a route and a webhook receiver.
    pub fn start(version: Version, config_yaml: &str) -> Result<Self> {
        let program = match version {
            Version::Current => part("alertmanager", "alertmanager")?,
            Version::Debian => {
                let templates = Path::new(DEBIAN_TEMPLATES);
                ensure!(
                    templates.is_file(),
                    "{DEBIAN_TEMPLATES} is missing, run `tests/testbed/build.sh alertmanager-debian`"
                );
                part("alertmanager-debian", "alertmanager")?
            }
        };
        let launch = Launch::new("alertmanager", program)?;
        let config = launch.write("alertmanager.yml", config_yaml)?;
        let address = format!("127.0.0.1:{}", free_port());
        let url = format!("http://{address}");
        let launch = launch.args([
            format!("--web.listen-address={address}"),
            // One of a kind: it looks for no peers.
            "--cluster.listen-address=".to_owned(),
            "--storage.path=data".to_owned(),
            format!("--config.file={}", config.display()),
        ]);
        let ready = format!("{url}/-/ready");
        let process = launch.start_until(|_| get(&ready).is_ok_and(|answer| answer.status == 200))?;
        Ok(Self { process, url })
    }

    /// Returns `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Posts alerts in the form of API v2: an array of objects with `labels`, `annotations`, ….
    pub fn post_alerts(&self, alerts: &Value) -> Result<()> {
        let body = serde_json::to_vec(alerts)?;
        let answer = post(&format!("{}/api/v2/alerts", self.url), "application/json", &[], &body)?;
        answer.success().context("posting alerts")?;
        Ok(())
    }

    /// Returns the alerts that it knows, firing and suppressed, as API v2 shows them.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        match get_json(&format!("{}/api/v2/alerts", self.url))? {
            Value::Array(alerts) => Ok(alerts),
            other => bail!("alerts are not an array: {other}"),
        }
    }

    /// Returns the groups that the route made of the alerts.
    pub fn groups(&self) -> Result<Vec<Value>> {
        match get_json(&format!("{}/api/v2/alerts/groups", self.url))? {
            Value::Array(groups) => Ok(groups),
            other => bail!("groups are not an array: {other}"),
        }
    }
}
