//! `trueline run`: the collector, from configuration to the last flush.

use std::{io::IsTerminal, process::ExitCode, sync::Arc};

use component::Telemetry;
use config::Problems;
use engine::{Loaded, SystemClock};
use tracing::{error, info, info_span};

use super::validate::{check, render};
use crate::{
    backfill,
    config_args::ConfigArgs,
    exit::{self, fail},
    telemetry,
};

pub(super) fn run(args: &ConfigArgs) -> ExitCode {
    let uris = match args.uris() {
        Ok(uris) => uris,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    let Loaded { plan, telemetry: settings, problems, .. } = check(&uris);
    report(&problems);
    let (Some(plan), Some(settings)) = (plan, settings) else {
        return fail(exit::CONFIG, "the configuration is refused; every problem is listed above");
    };
    // Signals are caught from here on, so that a stop during the start is a stop in order.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(problem) => return fail(exit::RUNTIME, &format!("could not start: {problem}")),
    };
    let stop_signal = {
        let _runtime = runtime.enter();
        stop_signal()
    };
    let own = Telemetry::default();
    let (pasts, counted) = (plan.pasts(), own.clone());
    let telemetry = match telemetry::start(&settings, &own) {
        Ok(telemetry) => telemetry,
        Err(problem) => return fail(exit::RUNTIME, &format!("{problem:#}")),
    };
    let started = info_span!(target: engine::SPANS, "service/start")
        .in_scope(|| engine::start(plan, Arc::new(SystemClock), own));
    let code = match started {
        Ok(running) => {
            info!(
                version = env!("CARGO_PKG_VERSION"),
                "everything is ready, begin running and processing data"
            );
            let stopping = running.stopping();
            backfill::start(pasts, running.stages(), stopping.clone(), &counted);
            let signal = runtime.block_on(async {
                tokio::select! {
                    signal = stop_signal => Some(signal),
                    () = stopping.cancelled() => None,
                }
            });
            match signal {
                Some(signal) => info!(signal, "received a signal to stop"),
                None => error!("the service stopped by itself; the log above says why"),
            }
            info_span!(target: engine::SPANS, "service/shutdown").in_scope(|| running.stop());
            info!("shutdown complete");
            if signal.is_some() { ExitCode::SUCCESS } else { ExitCode::from(exit::RUNTIME) }
        }
        Err(problem) => {
            error!(error = %problem, "could not start");
            fail(exit::RUNTIME, &problem.to_string())
        }
    };
    telemetry.stop();
    code
}

#[expect(clippy::print_stderr, reason = "problems are for the person who starts the collector")]
fn report(problems: &Problems) {
    if !problems.is_empty() {
        eprintln!("{}", render(problems, std::io::stderr().is_terminal()));
    }
}

/// Catches signals from the call on, and resolves when one has come.
fn stop_signal() -> impl Future<Output = &'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut terminate), Ok(mut interrupt)) = (terminate, interrupt) else {
            error!("can not listen for signals; only a kill ends this process");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    }
}
