//! A Prometheus and a stage of a few lines, and what is asked of both.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpListener,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use component::{Answer, AskError, Asks, Past, Question, Stop, Telemetry};
use config::Secret;
use serde_json::{Value, json};

use super::start;

/// Notes what is told.
#[derive(Default)]
struct Stage {
    told: Mutex<Vec<Value>>,
    asked: Mutex<usize>,
}

const WANTED: &str = r#"{"is_dated": true, "objectives": [
    {"id": "s-a", "total": "sum(increase(all[{{.window}}]))", "part": "sum(increase(bad[{{.window}}]))", "part_is_good": false,
     "runs": [{"start": 1000, "width": 400, "count": 1}, {"start": 1400, "width": 600, "count": 3}]},
    {"id": "s-broken", "total": "broken[{{.window}}]", "part": "bad[{{.window}}]", "part_is_good": true,
     "runs": [{"start": 0, "width": 600, "count": 1}]}]}"#;

impl Asks for Stage {
    fn ask(&self, question: Question) -> Pin<Box<dyn Future<Output = Result<Answer, AskError>>>> {
        assert_eq!(question.parameters["component"], "sla/x");
        let mut n_asked = self.asked.lock().unwrap();
        *n_asked += 1;
        let answer = match (question.method.as_str(), *n_asked) {
            ("GET", 1) => Answer::ok(r#"{"is_dated": false, "objectives": []}"#),
            ("GET", _) => Answer::ok(WANTED),
            _ => {
                let told: Value = serde_json::from_slice(&question.body).unwrap();
                let n: BTreeMap<&String, usize> = told
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(id, all)| (id, all.as_array().unwrap().len()))
                    .collect();
                let answer = json!({ "filled": n, "refused": {} }).to_string();
                self.told.lock().unwrap().push(told);
                Answer::done(200, answer)
            }
        };
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn topics(&self) -> BTreeMap<&'static str, Vec<String>> {
        BTreeMap::new()
    }
}

/// Answers so many queries; the first is refused by a gateway. Returns what was asked.
fn serve(listener: &TcpListener, n_queries: usize) -> Vec<String> {
    let mut asked = Vec::new();
    for number in 0..n_queries {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = String::new();
        let mut chunk = [0; 4096];
        while !request.contains("step=") {
            let n_bytes = stream.read(&mut chunk).unwrap();
            request += std::str::from_utf8(&chunk[..n_bytes]).unwrap();
        }
        assert!(request.to_ascii_lowercase().contains("x-scope-orgid: shop"), "{request}");
        let form = request.rsplit("\r\n\r\n").next().unwrap().to_owned();
        let (status, body) = match number {
            0 => ("503 Unavailable", "later".to_owned()),
            _ if form.contains("query=broken") => (
                "400 Bad Request",
                r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#.to_owned(),
            ),
            _ => ("200 OK", answer(&form)),
        };
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).unwrap();
        asked.push(form);
    }
    asked
}

/// Ten and a half events at each instant, of which 0.4 are bad; nothing is known of one.
fn answer(form: &str) -> String {
    let of = |key: &str| -> f64 {
        form.split('&').find_map(|part| part.strip_prefix(key)).unwrap().parse().unwrap()
    };
    let (mut at, end, step) = (of("start="), of("end="), of("step="));
    let value = if form.contains("bad") { "0.4" } else { "10.5" };
    let mut values = Vec::new();
    while at <= end {
        if at != 2600.0 {
            values.push(format!("[{at},\"{value}\"]"));
        }
        at += step;
    }
    let values = values.join(",");
    format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{values}]}}]}}}}"#
    )
}

#[test]
fn what_a_stage_did_not_see_is_asked_for_in_its_parts_and_told_in_whole_events() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let prometheus = format!("http://{}", listener.local_addr().unwrap());
    let headers = vec![("X-Scope-OrgID".to_owned(), Secret::new("shop"))];
    let past =
        Past { prometheus, headers, tls: component::PastTls::default(), timeout: Duration::from_secs(30) };
    let (stage, telemetry, stop) = (Arc::new(Stage::default()), Telemetry::default(), Stop::new());
    let stages = Arc::clone(&stage) as Arc<dyn Asks>;
    start(BTreeMap::from([("sla/x".to_owned(), past)]), stages, stop.clone(), &telemetry);
    // One is refused by a gateway, one is broken, four are answered.
    let asked = serve(&listener, 6);
    let sum = |telemetry: &Telemetry, name: &str| -> u64 {
        telemetry.read().iter().filter(|it| it.name == name).map(|it| it.value).sum()
    };
    for _ in 0..1200 {
        if sum(&telemetry, "trueline_backfill_slots") > 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    stop.cancel();
    assert!(
        asked[2].contains("all%5B400s%5D") && asked[2].contains("start=1400.000&end=1400.000&step=400"),
        "{asked:#?}"
    );
    assert!(
        asked[4].contains("all%5B600s%5D") && asked[4].contains("start=2000.000&end=3200.000&step=600"),
        "{asked:#?}"
    );
    let slot = |start: u64, width: u64, good: u64, total: u64| json!({"start": start, "width": width, "good": good, "total": total});
    let expected = json!({"s-a": [slot(1000, 400, 10, 10), slot(1400, 600, 11, 11), slot(2600, 600, 9, 10)]});
    assert_eq!(stage.told.lock().unwrap()[..], [expected]);
    assert_eq!(sum(&telemetry, "trueline_backfill_failures"), 2);
    assert_eq!(sum(&telemetry, "trueline_backfill_slots"), 3);
    assert_eq!(sum(&telemetry, "trueline_backfill_objectives_left"), 0);
}
