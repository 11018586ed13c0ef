//! The collector's components that do not exist here, and what stands in their place.

use super::ComponentKind;

/// Returns what to do instead of using a component of the collector; none for a name that means nothing
/// there either.
pub fn instead_of(kind: ComponentKind, component_type: &str) -> Option<&'static str> {
    let rows = ROWS.iter().filter(|(of, _, _)| *of == kind);
    rows.into_iter().find(|(_, names, _)| names.contains(&component_type)).map(|(_, _, help)| *help)
}

use ComponentKind::{Connector, Exporter, Extension, Processor, Receiver};

/// The kind, the types, and an order for people.
const ROWS: &[(ComponentKind, &[&str], &str)] = &[
    (
        Processor,
        &["queuebatch"],
        "write `batch`, or remove it and set `sending_queue: {batch: {}}` in the exporter",
    ),
    (Processor, &["metricstransform", "span"], "write what it does as statements of `transform`"),
    (
        Processor,
        &["k8sattributes", "k8s_attributes"],
        "the Kubernetes API is not asked; set what you know with `resource`, from the environment: `${env:POD_NAME}`, \
         and the node with `resource_detection`",
    ),
    (
        Processor,
        &["groupbytrace", "groupbyattrs", "logdedup"],
        "nothing is grouped anew; `tail_sampling` waits for whole traces by itself, and `filter` leaves records out",
    ),
    (
        Processor,
        &["deltatorate", "interval", "metricsgeneration"],
        "`aggregation` rolls metrics up over windows; `cumulativetodelta` and `deltatocumulative` change temporality",
    ),
    (Processor, &["spanmetrics"], "it is a connector: write it below `connectors` as `span_metrics`"),
    (Processor, &["servicegraph"], "it is a connector: write it below `connectors` as `service_graph`"),
    (
        Receiver,
        &["prometheus_simple"],
        "write `prometheus` with `config: {scrape_configs: [{job_name: …, static_configs: [{targets: ['host:port']}]}]}`",
    ),
    (
        Receiver,
        &["kubeletstats", "docker_stats"],
        "pages for Prometheus are read by `prometheus`, as cAdvisor has one, and the machine by `host_metrics`",
    ),
    (
        Receiver,
        &["jaeger", "zipkin", "opencensus", "kafka", "filelog", "syslog", "fluentforward", "statsd"],
        "data comes in over OTLP, and from pages for Prometheus (`prometheus`) and the machine (`host_metrics`); put a collector with \
         that receiver and an OTLP exporter before this one",
    ),
    (Receiver, &["otlpjsonfile", "otlp_json_file"], "write `otlp_file`"),
    (Exporter, &["logging"], "write `debug`"),
    (Exporter, &["jaeger"], "Jaeger takes OTLP: write `otlp_grpc` with `endpoint: jaeger:4317`"),
    (Exporter, &["loki"], "Loki takes OTLP: write `otlp_http` with `endpoint: http://loki:3100/otlp`"),
    (
        Exporter,
        &["kafka", "zipkin", "elasticsearch", "datadog", "splunk_hec", "loadbalancing"],
        "data goes out over OTLP, remote write and files; send OTLP to a collector with that exporter",
    ),
    (
        Connector,
        &["count", "sum", "failover", "roundrobin", "exceptions", "signaltometrics"],
        "there is no such connector yet; `routing` and `forward` pass on what comes, `span_metrics` and `service_graph` count spans",
    ),
    (
        Extension,
        &["memory_limiter", "memory_ballast"],
        "memory is bounded without it: remove it; `service.trueline.max_in_flight` bounds what is received",
    ),
    (
        Extension,
        &["oidc", "sigv4auth", "asapclient", "azure_auth", "googleclientauth"],
        "there is no such authenticator; take `basicauth`, `bearertokenauth`, `oauth2client` or `headers_setter`, or set \
         `tls.client_ca_file` in receivers",
    ),
    (Extension, &["healthcheckv2", "health_check_v2"], "write `health_check`"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_looked_up_in_its_own_section() {
        assert!(instead_of(Processor, "queuebatch").is_some_and(|help| help.contains("sending_queue")));
        assert_eq!(instead_of(Exporter, "queuebatch"), None);
        assert_eq!(instead_of(Processor, "bach"), None);
    }

    #[test]
    fn every_type_has_one_answer() {
        let mut seen = std::collections::BTreeSet::new();
        for (kind, names, _) in ROWS {
            for name in *names {
                assert!(seen.insert((*kind, *name)), "{kind} {name} stands twice");
            }
        }
    }
}
