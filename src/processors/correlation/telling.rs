//! Lets records of alerts go on as their incidents have it, and tells again what must not be forgotten.

use bytes::Bytes;
use model::{Ack, Batch, Payload, Timestamp};
use wire::{
    build::Attributes,
    view::{Group, LogRecord, groups},
};

use super::{
    config::Notify,
    events::{self, Kind},
    processor::AnalysisHalf,
    voice::{self, Telling},
};

impl AnalysisHalf {
    /// Passes a record of an alert on, as its incident has it.
    pub(super) fn pass_on(&mut self, group: &Group<'_>, record: &LogRecord<'_>, now: Timestamp) {
        let Some(heard) = events::read_alert(record) else {
            self.silence(record);
            return self.send(group, record.message);
        };
        let (kind, fingerprint) = (heard.event.kind, heard.event.id.clone());
        // What found no room in its incident is of it all the same.
        let joined = self.place(heard.event.clone(), now);
        let joined = joined.and_then(|id| self.incidents.all.get(&id));
        let Some(incident) = joined.or_else(|| self.incidents.of(kind, &fingerprint)) else {
            return self.send(group, record.message);
        };
        let id = incident.id.clone();
        let voice = self.voices.0.entry(id.clone()).or_default();
        voice.silenced.remove(&fingerprint);
        let others_last =
            incident.alerts().any(|other| other != fingerprint && !voice.silenced.contains(other));
        let telling = match self.config.notify {
            Notify::Alerts => Telling::Speaks,
            Notify::Incidents => voice.hear(&heard, others_last),
        };
        let counted = voice.count(&heard.event, &telling);
        let request = voice::mark(group, record, incident, &telling);
        match telling {
            // What one destination is called for is not told to all.
            Telling::Speaks if heard.is_call => {}
            Telling::Speaks if heard.event.end.is_none() => {
                voice.hold(&fingerprint, request.clone(), incident, now);
            }
            Telling::Speaks => {
                voice.held.remove(&fingerprint);
            }
            Telling::Waits => {
                let held = voice.held.entry(fingerprint).or_default();
                held.resolved = request;
                return;
            }
            Telling::Inhibited => self.meters.inhibited.add(1),
        }
        self.n_alerts += u64::from(counted.is_new);
        self.n_notified += u64::from(counted.is_news);
        if let Some(incident) = self.incidents.all.get_mut(&id) {
            incident.n_notified += u64::from(counted.is_news);
        }
        self.send_all(&request);
    }

    /// Lets others speak for the incident of an alert that was silenced, and waits for its end no longer.
    fn silence(&mut self, record: &LogRecord<'_>) {
        let Some(fingerprint) = events::read_silenced(record) else { return };
        let incident = Kind::ALERTS.iter().find_map(|kind| self.incidents.of(*kind, &fingerprint));
        let Some(voice) = incident.and_then(|incident| self.voices.0.get_mut(&incident.id)) else { return };
        let held = voice.held.remove(&fingerprint);
        voice.silenced.insert(fingerprint);
        if let Some(held) = held {
            self.send_all(&held.resolved);
        }
    }

    /// Lets a record go on at the end of this second.
    fn send(&mut self, group: &Group<'_>, message: &[u8]) {
        self.out.copy(group, message, &Attributes::new());
        self.n_out += 1;
    }

    fn send_all(&mut self, request: &[u8]) {
        for group in groups(request) {
            group.items().for_each(|message| self.send(&group, message));
        }
    }

    /// Makes a request of the records so far. Whoever told of the alerts among them learns when exporters have it.
    pub(super) fn close(&mut self, ack: Ack) {
        let items = std::mem::take(&mut self.n_out);
        if items > 0 {
            self.ready.push(Batch { payload: Payload::Logs(self.out.take().into()), items, ack });
        }
    }

    /// Tells again what has ended while its incident goes on, its end when that is over, and what fires when another
    /// cause is named.
    pub(super) fn speak_on(&mut self, now: Timestamp) {
        let voices = &mut self.voices.0;
        voices.retain(|id, _| self.incidents.all.contains_key(id));
        let mut due: Vec<Bytes> = Vec::new();
        for (id, voice) in voices {
            let Some(incident) = self.incidents.all.get(id) else { continue };
            let is_over = !incident.alerts().any(|fingerprint| !voice.silenced.contains(fingerprint));
            due.extend(voice.go_on(is_over, now));
            if self.config.notify == Notify::Incidents {
                due.extend(voice.retell(incident, now));
            }
        }
        due.iter().for_each(|request| self.send_all(request));
    }

    pub(super) fn join_voices(&mut self, id: &str, others: &[String]) {
        let others: Vec<_> = others.iter().filter_map(|other| self.voices.0.remove(other)).collect();
        let voice = self.voices.0.entry(id.to_owned()).or_default();
        others.into_iter().for_each(|other| voice.absorb(other));
    }
}
