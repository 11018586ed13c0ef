//! What is one incident, and how it goes.

use super::{
    super::{
        graph::CallGraph,
        incidents::{Incidents, name},
    },
    Shop, at, calm,
};

fn states(shop: &Shop) -> Vec<(&str, &str)> {
    let told = shop.told.iter().filter_map(|told| told.name.strip_prefix("trueline.incident."));
    let states = shop.told.iter().filter_map(|told| told.incident("state").as_str());
    told.zip(states).collect()
}

#[test]
fn trouble_along_a_chain_of_calls_is_one_incident_and_elsewhere_another() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.episode("frontend", "1", 600, None);
    shop.episode("payment", "2", 590, None);
    shop.episode("ad", "3", 600, None);
    shop.run_to(610, &calm);
    let incidents = shop.incidents();
    let services: Vec<_> = incidents.values().map(|told| told.incident("services").to_string()).collect();
    assert_eq!(services.len(), 2, "{services:?}");
    // checkout, between the two, is silent.
    assert!(services.contains(&r#"["payment","frontend"]"#.to_owned()), "{services:?}");
    assert!(services.contains(&r#"["ad"]"#.to_owned()), "{services:?}");
}

#[test]
fn two_silent_services_in_a_row_part_incidents() {
    let mut shop = Shop::new("causal: {silent_hops: 0}");
    shop.run_to(600, &calm);
    shop.episode("frontend", "1", 600, None);
    shop.episode("payment", "2", 600, None);
    shop.run_to(610, &calm);
    assert_eq!(shop.incidents().len(), 2);
    // What lies between joins them, under the older name.
    shop.episode("checkout", "3", 610, None);
    shop.run_to(620, &calm);
    let merged: Vec<_> = shop.named("trueline.incident.merged").collect();
    assert_eq!(merged.len(), 1);
    let (ids, other) = (shop.incidents(), merged[0].incident("merged")[0].as_str().unwrap());
    assert_eq!(ids.len(), 1);
    assert!(ids.keys().next().unwrap() < &other.to_owned());
    assert_eq!(merged[0].incident("id").as_str(), ids.keys().next().map(String::as_str));
}

#[test]
fn a_callee_whose_trouble_begins_long_after_its_callers_is_another_incident() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.episode("frontend", "1", 600, None);
    shop.run_to(700, &calm);
    shop.episode("cart", "2", 700, None);
    shop.run_to(710, &calm);
    assert_eq!(shop.incidents().len(), 2);
}

#[test]
fn an_incident_is_open_then_resolved_and_opened_again_under_its_name_if_that_does_not_last() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.episode("cart", "1", 600, None);
    shop.run_to(700, &calm);
    shop.episode("cart", "1", 600, Some(700));
    shop.run_to(900, &calm);
    assert_eq!(states(&shop), [("opened", "open"), ("mitigating", "mitigating"), ("resolved", "resolved")]);
    assert_eq!(shop.told[2].incident("end").as_u64(), Some(at(700).as_nanos()));
    shop.episode("cart", "2", 900, None);
    shop.run_to(910, &calm);
    assert_eq!(shop.told[3].name, "trueline.incident.reopened");
    assert_eq!(shop.told[3].incident("id"), shop.told[0].incident("id"));
    shop.episode("cart", "2", 900, Some(910));
    shop.run_to(2000, &calm);
    assert_eq!(shop.told.last().unwrap().name, "trueline.incident.closed");
    // And then it is over: what comes is another.
    shop.episode("cart", "3", 2000, None);
    shop.run_to(2010, &calm);
    assert_eq!(shop.incidents().len(), 2);
}

#[test]
fn what_comes_after_the_gap_or_the_longest_span_is_another_incident() {
    for (yaml, n) in [("", 1), ("window: {gap: 30s}", 2), ("window: {max_span: 1m}", 2)] {
        let mut shop = Shop::new(yaml);
        shop.run_to(600, &calm);
        shop.episode("cart", "1", 600, None);
        shop.run_to(610, &calm);
        shop.episode("cart", "1", 600, Some(610));
        shop.run_to(690, &calm);
        shop.episode("cart", "2", 690, None);
        shop.run_to(700, &calm);
        assert_eq!(shop.incidents().len(), n, "{yaml}");
    }
}

#[test]
fn a_change_alone_is_no_incident() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&super::deployment("cart", 600, "cart 1.1"));
    shop.run_to(700, &calm);
    assert!(shop.told.is_empty(), "{:?}", shop.told);
    let listed = shop.ask("GET", "changes", "");
    assert!(String::from_utf8_lossy(&listed.body).contains("cart 1.1"));
}

#[test]
fn the_order_in_which_events_of_a_second_come_changes_nothing() {
    let run = |order: &[usize]| {
        let mut shop = Shop::new("");
        shop.run_to(600, &calm);
        let events =
            [("frontend", "1", 600), ("payment", "2", 590), ("checkout", "3", 595), ("ad", "4", 600)];
        for place in order {
            let (service, id, start) = events[*place];
            shop.episode(service, id, start, None);
        }
        shop.run_to(620, &calm);
        format!("{:?}", shop.told)
    };
    let first = run(&[0, 1, 2, 3]);
    for order in [[3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        assert_eq!(run(&order), first);
    }
}

#[test]
fn incidents_and_members_are_bounded_and_what_finds_no_room_is_counted() {
    let mut shop = Shop::new("{max_incidents: 3, max_members: 2}");
    for n in 0..10 {
        shop.episode(&format!("lonely-{n}"), &n.to_string(), 0, None);
        shop.episode("lonely-0", &format!("again-{n}"), 0, None);
    }
    shop.run_to(10, &calm);
    assert_eq!(shop.incidents().len(), 3);
    let listed: serde_json::Value = serde_json::from_slice(&shop.ask("GET", "incidents", "").body).unwrap();
    let most =
        listed["incidents"].as_array().unwrap().iter().map(|one| one["events"].as_array().unwrap().len());
    assert_eq!(most.max(), Some(2));
    let refused = shop.harness.telemetry.read().into_iter().find(|it| it.name.ends_with("refused_events"));
    assert_eq!(refused.map(|it| it.value), Some(7));
}

#[test]
fn what_finds_no_room_counts_once_weighs_as_much_and_is_forgotten_with_its_incident() {
    let mut shop = Shop::new("max_members: 4");
    let alert =
        |n: usize, severity| super::Alert { id: &n.to_string(), service: "cart", severity, slo: "" }.fires(0);
    for _ in 0..3 {
        (0..6).for_each(|n| shop.push(&alert(n, "warning")));
        shop.tick();
    }
    shop.push(&alert(6, "emergency"));
    shop.tick();
    let listed: serde_json::Value = serde_json::from_slice(&shop.ask("GET", "incidents", "").body).unwrap();
    let one = &listed["incidents"][0];
    assert_eq!((&one["n_events"], &one["severity"]), (&7.into(), &"emergency".into()));
    // All but the first and the worst are marked, room or not: of ten only four are kept and four known.
    (7..10).for_each(|n| shop.push(&alert(n, "warning")));
    shop.tick();
    let spoke = shop.named("trueline.alert.firing");
    let spoke = spoke.filter(|told| !told.attributes.contains_key("trueline.alert.suppressed_by"));
    assert!(spoke.map(|told| told.body.chars().next().unwrap()).all(|id| "06".contains(id)));
    let (mut incidents, config) = (Incidents::default(), super::config("max_members: 4"));
    let graph = CallGraph::default();
    for n in 0..20 {
        let event = super::alert_event_of(&alert(n, "warning"));
        incidents.place(event, &graph, &config, at(0));
    }
    assert_eq!((incidents.n_known(), incidents.all.len()), (8, 1));
    let id = incidents.all.keys().next().unwrap().clone();
    assert_eq!(incidents.remove(&id).map(|incident| incident.n_left_out), Some(16));
    assert_eq!(incidents.n_known(), 0);
}

/// The value of one of the stage's counters.
fn counted(shop: &Shop, name: &str) -> u64 {
    let name = format!("otelcol_processor_correlation_{name}");
    shop.harness.telemetry.read().into_iter().find(|it| it.name == name).expect("it is counted").value
}

#[test]
fn a_flood_of_changes_drives_out_itself_alone_and_is_counted() {
    let mut shop = Shop::new("");
    shop.push(&super::deployment("cart", 0, "cart 1.1"));
    shop.tick();
    for second in 1..=1200 {
        shop.push(&super::deployment("chatty", second, "again"));
    }
    shop.push(&super::deployment("payment", 1201, "payment 2.3"));
    shop.tick();
    let changes = String::from_utf8(shop.ask("GET", "changes", "").body.to_vec()).unwrap();
    assert!(changes.contains("cart 1.1") && changes.contains("payment 2.3"));
    assert_eq!(counted(&shop, "forgotten_changes"), 202);
}

#[test]
fn bottlenecks_that_find_no_room_to_wait_are_counted() {
    let mut shop = Shop::new("");
    for n in 0..1010 {
        shop.push(&super::bottleneck("payment", &n.to_string(), 0, "critical"));
    }
    shop.tick();
    assert_eq!(counted(&shop, "left_out_bottlenecks"), 10);
}

#[test]
fn a_storm_over_ten_thousand_services_takes_a_few_walks_for_each_event() {
    let (mut incidents, config) = (Incidents::default(), super::config(""));
    let mut graph = CallGraph::new(&config.graph);
    // A tree, in which each service calls ten.
    let service = |n: usize| name(&format!("service-{n}"));
    (1..10_000).for_each(|n| graph.see(&service((n - 1) / 10), &service(n), 100, at(0)));
    for n in 0..1_000 {
        let of = service(n);
        let event = super::alert_event_of(
            &super::Alert { id: &of, service: &of, severity: "warning", slo: "" }.fires(0),
        );
        let n_before = graph.n_walks.get();
        incidents.place(event, &graph, &config, at(0));
        let n_walks = graph.n_walks.get() - n_before;
        assert!(n_walks <= 8, "{n_walks} walks for event {n}");
    }
    assert_eq!(incidents.all.len(), 1);
}

#[test]
fn what_is_merely_worth_knowing_opens_nothing_and_keeps_nothing_open() {
    let mut shop = Shop::new("");
    shop.push(&super::hint("cart", "1", 0));
    shop.run_to(600, &calm);
    assert!(shop.told.is_empty(), "{:?}", shop.told);
    shop.episode("cart", "2", 600, None);
    shop.run_to(610, &calm);
    shop.push(&super::hint("cart", "3", 610));
    shop.run_to(700, &calm);
    shop.episode("cart", "2", 600, Some(700));
    shop.run_to(900, &calm);
    assert_eq!(states(&shop).last(), Some(&("resolved", "resolved")));
}

#[test]
fn a_bottleneck_that_no_signal_tells_of_opens_nothing_until_one_does() {
    let mut shop = Shop::new("");
    shop.run_to(600, &calm);
    shop.push(&super::bottleneck("payment", "1", 600, "critical"));
    shop.run_to(700, &calm);
    assert!(shop.told.is_empty(), "{:?}", shop.told);
    // By less than what is seen without the bottleneck.
    shop.run_to(760, &|calls| super::step(calls, "payment").own.mean = 16.0);
    assert_eq!(shop.incidents().len(), 1);
    assert_eq!(shop.told[0].causes(), ["payment"]);
}

#[test]
fn what_is_over_is_opened_again_by_its_cause_and_by_nothing_else() {
    for (service, n) in [("payment", 1), ("frontend", 2)] {
        let mut shop = Shop::new("");
        shop.run_to(600, &calm);
        shop.episode("payment", "1", 600, None);
        shop.run_to(660, &|calls| super::step(calls, "payment").own.mean = 90.0);
        shop.episode("payment", "1", 600, Some(660));
        shop.run_to(900, &calm);
        shop.episode(service, "2", 900, None);
        shop.run_to(910, &calm);
        assert_eq!(shop.incidents().len(), n, "{service}: {:?}", states(&shop));
    }
}

#[test]
fn calls_and_signals_for_which_there_is_no_room_are_counted() {
    let left_out = |yaml: &str| {
        let mut shop = Shop::new(yaml);
        shop.run_to(30, &calm);
        let all = shop.harness.telemetry.read();
        ["left_out_values", "left_out_edges"].map(|name| {
            let found = all.iter().find(|it| it.name == format!("otelcol_processor_correlation_{name}"));
            found.expect("the counter is there").value
        })
    };
    assert_eq!(left_out(""), [0, 0]);
    // Of five calls three find no room, in each of three windows; of the signals all but ten.
    let [values, edges] = left_out("{graph: {max_edges: 2}, rca: {max_signals: 10}}");
    assert!(values > 0 && edges == 9, "{values} values and {edges} calls");
}
