//! YAML to a tree with places, and from there to typed settings.
//!
//! The only crate that reads YAML. A document passes through these modules in order: `source` names
//! where text comes from, `parse` turns it into [`Node`]s, `merge` joins several, `expand` replaces
//! `${env:VAR}`, `schema` reads the collector's sections, and `decode` fills a component's settings.
//! No step stops at the first mistake: each adds to one list of [`Problem`]s.

mod decode;
mod node;
mod problem;
mod suggest;
mod values;

pub use decode::{Section, decode};
pub use node::{Entry, Key, Map, Node, Place, Source, Value};
pub use problem::{KeyPath, Problem, Problems, Severity};
pub use suggest::did_you_mean;
pub use values::{ByteSize, Duration, Secret, SignedDuration};
