//! `trueline healthcheck`: whether a collector is up, for images that have nothing else to ask with.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use bytes::Bytes;
use clap::Args;
use http::Request;
use http_body_util::Full;

use crate::{
    exit::{self, fail, tell},
    http_client::{HttpClient, Server, TlsFiles, Unreached, base_of},
};

/// `trueline healthcheck`
#[derive(Args)]
pub(super) struct HealthcheckArgs {
    /// Where the extension `health_check` answers
    #[arg(long, value_name = "URL", env = "TRUELINE_HEALTH_URL", default_value = "http://localhost:13133/")]
    url: String,
    /// File of the authorities to trust in place of the system's, for https
    #[arg(long, value_name = "FILE", env = "TRUELINE_CA_FILE")]
    ca_file: Option<PathBuf>,
}

/// Who asks is itself waited for, some seconds at most.
const PATIENCE: Duration = Duration::from_secs(2);
const MAX_ANSWER_BYTES: usize = 64 << 10;

pub(super) fn run(args: &HealthcheckArgs) -> ExitCode {
    match ask(args) {
        Ok((200, body)) => tell(&format!("{}\n", body.trim_end())),
        Ok((status, body)) => {
            fail(exit::RUNTIME, &format!("{} answers {status}: {}", args.url, body.trim_end()))
        }
        Err(problem) if problem.is::<Unreached>() => fail(exit::UNREACHED, &format!("{problem:#}")),
        Err(problem) => fail(exit::RUNTIME, &format!("{problem:#}")),
    }
}

fn ask(args: &HealthcheckArgs) -> anyhow::Result<(u16, String)> {
    let base = base_of("--url", &args.url)?;
    // Without a path of its own the extension answers at the root.
    let uri = if args.url.ends_with('/') { format!("{base}/") } else { base.clone() };
    let files = TlsFiles::of_options(args.ca_file.as_deref(), None, None);
    let http = HttpClient::new(&Server { base: &base, files }, Vec::new(), PATIENCE, MAX_ANSWER_BYTES)?;
    let (status, body) = http.send(Request::builder().uri(uri).body(Full::<Bytes>::default())?)?;
    Ok((status, crate::terminal::printable(&String::from_utf8_lossy(&body))))
}
