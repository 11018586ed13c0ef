//! What goes wrong in the shop, one thing at a time, and which service is behind it.

use std::process::Command;

use anyhow::{Context, Result};
use clap::ValueEnum;
use rand::Rng;
use rand_pcg::Pcg64;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use testbed::{Launch, Process};

use crate::sandbox::run;
use crate::services::{GOOD, Release, Service, Services};
use crate::stores::{Stores, TO_CATALOG, TO_ORDERS, psql, sql};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// Answers of orders come late (toxiproxy).
    SlowWay,
    /// Packets to and from catalog are late, and some are lost (`tc netem`).
    LossyWay,
    /// Connections to catalog break (toxiproxy).
    BrokenCalls,
    /// Catalog shares its core with others that are more important (stress-ng).
    StarvedCpu,
    /// A transaction holds a lock on the table of orders.
    Lock,
    /// A version of payments that fails for some amounts.
    BadDeployment,
    /// A function in the database of catalog became slow.
    SlowQuery,
    /// Payments is gone.
    DeadService,
    /// Redis, which catalog needs, is gone.
    DeadCache,
    /// Orders does not give its connections to the database back.
    Leak,
    /// Shipping hangs, and the queue grows.
    StoppedConsumer,
}

impl Kind {
    /// Returns the service that whoever is woken must look at.
    pub(crate) fn truth(self) -> Service {
        match self {
            Self::SlowWay | Self::Lock | Self::Leak => Service::Orders,
            Self::LossyWay | Self::BrokenCalls | Self::StarvedCpu | Self::SlowQuery | Self::DeadCache => {
                Service::Catalog
            }
            Self::BadDeployment | Self::DeadService => Service::Payments,
            Self::StoppedConsumer => Service::Shipping,
        }
    }

    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value().expect("no kind is hidden");
        value.get_name().to_owned()
    }

    /// Returns why a fault can not be made on this machine, if so.
    pub(crate) fn obstacle(self) -> Option<String> {
        if self != Self::LossyWay {
            return None;
        }
        // The network is the sandbox's own.
        let tried =
            run(Command::new("tc").args(["qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]));
        match tried {
            Ok(()) => run(Command::new("tc").args(["qdisc", "del", "dev", "lo", "root"]))
                .err()
                .map(|it| format!("{it:#}")),
            Err(problem) => Some(format!("this kernel has no netem: {problem:#}")),
        }
    }
}

/// A fault that is on; it must be healed before another begins.
pub(crate) struct Active {
    kind: Kind,
    /// What does it, where it is a program.
    program: Option<Process>,
    pub(crate) size: String,
}

/// Makes a fault; the generator chooses its size.
pub(crate) fn inject(
    kind: Kind,
    stores: &mut Stores,
    services: &mut Services<'_>,
    random: &mut Pcg64,
) -> Result<Active> {
    let mut program = None;
    let size = match kind {
        Kind::SlowWay => {
            let millis = random.random_range(700..1500);
            stores.toxiproxy().poison(
                &TO_ORDERS,
                "latency",
                json!({"latency": millis, "jitter": 100}),
                1.0,
            )?;
            format!("{millis} ms more")
        }
        Kind::LossyWay => {
            let millis = random.random_range(300..600);
            lose_packets(millis)?;
            format!("{millis} ms more, 5 % lost")
        }
        Kind::BrokenCalls => {
            // Connections are kept open, so each must break often: an answer has some 300 bytes.
            let bytes = random.random_range(500..1_500);
            stores.toxiproxy().poison(&TO_CATALOG, "limit_data", json!({"bytes": bytes}), 1.0)?;
            format!("after {bytes} bytes")
        }
        Kind::StarvedCpu => {
            program = Some(starve(services.process_id(Service::Catalog)?)?);
            "4 programs of higher priority on its core".to_owned()
        }
        Kind::Lock => {
            program = Some(lock()?);
            "for the whole time".to_owned()
        }
        Kind::BadDeployment => {
            services.deploy(Service::Payments, Release { version: "1.1.0", bug: "currency" })?;
            "40 % of charges fail".to_owned()
        }
        Kind::SlowQuery => {
            let millis = random.random_range(600..1200);
            sql(&price_of(&format!(
                "SELECT cents FROM products, pg_sleep({millis} * 0.001) WHERE id = product"
            )))?;
            format!("{millis} ms more")
        }
        Kind::DeadService => {
            services.kill(Service::Payments)?;
            "killed".to_owned()
        }
        Kind::DeadCache => {
            stores.kill_redis()?;
            "killed".to_owned()
        }
        Kind::Leak => {
            std::fs::write(services.folder(Service::Orders)?.join("leak"), "")?;
            "each eighth connection".to_owned()
        }
        Kind::StoppedConsumer => {
            signal(services.process_id(Service::Shipping)?, Signal::STOP)?;
            "stopped".to_owned()
        }
    };
    Ok(Active { kind, program, size })
}

/// Ends a fault.
pub(crate) fn heal(active: Active, stores: &mut Stores, services: &mut Services<'_>) -> Result<()> {
    drop(active.program);
    match active.kind {
        Kind::SlowWay | Kind::BrokenCalls => stores.toxiproxy().heal(),
        Kind::LossyWay => run(Command::new("tc").args(["qdisc", "del", "dev", "lo", "root"])),
        Kind::StarvedCpu => pin(services.process_id(Service::Catalog)?, "0-1023"),
        // The server does not notice that the program is gone while the session sleeps.
        Kind::Lock => sql(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{LOCK}'"
        )),
        Kind::BadDeployment | Kind::DeadService => services.deploy(Service::Payments, GOOD),
        Kind::SlowQuery => sql(&price_of("SELECT cents FROM products WHERE id = product")),
        Kind::DeadCache => stores.restart_redis(),
        Kind::Leak => Ok(std::fs::remove_file(services.folder(Service::Orders)?.join("leak"))?),
        Kind::StoppedConsumer => signal(services.process_id(Service::Shipping)?, Signal::CONT),
    }
}

/// The function by which catalog asks for prices.
fn price_of(body: &str) -> String {
    format!(
        "CREATE OR REPLACE FUNCTION price_of(product int) RETURNS int LANGUAGE sql VOLATILE AS $$ {body} $$"
    )
}

/// How the session that holds the lock is called.
const LOCK: &str = "lock";

fn lock() -> Result<Process> {
    let held = "BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(3600)";
    let command = psql();
    let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    Launch::new(LOCK, command.get_program())?.env("PGAPPNAME", LOCK).args(args).args(["-c", held]).start()
}

/// Keeps a process on the first core and has others, which go before it, work there.
fn starve(process_id: u32) -> Result<Process> {
    pin(process_id, "0")?;
    let stress = ["-n", "-15", "stress-ng", "--cpu", "4", "--taskset", "0", "--quiet"];
    Launch::new("stress", "nice")?.args(stress).start()
}

fn pin(process_id: u32, cores: &str) -> Result<()> {
    run(Command::new("taskset").args(["-a", "-c", "-p", cores, &process_id.to_string()]))
}

fn signal(process_id: u32, signal: Signal) -> Result<()> {
    let id = i32::try_from(process_id).ok().and_then(Pid::from_raw).context("a process id")?;
    Ok(kill_process(id, signal)?)
}

/// Delays and loses packets of one port; all others go the first band, which nothing delays.
fn lose_packets(millis: u32) -> Result<()> {
    let port = Service::Catalog.port().context("catalog has a port")?.to_string();
    let late = format!("{millis}ms");
    run(Command::new("tc")
        .args(["qdisc", "add", "dev", "lo", "root", "handle", "1:", "prio", "priomap"])
        .args(["0"; 16]))?;
    run(Command::new("tc")
        .args(["qdisc", "add", "dev", "lo", "parent", "1:3", "netem", "delay", &late, "loss", "5%"]))?;
    let filter =
        ["filter", "add", "dev", "lo", "parent", "1:", "protocol", "ip", "u32", "match", "ip", "sport"];
    run(Command::new("tc").args(filter).args([&port, "0xffff", "flowid", "1:3"]))
}
