//! Shows requests as the operator wants them shown.

use std::{cell::RefCell, io::Write, rc::Rc, sync::Arc, time::Duration};

use component::{
    Clock, Delivered, Delivery, ExportError, Exporter, ExporterCx, ExporterDef, Placement, RetryConfig,
};
use futures_util::future::LocalBoxFuture;
use model::{Export, KeySet, Signal, SignalSet, SpanTable};
use wire::Matcher;

use super::{DebugConfig, config::Verbosity, detailed, normal, sampler::Sampler, summary::Summary};

/// The definition of `debug`.
pub(crate) struct Debug;

impl ExporterDef for Debug {
    const KIND: &'static str = "debug";
    const SIGNALS: SignalSet = SignalSet::ALL;
    const PLACEMENT: Placement = Placement::EveryShard;
    type Config = DebugConfig;

    fn delivery(config: &DebugConfig) -> Delivery {
        let retry = RetryConfig { enabled: false, ..RetryConfig::default() };
        Delivery { queue: config.sending_queue.clone(), retry, timeout: Duration::ZERO }
    }

    fn build(config: &DebugConfig, cx: &ExporterCx) -> Rc<dyn Exporter> {
        Rc::new(DebugExporter {
            id: cx.id.clone(),
            verbosity: config.verbosity,
            logs: config.use_internal_logger,
            sampler: Sampler::new(config.sampling_initial, config.sampling_thereafter),
            clock: Arc::clone(&cx.clock),
            table: RefCell::default(),
        })
    }
}

struct DebugExporter {
    id: String,
    verbosity: Verbosity,
    logs: bool,
    sampler: Sampler,
    clock: Arc<dyn Clock>,
    /// Kept for its memory.
    table: RefCell<SpanTable>,
}

impl DebugExporter {
    fn show(&self, export: &Export) -> Result<(), ExportError> {
        if !self.sampler.shows(export.signal, self.clock.now()) {
            return Ok(());
        }
        let (summary, text) = render(export, self.verbosity, &mut self.table.borrow_mut())
            .map_err(|error| ExportError::Permanent(error.into()))?;
        if self.logs {
            summary.log(&self.id);
            if let Some(text) = text {
                tracing::info!(exporter = self.id, "{text}");
            }
            return Ok(());
        }
        let mut out = std::io::stdout().lock();
        let written =
            writeln!(out, "{summary}\n{}", text.unwrap_or_default().trim_end()).and_then(|()| out.flush());
        written.map_err(|error| {
            ExportError::Permanent(format!("can not write to standard output: {error}").into())
        })
    }
}

impl Exporter for DebugExporter {
    fn export(&self, export: Export) -> LocalBoxFuture<'_, Result<Delivered, ExportError>> {
        let shown = self.show(&export);
        Box::pin(std::future::ready(shown.map(|()| Delivered::default())))
    }
}

/// Returns the counts of a request and, beyond `basic`, the text of its items.
///
/// # Errors
/// When the request is no OTLP, which the receivers let nobody send.
pub(super) fn render(
    export: &Export,
    verbosity: Verbosity,
    table: &mut SpanTable,
) -> Result<(Summary, Option<String>), wire::Malformed> {
    let (signal, request) = (export.signal, &export.bytes.whole()[..]);
    table.clear();
    if signal == Signal::Traces {
        wire::scan_traces(request, &Matcher::new(&KeySet::default()), table)?;
    } else {
        wire::check(signal, request)?;
    }
    let text = match verbosity {
        Verbosity::Basic => None,
        Verbosity::Normal => Some(normal::render(signal, request, table)),
        Verbosity::Detailed => Some(detailed::render(signal, request, table)),
    };
    Ok((Summary::of(signal, request, table), text))
}
