//! A world of its own for the shop: network and processes that nothing outside shares.
//!
//! The command prepares what it needs from package registries and then runs itself again in new namespaces. So ports
//! are fixed without asking who else has them, whatever the shop does to its network stays inside, and when the
//! command ends, in whatever way, the kernel ends all that it started.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Tells the inner process where the parts lie, and that it is the inner one.
const PARTS: &str = "SHOP_PARTS";

/// Where the parts of the shop lie.
pub(crate) struct Parts(BTreeMap<String, PathBuf>);

impl Parts {
    /// Returns the parts if this is the inner process.
    pub(crate) fn inside() -> Option<Result<Self>> {
        std::env::var(PARTS).ok().map(|told| Self::read(&told))
    }

    fn read(told: &str) -> Result<Self> {
        let parts = told.lines().map(|line| {
            let (name, folder) =
                line.split_once('=').with_context(|| format!("{PARTS} has the line {line}"))?;
            Ok((name.to_owned(), PathBuf::from(folder)))
        });
        Ok(Self(parts.collect::<Result<_>>()?))
    }

    pub(crate) fn path(&self, part: &str, below: &str) -> PathBuf {
        self.0[part].join(below)
    }
}

/// Returns a file of the shop's own sources.
pub(crate) fn source(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

/// Prepares the parts and runs this program again, with the same arguments, in namespaces of its own.
///
/// *Errors*: a part can not be had, or namespaces may not be made here.
pub(crate) fn run_inside(trueline: Option<&Path>) -> Result<ExitStatus> {
    let told = Command::new("bash").arg(source("prepare.sh")).stderr(Stdio::inherit()).output()?;
    ensure!(told.status.success(), "tests/shop/prepare.sh failed, what is missing stands above");
    let told = String::from_utf8(told.stdout)?;
    Parts::read(&told)?;
    ensure!(
        can_unshare()?,
        "namespaces can not be made here, run this as root on Linux (`unshare --net --pid` must work)"
    );
    // The inner one is the first process of its namespace: it dies with `unshare`, which dies with this one.
    // PostgreSQL, which is another user, has its folder in it.
    let open = Permissions::from_mode(0o755);
    let folder = tempfile::Builder::new().prefix("trueline-shop-").permissions(open).tempdir()?;
    let mut command = Command::new("setpriv");
    command.env("TMPDIR", folder.path());
    command.args([
        "--pdeathsig",
        "KILL",
        "unshare",
        "--net",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
        "--",
    ]);
    command.arg(std::env::current_exe()?).args(std::env::args_os().skip(1)).env(PARTS, told.trim_end());
    if let Some(trueline) = trueline {
        command
            .env("TRUELINE_BIN", trueline.canonicalize().with_context(|| format!("{}", trueline.display()))?);
    }
    let status = command.status().context("starting setpriv and unshare, which are in util-linux")?;
    if let Some(signal) = status.signal() {
        bail!("the shop was ended by signal {signal}");
    }
    Ok(status)
}

fn can_unshare() -> Result<bool> {
    let mut command = Command::new("unshare");
    command.args(["--net", "--pid", "--fork", "--kill-child", "--mount-proc", "true"]).stderr(Stdio::null());
    Ok(command.status().context("starting unshare, which is in util-linux")?.success())
}

/// Turns the loopback interface of the new network on and gives names to those who are called, as addresses in
/// telemetry are by name where services are.
pub(crate) fn set_up(names: &[&str]) -> Result<()> {
    run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    // A file of this mount namespace alone; outside it all stays as it is.
    let hosts = std::env::temp_dir().join("hosts");
    std::fs::write(&hosts, format!("127.0.0.1 localhost {}\n", names.join(" ")))?;
    run(Command::new("mount").arg("--bind").arg(&hosts).arg("/etc/hosts"))?;
    // PostgreSQL that is killed leaves its shared memory behind; this goes with the namespace.
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm"]))
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    ensure!(output.status.success(), "{command:?} ended with {}: {said}", output.status);
    Ok(())
}
