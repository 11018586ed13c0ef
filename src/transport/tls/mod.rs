//! TLS with the collector's keys: of servers and of clients, read again while connections go on.

mod client;
mod server;
#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use component::{Checks, Counter, Telemetry};
use config::NotSupported;

pub use client::{ClientTls, ClientTlsConfig, ClientTlsError, TlsVersion};
pub use server::{ServerTls, ServerTlsConfig, ServerTlsProblem};

/// The collector's keys of `tls` that are refused, of servers and of clients.
pub const TLS_NOT_SUPPORTED: &[NotSupported] =
    &[NotSupported::new("tpm", "keys are read from files or from `key_pem`", "set `key_file`")];

/// Reports that insecure cipher suites are asked for; that they are not is what holds anyway.
fn refuse_insecure(path: &str, is_asked_for: bool, checks: &mut Checks) {
    if is_asked_for {
        let message =
            "include_insecure_cipher_suites is true, but no insecure cipher suite is offered, remove it";
        checks.error(&format!("{path}.include_insecure_cipher_suites"), message);
    }
}

/// Warns of a file with a secret that everybody on the machine can read.
pub fn warn_of_open_secret(path: &str, file: &Path, checks: &mut Checks) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let is_open = fs::metadata(file).is_ok_and(|known| known.permissions().mode() & 0o004 != 0);
        if is_open {
            let file = file.display();
            checks.warn(path, format!("{file} holds a secret and everybody can read it; chmod 600 it"));
        }
    }
    #[cfg(not(unix))]
    let _ = (path, file, checks);
}

/// What reading files again has come to.
struct Counts {
    reloads: Counter,
    failures: Counter,
}

impl Counts {
    fn new(telemetry: &Telemetry) -> Self {
        Self {
            reloads: telemetry.counter(
                "trueline_tls_reloads",
                "Times that changed certificates were taken into use.",
                "{reload}",
            ),
            failures: telemetry.counter(
                "trueline_tls_reload_failures",
                "Times that certificates could not be read again and the last ones stayed in use.",
                "{reload}",
            ),
        }
    }
}
