//! What waits for a destination, and what it has been told: in memory as a [`Book`], on disk as a [`Journal`] from
//! which the book can be made again.
//!
//! A journal is a file of lines: a checksum, a space and one [`Entry`] as JSON. A line that was torn by a crash is
//! told by its checksum and skipped. When a file has grown far beyond what it stands for, it is written anew.
//!
//! Beside the journals, [`Notes`] of any kind are written in the same form, for which nobody waits.

mod book;
mod entry;
mod journal;
#[cfg(test)]
mod tests;

pub(super) use book::{Accepted, Book, Bounds, Overflow};
pub(super) use entry::{Entry, Fate, encode};
pub(super) use journal::{Journal, JournalError, Notes, Pen, ToWrite, Writer};
