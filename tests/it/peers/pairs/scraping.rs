//! `prometheus` as a receiver: both ask the same server for one page after the other.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use std::thread::JoinHandle;

use anyhow::{Result, ensure};
use serde_json::Value;
use testbed::eventually;

use super::{
    canon::{Order, differences, lines},
    run::{Collector, address, read, unless_ended_early},
};
use crate::peers::SOON;

/// Jobs with the pages that their targets show in turn: further keys of the job, `Content-Type`, and pages.
pub(super) const JOBS: &[Scraped] = &[
    Scraped {
        what: "the text format, series that come and go",
        keys: "",
        content_type: TEXT,
        pages: &[FIRST, SECOND, "", FIRST],
        meant: None,
    },
    Scraped {
        what: "OpenMetrics",
        keys: "",
        content_type: OPEN,
        pages: &[OPEN_FIRST, OPEN_SECOND],
        meant: Some(NO_TIME),
    },
    Scraped {
        what: "a page that is wrong, and one that is missing",
        keys: "",
        content_type: TEXT,
        pages: &[FIRST, "a 1\nb one\n", FIRST, MISSING, FIRST],
        meant: Some(UNTOLD),
    },
    Scraped { what: "no content type", keys: "", content_type: "", pages: &[FIRST, SECOND], meant: None },
    Scraped {
        what: "honor_labels",
        keys: ", honor_labels: true",
        content_type: TEXT,
        pages: &[OWN_LABELS, FIRST],
        meant: None,
    },
    Scraped {
        what: "labels that the target has too",
        keys: "",
        content_type: TEXT,
        pages: &[OWN_LABELS, FIRST],
        meant: None,
    },
    Scraped {
        what: "honor_timestamps: false",
        keys: ", honor_timestamps: false",
        content_type: TEXT,
        pages: &[FIRST, SECOND],
        meant: None,
    },
    Scraped {
        what: "track_timestamps_staleness",
        keys: ", track_timestamps_staleness: true",
        content_type: TEXT,
        pages: &[FIRST, SECOND],
        meant: None,
    },
    Scraped {
        what: "sample_limit",
        keys: ", sample_limit: 5",
        content_type: TEXT,
        pages: &["a 1\nb 2\n", FIRST, "a 1\n"],
        meant: Some(UNTOLD),
    },
    Scraped {
        what: "body_size_limit",
        keys: ", body_size_limit: 20B",
        content_type: TEXT,
        pages: &["a 1\nb 2\n", FIRST, "a 1\n"],
        meant: None,
    },
    Scraped {
        what: "label_limit",
        keys: ", label_limit: 4",
        content_type: TEXT,
        pages: &["a{b=\"c\"} 1\n", "a{b=\"c\",d=\"e\"} 1\n"],
        meant: None,
    },
    Scraped {
        what: "extra_scrape_metrics",
        keys: ", extra_scrape_metrics: true, sample_limit: 100, scrape_timeout: 1s",
        content_type: TEXT,
        pages: &["a 1\n"],
        meant: None,
    },
    Scraped {
        what: "metric_relabel_configs of each action",
        keys: RULES,
        content_type: TEXT,
        pages: &[FIRST, SECOND],
        meant: None,
    },
    Scraped {
        what: "names beyond ASCII",
        keys: "",
        content_type: "text/plain; version=1.0.0; escaping=allow-utf-8",
        pages: &[NAMES],
        meant: None,
    },
    Scraped {
        what: "histograms and summaries that lack parts",
        keys: "",
        content_type: TEXT,
        pages: &[PARTS, PARTS_LESS],
        meant: None,
    },
    Scraped {
        what: "enable_compression: false",
        keys: ", enable_compression: false",
        content_type: TEXT,
        pages: &[FIRST],
        meant: None,
    },
];

/// A job that both run.
pub(super) struct Scraped {
    pub(super) what: &'static str,
    /// Of the scrape config, each behind a comma.
    keys: &'static str,
    content_type: &'static str,
    /// The last is shown again and again.
    pages: &'static [&'static str],
    pub(super) meant: Option<MeantLines>,
}

/// A difference that is meant.
#[derive(Clone, Copy)]
pub(super) struct MeantLines {
    pub(super) why: &'static str,
    /// Takes it out of their lines.
    undo: fn(Vec<String>) -> Vec<String>,
}

/// Lines of the scrape behind one that failed: there what only that one showed is told to have ended.
const UNTOLD: MeantLines = MeantLines {
    why: "series that only a failed scrape showed do not end here, as nobody was told of them",
    undo: |theirs| {
        theirs
            .into_iter()
            .filter(|line| !(line.starts_with("scrape 2") && line.contains("\"flags\":1")))
            .collect()
    },
};

/// The end of `_created`, read as a time.
const NO_TIME: MeantLines = MeantLines {
    why: "where `_created` is gone there is no start, there one in the year 2262",
    undo: |theirs| theirs.into_iter().map(|line| line.replace("9223372036854775808", "0")).collect(),
};

const TEXT: &str = "text/plain; version=0.0.4";
const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The server answers that there is nothing.
const MISSING: &str = "404";

const FIRST: &str = "\
# HELP http_requests_total All of \\\\ them,\\nin two lines.
# TYPE http_requests_total counter
http_requests_total{code=\"200\",path=\"C:\\\\a\\\"b\\\"\\n\"} 5
http_requests_total{code=\"500\"} 1 1700000000000
# TYPE temperature gauge
temperature{room=\"a\"} 20.5
temperature{room=\"b\",empty=\"\"} -Inf
untyped_thing 7
# HELP rpc_seconds How long.
# TYPE rpc_seconds histogram
rpc_seconds_bucket{m=\"a\",le=\"0.1\"} 1
rpc_seconds_bucket{m=\"a\",le=\"1\"} 4
rpc_seconds_bucket{m=\"a\",le=\"+Inf\"} 6
rpc_seconds_sum{m=\"a\"} 7.5
rpc_seconds_count{m=\"a\"} 6
# TYPE gc summary
gc{quantile=\"0.5\"} 2
gc{quantile=\"0.9\"} 3
gc_sum 10
gc_count 4
# TYPE http_requests_created gauge
http_requests_created{code=\"200\"} 900
# TYPE just_total untyped
just_total 3
without_type_total 4
";

const SECOND: &str = "\
# TYPE http_requests_total counter
http_requests_total{code=\"200\",path=\"C:\\\\a\\\"b\\\"\\n\"} 6
# TYPE temperature gauge
temperature{room=\"b\"} 3
temperature{room=\"b\"} 4
# TYPE new_thing gauge
new_thing 1
";

const OPEN_FIRST: &str = "\
# TYPE http_requests counter
# UNIT http_requests requests
# HELP http_requests Says \\\"how many\\\".
http_requests_total{code=\"200\"} 5 # {trace_id=\"0af7651916cd43dd8448eb211c80319c\",span_id=\"b7ad6b7169203331\",user=\"x\"} 1 1700000000.5
http_requests_created{code=\"200\"} 1600000000.25
http_requests_total{code=\"500\"} 1 1700000000.789
# TYPE rpc_seconds histogram
# UNIT rpc_seconds seconds
rpc_seconds_bucket{le=\"1.0\"} 4 # {trace_id=\"zz\"} 0.5 1700000000
rpc_seconds_bucket{le=\"+Inf\"} 6
rpc_seconds_count 6
rpc_seconds_sum 7.5
rpc_seconds_created 1600000000
# TYPE gc summary
gc{quantile=\"0.5\"} 2
gc_sum 10
gc_count 4
gc_created 1600000000
# TYPE build info
build_info{version=\"1.2\"} 1
# TYPE state stateset
state{state=\"on\"} 1
state{state=\"off\"} 0
# TYPE pool gaugehistogram
pool_bucket{le=\"1.0\"} 2
pool_bucket{le=\"+Inf\"} 3
pool_gcount 3
pool_gsum 4
# TYPE what unknown
what 3
# TYPE speed_meters_per_second gauge
# UNIT speed_meters_per_second meters_per_second
speed_meters_per_second 3
# TYPE target info
target_info{host_name=\"h1\",service_version=\"3\"} 1
# TYPE scoped counter
scoped_total{otel_scope_name=\"lib\",otel_scope_version=\"2\",a=\"b\"} 3
coloured_total{otel_scope_name=\"lib\",otel_scope_colour=\"red\"} 3
# TYPE otel_scope info
otel_scope_info{otel_scope_name=\"lib\",otel_scope_version=\"2\",team=\"x\"} 1
# EOF
";

const OPEN_SECOND: &str = "\
# TYPE http_requests counter
http_requests_total{code=\"200\"} 7
# TYPE state stateset
state{state=\"on\"} 1
# EOF
";

const OWN_LABELS: &str = "\
a{job=\"mine\",instance=\"i:9\",env=\"x\",exported_job=\"y\"} 1
b 2
target_info{job=\"mine\",instance=\"i:9\",os=\"linux\"} 1
target_info{os=\"plan9\"} 1
";

const NAMES: &str = "\
# TYPE \"http.server.duration\" gauge
{\"http.server.duration\",\"http.route\"=\"/\"} 1
{\"größe\"} 2
";

const PARTS: &str = "\
# TYPE h histogram
h_bucket{m=\"no count\",le=\"1\"} 1
h_count{m=\"only a count\"} 2
h_bucket{m=\"no infinity\",le=\"1\"} 1
h_bucket{m=\"no infinity\",le=\"2\"} 2
h_count{m=\"no infinity\"} 3
h_bucket{m=\"twice\",le=\"+Inf\"} 1
h_count{m=\"twice\"} 1
h_sum{m=\"twice\"} 1
# TYPE s summary
s{m=\"no count\",quantile=\"0.5\"} 1
s_count{m=\"only a count\"} 2
s{m=\"nothing yet\",quantile=\"0.5\"} NaN
s_sum{m=\"nothing yet\"} 0
s_count{m=\"nothing yet\"} 0
";

const PARTS_LESS: &str = "\
# TYPE h histogram
h_count{m=\"only a count\"} 3
";

const RULES: &str = ", metric_relabel_configs: [
        {source_labels: [__name__], regex: 'gc.*', action: drop},
        {source_labels: [room], regex: b, target_label: house, replacement: 'x-$$1-$${0}'},
        {source_labels: [code], regex: '(.)(.*)', target_label: 'class_$$1', replacement: '$${1}xx'},
        {source_labels: [__name__, code], modulus: 7, target_label: shard, action: hashmod},
        {regex: 'pa(th)', replacement: 'p_$$1', action: labelmap},
        {regex: path, action: labeldrop},
        {source_labels: [room], target_label: big, action: uppercase},
        {source_labels: [__name__], regex: untyped_thing, target_label: __name__, replacement: renamed}]";

/// Shows each job's pages in turn, to each side on its own.
struct Target {
    address: SocketAddr,
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Target {
    fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let asked: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let (counts, ends) = (Arc::clone(&asked), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                // One that goes away before it is answered asks again.
                let _answered = answer(stream, &counts);
            }
        });
        Ok(Self { address, asked, is_over, thread: Some(thread) })
    }

    fn n_asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().get(path).copied().unwrap_or(0)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}

fn answer(mut stream: TcpStream, asked: &Mutex<BTreeMap<String, usize>>) -> Result<()> {
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        let n = stream.read(&mut buffer)?;
        ensure!(n > 0, "a request broke off");
        head.extend_from_slice(&buffer[..n]);
    }
    let head = String::from_utf8(head)?;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let index: usize = path.rsplit('/').next().unwrap_or_default().parse()?;
    let turn = {
        let mut asked = asked.lock().unwrap();
        let turn = asked.entry(path).or_default();
        *turn += 1;
        *turn - 1
    };
    let job = &JOBS[index];
    let page = job.pages[turn.min(job.pages.len() - 1)];
    let status = if page == MISSING { "404 Not Found" } else { "200 OK" };
    let kind = if job.content_type.is_empty() {
        String::new()
    } else {
        format!("content-type: {}\r\n", job.content_type)
    };
    let length = page.len();
    write!(stream, "HTTP/1.1 {status}\r\n{kind}content-length: {length}\r\nconnection: close\r\n\r\n{page}")?;
    Ok(())
}

/// Starts a side with all jobs, each in a pipeline of its own.
fn start(is_ours: bool, target: &Target) -> Result<Collector> {
    let side = side(is_ours);
    let (to, health) = (target.address, address());
    let (mut receivers, mut exporters, mut pipelines) = (String::new(), String::new(), String::new());
    for (index, job) in JOBS.iter().enumerate() {
        receivers += &format!(
            "  prometheus/{index}: {{config: {{scrape_configs: [{{job_name: shop, scrape_interval: 2s, metrics_path: /{side}/{index}, static_configs: [{{targets: ['{to}'], labels: {{zone: eu}}}}]{}}}]}}}}\n",
            job.keys
        );
        exporters += &format!("  file/{index}: {{path: p{index}.metrics, format: proto}}\n");
        pipelines +=
            &format!("    metrics/{index}: {{receivers: [prometheus/{index}], exporters: [file/{index}]}}\n");
    }
    let yaml = format!(
        "extensions: {{health_check: {{endpoint: '{health}'}}}}\nreceivers:\n{receivers}exporters:\n{exporters}service:\n  extensions: [health_check]\n  telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n{pipelines}"
    );
    Collector::start(is_ours, &yaml, &health)
}

const fn side(is_ours: bool) -> &'static str {
    if is_ours { "ours" } else { "theirs" }
}

/// Scrapes in the order of their times: what belongs to one, by its time.
fn scrapes(requests: Vec<Value>) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for request in requests {
        if let Some(time) = time_of_up(&request) {
            all.entry(time).or_default().push(request);
        }
    }
    all
}

/// The time of the scrape that a request tells of: that of `up`.
fn time_of_up(request: &Value) -> Option<String> {
    let metrics = request["resourceMetrics"].as_array()?.iter().flat_map(|it| it["scopeMetrics"].as_array());
    let mut metrics = metrics.flatten().flat_map(|it| it["metrics"].as_array()).flatten();
    let up = metrics.find(|metric| metric["name"] == "up")?;
    Some(up["gauge"]["dataPoints"][0]["timeUnixNano"].as_str()?.to_owned())
}

/// Lines of the scrapes that showed the pages of a job, alike but for what must differ: times, how long a scrape took,
/// and who says so.
fn comparable(requests: Vec<Value>, n_pages: usize) -> Vec<String> {
    let mut all = Vec::new();
    for (place, (time, requests)) in scrapes(requests).into_iter().take(n_pages).enumerate() {
        for mut request in requests {
            plain(&mut request, &time);
            let told = lines(&[request], Order::Any);
            all.extend(told.into_iter().map(|line| format!("scrape {place}: {line}")));
        }
    }
    all.sort();
    all
}

fn plain(value: &mut Value, time: &str) {
    match value {
        Value::Object(map) => {
            if map.get("name").is_some_and(|name| name == "scrape_duration_seconds") {
                map.remove("gauge");
            }
            if map.get("name").is_some_and(|name| {
                name.as_str().is_some_and(|name| name.ends_with("/receiver/prometheusreceiver"))
            }) {
                map.remove("version");
            }
            for (key, value) in map.iter_mut() {
                if key == "timeUnixNano" && value == time {
                    *value = "at the scrape".into();
                }
                plain(value, time);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| plain(value, time)),
        _ => {}
    }
}

fn run(is_ours: bool) -> Result<Vec<Vec<String>>> {
    let target = Target::start()?;
    let mut collector = start(is_ours, &target)?;
    for (index, job) in JOBS.iter().enumerate() {
        eventually(job.what, SOON, || {
            let n_asked = target.n_asked(&format!("/{}/{index}", side(is_ours)));
            // One that is asked for the next page has told of the one before.
            ensure!(n_asked > job.pages.len(), "{n_asked} of {} pages were shown", job.pages.len() + 1);
            Ok(())
        })?;
    }
    collector.stop()?;
    let port = format!("{}", target.address.port());
    let read = |(index, job): (usize, &Scraped)| {
        let requests = read(collector.dir(), index)?;
        let text = serde_json::to_string(&requests)?.replace(&port, "PORT");
        Ok(comparable(serde_json::from_str(&text)?, job.pages.len()))
    };
    JOBS.iter().enumerate().map(read).collect()
}

#[test]
fn what_targets_show_comes_out_alike() {
    let ours = run(true).unwrap();
    let theirs = unless_ended_early(|| run(false)).unwrap();
    let mut wrong = Vec::new();
    for ((job, ours), theirs) in JOBS.iter().zip(&ours).zip(&theirs) {
        assert!(theirs.len() >= 5 * job.pages.len(), "{}: {theirs:?}", job.what);
        let mut told = differences(ours, theirs);
        if let Some(meant) = &job.meant {
            assert!(!told.is_empty(), "{}: the difference that is meant is gone", job.what);
            let mut theirs = (meant.undo)(theirs.clone());
            theirs.sort();
            told = differences(ours, &theirs);
        }
        wrong.extend(told.into_iter().map(|line| format!("{}: {line}", job.what)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
