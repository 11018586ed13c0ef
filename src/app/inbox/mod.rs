//! `trueline inbox`: receives alerts as webhooks and prints them, for people who try a configuration.

mod server;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use server::{InboxArgs, run};
