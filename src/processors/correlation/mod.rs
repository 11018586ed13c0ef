//! What do all these alarms have in common, and what is behind them?
//!
//! *Reads*: closed windows with their baselines, the calls between services, and what other stages tell as log
//! records: alerts, episodes, bottlenecks; from outside deployments and other changes. *Emits*: incidents as log
//! records and metrics; alerts pass through, and those of an incident that has spoken already are marked so that
//! nobody is told twice.
//!
//! # Method
//! 1. [`events`](self::events) reads what happened, whoever tells it.
//! 2. [`graph`](self::graph) knows who calls whom; [`incidents`](self::incidents) joins events that are near in time
//!    and on one chain of calls.
//! 3. [`signals`](self::signals) remembers half an hour of every service: time of its own, failures that began
//!    there, the way to it, its metrics. [`shift`](self::shift) compares before with after, robustly, and
//!    [`cause`](self::cause) ranks services by it and by whose trouble they explain, and abstains
//!    when two are alike. [`judge`](self::judge) does so again with every window, and divides what has two causes.
//! 4. [`voice`](self::voice) lets each incident speak through its first alert, and again when it gets worse;
//!    [`telling`](self::telling) passes alerts on as it has them.
//!
//! *Source*: robust shifts with floors, edge attribution and the topological discount were chosen on public faults of
//! PetShop and TrainTicket; `README.md` has what was measured.
//!
//! *Cost*: a look at each row of a window; ranking walks over what is remembered of the services within reach.

mod answer;
mod cause;
mod changes;
mod concerned;
mod config;
mod departures;
mod events;
mod feedback;
mod flags;
mod graph;
mod impact;
mod incident;
mod incidents;
mod ingest;
mod judge;
mod lines;
mod moves;
mod output;
mod processor;
mod record;
mod shift;
mod signals;
mod snapshot;
mod telling;
mod templates;
#[cfg(test)]
mod tests;
mod ulid;
mod voice;

pub use config::CorrelationConfig;
pub use processor::Correlation;
