//! How far names are translated.

/// What is done to names on the way to Prometheus.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Naming {
    /// Names are reduced to letters, digits, underscores and colons.
    pub escapes: bool,
    /// Unit and type are appended.
    pub adds_suffixes: bool,
}

impl Naming {
    /// What Prometheus and the collector do unless told otherwise: `http_server_duration_seconds`.
    pub const CLASSIC: Self = Self { escapes: true, adds_suffixes: true };
    /// Classic names, nothing appended: `http_server_duration`.
    pub const ESCAPED: Self = Self { escapes: true, adds_suffixes: false };
    /// Names as sent.
    pub const AS_SENT: Self = Self { escapes: false, adds_suffixes: false };
}
