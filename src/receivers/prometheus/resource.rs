//! Which resource a target is.

use std::net::IpAddr;

use super::{
    families::Pairs,
    labels::{INSTANCE, JOB, Labels, NAME},
    target::Target,
};

/// Returns the attributes of a target, under the names that the collector's receiver gives them.
pub(super) fn attributes(job: &str, instance: &str, target: &Target) -> Pairs {
    let (host, port) = split(instance).unwrap_or((instance, ""));
    let mut attributes = vec![("service.name".to_owned(), job.to_owned())];
    if is_discernible(host) {
        attributes.push(("server.address".to_owned(), host.to_owned()));
    }
    attributes.push(("service.instance.id".to_owned(), instance.to_owned()));
    attributes.push(("server.port".to_owned(), port.to_owned()));
    attributes.push(("url.scheme".to_owned(), target.told_scheme.clone()));
    attributes
}

/// Adds what `target_info` says.
pub(super) fn add_target_info(attributes: &mut Pairs, labels: &Labels) {
    for (name, value) in labels.iter().filter(|(name, _)| ![JOB, INSTANCE, NAME].contains(name)) {
        match attributes.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => attributes.push((name.to_owned(), value.to_owned())),
        }
    }
}

/// Splits `host:port`, where a host with colons stands in brackets.
fn split(instance: &str) -> Option<(&str, &str)> {
    let (host, port) = instance.rsplit_once(':')?;
    if let Some(inner) = host.strip_prefix('[') {
        return Some((inner.strip_suffix(']')?, port));
    }
    (!host.contains([':', '[', ']'])).then_some((host, port))
}

/// Whether a host is one among others: no address that every machine has.
fn is_discernible(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => !address.is_loopback() && !address.is_unspecified(),
        Err(_) => host != "localhost",
    }
}
