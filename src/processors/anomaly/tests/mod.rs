//! The processor under windows whose baselines are made by hand.

mod rows;
mod seasonal;
