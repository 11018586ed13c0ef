//! Files of others, what is made of them, and what is named.

mod rules;
mod slos;
