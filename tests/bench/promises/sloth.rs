//! The rules that Sloth makes of objectives on events, written from its documentation and the SRE workbook's factors.
//!
//! For each objective a group of indicators over eight windows, a group of what describes it and a group of two alerts:
//! seventeen rules.

use std::fmt::Write;

/// Rules of an objective.
pub(super) const RULES_PER_OBJECTIVE: u64 = 17;
/// Windows over which the indicator is recorded from the counters themselves.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];
const OBJECTIVE: f64 = 0.999;
/// Factor, short and long window.
type Pair = (f64, &'static str, &'static str);
/// Severity, its quick and its slow pair.
const ALERTS: [(&str, [Pair; 2]); 2] =
    [("page", [(14.4, "5m", "1h"), (6.0, "30m", "6h")]), ("ticket", [(3.0, "2h", "1d"), (1.0, "6h", "3d")])];

/// Writes the rules of as many objectives.
pub(super) fn rules(n_objectives: u32, interval_seconds: u64) -> String {
    let mut out = String::from("groups:\n");
    for number in 0..n_objectives {
        Objective { number }.write(&mut out, interval_seconds).expect("a String takes everything");
    }
    out
}

/// The name of the service of an objective.
pub(super) fn service(number: u32) -> String {
    format!("service-{number:04}")
}

struct Objective {
    number: u32,
}

impl Objective {
    fn write(&self, out: &mut String, interval_seconds: u64) -> std::fmt::Result {
        let id = format!("{}-availability", service(self.number));
        for (kind, rules) in [
            ("sli-recordings", self.indicators()),
            ("meta-recordings", self.descriptions()),
            ("alerts", self.alerts()),
        ] {
            let rules = rules?;
            write!(out, "- name: sloth-slo-{kind}-{id}\n  interval: {interval_seconds}s\n  rules:\n{rules}")?;
        }
        Ok(())
    }

    /// Selects what was recorded of this objective.
    fn selector(&self) -> String {
        let service = service(self.number);
        format!(
            r#"{{sloth_id="{service}-availability", sloth_service="{service}", sloth_slo="availability"}}"#
        )
    }

    fn labels(&self) -> String {
        let service = service(self.number);
        format!("sloth_id: {service}-availability, sloth_service: {service}, sloth_slo: availability")
    }

    fn indicators(&self) -> Result<String, std::fmt::Error> {
        let (service, labels, selector) = (service(self.number), self.labels(), self.selector());
        let mut out = String::new();
        for window in WINDOWS {
            write!(
                out,
                "  - record: slo:sli_error:ratio_rate{window}\n    expr: |\n      \
                 (sum(rate(requests_total{{service=\"{service}\",code=~\"5..\"}}[{window}])))\n      /\n      \
                 (sum(rate(requests_total{{service=\"{service}\"}}[{window}])))\n    \
                 labels: {{{labels}, sloth_window: {window}}}\n"
            )?;
        }
        write!(
            out,
            "  - record: slo:sli_error:ratio_rate30d\n    expr: |\n      \
             sum_over_time(slo:sli_error:ratio_rate5m{selector}[30d])\n      / ignoring (sloth_window)\n      \
             count_over_time(slo:sli_error:ratio_rate5m{selector}[30d])\n    \
             labels: {{{labels}, sloth_window: 30d}}\n"
        )?;
        Ok(out)
    }

    fn descriptions(&self) -> Result<String, std::fmt::Error> {
        let (labels, selector) = (self.labels(), self.selector());
        let per_budget = |recorded: &str| {
            format!(
                "{recorded}{selector} / on(sloth_id, sloth_slo, sloth_service) group_left \
                 slo:error_budget:ratio{selector}"
            )
        };
        let mut out = String::new();
        for (name, expression) in [
            ("slo:objective:ratio", format!("vector({OBJECTIVE})")),
            ("slo:error_budget:ratio", format!("vector(1-{OBJECTIVE})")),
            ("slo:time_period:days", "vector(30)".to_owned()),
            ("slo:current_burn_rate:ratio", per_budget("slo:sli_error:ratio_rate5m")),
            ("slo:period_burn_rate:ratio", per_budget("slo:sli_error:ratio_rate30d")),
            ("slo:period_error_budget_remaining:ratio", format!("1 - slo:period_burn_rate:ratio{selector}")),
        ] {
            write!(out, "  - record: {name}\n    expr: {expression}\n    labels: {{{labels}}}\n")?;
        }
        write!(
            out,
            "  - record: sloth_slo_info\n    expr: vector(1)\n    \
             labels: {{{labels}, sloth_mode: cli-gen-prom, sloth_objective: \"99.9\", sloth_spec: prometheus/v1}}\n"
        )?;
        Ok(out)
    }

    fn alerts(&self) -> Result<String, std::fmt::Error> {
        let (labels, selector) = (self.labels(), self.selector());
        let budget = format!("{:.3}", 1.0 - OBJECTIVE);
        let mut out = String::new();
        for (severity, pairs) in ALERTS {
            let pairs = pairs.map(|(factor, short, long)| {
                let burns = |window: &str| {
                    format!(
                        "max(slo:sli_error:ratio_rate{window}{selector} > ({factor} * {budget})) without \
                         (sloth_window)"
                    )
                };
                format!("({} and {})", burns(short), burns(long))
            });
            write!(
                out,
                "  - alert: Availability\n    expr: {}\n    labels: {{{labels}, sloth_severity: {severity}}}\n",
                pairs.join(" or ")
            )?;
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::{RULES_PER_OBJECTIVE, rules};

    #[test]
    fn an_objective_is_three_groups_of_seventeen_rules() {
        let text = rules(2, 30);
        assert_eq!(text.matches("- name: ").count(), 6);
        assert_eq!(text.matches("  interval: 30s\n").count(), 6);
        let n_rules = text.matches("  - record: ").count() + text.matches("  - alert: ").count();
        assert_eq!(n_rules as u64, 2 * RULES_PER_OBJECTIVE);
        assert!(
            text.contains("(14.4 * 0.001)") && text.contains("{service=\"service-0001\",code=~\"5..\"}[3d]")
        );
    }
}
