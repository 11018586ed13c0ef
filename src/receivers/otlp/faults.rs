//! Counts the requests that never reached the engine, which counts all others.

use std::cell::OnceCell;

use component::{Counter, Telemetry};

use super::answer::Failure;

/// One counter per reason, made when it first counts.
pub(super) struct Faults {
    telemetry: Telemetry,
    counters: [OnceCell<Counter>; Reason::ALL.len()],
}

/// Why a request was turned away before the engine saw it. The order is that of the counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    TooLarge,
    Malformed,
    Undecodable,
    Unsupported,
    Stalled,
    NotAdmitted,
    Tls,
}

impl Reason {
    const ALL: [Self; 7] = [
        Self::TooLarge,
        Self::Malformed,
        Self::Undecodable,
        Self::Unsupported,
        Self::Stalled,
        Self::NotAdmitted,
        Self::Tls,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Undecodable => "undecodable",
            Self::Unsupported => "unsupported",
            Self::Stalled => "stalled",
            Self::NotAdmitted => "no_room",
            Self::Tls => "tls",
        }
    }
}

impl Faults {
    pub(super) fn new(telemetry: &Telemetry, transport: &'static str) -> Self {
        Self { telemetry: telemetry.with("transport", transport), counters: Default::default() }
    }

    /// Counts a failure that happened before the request was handed to the engine.
    pub(super) fn count(&self, failure: &Failure) {
        self.add(match failure {
            Failure::TooLarge { .. } => Reason::TooLarge,
            Failure::Malformed(_) => Reason::Malformed,
            Failure::Undecodable(_) => Reason::Undecodable,
            Failure::Stalled(_) => Reason::Stalled,
            Failure::Busy { .. } => Reason::NotAdmitted,
            Failure::Unimplemented(_) | Failure::Encoding(_) | Failure::Permanent(_) => Reason::Unsupported,
        });
    }

    pub(super) fn add(&self, reason: Reason) {
        let counter = self.counters[reason as usize].get_or_init(|| {
            self.telemetry.with("reason", reason.label()).counter(
                "otelcol_receiver_turned_away_requests",
                "Requests that were answered with an error before their content was looked at.",
                "{requests}",
            )
        });
        counter.add(1);
    }
}
