//! What a bottleneck is of.

use std::sync::Arc;

/// An operation of a service.
pub(super) type Operation = (Arc<str>, Arc<str>);

/// What is judged: something of one operation.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Subject {
    pub(super) kind: Type,
    pub(super) service: Arc<str>,
    /// The name of the spans; of a resource the metric.
    pub(super) operation: Arc<str>,
}

impl Subject {
    pub(super) fn of(&self) -> Operation {
        (Arc::clone(&self.service), Arc::clone(&self.operation))
    }
}

/// Kinds of bottlenecks. The numbers are in snapshots and never change.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Type {
    /// The whole latency of an operation: no bottleneck, but what the others are compared with.
    Root = 1,
    /// A service's own time.
    SlowStep = 2,
    /// Time in a database.
    SlowDatabase = 3,
    /// Time in a callee that tells nothing.
    SlowPeer = 4,
    /// What a caller waits beyond the work of its callee.
    Network = 5,
    /// What passes within a service before it calls.
    CallWait = 6,
    /// What a message waits.
    QueueWait = 7,
    RepeatedCalls = 8,
    SequentialCalls = 9,
    RetryStorm = 10,
    Straggler = 11,
    Cpu = 12,
    Memory = 13,
    Resource = 14,
    /// More calls within one trace than anything should need.
    ManyCalls = 15,
    /// Reads of a cache that are answered elsewhere.
    CacheMisses = 16,
    /// Calls that are refused as too many.
    Throttled = 17,
    /// Messages wait longer and longer.
    QueueGrowth = 18,
    /// More and more is in a queue.
    Backlog = 19,
}

/// By what a kind is told from what is usual.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Method {
    /// It takes longer than it usually does.
    Timing,
    /// Traces have a shape that costs time, whatever is usual.
    Shape,
    /// A resource is used up.
    Level,
    /// It happens in more of the calls than it usually does.
    Share,
    /// It grows from minute to minute.
    Growth,
}

impl Type {
    pub(super) const ALL: [Self; 19] = [
        Self::Root,
        Self::SlowStep,
        Self::SlowDatabase,
        Self::SlowPeer,
        Self::Network,
        Self::CallWait,
        Self::QueueWait,
        Self::RepeatedCalls,
        Self::SequentialCalls,
        Self::RetryStorm,
        Self::Straggler,
        Self::Cpu,
        Self::Memory,
        Self::Resource,
        Self::ManyCalls,
        Self::CacheMisses,
        Self::Throttled,
        Self::QueueGrowth,
        Self::Backlog,
    ];

    pub(super) fn of_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|it| *it as u32 == number)
    }

    pub(super) const fn method(self) -> Method {
        match self {
            Self::Root
            | Self::SlowStep
            | Self::SlowDatabase
            | Self::SlowPeer
            | Self::Network
            | Self::CallWait
            | Self::QueueWait => Method::Timing,
            Self::RepeatedCalls
            | Self::SequentialCalls
            | Self::RetryStorm
            | Self::Straggler
            | Self::ManyCalls
            | Self::Throttled => Method::Shape,
            Self::Cpu | Self::Memory | Self::Resource => Method::Level,
            Self::CacheMisses => Method::Share,
            Self::QueueGrowth | Self::Backlog => Method::Growth,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Root => "slow_operation",
            Self::SlowStep => "slow_step",
            Self::SlowDatabase => "slow_database",
            Self::SlowPeer => "slow_peer",
            Self::Network => "network",
            Self::CallWait => "call_wait",
            Self::QueueWait => "queue_wait",
            Self::RepeatedCalls => "repeated_calls",
            Self::SequentialCalls => "sequential_calls",
            Self::RetryStorm => "retry_storm",
            Self::Straggler => "straggler",
            Self::Cpu => "cpu_saturation",
            Self::Memory => "memory_saturation",
            Self::Resource => "resource_saturation",
            Self::ManyCalls => "many_calls",
            Self::CacheMisses => "cache_misses",
            Self::Throttled => "throttled",
            Self::QueueGrowth => "queue_growth",
            Self::Backlog => "backlog",
        }
    }

    /// How far the rule alone tells the cause, 0 to 1. Estimates, not measured: a span says how long something took,
    /// not why.
    pub(super) const fn certainty(self) -> f64 {
        match self {
            Self::Root | Self::SlowStep | Self::SlowDatabase | Self::SlowPeer => 0.9,
            Self::RepeatedCalls | Self::RetryStorm | Self::Throttled => 0.9,
            Self::QueueGrowth | Self::Backlog => 0.8,
            Self::Network | Self::Straggler | Self::QueueWait => 0.7,
            Self::Cpu | Self::Memory | Self::Resource => 0.7,
            // Whether a query follows a miss or something else is not in a trace.
            Self::CallWait | Self::ManyCalls | Self::CacheMisses => 0.6,
            // Whether a call needs the answer of the one before is not in a trace.
            Self::SequentialCalls => 0.4,
        }
    }

    /// What may be behind it, the likeliest first.
    pub(super) const fn causes(self) -> &'static [&'static str] {
        match self {
            Self::Root => &[],
            Self::SlowStep => &[
                "more work per request",
                "a slow code path since a release",
                "cpu or garbage collection",
                "a lock",
            ],
            Self::SlowDatabase => {
                &["a missing index or another plan", "locks in the database", "more rows", "cold caches"]
            }
            Self::SlowPeer => &["the callee is slow", "the callee limits the rate", "the way there"],
            Self::Network => {
                &["the network", "a queue before the callee", "connections set up anew", "a proxy between"]
            }
            Self::CallWait => {
                &["a pool of connections or threads is too small", "a lock", "work before the call"]
            }
            Self::QueueWait => &[
                "too few consumers",
                "consumers are slow",
                "a burst of messages",
                "a partition that is stuck",
            ],
            Self::RepeatedCalls => &["one query for each item of a list"],
            Self::SequentialCalls => &["calls that may not need each other's answers"],
            Self::RetryStorm => &["a callee that fails", "retries without back-off"],
            Self::Straggler => &["an uneven share of the work", "a slow instance or partition"],
            Self::Cpu => &["more load than the cpu can take", "a limit that is too low"],
            Self::Memory => &["a leak", "a limit that is too low", "caches without bounds"],
            Self::Resource => &["more use than there is"],
            Self::ManyCalls => {
                &["a page or a job that asks for everything by itself", "services that are cut too small"]
            }
            Self::CacheMisses => &[
                "the cache was emptied or restarted",
                "it is too small, or entries live too short",
                "keys that changed with a release",
            ],
            Self::Throttled => &["more calls than a quota allows", "retries", "a quota that is too low"],
            Self::QueueGrowth | Self::Backlog => &[
                "more messages than consumers can take",
                "consumers are slow or gone",
                "a message that fails for ever",
            ],
        }
    }

    pub(super) const fn suggestion(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::SlowStep => {
                "profile the operation, look at what was released lately, and compare the exemplar with a fast trace"
            }
            Self::SlowDatabase => "look at the query's plan, its indexes and the locks that it waits for",
            Self::SlowPeer => "ask whoever runs it, set a timeout and a fallback, or cache its answers",
            Self::Network => {
                "look at the network and the callee's accept queue, and keep connections open between calls"
            }
            Self::CallWait => {
                "look at the pool that the call takes its connection from, and at locks before it"
            }
            Self::QueueWait => "add consumers or make them faster",
            Self::RepeatedCalls => "fetch all items with one call",
            Self::SequentialCalls => {
                "make those calls at the same time that do not need each other's answers"
            }
            Self::RetryStorm => {
                "mend the callee first; back off with jitter, and stop retrying when most attempts fail"
            }
            Self::Straggler => "spread the work evenly, or send a second request when one is late",
            Self::Cpu => "add instances or raise the limit, then profile what uses it",
            Self::Memory => "raise the limit or add instances, then look for what is kept",
            Self::Resource => "add more of it, or use less",
            Self::ManyCalls => "fetch more with each call, and keep what seldom changes",
            Self::CacheMisses => {
                "look at evictions, the memory and the expiry of the cache, and let one request fill an entry for all"
            }
            Self::Throttled => "make fewer calls or space them, back off when told to, or raise the quota",
            Self::QueueGrowth | Self::Backlog => {
                "add consumers or make them faster, or slow the producers down"
            }
        }
    }
}
