//! Scripted faults: `SERVICE:KIND@START+DURATION[=FACTOR]`, and the truth about them.

use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use super::args::parse_duration;
use super::shop;

/// One fault of the script.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) service: String,
    pub(crate) kind: Kind,
    /// From the start of the load.
    pub(crate) start: Duration,
    pub(crate) duration: Duration,
    /// What it means is [`Kind`]'s to say.
    pub(crate) factor: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// The service's own work takes `factor` times as long.
    Latency,
    /// The service fails this part of its requests.
    Errors,
    /// Nobody answers at the service's address; the factor is not used.
    Dead,
    /// The service's database statements take `factor` times as long.
    SlowQuery,
    /// Customers send `factor` times as many requests that can come to the service.
    Surge,
}

impl Kind {
    const ALL: [(&'static str, Self, f64); 5] = [
        ("latency", Self::Latency, 10.0),
        ("errors", Self::Errors, 0.5),
        ("dead", Self::Dead, 1.0),
        ("slow-query", Self::SlowQuery, 20.0),
        ("surge", Self::Surge, 3.0),
    ];
}

impl Fault {
    pub(crate) fn is_active(&self, since_start: Duration) -> bool {
        since_start >= self.start && since_start < self.start + self.duration
    }

    /// Returns the line of the truth file, with absolute times; none for a fault that begins when the load
    /// is over. `end_nanos` is when it is over, where that is known.
    pub(crate) fn truth(&self, start_nanos: u64, end_nanos: Option<u64>) -> Option<String> {
        #[derive(Serialize)]
        struct Truth<'a> {
            service: &'a str,
            kind: Kind,
            factor: f64,
            start_unix_nano: u64,
            end_unix_nano: u64,
        }
        let begin = start_nanos + self.start.as_nanos() as u64;
        let over = end_nanos.unwrap_or(u64::MAX);
        if begin >= over {
            return None;
        }
        let truth = Truth {
            service: &self.service,
            kind: self.kind,
            factor: self.factor,
            start_unix_nano: begin,
            end_unix_nano: (begin + self.duration.as_nanos() as u64).min(over),
        };
        Some(serde_json::to_string(&truth).expect("a flat struct has a JSON form"))
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || {
            format!(
                "fault `{text}` is not SERVICE:KIND@START+DURATION[=FACTOR], as in payment:latency@2m+30s=8"
            )
        };
        let (service, rest) = text.split_once(':').ok_or_else(shape)?;
        let (kind, rest) = rest.split_once('@').ok_or_else(shape)?;
        let (start, rest) = rest.split_once('+').ok_or_else(shape)?;
        let (duration, factor) = match rest.split_once('=') {
            Some((duration, factor)) => (duration, Some(factor)),
            None => (rest, None),
        };
        if shop::service_index(service).is_none() {
            let known = shop::SERVICES.map(|(name, _)| name).join(", ");
            return Err(format!("service `{service}` is not in the shop, which has {known}"));
        }
        let Some((_, kind, default)) = Kind::ALL.into_iter().find(|(name, ..)| *name == kind) else {
            let known = Kind::ALL.map(|(name, ..)| name).join(", ");
            return Err(format!("fault kind `{kind}` is unknown, must be one of {known}"));
        };
        let factor = match factor {
            Some(text) => text.parse().map_err(|_| format!("factor `{text}` is not a number"))?,
            None => default,
        };
        let limit = if kind == Kind::Errors { 1.0 } else { 1e6 };
        if !(factor > 0.0 && factor <= limit) {
            return Err(format!("factor is {factor}, must be above 0 and at most {limit}"));
        }
        let (start, duration) = (parse_duration(start)?, parse_duration(duration)?);
        if duration.is_zero() {
            return Err(format!("fault `{text}` lasts 0s and would not show; give it a duration"));
        }
        if kind == Kind::SlowQuery && !shop::queries(service) {
            let known: Vec<_> =
                shop::SERVICES.map(|(name, _)| name).into_iter().filter(|name| shop::queries(name)).collect();
            let known = known.join(", ");
            return Err(format!(
                "service `{service}` makes no database statements that could be slow; {known} do"
            ));
        }
        Ok(Self { service: service.to_owned(), kind, start, duration, factor })
    }
}

/// The faults of a script as the simulation asks for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) faults: Vec<Fault>,
}

impl Script {
    /// Returns the product of the factors of the active faults of a kind; 1 without any.
    pub(crate) fn factor(&self, service: &str, kind: Kind, at: Duration) -> f64 {
        self.active(kind, at).filter(|fault| fault.service == service).map(|fault| fault.factor).product()
    }

    /// Returns the part of the requests that active faults fail.
    pub(crate) fn error_ratio(&self, service: &str, at: Duration) -> f64 {
        let of_service = self.active(Kind::Errors, at).filter(|fault| fault.service == service);
        of_service.map(|fault| fault.factor).fold(0.0, f64::max)
    }

    pub(crate) fn is_dead(&self, service: &str, at: Duration) -> bool {
        self.active(Kind::Dead, at).any(|fault| fault.service == service)
    }

    pub(crate) fn active(&self, kind: Kind, at: Duration) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(move |fault| fault.kind == kind && fault.is_active(at))
    }
}
