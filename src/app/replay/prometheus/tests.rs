use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
};

use clap::Parser;
use wire::view::{Metric, groups};

use super::{
    History, Unreached, range_of,
    series::{Identity, Names},
};
use crate::replay::{Console, ReplayArgs, source::Recorded};

#[derive(Parser)]
struct Replay {
    #[command(flatten)]
    replay: ReplayArgs,
}

fn args(options: &[&str]) -> ReplayArgs {
    let range = ["replay", "--start", "1000000000", "--end", "1000300000", "--query", "up"];
    Replay::try_parse_from(range.into_iter().chain(options.iter().copied())).unwrap().replay
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn identity(pairs: &[(&str, &str)], renamed: &[(&str, &str)]) -> Identity {
    let renamed: Vec<_> = labels(renamed).into_iter().collect();
    Names::new(&renamed, &[("load".to_owned(), "1".to_owned())]).identify(&labels(pairs), 0)
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    labels(pairs).into_iter().collect()
}

#[test]
fn job_and_instance_are_the_service_and_other_labels_are_attributes() {
    let found = identity(
        &[("__name__", "node_load1"), ("job", "shop/cart"), ("instance", "a:1"), ("cpu", "0")],
        &[("node_load1", "load"), ("cpu", "cpu.id")],
    );
    assert_eq!((found.metric.as_str(), found.unit.as_str()), ("load", "1"));
    let resource = [("service.instance.id", "a:1"), ("service.name", "cart"), ("service.namespace", "shop")];
    assert_eq!(found.resource, owned(&resource));
    assert_eq!(found.attributes, owned(&[("cpu.id", "0")]));
}

#[test]
fn a_label_that_names_the_service_wins_and_an_expression_is_called_by_its_place() {
    let found = identity(&[("service_name", "cart"), ("job", "scrape")], &[]);
    assert_eq!(found.resource, owned(&[("service.name", "cart")]));
    assert_eq!(found.attributes, owned(&[("job", "scrape")]));
    assert_eq!(found.metric, "query_1");
}

/// Answers one request with the series `up` of two jobs, a point at each step. Returns what was asked.
fn serve(stream: &mut TcpStream) -> String {
    let mut request = String::new();
    let mut chunk = [0; 4096];
    while !request.contains("step=") {
        let n_bytes = stream.read(&mut chunk).unwrap();
        request += std::str::from_utf8(&chunk[..n_bytes]).unwrap();
    }
    let form = request.rsplit("\r\n\r\n").next().unwrap().to_owned();
    let of = |key: &str| -> f64 {
        let part = form.split('&').find_map(|part| part.strip_prefix(key)).unwrap();
        part.parse().unwrap()
    };
    let (mut at, end, step) = (of("start="), of("end="), of("step="));
    let mut values = Vec::new();
    while at <= end {
        values.push(format!("[{at},\"{}\"]", at / 1000.0));
        at += step;
    }
    let series = |job: &str| {
        let values = values.join(",");
        format!(r#"{{"metric":{{"__name__":"up","job":"{job}"}},"values":[{values}]}}"#)
    };
    let series = [series("cart"), series("api")].join(",");
    let body = format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{series}]}}}}"#);
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    form
}

fn history(url: &str) -> Vec<anyhow::Result<Recorded>> {
    let args = args(&["--prometheus", url]).prometheus;
    let range = range_of(&args).unwrap();
    let console = Console::new(range.n_points());
    History::new(url, &args, range, &console).unwrap().collect()
}

#[test]
fn the_past_of_series_comes_as_one_request_for_each_instant() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/prometheus/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        // 5,001 minutes take three requests.
        (0..3).map(|_| serve(&mut listener.accept().unwrap().0)).collect::<Vec<_>>()
    });
    let requests: Vec<Recorded> = history(&url).into_iter().map(Result::unwrap).collect();
    let asked = server.join().unwrap();
    assert_eq!(asked[0], "query=up&start=1000000000.000&end=1000119940.000&step=60");
    assert_eq!(requests.len(), 5_001);
    assert!(requests.windows(2).all(|pair| pair[0].at < pair[1].at));
    let first = &requests[0].bytes;
    let services: Vec<_> = groups(first)
        .map(|group| group.resource.attribute("service.name").unwrap().to_label_string())
        .collect();
    assert_eq!(services, ["api", "cart"]);
    let metrics: Vec<_> =
        groups(first).flat_map(|group| group.items().map(Metric::of).collect::<Vec<_>>()).collect();
    assert!(metrics.len() == 2 && metrics.iter().all(|metric| metric.name == b"up"));
    assert_eq!(wire::check(model::Signal::Metrics, first).ok(), Some(2));
}

#[test]
fn an_address_where_nobody_listens_is_told_apart() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut ended = history(&format!("http://{unused}"));
    let problem = ended.remove(0).unwrap_err();
    assert!(problem.is::<Unreached>(), "{problem:#}");
    assert!(ended.is_empty());
}
