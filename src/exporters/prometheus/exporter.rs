//! Takes points in, and answers scrapes beside.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc};

use component::{
    BoxError, Clock, Counter, Delivered, Delivery, ExportError, Exporter, ExporterCx, ExporterDef, Gauge,
    Listen, Placement, ServerAuth, Sockets, Stop, Telemetry,
};
use futures_util::future::LocalBoxFuture;
use model::{Export, SignalSet};
use transport::{Door, ServerTls};

use super::{
    config::PrometheusConfig,
    server::{Locks, Pages, serve},
    table::Table,
    text::{Format, write},
};
use crate::prometheus_names::{Dropped, Translator};

/// Is scraped by Prometheus.
pub(crate) struct Prometheus;

impl ExporterDef for Prometheus {
    const KIND: &'static str = "prometheus";
    const SIGNALS: SignalSet = SignalSet::METRICS;
    // Every scrape must find all series.
    const PLACEMENT: Placement = Placement::Once;
    type Config = PrometheusConfig;

    fn delivery(config: &Self::Config) -> Delivery {
        config.delivery()
    }

    fn listens(config: &Self::Config) -> Vec<Listen> {
        let max_connections = config.max_connections;
        let listen = |address| Listen { name: "metrics", address, max_connections };
        config.endpoint.clone().map(listen).into_iter().collect()
    }

    fn build(config: &Self::Config, cx: &ExporterCx) -> Rc<dyn Exporter> {
        Rc::new(Shown::new(config, cx))
    }
}

struct Shown {
    config: PrometheusConfig,
    sockets: RefCell<Option<Sockets>>,
    table: RefCell<Table>,
    translator: RefCell<Translator>,
    series: Gauge,
    telemetry: Telemetry,
    dropped: RefCell<BTreeMap<&'static str, Counter>>,
    clock: Arc<dyn Clock>,
    auth: Option<Arc<dyn ServerAuth>>,
}

impl Shown {
    fn new(config: &PrometheusConfig, cx: &ExporterCx) -> Self {
        let telemetry = cx.telemetry.with("exporter", &cx.id);
        Self {
            sockets: RefCell::new(cx.sockets.borrow_mut().pop()),
            table: RefCell::new(Table::new(config.max_series, config.metric_expiration.get())),
            translator: RefCell::new(Translator::new(config.settings())),
            series: telemetry.gauge(
                "otelcol_exporter_prometheus_series",
                "Number of series held for scrapes.",
                "{timeseries}",
            ),
            telemetry,
            dropped: RefCell::default(),
            clock: Arc::clone(&cx.clock),
            auth: cx.authenticators.server(&config.auth),
            config: config.clone(),
        }
    }

    fn take(&self, export: &Export) -> Delivered {
        let now = self.clock.now();
        let (points, mut dropped) = self.translator.borrow_mut().translate(&export.bytes.whole(), now);
        let mut table = self.table.borrow_mut();
        table.update(points, now, &mut dropped);
        self.series.set(table.len() as u64);
        self.count(&dropped);
        Delivered { rejected: dropped.total(), message: dropped.message() }
    }

    fn count(&self, dropped: &Dropped) {
        let mut counters = self.dropped.borrow_mut();
        for (reason, points) in &dropped.by_reason {
            let counter = counters.entry(reason).or_insert_with(|| {
                self.telemetry.with("reason", reason).counter(
                    "otelcol_exporter_prometheus_rejected_points",
                    "Number of data points dropped, by reason.",
                    "{datapoint}",
                )
            });
            counter.add(*points);
        }
    }
}

impl Pages for Shown {
    fn format(&self, accept: &str) -> Format {
        let is_open_metrics =
            self.config.enable_open_metrics && accept.contains("application/openmetrics-text");
        let allows_utf8 = !self.config.strategy().escapes() && accept.contains("escaping=allow-utf-8");
        Format { is_open_metrics, allows_utf8, has_timestamps: self.config.send_timestamps }
    }

    fn page(&self, format: Format) -> String {
        let mut table = self.table.borrow_mut();
        table.expire(self.clock.now());
        self.series.set(table.len() as u64);
        write(&table, format)
    }
}

impl Exporter for Shown {
    fn export(&self, export: Export) -> LocalBoxFuture<'_, Result<Delivered, ExportError>> {
        let delivered = self.take(&export);
        Box::pin(std::future::ready(Ok(delivered)))
    }

    fn run(self: Rc<Self>, stop: Stop) -> LocalBoxFuture<'static, Result<(), BoxError>> {
        Box::pin(async move {
            let tls = self
                .config
                .tls
                .as_ref()
                .map(|tls| ServerTls::new(tls, &[b"http/1.1"], Arc::clone(&self.clock), &self.telemetry));
            let tls = tls.transpose()?.map(Rc::new);
            let sockets = self.sockets.borrow_mut().take();
            let Some(sockets) = sockets else {
                return Err("the engine has handed out no socket to listen on".into());
            };
            let door = self.auth.clone().map(|auth| Rc::new(Door::new(auth, &self.telemetry)));
            serve(sockets, Locks { tls, door }, self, stop).await;
            Ok(())
        })
    }
}
