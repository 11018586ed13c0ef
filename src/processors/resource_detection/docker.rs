//! What Docker's daemon says, over its socket.

use std::{path::Path, time::Duration};

use config::Environment;
use serde_json::Value as Json;

use super::{
    detect::{Answer, Known, Value},
    system::host_name,
};

pub(super) const KNOWN: [Known; 4] =
    [("host.name", true), ("os.type", true), ("container.name", false), ("container.image.name", false)];

/// Asks for the machine that containers run on and, where that is wanted, for the container that this runs in.
pub(super) fn detect(wanted: &[&str], patience: Duration, environment: &dyn Environment) -> Answer {
    let socket = socket(environment)?;
    let ask = |path: &str| {
        let told = |problem: &dyn std::fmt::Display| {
            format!("detector docker got no answer from {socket}{path}: {problem}")
        };
        let answer = environment.ask(Path::new(&socket), path, patience).map_err(|problem| told(&problem))?;
        serde_json::from_str::<Json>(&answer).map_err(|problem| told(&problem))
    };
    let text =
        |json: &Json, path: &str| json.pointer(path).and_then(Json::as_str).unwrap_or_default().to_owned();
    let info = ask("/info")?;
    let mut found = vec![("host.name", text(&info, "/Name")), ("os.type", text(&info, "/OSType"))];
    if wanted.iter().any(|name| name.starts_with("container.")) {
        // Docker gives a container the first digits of its id as its name, unless it is told another.
        let name = host_name(environment).ok_or("detector docker can not read the name of this machine")?;
        let container = ask(&format!("/containers/{name}/json"))?;
        found.push(("container.name", text(&container, "/Name").trim_start_matches('/').to_owned()));
        found.push(("container.image.name", text(&container, "/Config/Image")));
    }
    let is_told = |(name, value): &(&str, String)| wanted.contains(name) && !value.is_empty();
    let told = found.into_iter().filter(is_told);
    Ok(told.map(|(name, value)| (name.to_owned(), Value::Text(value))).collect())
}

fn socket(environment: &dyn Environment) -> Result<String, String> {
    match environment.variable("DOCKER_HOST").filter(|host| !host.is_empty()) {
        None => Ok("/var/run/docker.sock".to_owned()),
        Some(host) => match host.strip_prefix("unix://") {
            Some(path) => Ok(path.to_owned()),
            None => Err(format!(
                "detector docker asks over a socket of this machine, and DOCKER_HOST is {host:?}"
            )),
        },
    }
}
