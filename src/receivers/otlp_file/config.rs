//! Which files, and how fast.

use component::Checks;
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
    pub(crate) compression: Compression,
    /// 1 is the recorded pace, 10 is ten times as fast, 0 is as fast as the pipelines take it.
    pub(crate) speed: f64,
    /// A longer line is a bad line.
    pub(crate) max_line_size: config::ByteSize,
    /// Only `beginning`: files are read once, from start to end.
    pub(crate) start_at: StartAt,
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
            compression: Compression::Auto,
            speed: 0.0,
            max_line_size: config::ByteSize(64 << 20),
            start_at: StartAt::Beginning,
        }
    }
}

impl component::Config for OtlpFileConfig {
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
