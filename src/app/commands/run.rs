//! `trueline run`: the collector, from configuration to the last flush.

use std::{io::IsTerminal, process::ExitCode, sync::Arc};

use component::Telemetry;
use config::Problems;
use engine::{Loaded, SystemClock};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, info_span};

use super::validate::{check, render};
use crate::{
    backfill,
    config_args::ConfigArgs,
    exit::{self, fail},
    reload::{LOOK_EVERY, Pasts, Reloader},
    tap::TapDesk,
    telemetry,
};

pub(super) fn run(args: &ConfigArgs, watches: bool) -> ExitCode {
    let uris = match args.uris() {
        Ok(uris) => uris,
        Err(problem) => return fail(exit::USAGE, &problem),
    };
    let Loaded { plan, telemetry: settings, files, problems, .. } = check(&uris);
    report(&problems);
    let (Some(plan), Some(settings)) = (plan, settings) else {
        return fail(exit::CONFIG, "the configuration is refused; every problem is listed above");
    };
    // Signals are caught from here on, so that a stop during the start is a stop in order.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(problem) => return fail(exit::RUNTIME, &format!("could not start: {problem}")),
    };
    let (stop_signal, reload_signal) = {
        let _runtime = runtime.enter();
        (stop_signal(), signal(SignalKind::hangup()))
    };
    let own = Telemetry::default();
    let (pasts, counted) = (plan.pasts(), own.clone());
    let (telemetry, in_force) = match telemetry::start(&settings, &own) {
        Ok(started) => started,
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
            let fill = |pasts| backfill::start(pasts, running.stages(), stopping.clone(), &counted);
            fill(pasts);
            let (reloads, state) = (running.reloads(), running.state());
            let reloader = Reloader::new(uris, files, &problems, reloads, state, in_force, &counted);
            reloader.tell_at(&running.desk());
            TapDesk::new(running.taps(), Arc::new(SystemClock), &counted).open_at(&running.desk());
            let signal = runtime.block_on(async {
                tokio::select! {
                    signal = stop_signal => Some(signal),
                    () = stopping.cancelled() => None,
                    () = reload_again_and_again(reloader, reload_signal, watches, fill) => None,
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

/// Reads the configuration again on every SIGHUP, and when a file has changed where files are watched.
async fn reload_again_and_again(
    reloader: Reloader,
    signal: std::io::Result<Signal>,
    watches: bool,
    fill: impl Fn(Pasts),
) {
    let Ok(mut signal) = signal else {
        error!("can not listen for SIGHUP; the configuration stays as it is");
        return std::future::pending().await;
    };
    let mut reloader = Some(reloader);
    loop {
        let why = tokio::select! {
            _ = signal.recv() => Some("SIGHUP"),
            () = look_again(), if watches => None,
        };
        let Some(mut this) = reloader.take() else { return };
        // The disk is waited for, and the service: on a thread that may, so that a stop is heard.
        let done = tokio::task::spawn_blocking(move || {
            let why = why.or_else(|| this.is_due().then_some("a file has changed"));
            let pasts = why.and_then(|why| this.reload(why));
            (this, pasts)
        });
        match done.await {
            Ok((this, pasts)) => {
                pasts.into_iter().for_each(&fill);
                reloader = Some(this);
            }
            Err(problem) => {
                error!(error = %problem, "reading the configuration failed; it stays as it is from now on");
                return std::future::pending().await;
            }
        }
    }
}

/// By the wall's time, not the pipelines'.
async fn look_again() {
    tokio::time::sleep(LOOK_EVERY).await;
}

/// Catches signals from the call on, and resolves when one has come.
fn stop_signal() -> impl Future<Output = &'static str> {
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
