//! State that outlives the process.

/// Versioned bytes that a processor makes and reads; the engine stores them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// Raised when the layout changes; a processor reads its own version and the one before.
    pub version: u32,
    pub bytes: Vec<u8>,
}

/// Why a snapshot was not taken back. The processor starts empty and the operator is told.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("snapshot has version {found}, this release reads {readable}")]
    Version { found: u32, readable: &'static str },
    #[error("snapshot is damaged: {0}")]
    Damaged(String),
}
