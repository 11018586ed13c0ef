//! What `deploy/` has for those who run it: the unit of systemd is one, and as closed as can be.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

/// Settings that the unit must have, as `key=value`.
const CLOSED: [&str; 24] = [
    "DynamicUser=yes",
    "StateDirectory=trueline",
    "UMask=0077",
    "LimitCORE=0",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "ProtectProc=invisible",
    "ProtectClock=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectControlGroups=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "PrivateUsers=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
];

/// What `systemd-analyze security` may say at most, in tenths of its scale from 0 to 10.
const MOST_EXPOSURE: &str = "15";

#[test]
fn the_unit_of_systemd_is_closed_and_is_one() -> Result<()> {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd/trueline.service");
    let text = fs::read_to_string(&unit)?;
    for setting in CLOSED {
        ensure!(text.lines().any(|line| line == setting), "{setting} is missing");
    }
    ensure!(text.lines().any(|line| line.starts_with("MemoryMax=")), "memory has no bound");
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else { return Ok(()) };
    ensure!(version.status.success(), "systemd-analyze does not run");

    // Its programs are where a package would put them; here something else that can be run stands for them.
    let folder = tempfile::tempdir()?;
    let here = folder.path().join("trueline.service");
    fs::write(&here, text.replace("/usr/bin/trueline", "/bin/true"))?;
    let analyze = |arguments: &[&str]| -> Result<String> {
        let told = Command::new("systemd-analyze").args(arguments).arg(&here).output()?;
        let said =
            format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        ensure!(told.status.success(), "{arguments:?}: {said}");
        Ok(said)
    };
    let said = analyze(&["verify"])?;
    ensure!(said.trim().is_empty(), "{said}");
    let threshold = format!("--threshold={MOST_EXPOSURE}");
    let said = analyze(&["security", "--offline=true", &threshold])?;
    said.lines().find(|line| line.contains("Overall exposure")).context("no verdict")?;
    Ok(())
}

/// The instructions of a Dockerfile, continued lines joined.
fn instructions(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(' '))
        .map(|(name, rest)| (name.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" ")))
        .collect()
}

#[test]
fn the_image_is_made_of_what_is_here_and_runs_without_root() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs::read_to_string(root.join("deploy/docker/Dockerfile"))?;
    let all = instructions(&text);
    let of = |name: &str| all.iter().filter(|it| it.0 == name).map(|it| it.1.as_str()).collect::<Vec<_>>();

    let bases = of("FROM");
    ensure!(bases.len() == 2, "{bases:?}");
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let release =
        manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).context("a release")?;
    let release = release.trim_end_matches('"');
    ensure!(bases[0].contains(&format!("rust:{release}")), "{} is not built by {release}", bases[0]);
    ensure!(bases[1].contains("distroless") && bases[1].ends_with(":nonroot"), "{}", bases[1]);

    // What is copied of the repository is there; what is ignored is not needed.
    for copied in of("COPY").into_iter().filter(|copied| !copied.starts_with("--from=")) {
        let source = copied.split(' ').next().context("a source")?;
        ensure!(root.join(source).exists(), "{source} is not there");
    }
    let ignored = fs::read_to_string(root.join("deploy/docker/Dockerfile.dockerignore"))?;
    for needed in ["src", "proto", "Cargo.toml", "Cargo.lock", "tests", "deploy"] {
        ensure!(!ignored.lines().any(|line| line == needed), "{needed} is ignored");
    }
    // A workspace is built of all its members, also those that the image does not need.
    for member in ignored.lines().filter(|line| root.join(line).join("Cargo.toml").exists()) {
        ensure!(!manifest.contains(&format!("\"{member}\"")), "{member} is a member of the workspace");
    }

    let build = of("RUN").join(" ");
    ensure!(build.contains("cargo build --release --locked --package trueline"), "{build}");
    let user = of("USER").pop().context("a user")?;
    let ids: Vec<u32> = user.split(':').map(str::parse).collect::<Result<_, _>>()?;
    ensure!(ids.len() == 2 && ids.iter().all(|id| *id > 0), "{user} may be root");
    ensure!(text.find("USER") > text.rfind("FROM"), "the user is that of another stage");
    ensure!(of("HEALTHCHECK").iter().all(|check| check.ends_with(r#"["/usr/bin/trueline", "healthcheck"]"#)));
    ensure!(of("HEALTHCHECK").len() == 1 && of("ENTRYPOINT") == [r#"["/usr/bin/trueline"]"#]);

    // It listens where it says, and is taken.
    let config = root.join("deploy/docker/config.yaml");
    let written = fs::read_to_string(&config)?;
    let exposed = of("EXPOSE").join(" ");
    let is_port = |word: &&str| word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    let mut listens: Vec<&str> = written.split(|c: char| !c.is_ascii_digit()).filter(is_port).collect();
    listens.sort_by_key(|port| port.parse::<u32>().unwrap_or(0));
    assert_eq!(exposed, listens.join(" "));
    let page = fs::read_to_string(root.join("deploy/docker/README.md"))?;
    for port in &listens {
        ensure!(page.contains(port), "{port} is not on the page");
    }
    ensure!(page.contains("is not built by the tests"), "the page promises more than is tested");
    // Its folder is the image's.
    let folder = tempfile::tempdir()?;
    let here = folder.path().join("config.yaml");
    fs::write(&here, written.replace("/var/lib/trueline", &folder.path().display().to_string()))?;
    let here = format!("--config={}", here.display());
    crate::program::trueline_succeeds(&["validate", &here])?;
    Ok(())
}

#[test]
fn the_health_check_of_the_image_tells_up_from_down() -> Result<()> {
    let [health, otlp] = [testbed::free_port(), testbed::free_port()];
    let url = format!("--url=http://127.0.0.1:{health}/");
    let code = |url: &str| -> Result<Option<i32>> {
        Ok(crate::program::trueline(&["healthcheck", url])?.status.code())
    };
    assert_eq!(code(&url)?, Some(6), "nothing is there");
    let yaml = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{otlp}'}}}}}}}}
exporters: {{nop: }}
extensions: {{health_check: {{endpoint: '127.0.0.1:{health}'}}}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{logs: {{receivers: [otlp], exporters: [nop]}}}}
"
    );
    let watch = testbed::Watch { health: format!("127.0.0.1:{health}").parse()?, metrics: None };
    let _trueline = testbed::Trueline::start(&yaml, watch)?;
    assert_eq!(code(&url)?, Some(0));
    assert_eq!(code(&format!("--url=http://127.0.0.1:{otlp}/"))?, Some(1), "the receiver answers 404 there");
    assert_eq!(code("--url=localhost")?, Some(1));
    Ok(())
}
