//! Our own binary, run as its users run it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::exposition::Exposition;
use crate::http::get;
use crate::process::{Launch, Process};

/// Where a configuration lets trueline be watched, so that the testbed need not read it.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The endpoint of the `health_check` extension.
    pub health: SocketAddr,
    /// The endpoint of its own metrics, where they are on.
    pub metrics: Option<SocketAddr>,
}

pub struct Trueline {
    process: Process,
    watch: Watch,
}

impl Trueline {
    /// Starts trueline and waits until its health check answers `GET /` with 200.
    ///
    /// The working folder is temporary: relative paths in the configuration lie there and go with it.
    pub fn start(config_yaml: &str, watch: Watch) -> Result<Self> {
        Self::start_with(config_yaml, watch, &[], &[])
    }

    /// Starts trueline with further arguments and environment variables.
    pub fn start_with(config_yaml: &str, watch: Watch, args: &[&str], env: &[(&str, &str)]) -> Result<Self> {
        Self::start_program(&binary()?, config_yaml, watch, args, env)
    }

    /// Starts trueline where the folder `disk` of its working folder is a disk of so many KiB, that nobody else sees. Needs root.
    pub fn start_on_small_disk(config_yaml: &str, watch: Watch, kib: u64) -> Result<Self> {
        let mut launch = Launch::new("trueline", "unshare")?;
        let config = launch.write("config.yaml", config_yaml)?;
        std::fs::create_dir(launch.dir().join("disk"))?;
        let mounted = format!("mount -t tmpfs -o size={kib}k tmpfs disk && exec \"$0\" \"$@\"");
        launch = launch.args(["--mount", "--", "sh", "-c", &mounted]);
        launch = launch.args([binary()?]).args([format!("--config={}", config.display())]);
        Self::start_launch(launch, watch)
    }

    /// Returns the folder `disk` of [`Trueline::start_on_small_disk`] as the program sees it.
    pub fn disk(&self) -> PathBuf {
        let inside = self.dir().join("disk");
        Path::new("/proc")
            .join(self.id().to_string())
            .join("root")
            .join(inside.strip_prefix("/").unwrap_or(&inside))
    }

    pub(crate) fn start_program(
        program: &Path,
        config_yaml: &str,
        watch: Watch,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Self> {
        let mut launch = Launch::new("trueline", program)?;
        let config = launch.write("config.yaml", config_yaml)?;
        launch = launch.args([format!("--config={}", config.display())]).args(args);
        for (name, value) in env {
            launch = launch.env(name, value);
        }
        Self::start_launch(launch, watch)
    }

    fn start_launch(launch: Launch, watch: Watch) -> Result<Self> {
        let health = format!("http://{}/", watch.health);
        let process = launch.start_until(|_| get(&health).is_ok_and(|answer| answer.status == 200))?;
        Ok(Self { process, watch })
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns its working folder.
    pub fn dir(&self) -> &Path {
        self.process.dir()
    }

    /// Returns what it wrote to standard output and error so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Writes another configuration in place of the one that it was started with, as a whole.
    pub fn write_config(&self, config_yaml: &str) -> Result<()> {
        let (file, beside) = (self.dir().join("config.yaml"), self.dir().join("config.new"));
        std::fs::write(&beside, config_yaml)?;
        Ok(std::fs::rename(beside, file)?)
    }

    /// Sends SIGHUP, on which it reads its configuration again, and returns at once.
    pub fn hang_up(&mut self) -> Result<()> {
        self.process.hang_up()
    }

    /// Sends SIGTERM and returns at once.
    pub fn terminate(&mut self) -> Result<()> {
        self.process.terminate()
    }

    /// Sends SIGTERM, lets it drain and waits for its end.
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.terminate()?;
        self.process.wait(limit)
    }

    /// Waits for its end.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.wait(limit)
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Scrapes its own metrics.
    pub fn metrics(&self) -> Result<Exposition> {
        Exposition::parse(&self.metrics_page()?)
    }

    /// Scrapes its own metrics as text.
    pub fn metrics_page(&self) -> Result<String> {
        let address = self.watch.metrics.context("this trueline was started without `Watch::metrics`")?;
        get(&format!("http://{address}/metrics"))?.success()
    }
}

/// Finds the binary: `TRUELINE_BIN`, else the one built beside the running test, else that of the
/// target folder, of the newest build.
pub fn binary() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("TRUELINE_BIN") {
        let path = PathBuf::from(given);
        if !path.is_file() {
            bail!("TRUELINE_BIN is {}, which is not a file", path.display());
        }
        return Ok(path);
    }
    let beside = std::env::current_exe()?.ancestors().nth(2).map(|dir| dir.join("trueline"));
    if let Some(path) = beside.filter(|path| path.is_file()) {
        return Ok(path);
    }
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    let built = ["debug", "release"].map(|profile| target.join(profile).join("trueline"));
    built
        .into_iter()
        .filter(|path| path.is_file())
        .max_by_key(|path| path.metadata().and_then(|metadata| metadata.modified()).ok())
        .with_context(|| {
            format!("no trueline in {}, build it with `cargo build -p trueline`", target.display())
        })
}
