//! How a command ends: codes that a script can tell apart, and a word for people.

use std::process::ExitCode;

/// The configuration is refused.
pub(crate) const CONFIG: u8 = 1;
/// The command line can not be understood.
pub(crate) const USAGE: u8 = 2;
/// The configuration is good and something else failed: an address is taken, a file unreadable.
pub(crate) const RUNTIME: u8 = 3;
/// The destination of a load took nothing of it.
pub(crate) const UNREACHED: u8 = 6;

/// Says what went wrong, on standard error.
#[expect(clippy::print_stderr, reason = "the command line speaks to a person")]
pub(crate) fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(code)
}
