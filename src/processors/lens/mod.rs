//! What a person who looks at passing telemetry sees: what a condition holds for, without secrets.

mod condition;
mod mask;
#[cfg(test)]
mod tests;

pub use condition::Condition;
pub use mask::Mask;
