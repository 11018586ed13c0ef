//! Asks the detectors, and joins what they say.

use std::collections::BTreeMap;

use component::Checks;
use config::Environment;
use wire::{
    build::encode_value,
    raw::{self, Field, Raw},
    view::AnyValue,
};

use super::{
    config::{KubernetesSettings, Settings, Toggle},
    docker, system,
};

/// What was detected, and what was in the way.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Detected {
    /// In the order in which they were found.
    pub(super) attributes: Vec<(String, Value)>,
    /// By the place of the setting.
    pub(super) faults: Vec<(String, String)>,
}

/// What is known of an attribute.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Value {
    Text(String),
    Int(i64),
    List(Vec<String>),
}

impl Value {
    /// Returns the body of an `AnyValue`.
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => encode_value(AnyValue::Str(text.as_bytes())),
            Self::Int(number) => encode_value(AnyValue::Int(*number)),
            Self::List(texts) => {
                let (mut list, mut value) = (Vec::new(), Vec::new());
                for text in texts {
                    let text = encode_value(AnyValue::Str(text.as_bytes()));
                    raw::put(&mut list, Field { number: 1, value: Raw::Bytes(&text) });
                }
                raw::put(&mut value, Field { number: 5, value: Raw::Bytes(&list) });
                value
            }
        }
    }
}

/// One detector's answer: attributes, or why there are none.
pub(super) type Answer = Result<Vec<(String, Value)>, String>;

/// An attribute that a detector knows, and whether it is told when nothing is said.
pub(super) type Known = (&'static str, bool);

const DETECTORS: [&str; 6] = ["env", "system", "docker", "heroku", "k8s_api", "k8snode"];

/// Detectors of the collector that ask something over the network.
const OF_NETWORKS: [&str; 26] = [
    "akamai",
    "aks",
    "alibaba_ecs",
    "azure",
    "consul",
    "digitalocean",
    "dynatrace",
    "ec2",
    "ecs",
    "eks",
    "elastic_beanstalk",
    "elasticbeanstalk",
    "gce",
    "gcp",
    "hetzner",
    "ibmcloud_classic",
    "ibmcloud_vpc",
    "kubeadm",
    "lambda",
    "nova",
    "openshift",
    "oraclecloud",
    "scaleway",
    "tencent_cvm",
    "upcloud",
    "vultr",
];

const KUBERNETES: [Known; 3] = [("k8s.node.name", true), ("k8s.node.uid", false), ("k8s.cluster.uid", false)];

const HEROKU: [(Known, &str); 7] = [
    (("heroku.app.id", true), "HEROKU_APP_ID"),
    (("service.name", true), "HEROKU_APP_NAME"),
    (("service.instance.id", true), "HEROKU_DYNO_ID"),
    (("heroku.release.creation_timestamp", true), "HEROKU_RELEASE_CREATED_AT"),
    (("service.version", true), "HEROKU_RELEASE_VERSION"),
    (("heroku.release.commit", true), "HEROKU_SLUG_COMMIT"),
    (("cloud.provider", true), "HEROKU_APP_ID"),
];

/// Asks all detectors that settings name.
pub(super) fn detect(settings: &Settings, environment: &dyn Environment) -> Detected {
    let mut detected = Detected::default();
    for (index, name) in settings.detectors.iter().enumerate() {
        let answer = ask(name.trim(), settings, environment, &mut detected.faults);
        for (key, value) in answer.unwrap_or_else(|message| {
            detected.faults.push((format!("detectors.{index}"), message));
            Vec::new()
        }) {
            if !detected.attributes.iter().any(|(known, _)| *known == key) {
                detected.attributes.push((key, value));
            }
        }
    }
    detected
}

fn ask(
    name: &str,
    settings: &Settings,
    environment: &dyn Environment,
    faults: &mut Vec<(String, String)>,
) -> Answer {
    let mut wanted = |known: &[Known], toggles: &BTreeMap<String, Toggle>| {
        enabled(&format!("{name}.resource_attributes"), known, toggles, faults)
    };
    match name {
        "env" => of_variables(environment),
        "system" => {
            let wanted = wanted(&system::KNOWN, &settings.system.resource_attributes);
            faults.extend(system::source_faults(&settings.system.hostname_sources));
            system::detect(&settings.system.hostname_sources, &wanted, environment)
        }
        "docker" => {
            let wanted = wanted(&docker::KNOWN, &settings.docker.resource_attributes);
            docker::detect(&wanted, settings.timeout.get(), environment)
        }
        "heroku" => {
            let known = HEROKU.map(|(known, _)| known);
            Ok(of_heroku(&wanted(&known, &settings.heroku.resource_attributes), environment))
        }
        "k8s_api" | "k8snode" => {
            let section = if name == "k8snode" { &settings.k8snode } else { &settings.k8s_api };
            let wanted = wanted(&KUBERNETES, &section.resource_attributes);
            for uid in wanted.iter().filter(|name| name.ends_with(".uid")) {
                let message = format!("only the Kubernetes API knows {uid}, and it is not asked; remove it");
                faults.push((format!("{name}.resource_attributes"), message));
            }
            of_kubernetes(section, &wanted, environment)
        }
        name if OF_NETWORKS.contains(&name) => Err(format!(
            "detector {name:?} asks a service over the network, which does not happen when the configuration is read; \
             set what it would tell in OTEL_RESOURCE_ATTRIBUTES and name the detector env"
        )),
        name => {
            let near = config::did_you_mean(name, DETECTORS).map(|near| format!("did you mean {near:?}? "));
            let near = near.unwrap_or_default();
            Err(format!("invalid detector key: {name}, {near}write one of {}", DETECTORS.join(", ")))
        }
    }
}

/// Returns which attributes are told, and reports names that the detector does not know.
fn enabled(
    path: &str,
    known: &[Known],
    toggles: &BTreeMap<String, Toggle>,
    faults: &mut Vec<(String, String)>,
) -> Vec<&'static str> {
    for name in toggles.keys().filter(|name| !known.iter().any(|(known, _)| known == name)) {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        let mut checks = Checks::default();
        checks.unknown(path, "attribute of this detector", name, &names);
        faults.extend(checks.into_findings().into_iter().map(|finding| (finding.path, finding.message)));
    }
    let is_told = |(name, usually): &&Known| toggles.get(*name).map_or(*usually, |toggle| toggle.enabled);
    known.iter().filter(is_told).map(|(name, _)| *name).collect()
}

/// Reads `OTEL_RESOURCE_ATTRIBUTES`: `key=value` with commas between, values escaped as in queries.
fn of_variables(environment: &dyn Environment) -> Answer {
    let set = |name: &str| environment.variable(name).filter(|value| !value.trim().is_empty());
    let Some(text) = set("OTEL_RESOURCE_ATTRIBUTES").or_else(|| set("OTEL_RESOURCE")) else {
        return Ok(Vec::new());
    };
    let text = text.trim();
    let pairs = text.strip_suffix(',').unwrap_or(text).split(',');
    pairs
        .map(|pair| {
            pair_of(pair).ok_or_else(|| {
                format!("invalid resource format: {pair:?} of OTEL_RESOURCE_ATTRIBUTES is no key=value")
            })
        })
        .collect()
}

/// Longer keys and values are refused.
const LONGEST: usize = 256;

fn pair_of(pair: &str) -> Option<(String, Value)> {
    let (key, value) = pair.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    if !pair.is_ascii() || key.is_empty() || key.len() > LONGEST || value.len() > LONGEST {
        return None;
    }
    Some((key.to_owned(), Value::Text(unescaped(value)?)))
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

fn of_heroku(wanted: &[&str], environment: &dyn Environment) -> Vec<(String, Value)> {
    let of = |((name, _), variable): ((&str, bool), &str)| {
        let value = environment.variable(variable)?;
        let value = if name == "cloud.provider" { "heroku".to_owned() } else { value };
        Some((name.to_owned(), Value::Text(value)))
    };
    HEROKU.into_iter().filter(|((name, _), _)| wanted.contains(name)).filter_map(of).collect()
}

fn of_kubernetes(section: &KubernetesSettings, wanted: &[&str], environment: &dyn Environment) -> Answer {
    let variable = &section.node_from_env_var;
    let node = environment.variable(variable).filter(|node| !node.is_empty());
    let node = node.ok_or_else(|| {
        format!("the environment variable {variable} does not name the node, set it from the field spec.nodeName of the pod")
    })?;
    let name = wanted.contains(&"k8s.node.name").then(|| ("k8s.node.name".to_owned(), Value::Text(node)));
    Ok(name.into_iter().collect())
}
