//! The contract between components and the engine.
