//! The shop's services, each under the auto-instrumentation of its language, and its customers.

use std::ffi::OsString;

use anyhow::{Context, Result};
use testbed::{Launch, Process};

use crate::sandbox::{Parts, source};
use crate::stores::{
    EDGE, LONG_START, TO_CATALOG, TO_ORDERS, TO_PAYMENTS, TO_POSTGRES, TO_RABBITMQ, TO_REDIS, Way, listens,
};

/// A service of the shop, by the name that its telemetry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Service {
    Web,
    Catalog,
    Orders,
    Payments,
    Shipping,
}

impl Service {
    /// Callees first, so that each starts when what it asks is there.
    const ALL: [Self; 5] = [Self::Payments, Self::Shipping, Self::Catalog, Self::Orders, Self::Web];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Catalog => "catalog",
            Self::Orders => "orders",
            Self::Payments => "payments",
            Self::Shipping => "shipping",
        }
    }

    /// The port where it answers, where it does.
    pub(crate) fn port(self) -> Option<u16> {
        match self {
            Self::Web => Some(8081),
            Self::Catalog => Some(8082),
            Self::Orders => Some(8083),
            Self::Payments => Some(8084),
            Self::Shipping => None,
        }
    }

    fn launch(self, parts: &Parts) -> Result<Launch> {
        match self {
            Self::Web => node(parts, "web.js"),
            Self::Payments => node(parts, "payments.js"),
            Self::Catalog => python(parts, "catalog.py"),
            Self::Shipping => python(parts, "shipping.py"),
            Self::Orders => java(parts),
        }
    }

    /// Where it finds what it asks: always through toxiproxy.
    fn ways(self) -> Vec<(&'static str, String)> {
        let http = |way: &Way| format!("http://{}", way.address());
        let postgres = format!("postgresql://shop@{}/shop", TO_POSTGRES.address());
        let rabbitmq = format!("amqp://guest:guest@{}/%2F", TO_RABBITMQ.address());
        match self {
            Self::Web => vec![("CATALOG_URL", http(&TO_CATALOG)), ("ORDERS_URL", http(&TO_ORDERS))],
            Self::Catalog => {
                vec![("DATABASE_URL", postgres), ("REDIS_URL", format!("redis://{}", TO_REDIS.address()))]
            }
            Self::Orders => vec![
                ("DATABASE_URL", format!("jdbc:postgresql://{}/shop", TO_POSTGRES.address())),
                ("AMQP_URL", rabbitmq),
                ("PAYMENTS_URL", http(&TO_PAYMENTS)),
            ],
            Self::Shipping => vec![("DATABASE_URL", postgres), ("AMQP_URL", rabbitmq)],
            Self::Payments => Vec::new(),
        }
    }
}

/// What is deployed of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Release {
    pub(crate) version: &'static str,
    /// Turns on a mistake that lies in the service's code.
    pub(crate) bug: &'static str,
}

pub(crate) const GOOD: Release = Release { version: "1.0.0", bug: "" };

/// The services that run.
pub(crate) struct Services<'a> {
    parts: &'a Parts,
    running: Vec<(Service, Process)>,
}

impl<'a> Services<'a> {
    pub(crate) fn start(parts: &'a Parts) -> Result<Self> {
        let mut services = Self { parts, running: Vec::new() };
        for service in Service::ALL {
            services.deploy(service, GOOD)?;
        }
        Ok(services)
    }

    /// Ends what runs of a service, if anything does, and starts a release of it.
    pub(crate) fn deploy(&mut self, service: Service, release: Release) -> Result<()> {
        self.running.retain(|(running, _)| *running != service);
        let resource = format!("service.version={},deployment.environment.name=test", release.version);
        let mut launch = service
            .launch(self.parts)?
            .env("OTEL_SERVICE_NAME", service.name())
            .env("OTEL_RESOURCE_ATTRIBUTES", resource)
            .env("SHOP_BUG", release.bug);
        for (name, value) in TELEMETRY {
            launch = launch.env(name, value);
        }
        for (name, value) in service.ways() {
            launch = launch.env(name, value);
        }
        if let Some(port) = service.port() {
            launch = launch.env("PORT", port.to_string());
        }
        let mut process = launch.start()?;
        process.wait_until("up", LONG_START, |process| match service.port() {
            Some(port) => listens(port),
            None => process.log().contains("waiting for orders"),
        })?;
        self.running.push((service, process));
        Ok(())
    }

    /// Ends a service at once.
    pub(crate) fn kill(&mut self, service: Service) -> Result<()> {
        self.find(service)?.kill()
    }

    pub(crate) fn process_id(&mut self, service: Service) -> Result<u32> {
        Ok(self.find(service)?.id())
    }

    /// Returns the folder that a service works in.
    pub(crate) fn folder(&mut self, service: Service) -> Result<std::path::PathBuf> {
        Ok(self.find(service)?.dir().to_owned())
    }

    pub(crate) fn tail(&mut self, service: Service) -> String {
        self.find(service).map(|process| process.tail()).unwrap_or_default()
    }

    fn find(&mut self, service: Service) -> Result<&mut Process> {
        let found = self.running.iter_mut().find(|(running, _)| *running == service);
        found.map(|(_, process)| process).with_context(|| format!("{} does not run", service.name()))
    }
}

/// The SDKs' own settings, the same in all languages. What is not said is as it is by default.
const TELEMETRY: [(&str, &str); 14] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ("OTEL_TRACES_EXPORTER", "otlp"),
    ("OTEL_METRICS_EXPORTER", "otlp"),
    ("OTEL_LOGS_EXPORTER", "otlp"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "10000"),
    ("OTEL_BSP_SCHEDULE_DELAY", "1000"),
    ("OTEL_BLRP_SCHEDULE_DELAY", "1000"),
    ("OTEL_SEMCONV_STABILITY_OPT_IN", "http,database"),
    ("OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED", "true"),
    ("OTEL_PYTHON_LOG_LEVEL", "info"),
    // Two of its instruments share one state of psutil, so that one of them says any number, such as 1,716 %, of
    // an idle process.
    ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "system_metrics"),
    // Others ask the metadata of clouds, which are none here.
    ("OTEL_NODE_RESOURCE_DETECTORS", "env,host,process"),
    ("PYTHONUNBUFFERED", "1"),
];

fn node(parts: &Parts, file: &str) -> Result<Launch> {
    let require =
        parts.path("node", "node_modules/@opentelemetry/auto-instrumentations-node/build/src/register.js");
    let args = [OsString::from("--require"), require.into(), parts.path("node", file).into()];
    Ok(Launch::new(file.trim_end_matches(".js"), "node")?.args(args))
}

fn python(parts: &Parts, file: &str) -> Result<Launch> {
    let interpreter = parts.path("python", "venv/bin/python");
    let instrument = parts.path("python", "venv/bin/opentelemetry-instrument");
    let script = source("services/python").join(file);
    Ok(Launch::new(file.trim_end_matches(".py"), &interpreter)?.args([instrument, interpreter, script]))
}

fn java(parts: &Parts) -> Result<Launch> {
    let mut agent = OsString::from("-javaagent:");
    agent.push(parts.path("java", "javaagent.jar"));
    let mut classes = parts.path("java", "classes").into_os_string();
    classes.push(":");
    classes.push(parts.path("java", "lib/*"));
    let args = [agent, "-Xmx256m".into(), "-XX:+UseSerialGC".into(), "-cp".into(), classes, "Orders".into()];
    Ok(Launch::new("orders", "java")?.args(args))
}

/// Starts customers, so many requests in a second.
pub(crate) fn customers(parts: &Parts, requests_per_second: u32) -> Result<Process> {
    let launch = Launch::new("locust", parts.path("python", "venv/bin/python"))?;
    let script = source("services/python/locustfile.py").display().to_string();
    let (users, host) = (requests_per_second.to_string(), format!("http://127.0.0.1:{EDGE}"));
    let args = ["-m", "locust", "-f", &script, "--headless", "-u", &users, "-r", "4", "--host", &host];
    launch.args(args).args(["--only-summary"]).start()
}
