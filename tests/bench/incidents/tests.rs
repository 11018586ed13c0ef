//! Tables of foreign programs to telemetry.

use super::case::{Case, Corpus};
use super::nezha::{Reader, pod_metrics, service_of};
use super::telemetry::{SECOND, Telemetry};

const TRACES: &str = "\
TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration
b0103bb0161ad7fa352fe1828eeb643a,520b067330e3ede5,root,ts-gateway-service-6f6cfc45b-h5m2n,/*,1000000000,1500000000,500000
b0103bb0161ad7fa352fe1828eeb643a,a4424f20bffee416,520b067330e3ede5,ts-auth-service-7f8d7d756d-k7b9j,login,1100000000,1200000000,100000
";

#[test]
fn a_row_of_a_trace_is_a_span_of_its_pod() {
    let spans = Reader::default().spans(TRACES).expect("it is well formed");
    let [root, child] = &spans[..] else { panic!("two spans") };
    assert_eq!((&*root.origin.service, root.parent_id), ("ts-gateway-service", None));
    assert_eq!(child.parent_id, Some(root.span_id));
    assert_eq!((child.trace_id, child.trace_id[0]), (root.trace_id, 0xb0));
    assert_eq!((child.start, child.end), (1_100_000_000, 1_200_000_000));
    assert_eq!(child.origin.instance, "ts-auth-service-7f8d7d756d-k7b9j");
}

#[test]
fn an_id_that_is_none_is_refused() {
    let text = TRACES.replace("520b067330e3ede5,root", "520b,root");
    let problem = Reader::default().spans(&text).expect_err("an id is too short");
    assert_eq!(problem.to_string(), "an id is \"520b\", must be 16 hexadecimal digits");
}

#[test]
fn a_log_record_is_the_line_that_the_container_wrote() {
    let text = "\
Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log
2023-01-29T08:42:22Z,7000000000,n,ts-seat-service-5c95b49cff-tdsdz,server,b0103bb0161ad7fa352fe1828eeb643a,520b067330e3ede5,\"{\"\"log\"\":\"\"16:42:22.382 WARN  s.SeatService#114 TraceID: b01 [seat][a, b]\\n\"\",\"\"stream\"\":\"\"stdout\"\"}\"rest of another, row\"
1970-01-01T00:00:08.295,-6795364578871345152,n,ts-seat-service-5c95b49cff-tdsdz,server,b0103bb0161ad7fa352fe1828eeb643a,520b067330e3ede5,free text
";
    let records = Reader::default().records(text).expect("it is well formed");
    let [first, second] = &records[..] else { panic!("two records") };
    assert_eq!(&*first.body, "16:42:22.382 WARN  s.SeatService#114 TraceID: b01 [seat][a, b]");
    assert_eq!((first.severity, first.time), (Some((13, "WARN")), 7 * SECOND));
    assert_eq!((&*second.body, second.severity, second.time), ("free text", None, 8 * SECOND));
}

#[test]
fn metrics_of_a_pod_are_gauges_in_units_of_opentelemetry() {
    let text = "\
Time,TimeStamp,PodName,CpuUsage(m),CpuUsageRate(%),MemoryUsage(Mi),NodeCpuUsageRate(%)
x,60,ts-route-service-b6c59fb57-zv8dt,500,50,2,9
x,120,ts-route-service-b6c59fb57-zv8dt,,NaN,2,9
";
    let (origin, points) = pod_metrics(text).expect("it is well formed");
    assert_eq!(origin.service, "ts-route-service");
    let told: Vec<_> = points.iter().map(|it| (it.metric.name, it.time / SECOND, it.value)).collect();
    let memory = 2.0 * 1_048_576.0;
    assert_eq!(
        told,
        [
            ("k8s.pod.cpu.usage", 60, 0.5),
            ("k8s.pod.cpu_limit_utilization", 60, 0.5),
            ("k8s.pod.memory.usage", 60, memory),
            ("k8s.pod.memory.usage", 120, memory),
        ]
    );
}

#[test]
fn a_service_is_a_pod_without_what_kubernetes_adds() {
    assert_eq!(service_of("ts-ui-dashboard-5477b965f-2chkr"), "ts-ui-dashboard");
    assert_eq!(service_of("ts-station-food-service-dc4d75dd-fw6ft"), "ts-station-food-service");
    assert_eq!(service_of("front_service"), "front_service");
    assert_eq!(service_of("checkout-service-proxy"), "checkout-service-proxy");
}

#[test]
fn a_fault_stands_behind_copies_of_the_baseline_and_before_more_of_it() {
    let baseline = Telemetry {
        spans: Reader::default().spans(TRACES).expect("it is well formed"),
        ..Telemetry::default()
    };
    let minute = 60 * SECOND;
    let (begin, end) = (0, minute);
    let baseline = baseline.moved(10 * SECOND as i64, 0);
    let case = Case {
        name: String::new(),
        kind: String::new(),
        cause: "ts-auth-service".to_owned(),
        telemetry: baseline.moved(minute as i64, 0),
        begin: end,
        end: end + minute,
        again: minute,
        judged_at: end + minute,
    };
    let corpus = Corpus {
        title: String::new(),
        baseline: baseline.moved(10 * minute as i64, 0),
        begin: begin + 10 * minute,
        end: end + 10 * minute,
        copies: 3,
        calls: Vec::new(),
        time_factor: 1,
        splits: Vec::new(),
        cases: Vec::new(),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let before = corpus.write_baseline(folder.path()).expect("it is written");
    let case =
        Case { telemetry: case.telemetry.moved(10 * minute as i64, 0), end: case.end + 10 * minute, ..case };
    let fault = corpus.write_case(&case, folder.path()).expect("it is written");
    let told = |path| {
        let text = std::fs::read_to_string(path).expect("it is there");
        let line = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let span = line["resourceSpans"][0]["scopeSpans"][0]["spans"][0].clone();
            let end: u64 = span["endTimeUnixNano"].as_str().expect("a text").parse().expect("a number");
            (end / minute, span["traceId"].as_str().expect("a text").to_owned())
        };
        text.lines().map(line).collect::<Vec<_>>()
    };
    let (before, fault) = (told(before), told(fault));
    assert_eq!(before.iter().map(|(minute, _)| *minute).collect::<Vec<_>>(), [8, 9, 10]);
    assert_eq!(fault.iter().map(|(minute, _)| *minute).collect::<Vec<_>>(), [11, 12, 13, 14, 15]);
    let traces: std::collections::BTreeSet<_> = before.iter().chain(&fault[1..]).map(|(_, id)| id).collect();
    assert_eq!(traces.len(), 7, "copies share a trace");
}
