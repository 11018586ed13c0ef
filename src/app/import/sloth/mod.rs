//! Sloth's files to objectives.
//!
//! Sloth's own are `version: prometheus/v1`, those of Kubernetes `sloth.slok.dev/v1`; both hold the same. `AlertWindows`
//! among the files take the place of Google's windows, for the period that they name.

mod convert;
mod document;

use std::collections::BTreeSet;

use config::Node;

use self::document::{Service, Windows};
use super::{
    files::Found,
    output::{Report, judge},
    settings::{BurnAlert, Sla, Slo},
};

/// Makes objectives of documents. What is not made is reported.
pub(super) fn import(found: &[Found], window: &str, report: &mut Report) -> Vec<Slo> {
    let mut services = Vec::new();
    let mut burn_alerts = Vec::new();
    for document in found {
        match kind(document) {
            Kind::Service(node) => {
                let service: Option<Service> = document.decode(node, report);
                services.extend(service.map(|service| (&document.place, service)));
            }
            Kind::Windows(node) => {
                let windows: Option<Windows> = document.decode(node, report);
                if let Some(windows) = windows {
                    burn_alerts = take_windows(&windows, window, &document.place, report);
                }
            }
            Kind::Other => report.leave_out(
                &document.place,
                "it is neither `version: prometheus/v1` nor an object of sloth.slok.dev/v1",
            ),
        }
    }
    let mut made = Vec::new();
    let mut known = BTreeSet::new();
    for (place, service) in &services {
        for slo in &service.slos {
            let what = format!("{place}: SLO {}/{}", service.service, slo.name);
            match one(service, slo, window, &burn_alerts, &what, report) {
                Ok(slo) if known.insert(format!("{}-{}", slo.service, slo.name)) => made.push(slo),
                Ok(_) => report.leave_out(&what, "another objective has the same service and name"),
                Err(problem) => report.leave_out(&what, &problem),
            }
        }
    }
    report.n_imported = made.len();
    made
}

fn one(
    service: &Service,
    slo: &document::Slo,
    window: &str,
    burn_alerts: &[BurnAlert],
    what: &str,
    report: &mut Report,
) -> Result<Slo, String> {
    let mut notes = Vec::new();
    let made = convert::objective(service, slo, window, burn_alerts, &mut notes)?;
    let warnings = judge::<processors::sla::SlaConfig>(&Sla { slos: vec![made.clone()] })?;
    notes.iter().chain(&warnings).for_each(|note| report.note(what, note));
    Ok(made)
}

enum Kind<'a> {
    Service(&'a Node),
    Windows(&'a Node),
    Other,
}

fn kind(document: &Found) -> Kind<'_> {
    let spec = document.node.get("spec").unwrap_or(&document.node);
    match (document.text("version"), document.text("apiVersion"), document.text("kind")) {
        ("prometheus/v1", ..) => Kind::Service(&document.node),
        (_, "sloth.slok.dev/v1", "PrometheusServiceLevel") => Kind::Service(spec),
        (_, "sloth.slok.dev/v1", "AlertWindows") => Kind::Windows(spec),
        _ => Kind::Other,
    }
}

fn take_windows(windows: &Windows, window: &str, place: &str, report: &mut Report) -> Vec<BurnAlert> {
    match convert::windows(windows, window) {
        Ok(alerts) => alerts,
        Err(problem) => {
            report.leave_out(place, &problem);
            Vec::new()
        }
    }
}
