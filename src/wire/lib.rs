//! Bytes to views and back.
