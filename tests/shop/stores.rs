//! What keeps the shop's data and carries its requests: PostgreSQL, Redis, RabbitMQ, nginx, and toxiproxy on the ways
//! between services.

use std::net::TcpStream;
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testbed::{Launch, Process};

use crate::sandbox::{Parts, run, source};

/// Ports of the sandbox, in which nothing else listens.
pub(crate) const EDGE: u16 = 8080;
const TOXIPROXY: u16 = 8474;
const POSTGRES: u16 = 5432;
const REDIS: u16 = 6379;
const RABBITMQ: u16 = 5672;

/// A way through toxiproxy: its name, the port where callers connect, and where it leads.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    port: u16,
    leads_to: u16,
}

pub(crate) const TO_POSTGRES: Way = Way { name: "postgres", port: 15_432, leads_to: POSTGRES };
pub(crate) const TO_REDIS: Way = Way { name: "redis", port: 16_379, leads_to: REDIS };
pub(crate) const TO_RABBITMQ: Way = Way { name: "rabbitmq", port: 15_672, leads_to: RABBITMQ };
pub(crate) const TO_CATALOG: Way = Way { name: "catalog", port: 18_082, leads_to: 8082 };
pub(crate) const TO_ORDERS: Way = Way { name: "orders", port: 18_083, leads_to: 8083 };
pub(crate) const TO_PAYMENTS: Way = Way { name: "payments", port: 18_084, leads_to: 8084 };
const WAYS: [&Way; 6] = [&TO_POSTGRES, &TO_REDIS, &TO_RABBITMQ, &TO_CATALOG, &TO_ORDERS, &TO_PAYMENTS];

/// Returns the names of all that is called.
pub(crate) fn names() -> Vec<&'static str> {
    WAYS.iter().map(|way| way.name).collect()
}

/// The user that PostgreSQL runs as, which refuses to be root.
const NOBODY: [&str; 3] = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"];
const POSTGRES_BIN: &str = "/usr/lib/postgresql/15/bin";

pub(crate) struct Stores {
    redis: Option<Process>,
    toxiproxy: Toxiproxy,
    _others: [Process; 3],
}

impl Stores {
    /// Starts all of them, each empty but for the shop's schema.
    pub(crate) fn start(parts: &Parts) -> Result<Self> {
        let postgres = start_postgres()?;
        sql_file()?;
        let rabbitmq = start_rabbitmq()?;
        let toxiproxy = Toxiproxy::start(parts)?;
        Ok(Self { redis: Some(start_redis()?), toxiproxy, _others: [postgres, rabbitmq, start_nginx()?] })
    }

    pub(crate) fn toxiproxy(&self) -> &Toxiproxy {
        &self.toxiproxy
    }

    /// Ends Redis at once, as when its machine is lost.
    pub(crate) fn kill_redis(&mut self) -> Result<()> {
        match self.redis.take() {
            Some(mut redis) => redis.kill(),
            None => Ok(()),
        }
    }

    pub(crate) fn restart_redis(&mut self) -> Result<()> {
        self.redis = Some(start_redis()?);
        Ok(())
    }
}

/// Runs statements in the shop's database.
pub(crate) fn sql(statements: &str) -> Result<()> {
    run(psql().args(["-c", statements]))
}

/// Returns a client of the shop's database.
pub(crate) fn psql() -> Command {
    let mut command = Command::new(format!("{POSTGRES_BIN}/psql"));
    let url = format!("postgresql://shop@127.0.0.1:{POSTGRES}/shop");
    command.args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-d", &url]);
    command
}

fn sql_file() -> Result<()> {
    run(psql().arg("-f").arg(source("services/schema.sql")))
}

fn start_postgres() -> Result<Process> {
    let launch = Launch::new("postgres", "setpriv")?;
    let dir = launch.dir().to_owned();
    run(Command::new("chown").arg("nobody:nogroup").arg(&dir))?;
    let data = dir.join("data").display().to_string();
    let as_nobody = |program: &str| {
        let mut command = Command::new("setpriv");
        command.current_dir(&dir).args(NOBODY).arg(format!("{POSTGRES_BIN}/{program}"));
        command
    };
    run(as_nobody("initdb").args([
        "-D",
        &data,
        "-U",
        "shop",
        "--auth=trust",
        "--no-sync",
        "--encoding=UTF8",
    ]))?;
    let port = POSTGRES.to_string();
    let launch =
        launch.args(NOBODY).args([format!("{POSTGRES_BIN}/postgres")]).args(["-D", &data, "-p", &port]);
    let launch = launch.args(["-h", "127.0.0.1", "-k", "", "-c", "fsync=off", "-c", "shared_buffers=32MB"]);
    let url = format!("postgresql://shop@127.0.0.1:{POSTGRES}/postgres");
    let is_up = |_: &Process| {
        let mut command = Command::new(format!("{POSTGRES_BIN}/psql"));
        run(command.args(["-q", "-X", "-d", &url, "-c", "SELECT 1"])).is_ok()
    };
    let process = launch.start_until(is_up)?;
    run(Command::new(format!("{POSTGRES_BIN}/psql")).args([
        "-q",
        "-X",
        "-d",
        &url,
        "-c",
        "CREATE DATABASE shop",
    ]))?;
    Ok(process)
}

fn start_redis() -> Result<Process> {
    let launch = Launch::new("redis", "redis-server")?;
    let launch = launch.args(["--bind", "127.0.0.1", "--port", &REDIS.to_string(), "--save", ""]);
    launch.start_until(|_| listens(REDIS))
}

fn start_rabbitmq() -> Result<Process> {
    let launch = Launch::new("rabbitmq", "/usr/lib/rabbitmq/bin/rabbitmq-server")?;
    let dir = launch.dir().to_owned();
    let (base, log, plugins) = (dir.join("mnesia"), dir.join("logs"), dir.join("enabled_plugins"));
    let launch = launch
        .env("HOME", &dir)
        .env("RABBITMQ_MNESIA_BASE", base)
        .env("RABBITMQ_LOG_BASE", log)
        .env("RABBITMQ_LOGS", "-")
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", plugins)
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env("RABBITMQ_NODENAME", "shop@localhost")
        .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
        .env("RABBITMQ_NODE_PORT", RABBITMQ.to_string())
        // One scheduler each: an idle broker spins with more.
        .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none");
    let mut process = launch.start()?;
    process.wait_until("up", LONG_START, |process| process.log().contains("Server startup complete"))?;
    Ok(process)
}

/// RabbitMQ and the JVM start slowly on a machine that is busy.
pub(crate) const LONG_START: std::time::Duration = std::time::Duration::from_secs(120);

fn start_nginx() -> Result<Process> {
    let launch = Launch::new("nginx", "nginx")?;
    let config = launch.write("nginx.conf", &nginx_config(8081))?;
    let config = config.display().to_string();
    let dir = format!("{}/", launch.dir().display());
    launch.args(["-p", &dir, "-e", "stderr", "-c", &config]).start_until(|_| listens(EDGE))
}

fn nginx_config(web: u16) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary: String =
        temporary.iter().map(|kind| format!("  {kind}_temp_path temp_{kind};\n")).collect();
    format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid nginx.pid;\nerror_log stderr;\n\
         events {{ worker_connections 256; }}\nhttp {{\n{temporary}  access_log off;\n  \
         upstream web {{ server 127.0.0.1:{web}; keepalive 16; }}\n  server {{\n    listen 127.0.0.1:{EDGE};\n    \
         location / {{\n      proxy_pass http://web;\n      proxy_http_version 1.1;\n      \
         proxy_set_header Connection \"\";\n    }}\n  }}\n}}\n"
    )
}

pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A proxy on each way, which makes it slow or cuts it when told.
pub(crate) struct Toxiproxy {
    _process: Process,
}

impl Toxiproxy {
    fn start(parts: &Parts) -> Result<Self> {
        let launch = Launch::new("toxiproxy", parts.path("toxiproxy", "toxiproxy-server"))?;
        let proxies: Vec<Value> = WAYS.iter().map(|way| way.proxy()).collect();
        let config = launch.write("ways.json", &Value::from(proxies).to_string())?;
        let config = config.display().to_string();
        let launch = launch.args(["-host", "127.0.0.1", "-port", &TOXIPROXY.to_string(), "-config", &config]);
        let process = launch.start_until(|_| WAYS.iter().all(|way| listens(way.port)))?;
        Ok(Self { _process: process })
    }

    /// Does something to what is sent back on a way, of that part of its connections.
    pub(crate) fn poison(
        &self,
        way: &Way,
        kind: &str,
        attributes: Value,
        part_of_connections: f64,
    ) -> Result<()> {
        let toxic = json!({"type": kind, "stream": "downstream", "toxicity": part_of_connections, "attributes": attributes});
        self.post(&format!("proxies/{}/toxics", way.name), &toxic)
    }

    /// Makes all ways as they were.
    pub(crate) fn heal(&self) -> Result<()> {
        self.post("reset", &json!({}))
    }

    fn post(&self, path: &str, body: &Value) -> Result<()> {
        let url = format!("http://127.0.0.1:{TOXIPROXY}/{path}");
        let answer = testbed::post(&url, "application/json", &[], body.to_string().as_bytes())?;
        ensure!((200..300).contains(&answer.status), "toxiproxy: {path}: {}: {}", answer.status, answer.body);
        Ok(())
    }
}

impl Way {
    /// Returns `HOST:PORT` for whoever calls.
    pub(crate) fn address(&self) -> String {
        format!("{}:{}", self.name, self.port)
    }

    fn proxy(&self) -> Value {
        let (listen, upstream) = (format!("127.0.0.1:{}", self.port), format!("127.0.0.1:{}", self.leads_to));
        json!({"name": self.name, "listen": listen, "upstream": upstream, "enabled": true})
    }
}
