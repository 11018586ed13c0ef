//! Which other configuration shall run, and how did that go? Read again on SIGHUP, and with `--watch` when a file changes.

mod reloader;
mod watch;

pub(crate) use reloader::{LOOK_EVERY, Pasts, Reloader};
