//! Counts the requests that never reached the engine, which counts all others.

use std::cell::OnceCell;

use component::{Counter, Telemetry};

use super::answer::Failure;

/// One counter per reason, made when it first counts.
pub(super) struct Faults {
    telemetry: Telemetry,
    closed: [OnceCell<Counter>; Closed::N],
    counters: [OnceCell<Counter>; Reason::ALL.len()],
}

/// Why a connection was closed from our side although it has done no wrong by its age. The order is that of the counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closed {
    /// Over HTTP/2 it opened streams and took them back (CVE-2023-44487) or made us do so (CVE-2025-8671), sent headers without an
    /// end (CVE-2024-27316), or frames that cost more than they bring.
    Flood,
    /// Nothing came after it was made.
    Silent,
    /// The head of a request did not come to its end in time.
    SlowHead,
    /// The client took nothing of an answer.
    TakesNothing,
    /// It rested, and others found no place.
    MadeRoom,
}

impl Closed {
    const N: usize = 5;

    const fn label(self) -> &'static str {
        match self {
            Self::Flood => "flood",
            Self::Silent => "silent",
            Self::SlowHead => "slow_head",
            Self::TakesNothing => "takes_nothing",
            Self::MadeRoom => "made_room",
        }
    }
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
    Unauthenticated,
}

impl Reason {
    const ALL: [Self; 8] = [
        Self::TooLarge,
        Self::Malformed,
        Self::Undecodable,
        Self::Unsupported,
        Self::Stalled,
        Self::NotAdmitted,
        Self::Tls,
        Self::Unauthenticated,
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
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

impl Faults {
    pub(super) fn new(telemetry: &Telemetry, transport: &'static str) -> Self {
        Self {
            telemetry: telemetry.with("transport", transport),
            closed: Default::default(),
            counters: Default::default(),
        }
    }

    /// Counts a failure that happened before the request was handed to the engine.
    pub(super) fn count(&self, failure: &Failure) {
        self.add(match failure {
            Failure::TooLarge { .. } => Reason::TooLarge,
            Failure::Malformed(_) => Reason::Malformed,
            Failure::Undecodable(_) => Reason::Undecodable,
            Failure::Stalled(_) => Reason::Stalled,
            Failure::Busy { .. } => Reason::NotAdmitted,
            Failure::Unauthenticated { .. } => Reason::Unauthenticated,
            Failure::Unimplemented(_) | Failure::Encoding(_) | Failure::Permanent(_) => Reason::Unsupported,
        });
    }

    /// Counts a connection that we closed.
    pub(super) fn closed(&self, reason: Closed) {
        let counter = self.closed[reason as usize].get_or_init(|| {
            self.telemetry.with("reason", reason.label()).counter(
                "trueline_receiver_closed_connections",
                "Connections that were closed because of what the client did or did not do.",
                "{connection}",
            )
        });
        counter.add(1);
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
