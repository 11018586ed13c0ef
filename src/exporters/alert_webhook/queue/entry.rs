//! One line of a journal.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::alert_webhook::{
    alert::{Alert, Occurrence},
    formats::GroupKey,
};

/// Something that has changed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(in super::super) enum Entry {
    /// A transition waits from now on.
    Accepted { number: u64, at: u64, alert: Box<Alert> },
    /// Transitions wait no longer; with a group, it has been told.
    Settled {
        numbers: Vec<u64>,
        at: u64,
        fate: Fate,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupKey>,
    },
    /// The stage has not spoken of the alert for long, so nobody knows whether it fires.
    Forgotten { fingerprint: String },
    /// The destination knows that the alert is so: written when a journal is written anew.
    Known {
        at: u64,
        alert: Box<Alert>,
        /// Its group, where it is another than that of the alert as it is now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<GroupKey>,
    },
    /// The destination has been told these: written when a journal is written anew.
    Told { occurrences: Vec<Occurrence> },
    /// The destination never heard of the alerts that end with these.
    Unheard { occurrences: Vec<Occurrence> },
    /// The group was told then: written when a journal is written anew.
    Group { key: GroupKey, at: u64 },
}

/// Why a transition waits no longer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in super::super) enum Fate {
    Delivered,
    /// No attempt helps: it is among the dead letters.
    DeadLetter,
    /// There was no room.
    Dropped,
    /// There is nothing to tell, as with a resolve that nobody wants.
    Passed,
}

/// Returns a line: checksum, entry, line feed.
pub(in super::super) fn encode(entry: &impl Serialize, out: &mut Vec<u8>) {
    let json = serde_json::to_vec(entry).expect("an entry has only texts as keys");
    out.extend_from_slice(format!("{:08x} ", crc32fast::hash(&json)).as_bytes());
    out.extend_from_slice(&json);
    out.push(b'\n');
}

/// Reads a line without its line feed; none when it is damaged.
pub(super) fn decode<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let (sum, json) = line.split_at_checked(9)?;
    let sum = u32::from_str_radix(std::str::from_utf8(sum.strip_suffix(b" ")?).ok()?, 16).ok()?;
    (crc32fast::hash(json) == sum).then(|| serde_json::from_slice(json).ok())?
}
