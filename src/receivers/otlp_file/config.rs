//! Which files, and how fast.

use component::Checks;
use config::{NotSupported, NotSupportedKeys};
use serde::Deserialize;

use super::glob::Pattern;

/// Settings of `otlp_file`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct OtlpFileConfig {
    /// Paths, or patterns of paths with `*`, `?` and `**`.
    pub(crate) include: Vec<String>,
    /// Patterns of paths to leave out.
    pub(crate) exclude: Vec<String>,
    pub(crate) format: FileFormat,
    pub(crate) compression: Compression,
    /// 1 is the recorded pace, 10 is ten times as fast, 0 is as fast as the pipelines take it.
    pub(crate) speed: f64,
    /// A longer line or message is left out.
    pub(crate) max_line_size: config::ByteSize,
    /// Only `beginning`: files are read once, from start to end.
    pub(crate) start_at: StartAt,
}

/// How requests stand in files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FileFormat {
    /// By the first byte of the file.
    #[default]
    Auto,
    /// One request a line.
    Json,
    /// Four bytes of length, most significant first, and the request.
    Proto,
}

/// How files are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    /// By the end of the name: `.gz`, `.zst`, or neither.
    #[default]
    Auto,
    None,
    Gzip,
    Zstd,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StartAt {
    #[default]
    Beginning,
    End,
}

impl Default for OtlpFileConfig {
    fn default() -> Self {
        Self {
            include: Vec::new(),
            exclude: Vec::new(),
            format: FileFormat::Auto,
            compression: Compression::Auto,
            speed: 0.0,
            max_line_size: config::ByteSize(64 << 20),
            start_at: StartAt::Beginning,
        }
    }
}

/// Why keys of a receiver that follows files have no place in one that replays them.
const READ_ONCE: &str = "files are read once, from start to end";

impl component::Config for OtlpFileConfig {
    const NOT_SUPPORTED: NotSupportedKeys = &[(
        "",
        &[
            NotSupported::new("poll_interval", READ_ONCE, "remove it"),
            NotSupported::new("fingerprint_size", READ_ONCE, "remove it"),
            NotSupported::new("max_concurrent_files", "files are read one after the other", "remove it"),
            NotSupported::new("max_batches", READ_ONCE, "remove it"),
            NotSupported::new("storage", "the place in a file is not kept over a restart", "remove it"),
            NotSupported::new("replay_file", "every file is a replay", "remove it"),
            NotSupported::new("delete_after_read", "files are left as they are", "remove it"),
            NotSupported::new("max_log_size", "it has another name here", "write `max_line_size`"),
            NotSupported::new("encoding", "there are no encoding extensions", "write `format`, or remove it"),
            NotSupported::new("multiline", "a line is a request", "remove it"),
            NotSupported::new("header", "a line is a request", "remove it"),
            NotSupported::new("ordering_criteria", "files are read in the order of their names", "remove it"),
            NotSupported::new("exclude_older_than", "files are chosen by name", "write `exclude`"),
            NotSupported::new("acquire_fs_lock", "files are only read", "remove it"),
            NotSupported::new("polls_to_archive", READ_ONCE, "remove it"),
            NotSupported::new("include_file_name", "what a file holds is not changed", "remove it"),
            NotSupported::new("include_file_path", "what a file holds is not changed", "remove it"),
        ],
    )];

    fn validate(&self, checks: &mut Checks) {
        if self.include.is_empty() {
            checks.error("include", "include is empty, name the files to read, such as \"/data/*.jsonl\"");
        }
        for (key, patterns) in [("include", &self.include), ("exclude", &self.exclude)] {
            for (index, pattern) in patterns.iter().enumerate() {
                if let Err(problem) = Pattern::new(pattern) {
                    checks.error(&format!("{key}.{index}"), problem);
                }
            }
        }
        if !self.speed.is_finite() || self.speed < 0.0 {
            let message = format!("speed is {}, must be 0 (as fast as possible) or above", self.speed);
            checks.error("speed", message);
        }
        if self.max_line_size.0 == 0 || self.max_line_size.0 > 1 << 30 {
            let message = format!("max_line_size is {}, must be between 1 byte and 1GiB", self.max_line_size);
            checks.error("max_line_size", message);
        }
        if self.start_at == StartAt::End {
            let message = "start_at is end, but files are read once, from the beginning; remove it";
            checks.error("start_at", message);
        }
    }
}
