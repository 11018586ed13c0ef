//! What is wrong with the settings, all of it at once.

use std::collections::BTreeSet;

use component::{AuthConfig, Checks};
use config::{NotSupported, NotSupportedKeys};
use transport::TLS_NOT_SUPPORTED;

use super::{AlertWebhookConfig, DestinationConfig, Format, HeartbeatConfig, Scheme, SecretSource, Tells};
use crate::{
    alert_webhook::{
        formats::Template,
        sending::{Guard, Network, SigningKey, uri_of},
    },
    http::validate_headers,
};

/// Keys of the collector and of Alertmanager that people write here.
pub(super) const NOT_SUPPORTED: NotSupportedKeys = &[
    (
        "",
        &[
            NotSupported::new(
                "sending_queue",
                "each destination has a queue of its own, which outlives the process",
                "write `queue: {directory: ...}`",
            ),
            NotSupported::new(
                "retry_on_failure",
                "each message is retried by itself",
                "write `retry`, with the same intervals",
            ),
            NotSupported::new("endpoint", "there may be several destinations", "write `destinations`"),
        ],
    ),
    (
        "destinations.*",
        &[NotSupported::new(
            "routing_key",
            "a secret does not stand in a configuration",
            "write `routing_key_env` or `routing_key_file`",
        )],
    ),
    (
        "destinations.*.signing",
        &[NotSupported::new(
            "secret",
            "a secret does not stand in a configuration",
            "write `secret_env` or `secret_file`",
        )],
    ),
    ("destinations.*.tls", TLS_NOT_SUPPORTED),
    ("heartbeat.tls", TLS_NOT_SUPPORTED),
];

/// Headers that a destination's own would contradict.
const RESERVED_HEADERS: [&str; 5] =
    ["content-length", "content-type", "webhook-id", "webhook-timestamp", "webhook-signature"];

pub(super) fn check(config: &AlertWebhookConfig, checks: &mut Checks) {
    if config.destinations.is_empty() && !config.heartbeat.is_on() {
        checks.error(
            "destinations",
            "destinations is empty, add at least one: {name: am, format: alertmanager_v2, url: 'http://alertmanager:9093'}",
        );
    }
    let mut names = BTreeSet::new();
    for (index, destination) in config.destinations.iter().enumerate() {
        let at = format!("destinations.{index}");
        check_name(destination, &at, &mut names, checks);
        check_targets(destination, &at, checks);
        check_format(destination, &at, checks);
        check_times(destination, &at, checks);
        below(&at, checks, |checks| {
            validate_headers(&destination.headers, &RESERVED_HEADERS, checks);
            destination.tls.validate("tls", checks);
            AuthConfig::validate(&destination.auth, "auth", checks);
        });
    }
    check_queue(config, checks);
    if let Some(heartbeat) = config.heartbeat.get() {
        check_heartbeat(heartbeat, checks);
    }
    if !config.external_url.is_empty() && uri_of(&config.external_url).is_err() {
        let message =
            format!("external_url is {:?}, must be a URL: https://trueline.example.com", config.external_url);
        checks.error("external_url", message);
    }
}

/// Reports what is found below a path.
fn below(path: &str, checks: &mut Checks, check: impl FnOnce(&mut Checks)) {
    let mut inner = Checks::default();
    check(&mut inner);
    for finding in inner.into_findings() {
        let path = format!("{path}.{}", finding.path);
        if finding.is_warning {
            checks.warn(&path, finding.message);
        } else {
            checks.error(&path, finding.message);
        }
    }
}

fn check_name<'a>(
    destination: &'a DestinationConfig,
    at: &str,
    names: &mut BTreeSet<&'a str>,
    checks: &mut Checks,
) {
    let name = destination.name.as_str();
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.is_empty() {
        checks.error(at, "name is missing, give each destination one: name: pager");
    } else if name.len() > 64 || !name.chars().all(is_legal) {
        let message = format!(
            "name is {name:?}, which names a folder too: use at most 64 letters, digits, dashes and underscores"
        );
        checks.error(&format!("{at}.name"), message);
    } else if !names.insert(name) {
        let message = format!("name {name:?} is another destination's too, choose another");
        checks.error(&format!("{at}.name"), message);
    }
}

fn check_targets(destination: &DestinationConfig, at: &str, checks: &mut Checks) {
    let targets = destination.targets();
    if targets.is_empty() {
        checks.error(at, format!("url is missing, {} needs one", destination.format.name()));
    }
    if targets.len() > 1 && destination.format != Format::AlertmanagerV2 {
        let message = format!(
            "{} URLs are given, and each would get every message; only replicas of an Alertmanager want that. Make one destination for each",
            targets.len()
        );
        checks.error(&format!("{at}.urls"), message);
    }
    let networks = check_networks(&destination.allow_private, at, checks);
    let guard = Guard::new(destination.format == Format::AlertmanagerV2, networks);
    for (index, target) in targets.iter().enumerate() {
        let key = match (&target.env, &target.file) {
            (Some(_), _) => "url_env".to_owned(),
            (None, Some(_)) => "url_file".to_owned(),
            (None, None) if destination.url.is_empty() => format!("urls.{index}"),
            (None, None) => "url".to_owned(),
        };
        let key = format!("{at}.{key}");
        check_url(target, &guard, &key, checks);
    }
}

fn check_networks(allow: &[String], at: &str, checks: &mut Checks) -> Vec<Network> {
    let mut networks = Vec::new();
    for (index, text) in allow.iter().enumerate() {
        match Network::parse(text) {
            Some(network) => networks.push(network),
            None => {
                let message =
                    format!("{text:?} is no network, write an address and a length: 10.0.0.0/8 or fd00::/8");
                checks.error(&format!("{at}.allow_private.{index}"), message);
            }
        }
    }
    networks
}

/// Checks what can be known of a URL without resolving its name.
fn check_url(target: &SecretSource, guard: &Guard, key: &str, checks: &mut Checks) {
    target.validate(key, "url", checks);
    let Ok(url) = target.read() else { return };
    match uri_of(url.expose()) {
        Err(problem) => checks.error(key, problem),
        Ok(uri) => {
            if let Err(problem) = guard.check_written(&uri) {
                checks.error(key, problem.to_string());
            }
        }
    }
}

fn check_format(destination: &DestinationConfig, at: &str, checks: &mut Checks) {
    let routing_key = SecretSource::of(&destination.routing_key_env, &destination.routing_key_file);
    match (&routing_key, destination.format) {
        (None, Format::PagerDuty) => {
            checks.error(
                at,
                "routing_key_env is missing, name the environment variable with the integration key",
            );
        }
        (Some(key), Format::PagerDuty) => {
            key.validate(&format!("{at}.routing_key_env"), "routing_key", checks)
        }
        (Some(_), other) => {
            checks.error(
                &format!("{at}.routing_key_env"),
                format!("{} has no routing key, remove it", other.name()),
            );
        }
        (None, _) => {}
    }
    check_template(destination, at, checks);
    match destination.signing.get() {
        None if destination.format == Format::StandardWebhook => {
            checks.error(
                at,
                "signing is missing, Standard Webhooks are signed: signing: {secret_env: HOOK_SECRET}",
            );
        }
        None => {}
        Some(signing) => {
            let at = format!("{at}.signing");
            if signing.secret_env.is_none() && signing.secret_file.is_none() {
                checks.error(&at, "secret_env is missing, name the environment variable with the secret");
            }
            let keys = [
                SecretSource::of(&signing.secret_env, &signing.secret_file),
                SecretSource::of(&signing.rotate_secret_env, &signing.rotate_secret_file),
            ];
            for source in keys.into_iter().flatten() {
                source.validate(&at, "secret", checks);
                if let Ok(secret) = source.read()
                    && let Err(problem) = SigningKey::of(signing.scheme, &secret)
                {
                    checks.error(&at, problem);
                }
            }
            let headers = [("header", &signing.header), ("timestamp_header", &signing.timestamp_header)];
            for (key, name) in headers.into_iter().filter(|(_, name)| !name.is_empty()) {
                if signing.scheme == Scheme::Standard {
                    let message =
                        format!("{key} is for scheme hmac_sha256, the standard one has headers of its own");
                    checks.error(&format!("{at}.{key}"), message);
                } else if http::HeaderName::try_from(name.as_str()).is_err() {
                    checks.error(
                        &format!("{at}.{key}"),
                        format!("{name:?} is not a header name, use letters, digits and dashes"),
                    );
                }
            }
        }
    }
}

fn check_template(destination: &DestinationConfig, at: &str, checks: &mut Checks) {
    let is_given = !destination.template.is_empty() || destination.template_file.is_some();
    if destination.format != Format::Template {
        if is_given {
            let message = format!(
                "{} has a form of its own; set format: template, or remove it",
                destination.format.name()
            );
            checks.error(&format!("{at}.template"), message);
        }
        return;
    }
    if !is_given {
        checks.error(at, "template is missing, write it here or name a file by template_file");
        return;
    }
    if !destination.template.is_empty() && destination.template_file.is_some() {
        checks.error(&format!("{at}.template"), "template and template_file are both set, keep one");
        return;
    }
    if http::HeaderValue::try_from(&destination.content_type).is_err() {
        let message =
            format!("content_type is {:?}, must be like application/json", destination.content_type);
        checks.error(&format!("{at}.content_type"), message);
    }
    let key = if destination.template.is_empty() { "template_file" } else { "template" };
    if let Err(problem) = Template::of(destination).and_then(|template| template.try_out()) {
        checks.error(&format!("{at}.{key}"), problem.to_string());
    }
}

fn check_times(destination: &DestinationConfig, at: &str, checks: &mut Checks) {
    let second = std::time::Duration::from_secs(1);
    if destination.timeout.get().is_zero() {
        checks.error(&format!("{at}.timeout"), "timeout is 0s, must be above 0s");
    }
    if destination.resend.get() < second {
        checks.error(
            &format!("{at}.resend"),
            format!("resend is {}, must not be below 1s", destination.resend),
        );
    }
    if destination.max_in_flight == 0 {
        checks.error(&format!("{at}.max_in_flight"), "max_in_flight is 0, must be above 0");
    }
    if destination.format == Format::AlertmanagerV2 && destination.tells == Tells::Incidents {
        let message = "an Alertmanager makes groups of alerts itself and knows no incidents; leave tells out, or choose another format";
        checks.error(&format!("{at}.tells"), message);
    }
    if destination.tells == Tells::Incidents && !destination.inhibit_members {
        let message = "the destination is told of incidents and of no member; leave inhibit_members out";
        checks.error(&format!("{at}.inhibit_members"), message);
    }
    if !destination.format.carries_groups() {
        if destination.group_by != DestinationConfig::default().group_by {
            let message = format!(
                "{} tells of each alert by itself, group_by changes nothing",
                destination.format.name()
            );
            checks.warn(&format!("{at}.group_by"), message);
        }
        return;
    }
    if destination.group_interval.get().is_zero() {
        checks.error(&format!("{at}.group_interval"), "group_interval is 0s, must be above 0s");
    }
    if destination.repeat_interval < destination.group_interval {
        let message = format!(
            "repeat_interval is {}, must not be below group_interval ({})",
            destination.repeat_interval, destination.group_interval
        );
        checks.error(&format!("{at}.repeat_interval"), message);
    }
}

fn check_queue(config: &AlertWebhookConfig, checks: &mut Checks) {
    if config.queue.directory.is_none() && !config.destinations.is_empty() {
        let message = "directory is not set: alerts that wait for a destination are lost when the process ends; set it to a folder that outlives it";
        checks.warn("queue.directory", message);
    }
    if let Some(directory) = &config.queue.directory
        && directory.exists()
        && !directory.is_dir()
    {
        checks.error(
            "queue.directory",
            format!("directory is {}, which is a file; name a folder", directory.display()),
        );
    }
    for (key, is_zero) in [
        ("queue.max_items", config.queue.max_items == 0),
        ("queue.max_bytes", config.queue.max_bytes.0 == 0),
        ("dead_letter.max_bytes", config.dead_letter.max_bytes.0 == 0),
        ("retry.initial_interval", config.retry.initial_interval.get().is_zero()),
    ] {
        if is_zero {
            let name = key.rsplit('.').next().unwrap_or(key);
            checks.error(key, format!("{name} is 0, must be above 0"));
        }
    }
    if config.retry.max_interval < config.retry.initial_interval {
        let message = format!(
            "max_interval is {}, must not be below initial_interval ({})",
            config.retry.max_interval, config.retry.initial_interval
        );
        checks.error("retry.max_interval", message);
    }
}

fn check_heartbeat(heartbeat: &HeartbeatConfig, checks: &mut Checks) {
    let networks = check_networks(&heartbeat.allow_private, "heartbeat", checks);
    let url = heartbeat.url();
    if url == SecretSource::default() {
        checks.error("heartbeat", "url is missing, name the address of the dead man's switch");
    } else {
        check_url(&url, &Guard::new(false, networks), "heartbeat.url", checks);
    }
    if heartbeat.interval.get() < std::time::Duration::from_secs(1) {
        checks
            .error("heartbeat.interval", format!("interval is {}, must not be below 1s", heartbeat.interval));
    }
    if heartbeat.timeout.get().is_zero() {
        checks.error("heartbeat.timeout", "timeout is 0s, must be above 0s");
    }
    below("heartbeat", checks, |checks| {
        validate_headers(&heartbeat.headers, &["content-length"], checks);
        heartbeat.tls.validate("tls", checks);
        AuthConfig::validate(&heartbeat.auth, "auth", checks);
    });
}
