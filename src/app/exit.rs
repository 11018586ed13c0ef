//! How a command ends: codes that a script can tell apart, and a word for people.

use std::{
    io::{ErrorKind, Write},
    process::ExitCode,
};

/// The configuration is good and something else failed: an address is taken, a file unreadable.
pub(crate) const RUNTIME: u8 = 1;
/// The command line can not be understood.
pub(crate) const USAGE: u8 = 2;
/// The configuration is legal and has what was told not to pass, a warning.
pub(crate) const WARNINGS: u8 = 3;
/// The configuration is refused.
pub(crate) const CONFIG: u8 = 4;
/// A test of pipelines failed.
pub(crate) const TESTS: u8 = 5;
/// Who was asked or sent to can not be reached: a running service, Prometheus, the destination of a load.
pub(crate) const UNREACHED: u8 = 6;

/// Ctrl-C, before it was done: the shell's number for an end by SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// Says what went wrong, on standard error.
#[expect(clippy::print_stderr, reason = "the command line speaks to a person")]
pub(crate) fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("error: {message}");
    ExitCode::from(code)
}

/// Writes what was asked for to standard output. A reader that has seen enough is no failure.
pub(crate) fn tell(text: &str) -> ExitCode {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(problem) if problem.kind() != ErrorKind::BrokenPipe => {
            fail(RUNTIME, &format!("standard output can not be written: {problem}"))
        }
        _ => ExitCode::SUCCESS,
    }
}
