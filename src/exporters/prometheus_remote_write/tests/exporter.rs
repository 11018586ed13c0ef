use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use bytes::Bytes;
use component::{Delivered, ExportError, Exporter, ExporterCx, ExporterDef, testing::ManualClock};
use model::{Export, Signal};
use prost::Message as _;

use super::super::{
    PrometheusRemoteWrite,
    config::{PrometheusRemoteWriteConfig, ProtobufMessage},
    messages::{v1, v2},
};
use crate::{
    http::testing::{NOW, Reply, Seen, Server, exporter_cx, on_a_shard},
    prometheus_names::testing::{DELTA, gauge, later, metric, number, request, sum, sum_of},
};

struct Bed {
    server: Server,
    exporter: Rc<dyn Exporter>,
    cx: ExporterCx,
}

impl Bed {
    async fn new(replies: Vec<Reply>, change: impl FnOnce(&mut PrometheusRemoteWriteConfig)) -> Self {
        let replies = RefCell::new(VecDeque::from(replies));
        let server = Server::start(move |_| {
            let reply = replies.borrow_mut().pop_front().unwrap_or_else(|| Reply::of(204, &[], ""));
            Box::pin(std::future::ready(reply))
        });
        Self::with(server.await, change)
    }

    fn with(server: Server, change: impl FnOnce(&mut PrometheusRemoteWriteConfig)) -> Self {
        let mut config = PrometheusRemoteWriteConfig {
            endpoint: Some(format!("http://{}/api/v1/write?tenant=1", server.address)),
            ..PrometheusRemoteWriteConfig::default()
        };
        change(&mut config);
        let cx = exporter_cx(&ManualClock::new(NOW));
        Self { exporter: PrometheusRemoteWrite::build(&config, &cx), server, cx }
    }

    async fn export(&self, bytes: &Bytes) -> Result<Delivered, ExportError> {
        self.exporter.export(Export { signal: Signal::Metrics, bytes: bytes.clone().into(), items: 1 }).await
    }

    fn count(&self, name: &str, reason: Option<&str>) -> u64 {
        let name = format!("otelcol_exporter_prometheusremotewrite_{name}");
        let is_it = |row: &&component::Instrument| {
            row.name == name
                && reason.is_none_or(|reason| {
                    row.labels.iter().any(|(key, value)| key == "reason" && value == reason)
                })
        };
        self.cx.telemetry.read().iter().filter(is_it).map(|row| row.value).sum()
    }
}

fn one(value: f64) -> Bytes {
    request(vec![(&[], vec![metric("calls", "", sum(vec![number(value, &[])]))])])
}

fn many(value: f64, by_ms: u64, series: usize) -> Bytes {
    let names: Vec<String> = (0..series).map(|n| n.to_string()).collect();
    let points = names.iter().map(|n| later(number(value, &[("n", n.as_str())]), by_ms)).collect();
    request(vec![(&[], vec![metric("load", "", gauge(points))])])
}

fn decode_v1(seen: &Seen) -> v1::WriteRequest {
    v1::WriteRequest::decode(&*snap::raw::Decoder::new().decompress_vec(&seen.body).unwrap()).unwrap()
}

/// Value of the label `n`, and the samples' values, of every series of a request.
fn numbered(seen: &Seen) -> Vec<(String, f64)> {
    let series = decode_v1(seen).timeseries;
    let one = |series: &v1::TimeSeries| {
        let n = series.labels.iter().find(|label| label.name == "n").unwrap();
        (String::from_utf8(n.value.to_vec()).unwrap(), series.samples[0].value)
    };
    series.iter().map(one).collect()
}

#[track_caller]
fn retry_delay(result: Result<Delivered, ExportError>) -> (Option<Duration>, String) {
    match result {
        Err(ExportError::Retryable { after, source }) => (after, source.to_string()),
        other => panic!("not to be retried: {other:?}"),
    }
}

#[track_caller]
fn permanent(result: Result<Delivered, ExportError>) -> String {
    match result {
        Err(ExportError::Permanent(source)) => source.to_string(),
        other => panic!("not permanent: {other:?}"),
    }
}

#[test]
fn version_1_says_so_in_its_headers_and_is_counted() {
    on_a_shard(async {
        let bed = Bed::new(vec![], |_| ()).await;
        assert_eq!(bed.export(&one(3.0)).await.unwrap(), Delivered::default());
        let seen = bed.server.only();
        assert_eq!(seen.uri.to_string(), "/api/v1/write?tenant=1");
        assert_eq!(seen.header("content-encoding"), "snappy");
        assert_eq!(seen.header("content-type"), "application/x-protobuf");
        assert_eq!(seen.header("x-prometheus-remote-write-version"), "0.1.0");
        assert!(seen.header("user-agent").starts_with("trueline/"));
        assert_eq!(decode_v1(&seen).timeseries[0].samples[0].value, 3.0);
        assert_eq!(bed.count("sent_batches", None), 1);
        assert_eq!(bed.count("written_samples", None), 1);
        assert_eq!(bed.count("translated_time_series", None), 1);
    });
}

#[test]
fn version_2_says_so_and_believes_the_servers_counts() {
    on_a_shard(async {
        let counts = [
            ("X-Prometheus-Remote-Write-Samples-Written", "1"),
            ("X-Prometheus-Remote-Write-Histograms-Written", "2"),
            ("X-Prometheus-Remote-Write-Exemplars-Written", "3"),
        ];
        let bed =
            Bed::new(vec![Reply::of(204, &counts, "")], |c| c.protobuf_message = ProtobufMessage::V2).await;
        bed.export(&one(3.0)).await.unwrap();
        let seen = bed.server.only();
        assert_eq!(
            seen.header("content-type"),
            "application/x-protobuf;proto=io.prometheus.write.v2.Request"
        );
        assert_eq!(seen.header("x-prometheus-remote-write-version"), "2.0.0");
        let body = snap::raw::Decoder::new().decompress_vec(&seen.body).unwrap();
        assert_eq!(v2::Request::decode(&*body).unwrap().timeseries.len(), 1);
        let written =
            ["samples", "histograms", "exemplars"].map(|kind| bed.count(&format!("written_{kind}"), None));
        assert_eq!(written, [1, 2, 3]);
    });
}

#[test]
fn a_server_of_version_1_is_spoken_to_in_version_1_from_then_on() {
    // One refuses the content type, the other does not look at it and understands nothing.
    for reply in [Reply::of(415, &[], "unsupported"), Reply::of(204, &[], "")] {
        on_a_shard(async {
            let bed = Bed::new(vec![reply], |c| c.protobuf_message = ProtobufMessage::V2).await;
            assert_eq!(bed.export(&one(3.0)).await.unwrap(), Delivered::default());
            bed.export(&one(4.0)).await.unwrap();
            let versions: Vec<String> = bed
                .server
                .seen
                .borrow()
                .iter()
                .map(|seen| seen.header("x-prometheus-remote-write-version").to_owned())
                .collect();
            assert_eq!(versions, ["2.0.0", "0.1.0", "0.1.0"]);
            assert_eq!(decode_v1(&bed.server.seen.borrow()[1]).timeseries[0].samples[0].value, 3.0);
            assert_eq!(bed.count("written_samples", None), 2);
        });
    }
}

#[test]
fn busy_servers_are_asked_again_when_they_say() {
    on_a_shard(async {
        let date =
            httpdate::fmt_http_date(std::time::UNIX_EPOCH + Duration::from_secs(NOW.as_millis() / 1000 + 90));
        let replies = vec![
            Reply::of(429, &[("retry-after", "7")], "slow down"),
            Reply::of(503, &[("retry-after", &date)], ""),
            Reply::of(500, &[], "oops"),
            Reply::of(502, &[], ""),
        ];
        let bed = Bed::new(replies, |_| ()).await;
        let request = one(3.0);
        let (after, said) = retry_delay(bed.export(&request).await);
        assert_eq!(
            (after, said.as_str()),
            (Some(Duration::from_secs(7)), "server answered 429 Too Many Requests: slow down")
        );
        assert_eq!(retry_delay(bed.export(&request).await).0, Some(Duration::from_secs(90)));
        assert_eq!(retry_delay(bed.export(&request).await).0, None);
        assert_eq!(retry_delay(bed.export(&request).await).0, None);
        assert_eq!(bed.export(&request).await.unwrap(), Delivered::default());
        assert_eq!(bed.count("sent_batches", None), 5);
        assert_eq!(bed.count("written_samples", None), 1);
    });
}

#[test]
fn a_server_that_is_not_there_is_asked_again() {
    on_a_shard(async {
        let bed = Bed::new(vec![], |_| ()).await;
        let address = bed.server.address;
        let Bed { server, exporter, .. } = bed;
        drop(server);
        let export = Export { signal: Signal::Metrics, bytes: one(1.0).into(), items: 1 };
        let (_, said) = retry_delay(exporter.export(export).await);
        assert!(said.contains(&address.to_string()), "{said}");
    });
}

#[test]
fn refusals_are_for_good_and_counted_by_what_they_are() {
    let cases = [
        (400, "out of order sample: labels {}", "out_of_order"),
        (400, "duplicate sample for timestamp", "duplicate_timestamp"),
        (400, "out of bounds", "too_old"),
        (400, "label name invalid", "refused"),
        (401, "", "not_allowed"),
        (404, "no such page", "not_found"),
        (301, "moved", "refused"),
    ];
    for (status, body, reason) in cases {
        on_a_shard(async {
            let bed = Bed::new(vec![Reply::of(status, &[], body)], |_| ()).await;
            let said = permanent(bed.export(&one(3.0)).await);
            assert!(said.contains(&status.to_string()) && said.ends_with(body), "{said}");
            assert_eq!(bed.count("rejected_points", Some(reason)), 1, "{status} {body}");
            assert_eq!(bed.count("written_samples", None), 0);
            assert_eq!(bed.export(&one(4.0)).await.unwrap(), Delivered::default(), "the next goes out");
        });
    }
}

#[test]
fn only_the_start_of_a_long_refusal_is_kept() {
    on_a_shard(async {
        let bed = Bed::new(vec![Reply::of(400, &[], "é".repeat(10_000))], |_| ()).await;
        assert!(permanent(bed.export(&one(3.0)).await).len() < 600);
    });
}

#[test]
fn what_a_refusal_took_all_the_same_is_not_counted_as_refused() {
    on_a_shard(async {
        let reply =
            Reply::of(400, &[("x-prometheus-remote-write-samples-written", "3")], "out of order sample");
        let bed = Bed::new(vec![reply], |c| {
            c.protobuf_message = ProtobufMessage::V2;
            c.remote_write_queue.num_consumers = 1;
        })
        .await;
        let delivered = bed.export(&many(1.0, 0, 5)).await.unwrap();
        assert_eq!(delivered.rejected, 2);
        assert_eq!(delivered.message, "server answered 400 Bad Request: out of order sample");
        assert_eq!(bed.count("written_samples", None), 3);
        assert_eq!(bed.count("rejected_points", Some("out_of_order")), 2);
    });
}

#[test]
fn dropped_points_are_told_and_the_rest_is_sent() {
    on_a_shard(async {
        let bed = Bed::new(vec![], |_| ()).await;
        let all = request(vec![(
            &[],
            vec![
                metric("calls", "", sum(vec![number(1.0, &[])])),
                metric("delta", "", sum_of(vec![number(1.0, &[])], DELTA, true)),
            ],
        )]);
        let delivered = bed.export(&all).await.unwrap();
        assert_eq!(
            (delivered.rejected, delivered.message.as_str()),
            (1, "data points dropped: 1 delta_temporality")
        );
        assert_eq!(bed.count("failed_translations", None), 1);
        assert_eq!(bed.count("rejected_points", Some("delta_temporality")), 1);
        assert_eq!(bed.count("written_samples", None), 1);
    });
}

#[test]
fn series_are_dealt_to_shards_that_send_at_once() {
    on_a_shard(async {
        let waiting = Rc::new(Cell::new(0));
        let most = Rc::new(Cell::new(0));
        let (now, peak) = (Rc::clone(&waiting), Rc::clone(&most));
        let all_here = Rc::new(tokio::sync::Barrier::new(4));
        let server = Server::start(move |_| {
            let (now, peak, all_here) = (Rc::clone(&now), Rc::clone(&peak), Rc::clone(&all_here));
            Box::pin(async move {
                now.set(now.get() + 1);
                peak.set(peak.get().max(now.get()));
                all_here.wait().await;
                now.set(now.get() - 1);
                Reply::of(204, &[], "")
            })
        })
        .await;
        let bed = Bed::with(server, |c| c.remote_write_queue.num_consumers = 4);
        // Each export makes one request per shard, and none is answered before all four are there.
        bed.export(&many(1.0, 0, 100)).await.unwrap();
        bed.export(&many(2.0, 1_000, 100)).await.unwrap();
        assert_eq!(most.get(), 4);
        let seen = bed.server.seen.borrow();
        assert_eq!(seen.len(), 8);
        let mut shard_of: HashMap<String, Vec<String>> = HashMap::new();
        for request in seen.iter() {
            let mut names: Vec<String> = numbered(request).into_iter().map(|(n, _)| n).collect();
            names.sort();
            for name in &names {
                shard_of.entry(name.clone()).or_insert_with(|| names.clone());
                assert_eq!(shard_of[name], names, "a series always goes with the same others");
            }
        }
        assert_eq!(shard_of.len(), 100);
    });
}

#[test]
fn a_retry_sends_only_what_was_not_answered_and_keeps_the_order_of_each_series() {
    on_a_shard(async {
        // Every third request is refused for a while, whatever it holds.
        let calls = Cell::new(0);
        let log: Rc<RefCell<BTreeMap<String, Vec<f64>>>> = Rc::default();
        let taken = Rc::clone(&log);
        let server = Server::start(move |seen| {
            calls.set(calls.get() + 1);
            let is_busy = calls.get() % 3 == 0;
            if !is_busy {
                for (n, value) in numbered(&seen) {
                    taken.borrow_mut().entry(n).or_default().push(value);
                }
            }
            Box::pin(std::future::ready(Reply::of(if is_busy { 503 } else { 204 }, &[], "")))
        })
        .await;
        let bed = Bed::with(server, |c| {
            c.remote_write_queue.num_consumers = 3;
            c.max_batch_size_bytes = 400;
        });
        for flush in 0..5 {
            let request = many(f64::from(flush), u64::try_from(flush).unwrap() * 1_000, 60);
            let mut attempts = 0;
            while let Err(error) = bed.export(&request).await {
                assert!(matches!(error, ExportError::Retryable { .. }), "{error:?}");
                attempts += 1;
                assert!(attempts < 100);
            }
            assert!(attempts > 0);
        }
        let log = log.borrow();
        assert_eq!(log.len(), 60);
        assert!(
            log.values().all(|values| *values == [0.0, 1.0, 2.0, 3.0, 4.0]),
            "each once and in order: {log:?}"
        );
        assert_eq!(bed.count("written_samples", None), 300);
    });
}

#[test]
fn an_attempt_that_is_cut_off_is_taken_up_where_it_stopped() {
    on_a_shard(async {
        let calls = Cell::new(0);
        let is_stuck = Rc::new(tokio::sync::Notify::new());
        let tell = Rc::clone(&is_stuck);
        let server = Server::start(move |_| {
            calls.set(calls.get() + 1);
            let (sticks, tell) = (calls.get() == 3, Rc::clone(&tell));
            Box::pin(async move {
                if sticks {
                    tell.notify_one();
                    std::future::pending::<()>().await;
                }
                Reply::of(204, &[], "")
            })
        })
        .await;
        let bed = Bed::with(server, |c| {
            c.remote_write_queue.num_consumers = 1;
            c.max_batch_size_bytes = 400;
        });
        let request = many(1.0, 0, 30);
        tokio::select! {
            ended = bed.export(&request) => panic!("{ended:?}"),
            () = is_stuck.notified() => {}
        }
        bed.export(&request).await.unwrap();
        let mut seen: Vec<String> = Vec::new();
        for (at, request) in bed.server.seen.borrow().iter().enumerate() {
            if at != 2 {
                seen.extend(numbered(request).into_iter().map(|(n, _)| n));
            }
        }
        let before = seen.len();
        seen.sort();
        seen.dedup();
        assert_eq!((before, seen.len()), (30, 30));
    });
}

#[test]
fn exports_at_the_same_time_follow_each_other() {
    on_a_shard(async {
        let bed = Bed::new(vec![], |c| c.remote_write_queue.num_consumers = 3).await;
        let (first, second) = (many(1.0, 0, 20), many(2.0, 1_000, 20));
        let (a, b) = tokio::join!(bed.export(&first), bed.export(&second));
        assert_eq!((a.unwrap(), b.unwrap()), (Delivered::default(), Delivered::default()));
        let values: Vec<f64> = bed.server.seen.borrow().iter().map(|seen| numbered(seen)[0].1).collect();
        assert_eq!(values, [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
    });
}

#[test]
fn one_shards_refusal_does_not_hold_up_another() {
    on_a_shard(async {
        let server = Server::start(|seen| {
            let has_zero = numbered(&seen).iter().any(|(n, _)| n == "0");
            let reply = if has_zero { Reply::of(400, &[], "no") } else { Reply::of(204, &[], "") };
            Box::pin(std::future::ready(reply))
        })
        .await;
        let bed = Bed::with(server, |c| c.remote_write_queue.num_consumers = 4);
        let delivered = bed.export(&many(1.0, 0, 100)).await.unwrap();
        assert!(delivered.rejected > 0 && delivered.rejected < 60, "{delivered:?}");
        assert_eq!(bed.count("written_samples", None) + delivered.rejected, 100);
    });
}
