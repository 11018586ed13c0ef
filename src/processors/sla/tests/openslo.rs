//! Files of OpenSLO by patterns, and alert policies in them.

use std::{sync::Arc, time::Duration};

use super::*;
use crate::sla::{
    config::OpenSloFiles,
    plan::{Objective, Plan},
};

fn plan(environment: &config::MapEnvironment, paths: &[&str]) -> (Vec<Arc<Objective>>, Vec<String>) {
    let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
    let openslo_files = OpenSloFiles::read(&paths, environment);
    let settings = SlaConfig { openslo_files, ..SlaConfig::default() };
    let mut checks = component::Checks::default();
    let plan = Plan::compile(&settings, &mut checks);
    let told = checks.into_findings().into_iter().map(|it| format!("{}: {}", it.path, it.message));
    (plan.objectives, told.collect())
}

fn slo(name: &str, policies: &str) -> String {
    format!(
        r#"
apiVersion: openslo/v1
kind: SLO
metadata: {{name: {name}}}
spec:
  service: s
  indicator: {{spec: {{ratioMetric: {{
    good: {{metricSource: {{spec: {{query: 'sum(rate(a_total{{code!~"5.."}}[5m]))'}}}}}},
    total: {{metricSource: {{spec: {{query: 'sum(rate(a_total[5m]))'}}}}}}}}}}}}
  timeWindow: [{{duration: 30d, isRolling: true}}]
  objectives: [{{target: 0.99}}]
  alertPolicies: {policies}
"#
    )
}

#[test]
fn a_path_with_stars_names_every_file_that_fits_in_the_order_of_names() {
    let environment = config::MapEnvironment::default()
        .with_file("/slos/b/x.yaml", slo("b", "[]"))
        .with_file("/slos/a/x.yaml", slo("a", "[]"))
        .with_file("/slos/a/y.yml", slo("y", "[]"))
        .with_file("/slos/a/.hidden.yaml", slo("h", "[]"))
        .with_file("/slos/readme.txt", "no YAML: [".to_owned());
    let ids = |paths: &[&str]| {
        let (objectives, told) = plan(&environment, paths);
        let ids: Vec<String> = objectives.iter().map(|it| it.id.clone()).collect();
        (ids.join(" "), told.join("\n"))
    };
    assert_eq!(ids(&["/slos/*/*.yaml"]), ("s-a s-b".to_owned(), String::new()));
    assert_eq!(ids(&["/slos/a/*.y*"]), ("s-a s-y".to_owned(), String::new()));
    for (path, part) in [
        ("/slos/*.yaml", "openslo_files.0: no file fits /slos/*.yaml"),
        ("/nowhere/*", "openslo_files.0: no file fits /nowhere/*"),
        ("/slos/**/x.yaml", "two stars"),
    ] {
        let (found, told) = ids(&[path]);
        assert!(found.is_empty() && told.contains(part), "{path}: {told}");
    }
}

const POLICIES: &str = "
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec: {description: d, severity: page, condition: {kind: burnrate, op: gte, threshold: 14.4, lookbackWindow: 1h, alertAfter: 5m}}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: pages, displayName: Pages}
spec:
  description: d
  alertWhenNoData: true
  alertWhenBreaching: true
  alertWhenResolved: true
  conditions: [{conditionRef: fast}]
  notificationTargets: []
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: below}
spec: {alertWhenBreaching: true, conditions: [{conditionRef: slow}]}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: slow}
spec: {severity: ticket, condition: {kind: burnrate, op: lt, threshold: 1, lookbackWindow: 3d}}
";

fn alerts(policies: &str) -> (Vec<String>, Vec<String>) {
    let environment = config::MapEnvironment::default()
        .with_file("/a.yaml", slo("a", policies))
        .with_file("/b.yaml", POLICIES.to_owned());
    let (objectives, told) = plan(&environment, &["/*.yaml"]);
    let alert = |it: &crate::sla::plan::BurnAlert| {
        let pairs: Vec<_> =
            it.pairs.iter().map(|pair| format!("{} {}", Objective::pair_text(pair), pair.factor)).collect();
        format!("{} for {:?}: {}", it.severity.name(), it.hold, pairs.join(", "))
    };
    let objective = &objectives[0];
    let insufficient =
        objective.alerting.insufficient_data.map(|urgency| format!("no data: {}", urgency.name()));
    (objective.burn.iter().map(alert).chain(insufficient).collect(), told)
}

#[test]
fn policies_of_an_objective_are_its_burn_alerts() {
    let inline = "
    - alertPolicyRef: pages
    - kind: AlertPolicy
      metadata: {name: own}
      spec:
        conditions:
          - kind: AlertCondition
            metadata: {name: x}
            spec: {severity: ticket, condition: {kind: burnrate, op: gt, threshold: 1, lookbackWindow: 3d}}";
    let (found, told) = alerts(inline);
    assert_eq!(told, Vec::<String>::new());
    let minutes = Duration::from_secs(300);
    assert_eq!(
        found,
        [
            format!("page for {minutes:?}: 1h 14.4"),
            "ticket for 0ns: 3d 1".to_owned(),
            "no data: page".to_owned()
        ]
    );
}

#[test]
fn a_policy_that_can_not_be_said_is_named_with_the_reason() {
    let inline = |condition: &str| {
        format!("[{{metadata: {{name: p}}, spec: {{conditions: [{{spec: {condition}}}]}}}}]")
    };
    let burn = "condition: {threshold: 2, lookbackWindow: 1h}";
    for (policies, part) in [
        ("[{alertPolicyRef: nothing}]".to_owned(), "there is no AlertPolicy `nothing`"),
        ("[{alertPolicyRef: below}]".to_owned(), "its op is `lt`"),
        ("[{metadata: {name: p}, spec: {conditions: []}}]".to_owned(), "0 conditions"),
        (
            "[{metadata: {name: p}, spec: {conditions: [{conditionRef: gone}]}}]".to_owned(),
            "no AlertCondition `gone`",
        ),
        (inline(&format!("{{severity: mauve, {burn}}}")), "`mauve`, write page or ticket"),
        (
            inline("{severity: page, condition: {kind: averageBurn, threshold: 2, lookbackWindow: 1h}}"),
            "averageBurn",
        ),
    ] {
        let (found, told) = alerts(&policies);
        let told = told.join("\n");
        assert!(
            told.contains(part) && told.contains("`burn_alerts: auto` takes their place"),
            "{policies}: {told}"
        );
        assert_eq!(found.len(), 2, "Google's stand in: {found:?}");
    }
    let (_, told) = alerts(&inline("{severity: page, condition: {threshold: 200, lookbackWindow: 1h}}"));
    assert!(told.join("\n").contains("can never be reached"), "{told:?}");
    let (found, told) = alerts(
        "[{alertPolicyRef: pages}, {metadata: {name: p}, spec: {alertWhenResolved: false, notificationTargets: [{targetRef: x}], conditions: [{conditionRef: fast}]}}]",
    );
    let told = told.join("\n");
    assert!(told.contains("alertWhenResolved is false") && told.contains("`alert_webhook` says"), "{told}");
    assert_eq!(found.len(), 2);
}
