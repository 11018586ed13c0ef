//! Faults in TrainTicket as Nezha recorded them: spans, log records and metrics of pods, by the minute.
//!
//! *Source*: IntelligentDDS/Nezha. What its own scorer does is kept: the judged minute is the second after that of
//! `inject_time`, and a file `HH_MM` holds the minute that ends then.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use testbed::series::parse_timestamp;

use super::case::{Case, Corpus, TOLD_AFTER};
use super::telemetry::{Metric, Origin, Point, Record, SECOND, Span, Telemetry};

const MINUTE: u64 = 60 * SECOND;
/// What a file holds ends so much after the minute of its name.
const FILE_END: u64 = 8 * SECOND;
/// A minute's metrics are read so long after its end.
const METRICS_DELAY: u64 = 5 * SECOND;
/// The minutes of a fault, from that of the injection on; the files before it are of no use, as some are under the fault
/// before.
const FAULT_MINUTES: [u64; 2] = [1, 2];

/// What is read of a pod's metrics: the column, what stands for it, and how many of its unit one in the table is.
/// Those of the node are left out, as it is not told which pods share one.
static COLUMNS: [(&str, Metric, f64); 13] = [
    ("CpuUsage(m)", gauge("k8s.pod.cpu.usage", "{cpu}"), 1e-3),
    ("CpuUsageRate(%)", gauge("k8s.pod.cpu_limit_utilization", "1"), 1e-2),
    ("MemoryUsage(Mi)", gauge("k8s.pod.memory.usage", "By"), 1_048_576.0),
    ("MemoryUsageRate(%)", gauge("k8s.pod.memory_limit_utilization", "1"), 1e-2),
    ("SyscallRead", gauge("pod.syscall.reads", "{call}"), 1.0),
    ("SyscallWrite", gauge("pod.syscall.writes", "{call}"), 1.0),
    ("NetworkReceiveBytes", gauge("pod.network.receive", "By/s"), 1.0),
    ("NetworkTransmitBytes", gauge("pod.network.transmit", "By/s"), 1.0),
    ("PodClientLatencyP90(s)", gauge("pod.client.duration.p90", "s"), 1.0),
    ("PodServerLatencyP90(s)", gauge("pod.server.duration.p90", "s"), 1.0),
    ("PodClientLatencyP99(s)", gauge("pod.client.duration.p99", "s"), 1.0),
    ("PodServerLatencyP99(s)", gauge("pod.server.duration.p99", "s"), 1.0),
    ("PodWorkload(Ops)", gauge("pod.workload", "{request}/s"), 1.0),
];

const fn gauge(name: &'static str, unit: &'static str) -> Metric {
    Metric { name, unit, is_count: false }
}

/// The words of lines by which they are graded, with their numbers in OTLP.
const SEVERITIES: [(u8, &str); 5] = [(1, "TRACE"), (5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR")];
/// A line's time, its severity and what else may stand before the text.
const HEAD_WORDS: usize = 4;

/// Reads every archive `trainticket-*.tar.xz` of a folder; none where there is no such file. What they hold is
/// unpacked below `work`, and the fault-free minute comes so many times before each fault.
///
/// *Errors*: an archive can not be unpacked (`tar` and `xz` are needed), or is not of this layout.
pub(super) fn corpora(data: &Path, work: &Path, copies: u64) -> Result<Vec<Corpus>> {
    let mut corpora = Vec::new();
    for archive in files(data, |name| name.starts_with("trainticket-") && name.ends_with(".tar.xz"))? {
        let folder = work.join(archive.file_name().context("an archive has no name")?);
        unpack(&archive, &folder)?;
        for root in subfolders(&folder)? {
            corpora.push(corpus(&root, copies).with_context(|| archive.display().to_string())?);
        }
    }
    Ok(corpora)
}

fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let status = Command::new("tar")
        .args(["--extract", "--xz", "--file"])
        .arg(archive)
        .arg("--directory")
        .arg(folder)
        .stdin(Stdio::null())
        .status()
        .context("starting tar, which with xz unpacks the data")?;
    ensure!(status.success(), "tar can not unpack {}: {status}", archive.display());
    Ok(())
}

#[derive(Deserialize)]
struct Injection {
    /// In UTC; the time stamp beside it is hours off.
    inject_time: String,
    inject_pod: String,
    inject_type: String,
}

/// Reads one day: its fault-free minute and all faults, which are moved to follow it.
fn corpus(root: &Path, copies: u64) -> Result<Corpus> {
    let mut reader = Reader::default();
    let faults = root.join("faults");
    let lists = files(&faults, |name| name.ends_with("-fault_list.json"))?;
    let list = lists.first().with_context(|| format!("{} has no list of faults", faults.display()))?;
    let text = fs::read_to_string(list).with_context(|| format!("reading {}", list.display()))?;
    let by_hour: BTreeMap<String, Vec<Injection>> =
        serde_json::from_str(&text).with_context(|| format!("reading {}", list.display()))?;
    let mut injections: Vec<_> = by_hour.into_values().flatten().collect();
    injections.sort_by(|one, other| one.inject_time.cmp(&other.inject_time));
    let day = &injections.first().with_context(|| format!("{} is empty", list.display()))?.inject_time;
    let midnight = seconds(&format!("{} 00:00:00", day.get(..10).unwrap_or_default()))?;

    let normal = root.join("normal");
    let minutes = files(&normal.join("trace"), |name| name.ends_with("_trace.csv"))?;
    let first = minutes.first().with_context(|| format!("{} has no minute", normal.display()))?;
    let minute = minute_of(first, midnight)?;
    let baseline = reader.minute(&normal, minute, &metrics_of(&normal)?)?;
    let metrics = metrics_of(&faults)?;
    let mut cases = Vec::new();
    for injection in &injections {
        cases.push(
            case(&mut reader, &faults, &metrics, injection, minute).with_context(|| {
                format!("the fault of {}, {}", injection.inject_time, injection.inject_pod)
            })?,
        );
    }
    let title = format!("TrainTicket, {}", day.get(..10).unwrap_or_default());
    let end = minute + FILE_END;
    Ok(Corpus {
        title,
        baseline,
        begin: end - MINUTE,
        end,
        copies,
        calls: Vec::new(),
        time_factor: 1,
        splits: Vec::new(),
        cases,
    })
}

/// Reads the minutes of a fault, moved to follow the fault-free one.
fn case(
    reader: &mut Reader,
    faults: &Path,
    metrics: &Metrics,
    injection: &Injection,
    baseline_minute: u64,
) -> Result<Case> {
    let injected = seconds(&injection.inject_time)?;
    let minute = injected - injected % MINUTE;
    let mut telemetry = Telemetry::default();
    for number in FAULT_MINUTES {
        telemetry.append(reader.minute(faults, minute + number * MINUTE, metrics)?);
    }
    // The first of its minutes begins where the fault-free one ends.
    let moved = (baseline_minute as i64) - (minute + (FAULT_MINUTES[0] - 1) * MINUTE) as i64;
    let end = baseline_minute + FILE_END + FAULT_MINUTES.len() as u64 * MINUTE;
    Ok(Case {
        name: format!("{} {}", injection.inject_time, injection.inject_type),
        kind: injection.inject_type.clone(),
        cause: service_of(&injection.inject_pod).to_owned(),
        telemetry: telemetry.moved(moved, 0),
        begin: injected.saturating_add_signed(moved),
        end,
        again: MINUTE,
        judged_at: end + TOLD_AFTER,
    })
}

/// Metrics of all pods.
type Metrics = Vec<(Rc<Origin>, Vec<Point>)>;

fn metrics_of(folder: &Path) -> Result<Metrics> {
    let tables = files(&folder.join("metric"), |name| name.ends_with("_metric.csv"))?;
    tables
        .iter()
        .map(|table| pod_metrics(&read(table)?).with_context(|| table.display().to_string()))
        .collect()
}

/// Reads the table of one pod.
pub(super) fn pod_metrics(text: &str) -> Result<(Rc<Origin>, Vec<Point>)> {
    let mut table = table(text);
    let heading = Heading::of(&mut table)?;
    let columns = COLUMNS
        .iter()
        .filter_map(|(name, metric, factor)| Some((heading.places.get(*name).copied()?, metric, *factor)));
    let columns: Vec<_> = columns.collect();
    let mut origin = None;
    let mut points = Vec::new();
    for row in table.records() {
        let row = row?;
        let time = heading.number(&row, "TimeStamp")?.checked_mul(SECOND).context("a time is too large")?;
        let pod = heading.text(&row, "PodName")?;
        let origin = origin.get_or_insert_with(|| Rc::new(origin_of(pod)));
        for (place, metric, factor) in &columns {
            let value: f64 = row.get(*place).and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
            if value.is_finite() {
                points.push(Point { origin: Rc::clone(origin), metric, time, value: value * factor });
            }
        }
    }
    Ok((origin.context("the table has no row")?, points))
}

/// Reads minutes. Names and pods are few, and kept once.
#[derive(Default)]
pub(super) struct Reader {
    names: BTreeSet<Rc<str>>,
    origins: HashMap<String, Rc<Origin>>,
}

impl Reader {
    /// Reads what the files of a minute hold of it.
    fn minute(&mut self, folder: &Path, minute: u64, metrics: &Metrics) -> Result<Telemetry> {
        let name = format!("{:02}_{:02}", minute / MINUTE / 60 % 24, minute / MINUTE % 60);
        let traces = folder.join(format!("trace/{name}_trace.csv"));
        let logs = folder.join(format!("log/{name}_log.csv"));
        let mut telemetry = Telemetry {
            spans: self.spans(&read(&traces)?).with_context(|| traces.display().to_string())?,
            records: self.records(&read(&logs)?).with_context(|| logs.display().to_string())?,
            points: Vec::new(),
        };
        // Some files hold more than their minute, and some minutes are in two files.
        let own = minute + FILE_END - MINUTE..minute + FILE_END;
        telemetry.spans.retain(|span| own.contains(&span.start));
        telemetry.records.retain(|record| own.contains(&record.time));
        let read = own.start + METRICS_DELAY..own.end + METRICS_DELAY;
        let points = metrics.iter().flat_map(|(_, points)| points);
        telemetry.points = points.filter(|point| read.contains(&point.time)).cloned().collect();
        ensure!(!telemetry.spans.is_empty(), "{} has no span of its minute", traces.display());
        Ok(telemetry)
    }

    pub(super) fn spans(&mut self, text: &str) -> Result<Vec<Span>> {
        let mut table = table(text);
        let heading = Heading::of(&mut table)?;
        let mut spans = Vec::new();
        for row in table.records() {
            let row = row?;
            let parent = heading.text(&row, "ParentID")?;
            let name = heading.text(&row, "OperationName")?;
            let pod = heading.text(&row, "PodName")?;
            let span_id = id(heading.text(&row, "SpanID")?)?;
            spans.push(Span {
                origin: self.origin(pod),
                trace_id: id(heading.text(&row, "TraceID")?)?,
                span_id,
                parent_id: if parent == "root" { None } else { Some(id(parent)?) },
                name: self.name(name),
                start: heading.number(&row, "StartTimeUnixNano")?,
                end: heading.number(&row, "EndTimeUnixNano")?,
            });
        }
        Ok(spans)
    }

    pub(super) fn records(&mut self, text: &str) -> Result<Vec<Record>> {
        let mut table = table(text);
        let heading = Heading::of(&mut table)?;
        let mut records = Vec::new();
        for row in table.records() {
            let row = row?;
            let body = line_of(heading.text(&row, "Log")?);
            records.push(Record {
                origin: self.origin(heading.text(&row, "PodName")?),
                time: time_of(&heading, &row)?,
                trace_id: id(heading.text(&row, "TraceID")?)?,
                span_id: id(heading.text(&row, "SpanID")?)?,
                severity: severity_of(&body),
                body: body.into(),
            });
        }
        Ok(records)
    }

    fn origin(&mut self, pod: &str) -> Rc<Origin> {
        let known = self.origins.entry(pod.to_owned());
        Rc::clone(known.or_insert_with_key(|pod| Rc::new(origin_of(pod))))
    }

    fn name(&mut self, name: &str) -> Rc<str> {
        if let Some(known) = self.names.get(name) {
            return Rc::clone(known);
        }
        let name: Rc<str> = name.into();
        self.names.insert(Rc::clone(&name));
        name
    }
}

/// A few rows are damaged: what hangs on behind them is left out.
fn table(text: &str) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes())
}

/// Where the columns of a table stand.
struct Heading {
    places: HashMap<String, usize>,
}

impl Heading {
    fn of(table: &mut csv::Reader<impl Read>) -> Result<Self> {
        let names = table.headers()?.iter().enumerate();
        Ok(Self { places: names.map(|(place, name)| (name.to_owned(), place)).collect() })
    }

    fn text<'r>(&self, row: &'r csv::StringRecord, name: &str) -> Result<&'r str> {
        let place = self.places.get(name).with_context(|| format!("there is no column {name}"))?;
        row.get(*place).with_context(|| format!("a row has no {name}"))
    }

    fn number(&self, row: &csv::StringRecord, name: &str) -> Result<u64> {
        let text = self.text(row, name)?;
        text.parse().with_context(|| format!("{name} is {text:?}, must be a whole number"))
    }
}

/// Returns the time of a record: where Go wrote none as a number, below zero, it stands as text beside.
fn time_of(heading: &Heading, row: &csv::StringRecord) -> Result<u64> {
    let number = heading.text(row, "TimeUnixNano")?;
    if number.starts_with('-') {
        seconds(heading.text(row, "Timestamp")?)
    } else {
        heading.number(row, "TimeUnixNano")
    }
}

fn origin_of(pod: &str) -> Origin {
    Origin { service: service_of(pod).to_owned(), instance: pod.to_owned() }
}

/// Returns the name of a pod without that of its replica set and its own: `ts-seat-service-5c95b49cff-tdsdz`.
pub(super) fn service_of(pod: &str) -> &str {
    let is_made =
        |part: &str| part.len() >= 5 && part.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    let mut parts = pod.rsplitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(own), Some(set), Some(service))
            if own.len() == 5 && is_made(own) && is_made(set) && set.bytes().any(|b| b.is_ascii_digit()) =>
        {
            service
        }
        _ => pod,
    }
}

fn id<const N: usize>(hex: &str) -> Result<[u8; N]> {
    let wrong = || format!("an id is {hex:?}, must be {} hexadecimal digits", 2 * N);
    ensure!(hex.len() == 2 * N && hex.is_ascii(), wrong());
    let mut id = [0; N];
    for (byte, pair) in id.iter_mut().zip(hex.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).with_context(wrong)?;
        *byte = u8::from_str_radix(pair, 16).with_context(wrong)?;
    }
    Ok(id)
}

/// Returns the text that a container wrote, out of the JSON in which its runtime keeps it.
fn line_of(log: &str) -> String {
    #[derive(Deserialize)]
    struct Kept {
        log: String,
    }
    let kept = serde_json::Deserializer::from_str(log).into_iter::<Kept>().next();
    let line = kept.and_then(Result::ok).map_or_else(|| log.to_owned(), |kept| kept.log);
    line.trim_end().to_owned()
}

fn severity_of(line: &str) -> Option<(u8, &'static str)> {
    let mut head = line.split_ascii_whitespace().take(HEAD_WORDS);
    head.find_map(|word| SEVERITIES.into_iter().find(|(_, name)| *name == word))
}

fn seconds(text: &str) -> Result<u64> {
    Ok(u64::try_from(parse_timestamp(text.trim_end_matches('Z'))?).context("a time is before 1970")? * SECOND)
}

/// Returns the minute in the name of a file.
fn minute_of(file: &Path, midnight: u64) -> Result<u64> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut numbers = name.split('_').map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(hour)), Some(Ok(minute))) if hour < 24 && minute < 60 => {
            Ok(midnight + (60 * hour + minute) * MINUTE)
        }
        _ => anyhow::bail!("the name of {} does not begin with an hour and a minute", file.display()),
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// Returns the files of a folder with such names, in their order; none where there is no folder.
fn files(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let entries = entries(folder)?;
    let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(&is_wanted);
    Ok(entries.into_iter().filter(name).collect())
}

fn subfolders(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let entries = entries.map(|entry| Ok(entry?.path())).collect::<Result<BTreeSet<_>>>()?;
    Ok(entries.into_iter().collect())
}
