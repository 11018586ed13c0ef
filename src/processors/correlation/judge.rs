//! Looks again and again at what is open: for its cause, for who suffers, and whether it is one trouble or two.

use std::collections::{BTreeMap, BTreeSet};

use model::Timestamp;

use super::{
    cause::{self, Finding, Sight},
    graph::{Name, Way},
    incident::{Incident, Link, Role, State},
    output::News,
    processor::AnalysisHalf,
};

impl AnalysisHalf {
    /// Looks for the cause of an incident, while it is young, and for who suffers. Returns whether people would want
    /// to know what was found.
    pub(super) fn judge(&mut self, id: &str, now: Timestamp) -> bool {
        let Some(incident) = self.incidents.all.get(id) else { return false };
        let finding = match incident.start + self.config.rca.refine_for.get() >= now {
            true => incident.finding.clone().or_newer(self.finding(incident, now)),
            false => incident.finding.clone(),
        };
        let chain = self.chain(incident, &finding);
        let Some(incident) = self.incidents.all.get_mut(id) else { return false };
        let named = |finding: &Finding| finding.root().map(|root| (Name::clone(&root.service), root.kind));
        let services =
            |chain: &[Link]| chain.iter().map(|link| Name::clone(&link.service)).collect::<BTreeSet<_>>();
        let is_news =
            named(&finding) != named(&incident.finding) || services(&chain) != services(&incident.chain);
        incident.finding = finding;
        incident.chain = chain;
        incident.revision += u32::from(is_news);
        is_news
    }

    fn finding(&self, incident: &Incident, now: Timestamp) -> Finding {
        let hops = self.config.causal.max_hops;
        let reach = self.graph.within(&incident.services(), hops);
        let others = self.incidents.all.values().filter(|other| other.id != incident.id);
        let leads = others.filter_map(Incident::lead).filter(|lead| !incident.is_in_trouble(lead));
        let sight = Sight {
            hops,
            troubled: &incident.troubled(),
            claimed: &leads.cloned().collect(),
            signals: &self.signals,
            graph: &self.graph,
            changes: &self.changes,
            start: incident.start,
            end: incident.end.unwrap_or(now),
            config: &self.config.rca,
            known: &incident.finding,
        };
        cause::find(&sight, &reach)
    }

    /// The services of an incident: its cause, then who suffers in the order in which it came to them.
    fn chain(&self, incident: &Incident, finding: &Finding) -> Vec<Link> {
        let mut first_seen: BTreeMap<Name, Timestamp> = BTreeMap::new();
        for event in incident.members.values().filter(|event| !event.service.is_empty()) {
            let seen = first_seen.entry(Name::clone(&event.service)).or_insert(event.start);
            *seen = (*seen).min(event.start);
        }
        let root = finding.root().map(|one| &one.service);
        if let Some(root) = root {
            first_seen.entry(Name::clone(root)).or_insert(incident.start);
        }
        let names: BTreeSet<Name> = first_seen.keys().cloned().collect();
        let is_loud = |service: &str| names.contains(service);
        let above = |root: &Name| self.graph.reached(root, Way::Up, &self.config.causal, &is_loud);
        let suffers = root.map(above).unwrap_or_default();
        let role = |service: &Name| match root {
            Some(root) if root == service => Role::Root,
            _ if suffers.contains(&**service) => Role::Propagated,
            _ => Role::Suspected,
        };
        let links = first_seen.iter().map(|(service, first_seen)| Link {
            service: Name::clone(service),
            role: role(service),
            first_seen: *first_seen,
        });
        let mut chain: Vec<Link> = links.collect();
        chain.sort_by(|a, b| (a.role, a.first_seen, &a.service).cmp(&(b.role, b.first_seen, &b.service)));
        chain
    }

    /// Looks again at what is open, when there is something new to see, and at what was not looked at yet.
    pub(super) fn refine(&mut self, now: Timestamp) {
        let unjudged = std::mem::take(&mut self.unjudged);
        if self.signals.last <= self.judged {
            return self.judge_all(unjudged, now);
        }
        self.judged = self.signals.last;
        let open = self.incidents.all.values().filter(|incident| incident.state < State::Resolved);
        let open: Vec<String> = open.map(|incident| incident.id.clone()).collect();
        self.judge_all(open, now);
        self.merge_of_one_cause(now);
        self.split(now);
    }

    fn judge_all(&mut self, ids: impl IntoIterator<Item = String>, now: Timestamp) {
        for id in ids {
            if self.judge(&id, now) {
                self.tell(&id, News::Updated, now);
            }
        }
    }

    /// Divides what has two causes.
    fn split(&mut self, now: Timestamp) {
        for id in self.incidents.all.keys().cloned().collect::<Vec<_>>() {
            let Some(new) = self.incidents.split(&id, &self.graph, &self.config) else { continue };
            if let (Some(voice), Some(incident)) = (self.voices.0.get_mut(&id), self.incidents.all.get(&new))
            {
                let moved = incident.members.keys().map(|(_, id)| &**id).collect();
                let voice = voice.part(&moved);
                self.voices.0.insert(new.clone(), voice);
            }
            self.judge(&new, now);
            self.judge(&id, now);
            self.meters.opened.add(1);
            self.tell(&id, News::Updated, now);
            self.tell(&new, News::Opened, now);
        }
    }

    /// Joins open incidents that name the same cause.
    fn merge_of_one_cause(&mut self, now: Timestamp) {
        let mut oldest: BTreeMap<Name, String> = BTreeMap::new();
        let mut same: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for incident in self.incidents.all.values().filter(|incident| incident.state < State::Resolved) {
            let Some(root) = incident.root() else { continue };
            match oldest.get(root) {
                Some(older) => same.entry(older.clone()).or_default().push(incident.id.clone()),
                None => {
                    oldest.insert(Name::clone(root), incident.id.clone());
                }
            }
        }
        for (id, younger) in same {
            self.incidents.merge(&id, &younger, self.config.max_members as usize);
            self.join_voices(&id, &younger);
            self.judge(&id, now);
            self.tell(&id, News::Merged, now);
        }
    }
}
