//! A real browser, and a site of its own for it to show.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clients::web_page;
use crate::process::{Launch, Process};

/// Longer than any line that a browser sends to a page of a test.
const MAX_HEAD_BYTES: u64 = 64 << 10;

/// The page of `tests/clients/browser` at an address of its own, for as long as the process lives.
pub struct Site {
    origin: String,
}

impl Site {
    /// Bundles the page, once, and serves it.
    pub fn start() -> Result<Self> {
        let folder = web_page()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let origin = format!("http://{}", listener.local_addr()?);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let folder = folder.clone();
                // A browser that goes away in the middle is no failure of the site.
                std::thread::spawn(move || serve(connection, &folder));
            }
        });
        Ok(Self { origin })
    }

    /// Returns `http://127.0.0.1:PORT`, as browsers name where a page comes from.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the address of the page that sends to a collector.
    pub fn page_for(&self, collector: &str) -> String {
        format!("{}/?collector={collector}", self.origin)
    }
}

/// Opens a page in Chromium, without a window; it is closed when the value is dropped.
///
/// *Errors*: Chromium is not installed.
pub fn open_page(url: &str) -> Result<Process> {
    let program = ["chromium", "chromium-browser", "google-chrome"];
    let is_there = |name: &&&str| Command::new(name).arg("--version").output().is_ok();
    let program =
        program.iter().find(is_there).context("no Chromium; `apt-get install chromium` brings one")?;
    let launch = Launch::new("chromium", program)?;
    let profile = format!("--user-data-dir={}", launch.dir().join("profile").display());
    // Nothing of the page's is foreign; the sandbox needs a user other than root.
    let switches =
        ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"];
    let quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
    let debugged = ["--enable-logging=stderr", "--v=0"];
    launch.args(switches).args(quiet).args(debugged).args([profile.as_str(), url]).start()
}

fn serve(mut connection: TcpStream, folder: &Path) -> Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(std::io::Read::take(connection.try_clone()?, MAX_HEAD_BYTES));
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = first.clone();
    while !line.trim().is_empty() {
        line.clear();
        reader.read_line(&mut line)?;
    }
    let target = first.split(' ').nth(1).unwrap_or("/");
    let path = target.split('?').next().unwrap_or(target);
    let (status, kind, body) = match path {
        "/" => ("200 OK", "text/html; charset=utf-8", read(folder.join("index.html"))?),
        "/bundle.js" => ("200 OK", "text/javascript", read(folder.join("bundle.js"))?),
        "/price.json" => ("200 OK", "application/json", br#"{"cents": 250}"#.to_vec()),
        _ => ("404 Not Found", "text/plain", b"no such page\n".to_vec()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes())?;
    Ok(connection.write_all(&body)?)
}

fn read(path: PathBuf) -> Result<Vec<u8>> {
    std::fs::read(&path).with_context(|| format!("reading {}", path.display()))
}
