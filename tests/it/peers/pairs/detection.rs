//! `resource_detection`, which the Go collector knows as `resourcedetection`, on this machine.

use serde_json::Value;

use super::{
    ALL, Meant, Pair,
    run::{Output, check},
};

/// What holds for all of them: the Go collector names the schema of what it adds.
const SCHEMA: Meant = Meant {
    why: "the schema URL of a resource stays as it was",
    undo: |ours, theirs| {
        let told = serde_json::to_string(&ours.requests).expect("what was JSON is JSON");
        if told.contains("schemas/1.26.0") && !told.contains("schemas/1.40.0") {
            forget_schemas(ours);
        }
        forget_schemas(theirs);
    },
};

fn forget_schemas(output: &mut Output) {
    let groups = output.requests.iter_mut().filter_map(Value::as_object_mut).flat_map(|it| it.values_mut());
    let resources = groups.filter_map(Value::as_array_mut).flatten();
    for resource in resources.filter_map(Value::as_object_mut) {
        resource.remove("schemaUrl");
    }
}

pub(super) const PAIRS: &[Pair] = &[
    Pair::new(
        "resourcedetection: the system as it is without keys",
        ALL,
        "resourcedetection: {detectors: [system], system: {hostname_sources: [os]}}",
    )
    .differing(SCHEMA),
    Pair::new(
        "resourcedetection: what senders say stays",
        ALL,
        "resource: {attributes: [{key: host.name, action: upsert, value: said}]}
resourcedetection: {detectors: [env, system], override: false, system: {hostname_sources: [os]}}",
    )
    .differing(SCHEMA),
    Pair::new(
        "resourcedetection: what is detected takes the place of what senders say",
        ALL,
        "resource: {attributes: [{key: host.name, action: upsert, value: said}]}
resourcedetection: {detectors: [env, system], override: true, system: {hostname_sources: [os]}}",
    )
    .differing(SCHEMA),
    Pair::new(
        "resourcedetection: all that the system tells but lists of interfaces and addresses, whose order differs",
        ALL,
        "
resourcedetection:
  detectors: [system]
  system:
    hostname_sources: [os]
    resource_attributes:
      host.name: {enabled: true}
      host.id: {enabled: true}
      host.arch: {enabled: true}
      os.type: {enabled: true}
      os.description: {enabled: true}
      os.name: {enabled: true}
      os.version: {enabled: true}
      os.build.id: {enabled: true}
      host.cpu.vendor.id: {enabled: true}
      host.cpu.family: {enabled: true}
      host.cpu.model.id: {enabled: true}
      host.cpu.model.name: {enabled: true}
      host.cpu.stepping: {enabled: true}
      host.cpu.cache.l2.size: {enabled: true}
      host.mac: {enabled: true}",
    )
    .differing(SCHEMA),
    Pair::new(
        "resourcedetection: chosen attributes alone",
        ALL,
        "resourcedetection: {detectors: [system], system: {hostname_sources: [os], resource_attributes: {host.name: {enabled: false}, host.arch: {enabled: true}}}}",
    )
    .differing(SCHEMA),
];

#[test]
fn what_is_detected_is_the_same() {
    check(PAIRS);
}
