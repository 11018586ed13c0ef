//! What the shop promises, told alike to trueline and to Prometheus: the rules for it are those that Sloth would write,
//! with its quick page alone, over windows of minutes.

use std::fmt::Write;

/// Windows and factor of the one page of each objective.
const LONG: &str = "5m";
const SHORT: &str = "1m";
const FACTOR: f64 = 14.4;
const TARGET: f64 = 0.99;
/// A request that takes longer is too slow; a bound of the histograms that Prometheus gets.
const SLOW_MILLIS: u32 = 500;

/// An objective of a service's own requests, of one route where it says so.
struct Objective {
    name: &'static str,
    service: &'static str,
    route: Option<&'static str>,
    good: Good,
}

enum Good {
    Succeeds,
    IsFast,
}

const OBJECTIVES: [Objective; 8] = [
    Objective { name: "browse", service: "web", route: Some("/products/:id"), good: Good::Succeeds },
    Objective { name: "browse-fast", service: "web", route: Some("/products/:id"), good: Good::IsFast },
    Objective { name: "order", service: "web", route: Some("/orders"), good: Good::Succeeds },
    Objective { name: "order-fast", service: "web", route: Some("/orders"), good: Good::IsFast },
    Objective { name: "availability", service: "catalog", route: None, good: Good::Succeeds },
    Objective { name: "latency", service: "catalog", route: None, good: Good::IsFast },
    Objective { name: "availability", service: "orders", route: None, good: Good::Succeeds },
    Objective { name: "latency", service: "orders", route: None, good: Good::IsFast },
];

/// Returns `sla.slos` in YAML's flow style.
pub(crate) fn slos() -> String {
    let burn = format!("[{{severity: page, long: {LONG}, short: {SHORT}, factor: {FACTOR}}}]");
    let all = OBJECTIVES.iter().map(|it| {
        let route = it.route.map(|route| format!(", http.route: \"{route}\"")).unwrap_or_default();
        let sli = match it.good {
            Good::Succeeds => "{type: success_rate}".to_owned(),
            Good::IsFast => format!("{{type: latency, within: {SLOW_MILLIS}ms}}"),
        };
        format!(
            "{{name: {}, service: {}, match: {{span.kind: server{route}}}, sli: {sli}, target: {TARGET}, \
             burn_alerts: {burn}}}",
            it.name, it.service
        )
    });
    format!("[{}]", all.collect::<Vec<_>>().join(", "))
}

/// Returns the file of rules for Prometheus.
pub(crate) fn rules() -> String {
    let mut out = "groups:\n".to_owned();
    for objective in &OBJECTIVES {
        objective.write_rules(&mut out).expect("a String takes everything");
    }
    out
}

impl Objective {
    fn write_rules(&self, out: &mut String) -> std::fmt::Result {
        let id = format!("{}-{}", self.service, self.name);
        let labels = format!("{{sloth_id: {id}, sloth_service: {}, sloth_slo: {}}}", self.service, self.name);
        writeln!(out, "- name: sloth-slo-{id}\n  interval: 10s\n  rules:")?;
        for window in [SHORT, LONG] {
            writeln!(
                out,
                "  - record: slo:sli_error:ratio_rate{window}\n    expr: |\n      {}\n    labels: {labels}",
                self.error_ratio(window)
            )?;
        }
        let burns = |window: &str| {
            format!(
                "slo:sli_error:ratio_rate{window}{{sloth_id=\"{id}\"}} > ({FACTOR} * {:.2})",
                1.0 - TARGET
            )
        };
        writeln!(
            out,
            "  - alert: {id}\n    expr: |\n      ({}) and ({})\n    labels: {{sloth_severity: page}}",
            burns(SHORT),
            burns(LONG)
        )
    }

    fn error_ratio(&self, window: &str) -> String {
        let route = self.route.map(|route| format!(",http_route=\"{route}\"")).unwrap_or_default();
        let of = format!("service_name=\"{}\",span_kind=\"SPAN_KIND_SERVER\"{route}", self.service);
        let rate = |series: String| format!("sum(rate({series}[{window}]))");
        match self.good {
            Good::Succeeds => {
                // Without a failure there is no series of failures.
                let calls = "traces_span_metrics_calls_total";
                let all = rate(format!("{calls}{{{of}}}"));
                let failed = rate(format!("{calls}{{{of},status_code=\"STATUS_CODE_ERROR\"}}"));
                format!("({failed} or 0 * {all}) / {all}")
            }
            Good::IsFast => {
                let duration = "traces_span_metrics_duration_milliseconds";
                let fast = rate(format!("{duration}_bucket{{{of},le=\"{SLOW_MILLIS}\"}}"));
                format!("1 - {fast} / {}", rate(format!("{duration}_count{{{of}}}")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{OBJECTIVES, rules, slos};

    #[test]
    fn both_sides_are_told_of_the_same_objectives() {
        assert_eq!(slos().matches("severity: page").count(), OBJECTIVES.len());
        assert_eq!(rules().matches("sloth_severity: page").count(), OBJECTIVES.len());
    }
}
