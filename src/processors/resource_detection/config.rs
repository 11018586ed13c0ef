//! The collector's keys, and what was detected as they say.

use std::collections::BTreeMap;

use component::{Checks, Config};
use config::{Duration, NotSupported, NotSupportedKeys, SystemEnvironment};
use serde::{Deserialize, Deserializer};

use super::detect::{Detected, detect};

/// Settings of `resource_detection`, and what was detected when they were read.
#[derive(Clone, PartialEq, Debug)]
pub struct ResourceDetectionConfig {
    pub(super) overrides: bool,
    pub(super) detected: Detected,
    settings: Settings,
}

/// What an operator writes.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    /// Asked in order: of two that tell the same attribute the first counts.
    pub(super) detectors: Vec<String>,
    /// Whether what is detected takes the place of what the sender says.
    pub(super) r#override: bool,
    /// How long a program is waited for that is asked.
    pub(super) timeout: Duration,
    pub(super) system: SystemSettings,
    pub(super) docker: DetectorSettings,
    pub(super) heroku: DetectorSettings,
    pub(super) k8s_api: KubernetesSettings,
    pub(super) k8snode: KubernetesSettings,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DetectorSettings {
    pub(super) resource_attributes: BTreeMap<String, Toggle>,
}

#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SystemSettings {
    /// Empty means `dns`, then `os`.
    pub(super) hostname_sources: Vec<String>,
    pub(super) resource_attributes: BTreeMap<String, Toggle>,
}

#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(default)]
pub(super) struct KubernetesSettings {
    pub(super) node_from_env_var: String,
    pub(super) resource_attributes: BTreeMap<String, Toggle>,
}

/// Whether an attribute is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Toggle {
    pub(super) enabled: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            detectors: vec!["env".to_owned()],
            r#override: true,
            timeout: Duration::from_secs(5),
            system: SystemSettings::default(),
            docker: DetectorSettings::default(),
            heroku: DetectorSettings::default(),
            k8s_api: KubernetesSettings::default(),
            k8snode: KubernetesSettings::default(),
        }
    }
}

impl Default for KubernetesSettings {
    fn default() -> Self {
        Self { node_from_env_var: "K8S_NODE_NAME".to_owned(), resource_attributes: BTreeMap::new() }
    }
}

impl From<Settings> for ResourceDetectionConfig {
    fn from(settings: Settings) -> Self {
        let detected = detect(&settings, &SystemEnvironment);
        Self { overrides: settings.r#override, detected, settings }
    }
}

impl Default for ResourceDetectionConfig {
    fn default() -> Self {
        Settings::default().into()
    }
}

/// What was detected belongs to the settings, as files do that they name: what was validated is what runs.
impl<'de> Deserialize<'de> for ResourceDetectionConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Settings::deserialize(deserializer)?.into())
    }
}

impl ResourceDetectionConfig {
    #[cfg(test)]
    pub(super) fn in_environment(&self, environment: &dyn config::Environment) -> Self {
        let detected = detect(&self.settings, environment);
        Self { overrides: self.overrides, detected, settings: self.settings.clone() }
    }
}

impl Config for ResourceDetectionConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[
        (
            "",
            &[NotSupported::new(
                "refresh_interval",
                "what is detected is read once, with the configuration",
                "remove it, and restart where a host gets another name",
            )],
        ),
        ("k8snode", &[NotSupported::new("auth_type", "the Kubernetes API is not asked", "remove it")]),
        ("k8s_api", &[NotSupported::new("auth_type", "the Kubernetes API is not asked", "remove it")]),
    ];

    fn validate(&self, checks: &mut Checks) {
        if self.settings.detectors.is_empty() {
            checks.error("detectors", "detectors is empty, name at least one");
        }
        if self.settings.timeout.get().is_zero() {
            checks.error("timeout", "timeout is 0s, must be above 0s");
        }
        for (path, message) in &self.detected.faults {
            checks.error(path, message.clone());
        }
    }
}
