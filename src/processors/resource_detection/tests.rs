use component::{Checks, Config, testing::Harness};
use config::MapEnvironment;
use expect_test::{Expect, expect};
use model::Payload;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, any_value::Value},
    logs::v1::ResourceLogs,
    metrics::v1::ResourceMetrics,
    resource::v1::Resource,
};
use prost::Message;

use super::{ResourceDetection, ResourceDetectionConfig};
use crate::testing::*;

/// A machine with all the files that are read.
fn machine() -> MapEnvironment {
    MapEnvironment::default()
        .with_variable("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test, team=a%20b+c,host.name=from-env,")
        .with_variable("K8S_NODE_NAME", "node-7")
        .with_variable("HEROKU_APP_NAME", "shop")
        .with_variable("HEROKU_APP_ID", "id-1")
        .with_file("/proc/sys/kernel/hostname", "cart-1\n")
        .with_file("/proc/sys/kernel/ostype", "Linux\n")
        .with_file("/proc/sys/kernel/osrelease", "6.1.0\n")
        .with_file("/proc/sys/kernel/version", "#1 SMP\n")
        .with_file("/etc/hosts", "127.0.0.1 localhost\n# 10.0.0.1 not.this cart-1\n10.0.0.7 cart-1.shop.example cart-1\n")
        .with_file("/etc/machine-id", "f00d\n")
        .with_file("/etc/os-release", "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n")
        .with_file("/etc/debian_version", "12.5\n")
        .with_file("/sys/class/net/lo/flags", "0x9\n")
        .with_file("/sys/class/net/lo/address", "00:00:00:00:00:00\n")
        .with_file("/sys/class/net/eth0/flags", "0x1003\n")
        .with_file("/sys/class/net/eth0/address", "02:42:ac:11:00:02\n")
        .with_file("/sys/class/net/down0/flags", "0x1002\n")
        .with_file("/sys/class/net/down0/address", "02:42:ac:11:00:03\n")
        .with_file(
            "/proc/net/fib_trie",
            "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.7\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\nLocal:\n     |-- 10.0.0.7\n        /32 host LOCAL\n",
        )
        .with_file(
            "/proc/net/if_inet6",
            "00000000000000000000000000000001 01 80 10 80       lo\nfe800000000000000042acfffe110002 02 40 20 80     eth0\n",
        )
        .with_file(
            "/proc/cpuinfo",
            "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: EPYC\nstepping\t: 1\ncache size\t: 512 KB\n\nprocessor\t: 1\nmodel name\t: other\n",
        )
        .with_file("/var/run/docker.sock/info", r#"{"Name": "docker-host", "OSType": "linux"}"#)
        .with_file("/var/run/docker.sock/containers/cart-1/json", r#"{"Name": "/shop_cart", "Config": {"Image": "cart:2"}}"#)
}

fn detected(yaml: &str, environment: &MapEnvironment) -> (ResourceDetectionConfig, String) {
    let config = settings::<ResourceDetectionConfig>(yaml).in_environment(environment);
    let mut checks = Checks::default();
    config.validate(&mut checks);
    let told =
        checks.into_findings().into_iter().map(|it| format!("{}: {}\n", it.path, it.message)).collect();
    (config, told)
}

fn shown(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::ArrayValue(list)) => {
            format!(
                "[{}]",
                list.values.into_iter().map(|value| shown(Some(value))).collect::<Vec<_>>().join(" ")
            )
        }
        other => format!("{other:?}"),
    }
}

/// What becomes of a resource with a host's name and without, in all signals alike.
fn check(yaml: &str, expected: Expect) {
    let (config, told) = detected(yaml, &machine());
    assert_eq!(told, "");
    let mut harness = Harness::new::<ResourceDetection>(&config, 1, T0);
    let mut all = Vec::new();
    for resource in [
        None,
        Some(Resource {
            attributes: vec![text("host.name", "sender"), text("x", "1")],
            ..Resource::default()
        }),
    ] {
        let of_metrics = ResourceMetrics { resource: resource.clone(), ..ResourceMetrics::default() };
        let of_logs = ResourceLogs { resource: resource.clone(), ..ResourceLogs::default() };
        let mut traces = request(vec![resource_spans(vec![], vec![span("a", 1, 0, 1, vec![])])]);
        traces.resource_spans[0].resource = resource;
        let sent = [
            scanned(&traces, &harness).0,
            Payload::Metrics(
                ExportMetricsServiceRequest { resource_metrics: vec![of_metrics] }.encode_to_vec().into(),
            ),
            Payload::Logs(ExportLogsServiceRequest { resource_logs: vec![of_logs] }.encode_to_vec().into()),
        ];
        let mut got: Vec<String> = sent
            .into_iter()
            .map(|payload| {
                let out = harness.push(0, payload, 1).remove(0);
                let bytes = out.bytes().expect("requests have bytes").clone();
                let resource = match out {
                    Payload::Traces(_) => {
                        ExportTraceServiceRequest::decode(bytes).unwrap().resource_spans.remove(0).resource
                    }
                    Payload::Metrics(_) => {
                        ExportMetricsServiceRequest::decode(bytes)
                            .unwrap()
                            .resource_metrics
                            .remove(0)
                            .resource
                    }
                    _ => ExportLogsServiceRequest::decode(bytes).unwrap().resource_logs.remove(0).resource,
                };
                let attributes = resource.map(|resource| resource.attributes).unwrap_or_default();
                let told = attributes.into_iter().map(|it| format!("{}={}\n", it.key, shown(it.value)));
                told.collect::<String>()
            })
            .collect();
        got.dedup();
        assert_eq!(got.len(), 1, "all signals alike");
        all.append(&mut got);
    }
    expected.assert_eq(&all.join("---\n"));
}

#[test]
fn variables_tell_what_operators_set() {
    check(
        "{}",
        expect![[r#"
        deployment.environment.name=test
        team=a b c
        host.name=from-env
        ---
        x=1
        deployment.environment.name=test
        team=a b c
        host.name=from-env
    "#]],
    );
    check(
        "override: false",
        expect![[r#"
        deployment.environment.name=test
        team=a b c
        host.name=from-env
        ---
        host.name=sender
        x=1
        deployment.environment.name=test
        team=a b c
    "#]],
    );
}

#[test]
fn the_first_of_two_detectors_counts() {
    check(
        "{detectors: [system, env], override: false}",
        expect![[r#"
        host.name=cart-1.shop.example
        os.type=linux
        deployment.environment.name=test
        team=a b c
        ---
        host.name=sender
        x=1
        os.type=linux
        deployment.environment.name=test
        team=a b c
    "#]],
    );
}

#[test]
fn the_system_is_told_as_far_as_is_wanted() {
    check(
        "{detectors: [system], system: {hostname_sources: [os], resource_attributes: {os.type: {enabled: false}}}}",
        expect![[r#"
            host.name=cart-1
            ---
            x=1
            host.name=cart-1
        "#]],
    );
    let all = "
detectors: [system]
system:
  resource_attributes:
    host.id: {enabled: true}
    host.ip: {enabled: true}
    host.mac: {enabled: true}
    host.interface: {enabled: true}
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
";
    let (config, told) = detected(all, &machine());
    assert_eq!(told, "");
    let told: Vec<_> =
        config.detected.attributes.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
    // The end of the description is of the machine that runs the test.
    let told = told.join("\n").replace(std::env::consts::ARCH, "ARCH");
    expect![[r#"
        host.name=Text("cart-1.shop.example")
        os.type=Text("linux")
        host.id=Text("f00d")
        host.ip=List(["10.0.0.7", "fe80::42:acff:fe11:2"])
        host.mac=List(["02-42-AC-11-00-02"])
        host.interface=List(["down0", "eth0", "lo"])
        os.description=Text("Debian GNU/Linux 12 (bookworm) (Linux cart-1 6.1.0 #1 SMP ARCH)")
        os.name=Text("debian")
        os.version=Text("12.5")
        os.build.id=Text("6.1.0")
        host.cpu.vendor.id=Text("AuthenticAMD")
        host.cpu.family=Text("25")
        host.cpu.model.id=Text("1")
        host.cpu.model.name=Text("EPYC")
        host.cpu.stepping=Text("1")
        host.cpu.cache.l2.size=Int(512)"#]]
    .assert_eq(&told);
}

#[test]
fn docker_heroku_and_kubernetes_are_told_by_what_is_there() {
    check(
        "{detectors: [docker, heroku, k8snode], docker: {resource_attributes: {container.name: {enabled: true}, container.image.name: {enabled: true}}}}",
        expect![[r#"
            host.name=docker-host
            os.type=linux
            container.name=shop_cart
            container.image.name=cart:2
            heroku.app.id=id-1
            service.name=shop
            cloud.provider=heroku
            k8s.node.name=node-7
            ---
            x=1
            host.name=docker-host
            os.type=linux
            container.name=shop_cart
            container.image.name=cart:2
            heroku.app.id=id-1
            service.name=shop
            cloud.provider=heroku
            k8s.node.name=node-7
        "#]],
    );
}

#[test]
fn a_machine_that_says_nothing_is_told_of() {
    let bare = MapEnvironment::default();
    let told = |yaml: &str| detected(yaml, &bare).1;
    assert_eq!(told("{}"), "");
    expect![[r#"
        detectors.1: all hostname sources failed to get hostname
        detectors.2: detector docker got no answer from /var/run/docker.sock/info: no such file
        detectors.3: the environment variable K8S_NODE_NAME does not name the node, set it from the field spec.nodeName of the pod
        detectors.4: detector "ec2" asks a service over the network, which does not happen when the configuration is read; set what it would tell in OTEL_RESOURCE_ATTRIBUTES and name the detector env
        detectors.5: invalid detector key: sytem, did you mean "system"? write one of env, system, docker, heroku, k8s_api, k8snode
    "#]].assert_eq(&told("detectors: [env, system, docker, k8snode, ec2, sytem]"));
    let odd = MapEnvironment::default()
        .with_variable("OTEL_RESOURCE_ATTRIBUTES", "a=b,c")
        .with_variable("DOCKER_HOST", "tcp://10.0.0.1:2375");
    expect![[r#"
        detectors.0: invalid resource format: "c" of OTEL_RESOURCE_ATTRIBUTES is no key=value
        detectors.1: detector docker asks over a socket of this machine, and DOCKER_HOST is "tcp://10.0.0.1:2375"
    "#]].assert_eq(&detected("detectors: [env, docker]", &odd).1);
    for text in ["=b", "a=%2", "a=%zz", "ä=b", "a=%ff"] {
        let odd = MapEnvironment::default().with_variable("OTEL_RESOURCE_ATTRIBUTES", text);
        assert!(detected("{}", &odd).1.contains("invalid resource format"), "{text}");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    expect![[r#"
        error at : key `refresh_interval` of the collector is not supported: what is detected is read once, with the configuration
        error at k8snode: key `auth_type` of the collector is not supported: the Kubernetes API is not asked
        error at timeout: timeout is 0s, must be above 0s
        error at system.resource_attributes: "host.nam" is no attribute of this detector, did you mean "host.name"? write one of host.name, os.type, host.id, host.arch, host.ip, host.mac, host.interface, os.description, os.name, os.version, os.build.id, host.cpu.vendor.id, host.cpu.family, host.cpu.model.id, host.cpu.model.name, host.cpu.stepping, host.cpu.cache.l2.size
        error at system.hostname_sources.1: source "lookup" asks a server, which does not happen when the configuration is read; write dns, which looks into /etc/hosts, or os
        error at system.hostname_sources.2: "dsn" is no source of a host's name, write one of dns, os
        error at detectors.1: invalid detector key: sytem, did you mean "system"? write one of env, system, docker, heroku, k8s_api, k8snode
        error at detectors.2: detector "gcp" asks a service over the network, which does not happen when the configuration is read; set what it would tell in OTEL_RESOURCE_ATTRIBUTES and name the detector env
    "#]].assert_eq(&problems_of::<ResourceDetection>(
        "
detectors: [system, sytem, gcp]
timeout: 0s
refresh_interval: 1h
system: {hostname_sources: [os, lookup, dsn], resource_attributes: {host.nam: {enabled: true}}}
k8snode: {auth_type: serviceAccount}
",
    ));
}

/// The machine that runs this has a name.
#[test]
fn the_real_system_has_a_name() {
    let config =
        settings::<ResourceDetectionConfig>("{detectors: [system], system: {hostname_sources: [os]}}");
    let name = config.detected.attributes.iter().find(|(key, _)| key == "host.name");
    let read = std::process::Command::new("uname").arg("-n").output().expect("there is a uname").stdout;
    let read = String::from_utf8(read).expect("a name is text").trim().to_owned();
    assert_eq!(name.map(|(_, value)| value.clone()), Some(super::detect::Value::Text(read)));
}
