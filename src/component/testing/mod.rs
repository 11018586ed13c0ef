//! Tools for testing components: a clock that stands still and a harness that runs one processor.

mod clock;
mod harness;

pub use clock::ManualClock;
pub use harness::Harness;
