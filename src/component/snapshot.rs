//! State that outlives the process.

/// Versioned bytes that a processor makes and reads; the engine stores them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// Raised when the layout changes; a processor reads its own version and the one before.
    pub version: u32,
    pub bytes: Vec<u8>,
}

/// A snapshot that is made while it is stored, so that there is never a second copy of a large state.
pub struct Pieces<'a> {
    pub version: u32,
    /// Together the bytes of the snapshot. A piece is made when the one before has been taken.
    pub bytes: Box<dyn Iterator<Item = Vec<u8>> + 'a>,
}

impl Pieces<'_> {
    /// Makes all pieces and puts them together.
    pub fn whole(self) -> Snapshot {
        Snapshot { version: self.version, bytes: self.bytes.flatten().collect() }
    }
}

impl From<Snapshot> for Pieces<'_> {
    fn from(Snapshot { version, bytes }: Snapshot) -> Self {
        Self { version, bytes: Box::new(std::iter::once(bytes)) }
    }
}

/// Why a snapshot was not taken back. The processor starts empty and the operator is told.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error("snapshot has version {found}, this release reads {readable}")]
    Version { found: u32, readable: &'static str },
    #[error("snapshot is damaged: {0}")]
    Damaged(String),
}
