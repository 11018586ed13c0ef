//! From Sloth's terms to those of `sla`.

use std::collections::BTreeMap;

use processors::promql::{self, Quotient};

use super::document::{Alert, Alerting, Burn, Service, Sli as SlothSli, Slo as SlothSlo, Windows};
use crate::import::{
    go_template::{Part, label_of, parts},
    settings::{BurnAlert, Counters, OfUrgency, Selected, Sli, Slo, SloAlerting, Texts, Window},
};

/// Converts an objective. What is otherwise than it was is added to the notes.
///
/// # Errors
/// Why it can not be.
pub(super) fn objective(
    service: &Service,
    slo: &SlothSlo,
    window: &str,
    burn_alerts: &[BurnAlert],
    notes: &mut Vec<String>,
) -> Result<Slo, String> {
    let quotient = quotient(&slo.sli)?;
    if service.slo_plugins.is_some() || slo.plugins.is_some() {
        notes.push("its plugins change the rules that Sloth makes; here they do nothing".to_owned());
    }
    let mut labels = service.labels.clone();
    labels.extend(slo.labels.clone());
    let alerting = alerting(service, slo, notes);
    // What is left out of the own list is left out already.
    let wanted = |alert: &&BurnAlert| {
        let of = if alert.severity == "page" { &slo.alerting.page_alert } else { &slo.alerting.ticket_alert };
        !of.disable
    };
    Ok(Slo {
        name: slo.name.clone(),
        service: service.service.clone(),
        description: slo.description.trim().to_owned(),
        sli: sli(quotient),
        target: target(slo.objective),
        window: Window { rolling: window.to_owned() },
        burn_alerts: burn_alerts.iter().filter(wanted).cloned().collect(),
        // Sloth judges from the first event on.
        min_events: 1,
        labels: without_reserved(labels, "", notes),
        alerting,
    })
}

/// 99.9 / 100 is not the double that 0.999 is.
fn target(percent: f64) -> f64 {
    format!("{percent}e-2").parse().unwrap_or(f64::NAN)
}

fn quotient(sli: &SlothSli) -> Result<Quotient, String> {
    match (&sli.events, &sli.raw, &sli.plugin) {
        (Some(events), None, None) => promql::events(&events.error_query, &events.total_query),
        (None, Some(raw), None) => promql::error_ratio(&raw.error_ratio_query)
            .map_err(|problem| format!("error_ratio_query: {problem}")),
        (None, None, Some(plugin)) => Err(format!(
            "its indicator is the plugin `{}`, whose query only Sloth knows; write it as events",
            plugin.id
        )),
        _ => Err("sli has not one of events, raw and plugin".to_owned()),
    }
}

fn sli(quotient: Quotient) -> Sli {
    let Quotient { total, part, part_is_good } = quotient;
    let selected = |selector: promql::Selector| Selected { prometheus: selector.to_string() };
    let part = Some(selected(part));
    let (good, bad) = if part_is_good { (part, None) } else { (None, part) };
    Sli { r#type: "success_rate", counters: Counters { total: selected(total), good, bad } }
}

fn alerting(service: &Service, slo: &SlothSlo, notes: &mut Vec<String>) -> SloAlerting {
    let Alerting { name, labels, annotations, page_alert, ticket_alert } = &slo.alerting;
    let known = |severity: &str| {
        BTreeMap::from([
            ("sloth_service", service.service.clone()),
            ("sloth_slo", slo.name.clone()),
            ("sloth_id", format!("{}-{}", service.service, slo.name)),
            ("sloth_severity", severity.to_owned()),
        ])
    };
    let mut of = |alert: &Alert, severity: &str, usual: &str| {
        let mut labels = alert.labels.clone();
        // Said anyhow.
        labels.retain(|name, value| name != "severity" || value != usual);
        OfUrgency {
            enabled: alert.disable.then_some(false),
            labels: without_reserved(
                filled(&labels, &known(severity), notes),
                &format!("{severity}_alert."),
                notes,
            ),
            annotations: filled(&alert.annotations, &known(severity), notes),
        }
    };
    let (page, ticket) = (of(page_alert, "page", "critical"), of(ticket_alert, "ticket", "warning"));
    let mut known = known("");
    // Which one it is depends on the alert.
    known.remove("sloth_severity");
    SloAlerting {
        name: name.clone(),
        labels: without_reserved(filled(labels, &known, notes), "alerting.", notes),
        annotations: filled(annotations, &known, notes),
        page,
        ticket,
    }
}

/// Leaves out labels that `sla` sets itself.
fn without_reserved(mut labels: Texts, place: &str, notes: &mut Vec<String>) -> Texts {
    labels.retain(|name, value| {
        let is_reserved = name == "severity" || name == "alertname" || name.starts_with("sloth_");
        if is_reserved {
            notes.push(format!(
                "{place}labels.{name} is set by trueline and left out, `{value}`; pages have severity=\"critical\", tickets \"warning\", both sloth_severity"
            ));
        }
        !is_reserved
    });
    labels
}

/// Fills in the labels that are known beforehand. A text that asks for more is left out.
fn filled(texts: &Texts, known: &BTreeMap<&str, String>, notes: &mut Vec<String>) -> Texts {
    let mut all = Texts::new();
    for (name, text) in texts {
        match fill(text, known) {
            Ok(filled) => {
                all.insert(name.clone(), filled);
            }
            Err(action) => notes.push(format!(
                "{name} is left out, as its template {{{{{action}}}}} is not known beforehand"
            )),
        }
    }
    all
}

fn fill<'a>(text: &'a str, known: &BTreeMap<&str, String>) -> Result<String, &'a str> {
    let mut filled = String::new();
    for part in parts(text) {
        match part {
            Part::Text(text) => filled += text,
            Part::Action(action) => match label_of(action) {
                Some((label, None)) => filled += known.get(label).ok_or(action)?,
                _ => return Err(action),
            },
        }
    }
    Ok(filled)
}

/// Converts windows of one's own.
///
/// # Errors
/// Why they do not fit.
pub(super) fn windows(windows: &Windows, period: &str) -> Result<Vec<BurnAlert>, String> {
    let seconds = |text: &str| {
        promql::seconds(text).ok_or_else(|| format!("`{text}` is no time, write it as 5m, 6h or 3d"))
    };
    let (own, asked) = (seconds(&windows.slo_period)?, seconds(period)?);
    if own != asked {
        return Err(format!("they are windows for {}, and --window is {period}", windows.slo_period));
    }
    let all = [("page", &windows.page), ("ticket", &windows.ticket)]
        .into_iter()
        .flat_map(|(severity, pair)| [(severity, &pair.quick), (severity, &pair.slow)]);
    all.map(|(severity, burn)| {
        let Burn { error_budget_percent, short_window, long_window } = burn;
        let factor = error_budget_percent / 100.0 * own / seconds(long_window)?;
        Ok(BurnAlert { severity, long: long_window.clone(), short: short_window.clone(), factor })
    })
    .collect()
}
