//! What people may ask about and nothing else depends on: the values that were compared, of quiet alerts too.
//!
//! It is apart from the state, which is stored whenever something is told: this is many times as large, and is stored
//! every few minutes.

use component::{Pieces, RestoreError, Snapshot};
use model::Timestamp;
use prost::{
    Message,
    encoding::{DecodeContext, decode_key},
};

use super::{
    alert::Alert,
    processor::AnalysisHalf,
    record::{Archive, ArchivedRecord},
    snapshot::{alert_of, alert_record},
    tape::Tape,
};

const VERSION: u32 = 1;
/// Of 2 kB each.
const ALERTS_PER_PIECE: usize = 64;

/// Writes the values of all alerts.
pub(super) fn pieces(half: &AnalysisHalf) -> Pieces<'_> {
    let live = half.alerts.iter().map(|(_, alert)| alert);
    let mut taped = live.chain(half.shelf.iter()).filter(|alert| alert.tape.is_some());
    let piece = move || {
        let alerts: Vec<_> = taped.by_ref().take(ALERTS_PER_PIECE).map(|alert| record(half, alert)).collect();
        (!alerts.is_empty()).then(|| Archive { alerts }.encode_to_vec())
    };
    Pieces { version: VERSION, bytes: Box::new(std::iter::from_fn(piece)) }
}

fn record(half: &AnalysisHalf, alert: &Alert) -> ArchivedRecord {
    let mut known = alert_record(half, alert);
    known.past = None;
    ArchivedRecord { alert: Some(known), tape: alert.tape.as_deref().map(Tape::record) }
}

/// Takes values back: of alerts that the state knows they go on, others are there to be asked about.
///
/// *Errors*: the version is unknown, or the bytes are damaged; what was before the damage is kept.
pub(super) fn restore(half: &mut AnalysisHalf, archive: &Snapshot) -> Result<(), RestoreError> {
    if archive.version != VERSION {
        return Err(RestoreError::Version { found: archive.version, readable: "1" });
    }
    let mut bytes = &archive.bytes[..];
    while !bytes.is_empty() {
        // A field at a time, or all would be there twice.
        let mut part = Archive::default();
        decode_key(&mut bytes)
            .and_then(|(tag, kind)| part.merge_field(tag, kind, &mut bytes, DecodeContext::default()))
            .map_err(|problem| RestoreError::Damaged(problem.to_string()))?;
        for archived in part.alerts {
            take_back(half, archived)?;
        }
    }
    Ok(())
}

fn take_back(half: &mut AnalysisHalf, archived: ArchivedRecord) -> Result<(), RestoreError> {
    let (Some(record), Some(tape)) = (archived.alert, archived.tape) else { return Ok(()) };
    let damaged = || RestoreError::Damaged(format!("the values of {:?} can not be", record.name));
    let tape = Box::new(Tape::restored(&tape).ok_or_else(damaged)?);
    let mut alert = alert_of(half, record);
    if !half.has_room_for_tape() || half.shelf.tape_of(alert.fingerprint).is_some() {
        return Ok(());
    }
    if let Some(place) = half.alerts.place_of(alert.fingerprint) {
        if let Some(live) = half.alerts.get_mut(place)
            && live.tape.is_none()
        {
            live.tape = Some(tape);
            half.n_tapes += 1;
        }
        return Ok(());
    }
    alert.tape = Some(tape);
    half.n_tapes += 1;
    half.keep_on_shelf(Box::new(alert));
    Ok(())
}

impl AnalysisHalf {
    /// Whether the memory for values takes one more.
    pub(super) const fn has_room_for_tape(&self) -> bool {
        (self.n_tapes + 1) * Tape::BYTES <= self.config.explain_bytes.0
    }

    /// Keeps what is known of an alert that nothing evaluates. All together are no more than may be known.
    pub(super) fn keep_on_shelf(&mut self, alert: Box<Alert>) {
        self.shelf.put(alert);
        while (self.alerts.len() + self.shelf.len()) as u64 > self.config.max_alerts
            && self.shelf.let_go().is_some()
        {
            self.n_tapes -= 1;
        }
    }

    /// Gives an alert the values that are known of it, or an empty tape where there is room. Those that nothing
    /// evaluates give way.
    pub(super) fn find_tape(&mut self, place: u32, at: Timestamp, every: std::time::Duration) {
        let Some(alert) = self.alerts.get(place).filter(|alert| alert.tape.is_none()) else { return };
        let known = self.shelf.take(alert.fingerprint);
        if known.is_none() {
            if !self.has_room_for_tape() && self.shelf.let_go().is_some() {
                self.n_tapes -= 1;
            }
            if !self.has_room_for_tape() {
                return;
            }
            self.n_tapes += 1;
        }
        let Some(alert) = self.alerts.get_mut(place) else { return };
        match known {
            Some(known) => {
                alert.history.follow(known.history);
                alert.tape = known.tape;
                let threshold = std::mem::replace(&mut alert.threshold, known.threshold);
                alert.compare_with(at, threshold);
            }
            None => alert.tape = Some(Box::new(Tape::new(every))),
        }
    }

    /// Lets go what is no longer of the last 24 hours.
    pub(super) fn clear_shelf(&mut self, now: Timestamp) {
        self.n_tapes -= self.shelf.forget(now);
    }

    /// Returns alerts that nothing evaluates.
    pub(super) fn away(&self) -> impl Iterator<Item = &Alert> {
        self.shelf.iter().filter(|alert| self.alerts.place_of(alert.fingerprint).is_none())
    }

    /// Returns alerts that are evaluated and alerts that are not, in the order of their names and labels.
    pub(super) fn all_sorted(&self, is_wanted: impl Fn(&Alert) -> bool) -> Vec<&Alert> {
        let mut all = self.alerts.sorted(&is_wanted);
        all.extend(self.away().filter(|alert| is_wanted(alert)));
        all.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
        all
    }
}
