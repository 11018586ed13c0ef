//! A machine made of files, the machine that runs the test, and a recorder in the engine's place.

use std::{fs, time::Duration};

use component::{Checks, Config};
use expect_test::{Expect, expect};
use model::Timestamp;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    metrics::v1::{NumberDataPoint, metric::Data, number_data_point},
};
use prost::Message;

use super::{config::HostMetricsConfig, receiver::HostMetrics};
use crate::testing::{Running, busy, run};

const START: Timestamp = Timestamp(1_000_000_000_000);

fn config(yaml: &str) -> HostMetricsConfig {
    let node = config::parse(&config::Source::new("test.yaml", yaml)).expect("the text is YAML");
    let mut problems = config::Problems::default();
    let config =
        config::decode::<HostMetricsConfig>(&node, "", &mut problems).expect("the settings are read");
    let mut checks = Checks::default();
    config.validate(&mut checks);
    assert_eq!((problems.error_count(), checks.into_findings()), (0, vec![]), "{yaml}");
    config
}

fn start(yaml: &str) -> Running {
    Running::of::<HostMetrics>(&config(yaml), START)
}

impl Running {
    /// Moves the time, and waits for what is collected then.
    async fn collected_at(&self, secs: u64) -> ExportMetricsServiceRequest {
        // It must be asleep before it can be woken.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        self.clock.advance_to(START + Duration::from_secs(secs));
        for _ in 0..5000 {
            if let Some(bytes) = self.intake.take().pop() {
                return ExportMetricsServiceRequest::decode(bytes).unwrap();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("nothing was collected");
    }
}

fn labels(attributes: &[KeyValue]) -> String {
    let of = |it: &KeyValue| match &it.value.as_ref().unwrap().value {
        Some(Value::StringValue(text)) => format!("{}={text}", it.key),
        other => format!("{}={other:?}", it.key),
    };
    attributes.iter().map(of).collect::<Vec<_>>().join(" ")
}

fn value(point: &NumberDataPoint) -> f64 {
    match point.value {
        Some(number_data_point::Value::AsInt(value)) => value as f64,
        Some(number_data_point::Value::AsDouble(value)) => value,
        None => f64::NAN,
    }
}

/// Points as `name{labels} value`, below the scope and what all points of a metric share.
fn lines(request: &ExportMetricsServiceRequest) -> String {
    let mut out = String::new();
    for scope in request.resource_metrics.iter().flat_map(|it| &it.scope_metrics) {
        let name = scope.scope.as_ref().unwrap().name.rsplit('/').next().unwrap().to_owned();
        out.push_str(&format!("{name}\n"));
        for metric in &scope.metrics {
            assert!(!metric.description.is_empty());
            let (shape, points) = match metric.data.as_ref().unwrap() {
                Data::Gauge(it) => ("gauge".to_owned(), &it.data_points),
                Data::Sum(it) => {
                    assert_eq!(it.aggregation_temporality, 2);
                    let shape = if it.is_monotonic { "counter" } else { "sum" };
                    (shape.to_owned(), &it.data_points)
                }
                other => panic!("{other:?}"),
            };
            out.push_str(&format!("  {} [{}] {shape}\n", metric.name, metric.unit));
            for point in points {
                out.push_str(&format!("    {{{}}} {}\n", labels(&point.attributes), value(point)));
            }
        }
    }
    out
}

/// Returns the value of a point by its metric and labels.
fn of(request: &ExportMetricsServiceRequest, name: &str, wanted: &str) -> Option<f64> {
    let metrics = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics).flat_map(|it| &it.metrics);
    let metric = metrics.into_iter().find(|metric| metric.name == name)?;
    let points = match metric.data.as_ref()? {
        Data::Gauge(it) => &it.data_points,
        Data::Sum(it) => &it.data_points,
        _ => return None,
    };
    points.iter().find(|point| labels(&point.attributes) == wanted).map(value)
}

struct Machine(tempfile::TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.write(
            "proc/stat",
            "cpu  30 2 30 400 5 1 2 3 0 0\ncpu0 10 1 20 300 4 1 1 2 0 0\ncpu2 20 1 10 100 1 0 1 1 0 0\nintr 5\nctxt 7\nbtime 500\nprocesses 42\nprocs_running 2\nprocs_blocked 1\n",
        );
        machine.write("proc/uptime", "4242.25 8000.00\n");
        machine.write("proc/loadavg", "0.53 1.20 2.00 2/300 4242\n");
        machine.write(
            "proc/meminfo",
            "MemTotal: 1000 kB\nMemFree: 200 kB\nMemAvailable: 600 kB\nBuffers: 50 kB\nCached: 300 kB\nSwapCached: 0 kB\nActive: 1 kB\nInactive: 1 kB\nSwapTotal: 100 kB\nSwapFree: 90 kB\nDirty: 4 kB\nWriteback: 0 kB\nMapped: 1 kB\nShmem: 8 kB\nSlab: 30 kB\nSReclaimable: 20 kB\nSUnreclaim: 10 kB\nCommitted_AS: 1 kB\nVmallocTotal: 1 kB\nVmallocUsed: 0 kB\nVmallocChunk: 0 kB\nHugePages_Total: 4\nHugePages_Free: 1\nHugePages_Rsvd: 0\nHugePages_Surp: 0\nHugepagesize: 2048 kB\n",
        );
        machine.write("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 100 25 -2\n");
        machine
            .write("proc/vmstat", "pswpin 3\npswpout 4\npgpgin 100\npgpgout 200\npgfault 50\npgmajfault 5\n");
        machine.write(
            "proc/diskstats",
            "   8       0 sda 10 2 80 100 20 4 160 200 1 250 300 0 0 0 0\n   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0\n",
        );
        machine.write("proc/filesystems", "nodev\tproc\nnodev\ttmpfs\n\text4\n");
        machine.write(
            "proc/1/mountinfo",
            "27 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n28 27 8:3 / /my\\040data ro,nosuid - ext4 /dev/sda3 ro\n29 27 8:3 / /my\\040data ro,nosuid - ext4 /dev/sda3 ro\n22 27 0:21 / /run rw - tmpfs tmpfs rw\n30 27 8:4 / /gone rw - ext4 /dev/sda4 rw\n",
        );
        fs::create_dir_all(machine.0.path().join("my data")).unwrap();
        fs::create_dir_all(machine.0.path().join("run")).unwrap();
        machine.write(
            "proc/net/dev",
            "Inter-|   Receive                                                |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    lo:     100       1    0    0    0     0          0         0      100       1    0    0    0     0       0          0\n  eth0:    5000      50    2    3    0     0          0         0     7000      70    4    5    0     0       0          0\n",
        );
        let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
        let row = |state: &str| {
            format!(
                "   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n"
            )
        };
        machine.write("proc/net/tcp", &[head, &row("0A"), &row("01"), &row("01"), &row("06")].concat());
        machine.write("proc/sys/net/netfilter/nf_conntrack_count", "12\n");
        machine.write("proc/sys/net/netfilter/nf_conntrack_max", "65536\n");
        for (id, state) in [(1, 'S'), (2, 'I'), (3, 'Z'), (4, 'R'), (5, 'X'), (6, 'S')] {
            let rest = "1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 1 0 10 1000 100 18446744073709551615 1 1 1 1 1 0 0 0 0 0 0 17 0 0 0 0 0 0 1 1 1 1 1 1 1 0";
            machine.write(&format!("proc/{id}/stat"), &format!("{id} (a (b) c) {state} {rest}\n"));
        }
        machine.write(
            "proc/cpuinfo",
            "processor\t: 0\nphysical id\t: 0\ncore id\t\t: 0\ncpu MHz\t\t: 2400.500\n\nprocessor\t: 2\nphysical id\t: 0\ncore id\t\t: 0\ncpu MHz\t\t: 1200.000\n\n",
        );
        machine
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn yaml(&self, scrapers: &str) -> String {
        format!("root_path: {}\nscrapers:\n{scrapers}", self.0.path().display())
    }
}

fn check(scrapers: &str, expected: Expect) {
    run(async {
        let machine = Machine::new();
        let running = start(&machine.yaml(scrapers));
        let request = running.collected_at(1).await;
        expected.assert_eq(&lines(&request));
        for metric in
            request.resource_metrics.iter().flat_map(|it| &it.scope_metrics).flat_map(|it| &it.metrics)
        {
            let points = match metric.data.as_ref().unwrap() {
                Data::Gauge(it) => &it.data_points,
                Data::Sum(it) => &it.data_points,
                other => panic!("{other:?}"),
            };
            for point in points {
                assert_eq!(point.start_time_unix_nano, 500_000_000_000, "the machine was started then");
                assert_eq!(point.time_unix_nano, START.0 + 1_000_000_000);
            }
        }
        let written: usize = lines(&request).lines().filter(|line| line.starts_with("    ")).count();
        assert_eq!(running.counted("otelcol_scraper_scraped_metric_points"), written as u64);
        running.end().await;
    });
}

#[test]
fn what_is_usual_is_told_under_the_names_of_the_collector() {
    check(
        "  {cpu: , load: , memory: , paging: , disk: , network: , processes: , system: }",
        expect![[r#"
        cpuscraper
          system.cpu.time [s] counter
            {cpu=cpu0 state=user} 0.1
            {cpu=cpu0 state=system} 0.2
            {cpu=cpu0 state=idle} 3
            {cpu=cpu0 state=interrupt} 0.01
            {cpu=cpu0 state=nice} 0.01
            {cpu=cpu0 state=softirq} 0.01
            {cpu=cpu0 state=steal} 0.02
            {cpu=cpu0 state=wait} 0.04
            {cpu=cpu2 state=user} 0.2
            {cpu=cpu2 state=system} 0.1
            {cpu=cpu2 state=idle} 1
            {cpu=cpu2 state=interrupt} 0
            {cpu=cpu2 state=nice} 0.01
            {cpu=cpu2 state=softirq} 0.01
            {cpu=cpu2 state=steal} 0.01
            {cpu=cpu2 state=wait} 0.01
        loadscraper
          system.cpu.load_average.15m [{thread}] gauge
            {} 2
          system.cpu.load_average.1m [{thread}] gauge
            {} 0.53
          system.cpu.load_average.5m [{thread}] gauge
            {} 1.2
        memoryscraper
          system.memory.usage [By] sum
            {state=used} 409600
            {state=free} 204800
            {state=buffered} 51200
            {state=cached} 327680
            {state=slab_reclaimable} 20480
            {state=slab_unreclaimable} 10240
        pagingscraper
          system.paging.faults [{faults}] counter
            {type=major} 5
            {type=minor} 45
          system.paging.operations [{operations}] counter
            {direction=page_in type=major} 3
            {direction=page_out type=major} 4
            {direction=page_in type=minor} 100
            {direction=page_out type=minor} 200
          system.paging.usage [By] sum
            {device=/dev/sda2 state=used} 25600
            {device=/dev/sda2 state=free} 76800
        diskscraper
          system.disk.io [By] counter
            {device=sda direction=read} 40960
            {device=sda direction=write} 81920
            {device=loop0 direction=read} 0
            {device=loop0 direction=write} 0
          system.disk.io_time [s] counter
            {device=sda} 0.25
            {device=loop0} 0
          system.disk.merged [{operations}] counter
            {device=sda direction=read} 2
            {device=sda direction=write} 4
            {device=loop0 direction=read} 0
            {device=loop0 direction=write} 0
          system.disk.operation_time [s] counter
            {device=sda direction=read} 0.1
            {device=sda direction=write} 0.2
            {device=loop0 direction=read} 0
            {device=loop0 direction=write} 0
          system.disk.operations [{operations}] counter
            {device=sda direction=read} 10
            {device=sda direction=write} 20
            {device=loop0 direction=read} 0
            {device=loop0 direction=write} 0
          system.disk.pending_operations [{operations}] sum
            {device=sda} 1
            {device=loop0} 0
          system.disk.weighted_io_time [s] counter
            {device=sda} 0.3
            {device=loop0} 0
        networkscraper
          system.network.connections [{connections}] sum
            {protocol=tcp state=CLOSE} 0
            {protocol=tcp state=CLOSE_WAIT} 0
            {protocol=tcp state=CLOSING} 0
            {protocol=tcp state=DELETE} 0
            {protocol=tcp state=ESTABLISHED} 2
            {protocol=tcp state=FIN_WAIT_1} 0
            {protocol=tcp state=FIN_WAIT_2} 0
            {protocol=tcp state=LAST_ACK} 0
            {protocol=tcp state=LISTEN} 1
            {protocol=tcp state=SYN_RECV} 0
            {protocol=tcp state=SYN_SENT} 0
            {protocol=tcp state=TIME_WAIT} 1
          system.network.dropped [{packets}] counter
            {device=eth0 direction=transmit} 5
            {device=eth0 direction=receive} 3
            {device=lo direction=transmit} 0
            {device=lo direction=receive} 0
          system.network.errors [{errors}] counter
            {device=eth0 direction=transmit} 4
            {device=eth0 direction=receive} 2
            {device=lo direction=transmit} 0
            {device=lo direction=receive} 0
          system.network.io [By] counter
            {device=eth0 direction=transmit} 7000
            {device=eth0 direction=receive} 5000
            {device=lo direction=transmit} 100
            {device=lo direction=receive} 100
          system.network.packets [{packets}] counter
            {device=eth0 direction=transmit} 70
            {device=eth0 direction=receive} 50
            {device=lo direction=transmit} 1
            {device=lo direction=receive} 1
        processesscraper
          system.processes.count [{processes}] sum
            {status=blocked} 1
            {status=idle} 1
            {status=running} 2
            {status=sleeping} 2
            {status=unknown} 1
            {status=zombies} 1
          system.processes.created [{processes}] counter
            {} 42
        systemscraper
          system.uptime [s] gauge
            {} 4242.25
    "#]],
    );
}

#[test]
fn what_is_rare_is_told_when_it_is_enabled_and_what_is_usual_can_be_turned_off() {
    check(
        "
  cpu:
    metrics:
      system.cpu.time: {enabled: false}
      system.cpu.logical.count: {enabled: true}
      system.cpu.physical.count: {enabled: true}
      system.cpu.frequency: {enabled: true}
  memory:
    metrics:
      system.memory.usage: {enabled: false}
      system.memory.utilization: {enabled: true}
      system.memory.limit: {enabled: true}
      system.linux.memory.available: {enabled: true}
      system.linux.memory.dirty: {enabled: true}
      system.memory.linux.shared: {enabled: true}
      system.memory.linux.hugepages.usage: {enabled: true}
      system.memory.linux.hugepages.utilization: {enabled: true}
      system.memory.linux.hugepages.page_size: {enabled: true}
  paging:
    metrics:
      system.paging.utilization: {enabled: true}
      system.paging.faults: {enabled: false}
      system.paging.operations: {enabled: false}
  network:
    include: {match_type: regexp, interfaces: ['^eth']}
    metrics:
      system.network.connections: {enabled: false}
      system.network.conntrack.count: {enabled: true}
      system.network.conntrack.max: {enabled: true}
      system.network.packets: {enabled: false}
      system.network.dropped: {enabled: false}
      system.network.errors: {enabled: false}
  disk:
    exclude: {match_type: strict, devices: [sda]}
    metrics:
      system.disk.io: {enabled: false}
      system.disk.merged: {enabled: false}
      system.disk.operation_time: {enabled: false}
      system.disk.operations: {enabled: false}
",
        expect![[r#"
            cpuscraper
              system.cpu.frequency [Hz] gauge
                {cpu=cpu0} 2400500000
                {cpu=cpu2} 1200000000
              system.cpu.logical.count [{cpu}] sum
                {} 2
              system.cpu.physical.count [{cpu}] sum
                {} 1
            memoryscraper
              system.linux.memory.available [By] sum
                {} 614400
              system.linux.memory.dirty [By] sum
                {} 4096
              system.memory.limit [By] sum
                {} 1024000
              system.memory.linux.hugepages.page_size [By] sum
                {} 2097152
              system.memory.linux.hugepages.usage [{page}] sum
                {system.memory.linux.hugepages.state=free} 1
                {system.memory.linux.hugepages.state=used} 3
              system.memory.linux.hugepages.utilization [1] gauge
                {system.memory.linux.hugepages.state=free} 0.25
                {system.memory.linux.hugepages.state=used} 0.75
              system.memory.linux.shared [By] sum
                {} 8192
              system.memory.utilization [1] gauge
                {state=used} 0.4
                {state=free} 0.2
                {state=buffered} 0.05
                {state=cached} 0.32
                {state=slab_reclaimable} 0.02
                {state=slab_unreclaimable} 0.01
            pagingscraper
              system.paging.usage [By] sum
                {device=/dev/sda2 state=used} 25600
                {device=/dev/sda2 state=free} 76800
              system.paging.utilization [1] gauge
                {device=/dev/sda2 state=used} 0.25
                {device=/dev/sda2 state=free} 0.75
            diskscraper
              system.disk.io_time [s] counter
                {device=loop0} 0
              system.disk.pending_operations [{operations}] sum
                {device=loop0} 0
              system.disk.weighted_io_time [s] counter
                {device=loop0} 0
            networkscraper
              system.network.conntrack.count [{entries}] sum
                {} 12
              system.network.conntrack.max [{entries}] sum
                {} 65536
              system.network.io [By] counter
                {device=eth0 direction=transmit} 7000
                {device=eth0 direction=receive} 5000
        "#]],
    );
}

#[test]
fn shares_of_processors_are_those_since_the_last_collection() {
    run(async {
        let machine = Machine::new();
        let metrics = "{system.cpu.time: {enabled: false}, system.cpu.utilization: {enabled: true}, system.cpu.logical.count: {enabled: true}}";
        let running = start(&machine.yaml(&format!("  cpu: {{metrics: {metrics}}}")));
        let first = running.collected_at(1).await;
        assert_eq!(of(&first, "system.cpu.utilization", "cpu=cpu0 state=user"), None);
        machine.write(
            "proc/stat",
            "cpu  80 2 40 430 5 1 2 13 0 0\ncpu0 60 1 30 330 4 1 1 12 0 0\ncpu2 20 1 10 100 1 0 1 1 0 0\nctxt 7\nbtime 500\nprocesses 42\n",
        );
        let second = running.collected_at(61).await;
        // A hundred ticks: fifty of users, ten of the system, thirty of nothing, ten stolen.
        let share = |cpu: &str, state: &str| {
            of(&second, "system.cpu.utilization", &format!("cpu={cpu} state={state}"))
        };
        let states = ["user", "system", "idle", "steal", "nice", "wait", "interrupt", "softirq"];
        assert_eq!(
            states.map(|state| share("cpu0", state)),
            [0.5, 0.1, 0.3, 0.1, 0.0, 0.0, 0.0, 0.0].map(Some)
        );
        assert_eq!(states.map(|state| share("cpu2", state)), [0.0; 8].map(Some), "it stood still");
        running.end().await;
    });
}

#[test]
fn file_systems_are_told_once_as_far_as_they_are_chosen() {
    run(async {
        let machine = Machine::new();
        let told = async |filesystem: &str| {
            let running = start(&machine.yaml(&format!("  filesystem: {filesystem}")));
            let request = running.collected_at(1).await;
            let errored = running.counted("otelcol_scraper_errored_metric_points");
            running.end().await;
            (request, errored)
        };
        let of_root = |request: &ExportMetricsServiceRequest, name: &str, state: &str| {
            of(request, name, &format!("device=/dev/sda1 mode=rw mountpoint=/ type=ext4 state={state}"))
        };
        let (request, errored) = told("{metrics: {system.filesystem.utilization: {enabled: true}}}").await;
        assert_eq!(errored, 3, "what is gone can not be read, the others are told all the same");
        let real = rustix::fs::statvfs(machine.0.path()).unwrap();
        let parts =
            ["used", "free", "reserved"].map(|state| of_root(&request, "system.filesystem.usage", state));
        let total: f64 = parts.iter().map(|part| part.unwrap()).sum();
        assert_eq!(total, (real.f_blocks * real.f_frsize) as f64);
        let inodes =
            ["used", "free"].map(|state| of_root(&request, "system.filesystem.inodes.usage", state).unwrap());
        assert_eq!(inodes[0] + inodes[1], real.f_files as f64);
        let places = |request: &ExportMetricsServiceRequest| -> Vec<String> {
            let told = lines(request);
            let used =
                told.lines().filter(|line| line.contains("state=used")).map(|line| line.trim().to_owned());
            let mut places: Vec<String> =
                used.map(|line| line.split(" state=").next().unwrap().to_owned()).collect();
            places.sort();
            places.dedup();
            places
        };
        expect![[r#"
            [
                "{device=/dev/sda1 mode=rw mountpoint=/ type=ext4",
                "{device=/dev/sda3 mode=ro mountpoint=/my data type=ext4",
            ]"#]]
        .assert_eq(&format!("{:#?}", places(&request)));
        let (request, _) = told("{include_virtual_filesystems: true, exclude_mount_points: {match_type: regexp, mount_points: ['^/gone$', data]}}").await;
        expect![[r#"
            [
                "{device=/dev/sda1 mode=rw mountpoint=/ type=ext4",
                "{device=tmpfs mode=rw mountpoint=/run type=tmpfs",
            ]"#]]
        .assert_eq(&format!("{:#?}", places(&request)));
        let (request, _) = told("{include_devices: {match_type: strict, devices: [/dev/sda1, /dev/sda3]}, exclude_fs_types: {match_type: strict, fs_types: [tmpfs]}}").await;
        assert_eq!(places(&request).len(), 2);
    });
}

#[test]
fn a_scraper_that_fails_is_counted_and_hinders_no_other() {
    run(async {
        let machine = Machine::new();
        fs::remove_file(machine.0.path().join("proc/meminfo")).unwrap();
        machine.write("proc/vmstat", "no numbers here\n");
        machine.write("proc/loadavg", "0.53 x\n");
        let running = start(&machine.yaml("  {memory: , paging: , load: , disk: }"));
        let request = running.collected_at(1).await;
        assert!(!lines(&request).contains("system.memory") && !lines(&request).contains("load_average"));
        assert_eq!(of(&request, "system.disk.io", "device=sda direction=read"), Some(40960.0));
        assert_eq!(of(&request, "system.paging.usage", "device=/dev/sda2 state=used"), Some(25600.0));
        assert_eq!(running.counted("otelcol_scraper_errored_metric_points"), 1 + 3 + 3);
        machine.write("proc/loadavg", "0.53 1.20 2.00 2/300 4242\n");
        let request = running.collected_at(61).await;
        assert_eq!(of(&request, "system.cpu.load_average.1m", ""), Some(0.53));
        running.end().await;
    });
}

#[test]
fn files_of_any_content_end_no_collection() {
    run(async {
        let machine = Machine::new();
        let running = start(
            &machine
                .yaml("  {cpu: , load: , memory: , paging: , disk: , filesystem: , network: , processes: }"),
        );
        running.collected_at(1).await;
        let files = [
            "stat",
            "loadavg",
            "meminfo",
            "swaps",
            "vmstat",
            "diskstats",
            "filesystems",
            "1/mountinfo",
            "net/dev",
            "net/tcp",
            "3/stat",
        ];
        let mut second = 1;
        for content in [
            "",
            "\n\n",
            "cpu\ncpu0\n",
            "99999999999999999999999999 -1 x\n",
            "a: b\nc",
            "\u{fffd} \\0 \\999 -\n",
        ] {
            for file in files {
                let path = format!("proc/{file}");
                let before = fs::read_to_string(machine.0.path().join(&path)).unwrap();
                machine.write(&path, content);
                second += 60;
                running.collected_at(second).await;
                machine.write(&path, &before);
            }
        }
        running.end().await;
    });
}

#[test]
fn collections_come_at_the_interval_and_what_is_not_taken_in_time_is_counted() {
    run(async {
        let machine = Machine::new();
        let running =
            start(&format!("collection_interval: 10s\ninitial_delay: 5s\n{}", machine.yaml("  load:")));
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        running.clock.advance_to(START + Duration::from_secs(4));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(running.intake.take().len(), 0, "not before the delay");
        running.collected_at(5).await;
        // The engine is busy for longer than the interval.
        for _ in 0..8 {
            running.intake.answer_next(Err(busy()));
        }
        let mut second = 15;
        while running.counted("otelcol_receiver_host_metrics_dropped_metric_points") == 0 {
            running.clock.advance_to(START + Duration::from_secs(second));
            tokio::time::sleep(Duration::from_millis(5)).await;
            second += 1;
            assert!(second < 40, "it gives up before the next collection");
        }
        assert_eq!(running.counted("otelcol_receiver_host_metrics_dropped_metric_points"), 3);
        running.end().await;
    });
}

/// The machine that runs the test, held against what its kernel says.
#[test]
fn the_real_machine_is_told_as_its_kernel_says() {
    run(async {
        let scrapers = "scrapers: {cpu: {metrics: {system.cpu.logical.count: {enabled: true}}}, load: , memory: {metrics: {system.memory.limit: {enabled: true}}}, paging: , disk: , filesystem: , network: , processes: }";
        let before = fs::read_to_string("/proc/stat").unwrap();
        let running = start(scrapers);
        let request = running.collected_at(1).await;
        let after = fs::read_to_string("/proc/stat").unwrap();
        assert_eq!(running.counted("otelcol_scraper_errored_metric_points"), 0);
        let user = |text: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with("cpu0 ")).unwrap();
            line.split(' ').nth(1).unwrap().parse::<f64>().unwrap()
                / rustix::param::clock_ticks_per_second() as f64
        };
        let told = of(&request, "system.cpu.time", "cpu=cpu0 state=user").unwrap();
        assert!((user(&before)..=user(&after)).contains(&told), "{told}");
        let n_cpus = after.lines().filter(|line| line.starts_with("cpu")).count() - 1;
        assert_eq!(of(&request, "system.cpu.logical.count", ""), Some(n_cpus as f64));
        let created = |text: &str| -> f64 {
            text.lines().find_map(|line| line.strip_prefix("processes ")).unwrap().parse().unwrap()
        };
        let told = of(&request, "system.processes.created", "").unwrap();
        assert!((created(&before)..=created(&after)).contains(&told), "{told}");
        let info = fs::read_to_string("/proc/meminfo").unwrap();
        let total: f64 = info.lines().next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
        assert_eq!(of(&request, "system.memory.limit", ""), Some(total * 1024.0));
        let interfaces = fs::read_to_string("/proc/net/dev").unwrap();
        for line in interfaces.lines().skip(2) {
            let name = line.split(':').next().unwrap().trim();
            for direction in ["receive", "transmit"] {
                let labels = format!("device={name} direction={direction}");
                assert!(of(&request, "system.network.io", &labels).is_some(), "{labels}");
            }
        }
        let disks = fs::read_to_string("/proc/diskstats").unwrap();
        for name in disks.lines().map(|line| line.split_whitespace().nth(2).unwrap()) {
            assert!(
                of(&request, "system.disk.operations", &format!("device={name} direction=write")).is_some(),
                "{name}"
            );
        }
        let running_or_not = lines(&request).lines().filter(|line| line.contains("status=")).count();
        assert!(running_or_not >= 3, "sleeping, running and blocked are told at least");
        running.end().await;
    });
}

#[test]
fn every_problem_is_told_at_once() {
    let told = |yaml: &str| {
        let node = config::parse(&config::Source::new("test.yaml", yaml)).expect("the text is YAML");
        let mut problems = config::Problems::default();
        let read = config::decode_telling::<HostMetricsConfig>(
            &node,
            "",
            HostMetricsConfig::NOT_SUPPORTED,
            &mut problems,
        );
        let mut out: String = problems.iter().map(|it| format!("{}: {}\n", it.path, it.message)).collect();
        let mut checks = Checks::default();
        read.expect("the rest is read").validate(&mut checks);
        checks
            .into_findings()
            .into_iter()
            .for_each(|it| out.push_str(&format!("{}: {}\n", it.path, it.message)));
        out
    };
    expect![[r#"
        scrapers: must specify at least one scraper when using host_metrics receiver
    "#]]
    .assert_eq(&told("{}"));
    expect![[r#"
        scrapers: key `process` of the collector is not supported: processes are counted and not told one by one
        scrapers: unknown key `disks`
        scrapers::filesystem::exclude_mount_points::match_type: unknown value `glob`
        collection_interval: collection_interval is 0s, must be above 0s
        root_path: root_path is "host", must begin with /
        scrapers.cpu.metrics: "system.cpu.utilisation" is no metric of this scraper, did you mean "system.cpu.utilization"? write one of system.cpu.frequency, system.cpu.logical.count, system.cpu.physical.count, system.cpu.time, system.cpu.utilization
        scrapers.disk.include.match_type: match_type is missing, write strict or regexp beside devices
        scrapers.disk.exclude.devices.0: the pattern "sd(" is no regular expression: unclosed group
        scrapers.network.include.devices: devices is no key here, write interfaces
        scrapers.filesystem.exclude_mount_points.match_type: match_type is missing, write strict or regexp beside mount_points
    "#]].assert_eq(&told(
        "
collection_interval: 0s
root_path: host
scrapers:
  cpu: {metrics: {system.cpu.utilisation: {enabled: true}}}
  process:
  disks:
  disk: {include: {devices: [sda]}, exclude: {match_type: regexp, devices: ['sd(']}}
  network: {include: {match_type: strict, devices: [eth0]}}
  filesystem: {exclude_mount_points: {match_type: glob, mount_points: [/]}}
",
    ));
}
