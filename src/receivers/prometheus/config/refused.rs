//! Keys of Prometheus and of the collector's receiver that are not taken.

use config::{NotSupported, NotSupportedKeys};

const ELSEWHERE: &str = "what is scraped goes through pipelines";
const NO_DISCOVERY: &str = "targets are those of static_configs";
const WRITE_STATIC: &str =
    "write the targets into static_configs; a changed configuration is read again while it runs";
const NO_PROXY: &str = "connections go straight to the targets";
const REMOVE_PROXY: &str = "remove it, and let the network route to the targets";
const NO_MANAGER: &str = "there is no manager of secrets";
const NO_NATIVE: &str = "histograms are read from text, where they have buckets";
const NO_FILE: &str = "failed scrapes stand in the log";

const fn discovery(key: &'static str) -> NotSupported {
    NotSupported::new(key, NO_DISCOVERY, WRITE_STATIC)
}

pub(super) const KEYS: NotSupportedKeys = &[
    (
        "",
        &[NotSupported::new(
            "target_allocator",
            NO_DISCOVERY,
            "write what this instance scrapes into config.scrape_configs",
        )],
    ),
    (
        "api_server",
        &[NotSupported::new("server_config", "there is no API of Prometheus here", "remove `api_server`")],
    ),
    (
        "config",
        &[
            NotSupported::new(
                "scrape_config_files",
                "all jobs stand in one place",
                "write `scrape_configs: ${file:PATH}`",
            ),
            NotSupported::new(
                "remote_write",
                ELSEWHERE,
                "add the exporter prometheus_remote_write to the pipeline",
            ),
            NotSupported::new("remote_read", ELSEWHERE, "remove it"),
            NotSupported::new("rule_files", "rules are judged by a stage", "see `trueline rules import`"),
            NotSupported::new("alerting", "alerts are sent by an exporter", "add the exporter alert_webhook"),
            NotSupported::new("storage", "nothing is stored here", "remove it"),
            NotSupported::new(
                "tracing",
                "own telemetry has its own section",
                "write service.telemetry.traces",
            ),
            NotSupported::new("otlp", "OTLP has a receiver of its own", "add the receiver otlp"),
            NotSupported::new("runtime", "there is no Go runtime", "remove it"),
        ],
    ),
    (
        "config.global",
        &[
            NotSupported::new("query_log_file", "there are no queries", "remove it"),
            NotSupported::new("scrape_failure_log_file", NO_FILE, "remove it"),
            NotSupported::new("rule_query_offset", "there are no rules", "remove it"),
        ],
    ),
    (
        "config.scrape_configs.*",
        &[
            discovery("azure_sd_configs"),
            discovery("consul_sd_configs"),
            discovery("digitalocean_sd_configs"),
            discovery("dns_sd_configs"),
            discovery("docker_sd_configs"),
            discovery("dockerswarm_sd_configs"),
            discovery("ec2_sd_configs"),
            discovery("eureka_sd_configs"),
            discovery("file_sd_configs"),
            discovery("gce_sd_configs"),
            discovery("hetzner_sd_configs"),
            discovery("http_sd_configs"),
            discovery("ionos_sd_configs"),
            discovery("kubernetes_sd_configs"),
            discovery("kuma_sd_configs"),
            discovery("lightsail_sd_configs"),
            discovery("linode_sd_configs"),
            discovery("marathon_sd_configs"),
            discovery("nerve_sd_configs"),
            discovery("nomad_sd_configs"),
            discovery("openstack_sd_configs"),
            discovery("outscale_sd_configs"),
            discovery("ovhcloud_sd_configs"),
            discovery("puppetdb_sd_configs"),
            discovery("scaleway_sd_configs"),
            discovery("serverset_sd_configs"),
            discovery("stackit_sd_configs"),
            discovery("triton_sd_configs"),
            discovery("uyuni_sd_configs"),
            discovery("vultr_sd_configs"),
            NotSupported::new(
                "oauth2",
                "no token is fetched for targets",
                "write `authorization: {credentials_file: …}` and let something else keep the file current",
            ),
            NotSupported::new("proxy_url", NO_PROXY, REMOVE_PROXY),
            NotSupported::new("no_proxy", NO_PROXY, REMOVE_PROXY),
            NotSupported::new("proxy_from_environment", NO_PROXY, REMOVE_PROXY),
            NotSupported::new("proxy_connect_header", NO_PROXY, REMOVE_PROXY),
            NotSupported::new("scrape_failure_log_file", NO_FILE, "remove it"),
            NotSupported::new("native_histogram_bucket_limit", NO_NATIVE, "remove it"),
            NotSupported::new("native_histogram_min_bucket_factor", NO_NATIVE, "remove it"),
        ],
    ),
    (
        "config.scrape_configs.*.basic_auth",
        &[
            NotSupported::new("username_ref", NO_MANAGER, "write `username` or `username_file`"),
            NotSupported::new("password_ref", NO_MANAGER, "write `password` or `password_file`"),
        ],
    ),
    (
        "config.scrape_configs.*.authorization",
        &[NotSupported::new("credentials_ref", NO_MANAGER, "write `credentials` or `credentials_file`")],
    ),
    (
        "config.scrape_configs.*.tls_config",
        &[
            NotSupported::new("ca_ref", NO_MANAGER, "write `ca` or `ca_file`"),
            NotSupported::new("cert_ref", NO_MANAGER, "write `cert` or `cert_file`"),
            NotSupported::new("key_ref", NO_MANAGER, "write `key` or `key_file`"),
        ],
    ),
    (
        "config.scrape_configs.*.http_headers.*",
        &[NotSupported::new("files", "headers are not read from files", "write `secrets: [${file:PATH}]`")],
    ),
];
