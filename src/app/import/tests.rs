//! Files of others, what is made of them, and what is named.

mod damaged;
mod rules;
mod slos;
