//! YAML to a tree with places.
