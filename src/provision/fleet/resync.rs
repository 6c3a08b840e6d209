//! Which phones are notified of a change, and what their statuses say of it.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::api::Reason;
use crate::phone::FileName;
use crate::provision::Key;
use crate::provision::observe::fetch::{Fetch, seconds};
use crate::provision::observe::pods::Served;
use crate::provision::resync::{Answer, Due, Need, NeedFacts, ResyncError, ResyncKind, ResyncOrder, Transport};
use crate::provision::status::phone::ResyncFacts;
use crate::provision::verdict::Verdict;

use super::Fleet;
use super::agenda::WorkItem;
use super::phone::Phone;
use super::site::Site;

/// A phone that could be notified now.
struct Candidate {
    phone: Key,
    content: String,
    address: IpAddr,
    transport: Transport,
    checks: Option<String>,
}

impl Fleet {
    /// The phones that are notified now, and after how many seconds to ask again. An attempt counts as under way until
    /// [`Fleet::note_resync`].
    pub fn resync_orders(&mut self, key: &Key, now: Timestamp) -> (Vec<ResyncOrder>, Option<i64>) {
        self.settle();
        let Some(site) = self.sites.get(key).filter(|site| !site.is_suspended()) else { return (Vec::new(), None) };
        // Phones read syncinfo.xml, and take the common files too.
        if !self.offline && site.common_served() != Served::Everywhere {
            return (Vec::new(), None);
        }
        let (ready, under_way, next) = self.resync_candidates(site, now);
        let room = usize::try_from(site.max_concurrent() - under_way).unwrap_or(0);
        let mut orders = Vec::new();
        for Candidate { phone: key, content, address, transport, checks } in ready.into_iter().take(room) {
            let Some(phone) = self.phones.get_mut(&key) else { continue };
            match checks {
                Some(image) => phone.attempts_mut().begin_check(&content, &image, now),
                None => phone.attempts_mut().begin(&content, now),
            }
            if let Some(site) = phone.home().cloned().and_then(|home| self.sites.get_mut(&home)) {
                site.callers.notified.insert(address, key.clone());
            }
            self.agenda.work(WorkItem::PhoneStatus(key.clone()));
            let attempt = phone.attempts().count();
            orders.push(ResyncOrder { phone: key, address, transport, attempt });
        }
        (orders, next.map(|next| (next.as_second() - now.as_second()).max(0) + 1))
    }

    /// Those that could be notified now, how many are under way, and when the next may follow.
    fn resync_candidates(&self, site: &Site, now: Timestamp) -> (Vec<Candidate>, i64, Option<Timestamp>) {
        let (mut under_way, mut next, mut ready) = (0, None::<Timestamp>, Vec::new());
        let mut later = |then: Timestamp| next = Some(next.map_or(then, |next: Timestamp| next.min(then)));
        for key in &site.resync_queue {
            let Some(phone) = self.phones.get(key) else { continue };
            let (kind, content, requested, checks) = match self.need(site, phone, now) {
                Need::Nothing => continue,
                Need::NotBefore(then) => {
                    later(then);
                    continue;
                }
                Need::Notify { kind, content, requested, checks } => (kind, content, requested, checks),
            };
            match phone.attempts().due(&content, phone.last_fetch().time, now) {
                Due::UnderWay(then) => {
                    under_way += 1;
                    later(then);
                }
                Due::Later(then) => later(then),
                Due::Now => match site.hours() {
                    Some(hours) if !requested && !hours.contains(now) => later(hours.next(now)),
                    _ => {
                        if let Ok((address, transport)) = self.target(site, phone, kind, now) {
                            ready.push(Candidate { phone: key.clone(), content, address, transport, checks });
                        } else if let Some(seconds) = phone.upgrade().due_in(now) {
                            later(Timestamp::from_second(now.as_second() + seconds).unwrap_or(now));
                        }
                    }
                },
            }
        }
        (ready, under_way, next)
    }

    /// Whether a phone is being notified and was not heard since: only then it is notified again if it does not answer.
    pub fn awaits_answer(&self, key: &Key) -> bool {
        self.phones.get(key).is_some_and(|phone| phone.attempts().is_awaited())
    }

    /// Somebody asks for a file; `own` is the phone whose name it bears. If that is what a phone asks for when it was notified, that is
    /// as good as an answer, which may not find its way.
    pub(super) fn note_answer(&mut self, site: &Key, fetch: &Fetch, name: FileName<'_>, own: Option<&Key>) {
        let Some(site) = self.sites.get_mut(site) else { return };
        let asker = match name {
            FileName::SyncInfo | FileName::Xml(_) => site.callers.notified.get(&fetch.address).cloned(),
            _ => own.cloned(),
        };
        let Some((key, phone)) = asker.and_then(|key| self.phones.get_mut(&key).map(|phone| (key, phone))) else {
            return;
        };
        if phone.attempts_mut().hear(fetch.time) {
            site.callers.notified.remove(&fetch.address);
            self.agenda.work(WorkItem::PhoneStatus(key));
        }
    }

    /// An attempt to notify a phone ended.
    pub fn note_resync(&mut self, key: &Key, result: Result<Answer, ResyncError>) {
        let Some(phone) = self.phones.get_mut(key) else { return };
        phone.attempts_mut().end(result);
        let home = phone.home().cloned();
        self.agenda.work(WorkItem::PhoneStatus(key.clone()));
        if let Some(home) = home {
            self.agenda.work(WorkItem::Resync(home));
        }
    }

    /// Whether a phone is among those that have to be notified: soon there is more to say of it.
    pub(super) fn needs_resync(&self, key: &Key) -> bool {
        let home = self.phones.get(key).and_then(|phone| self.sites.get(phone.home()?));
        home.is_some_and(|site| site.resync_queue.contains(key))
    }

    /// Notes whether a phone has to be notified, now or later.
    pub(super) fn queue_resync(&mut self, key: &Key) {
        let Some(phone) = self.phones.get(key) else { return };
        let Some(home) = phone.home().cloned() else { return };
        let Some(site) = self.sites.get(&home) else { return };
        let needed = self.need(site, phone, self.clock) != Need::Nothing;
        let (Some(site), Some(phone)) = (self.sites.get_mut(&home), self.phones.get_mut(key)) else { return };
        let was = if needed { !site.resync_queue.insert(key.clone()) } else { site.resync_queue.remove(key) };
        if !needed {
            phone.attempts_mut().rest();
        }
        if needed || was {
            self.agenda.work(WorkItem::Resync(home));
        }
    }

    /// Where and how a phone is notified; why it cannot be, and what to do.
    fn target(
        &self,
        site: &Site,
        phone: &Phone,
        kind: ResyncKind,
        now: Timestamp,
    ) -> Result<(IpAddr, Transport), ResyncError> {
        let address = self.notifiable(site, phone, now)?;
        let upgrade = phone.upgrade();
        let overdue = phone.offer().image().and_then(|image| upgrade.overdue_at(image)).is_some_and(|then| then <= now);
        if upgrade.due_in(now).is_some() && !overdue {
            let message = "the phone is taking an image and restarts by itself";
            return Err(ResyncError::new(Reason::Upgrading, message));
        }
        Ok((address, phone.transport(site.plan().map(|plan| &**plan), kind)?))
    }

    fn need(&self, site: &Site, phone: &Phone, now: Timestamp) -> Need {
        let Some(hash) = phone.hash().filter(|_| !phone.standing().is_pending()) else { return Need::Nothing };
        let derived = phone.derived();
        let offered = phone.offer().image().filter(|image| phone.target() == Some(*image));
        let overdue = offered.and_then(|image| Some((image, phone.upgrade().overdue_at(image)?)));
        let facts = NeedFacts {
            method: phone.resync_method(site.spec()),
            request: phone.meta().resync_request().max(site.resync_request()),
            fetched_at: phone.last_fetch().time,
            hashes: (hash, site.common_hash()),
            sync: derived.sync,
            is_served: phone.standing().is_up_to_date() && derived.served == Served::Everywhere,
            overdue,
            is_checked: overdue.is_some_and(|(image, _)| phone.attempts().has_checked(image)),
        };
        Need::of(facts, now)
    }

    /// What a phone's status follows from, as far as notifying it is concerned.
    pub(super) fn resync_facts(&self, phone: &Phone, now: Timestamp) -> ResyncFacts {
        let site = phone.home().and_then(|home| self.sites.get(home));
        let verdict = site.and_then(|site| self.resync_verdict(site, phone, now));
        let needed = verdict.as_ref().is_some_and(|verdict| !verdict.holds);
        let address_conflict = self.address_conflict(phone, now);
        ResyncFacts { status: phone.attempts().status(needed), verdict, address_conflict }
    }

    fn resync_verdict(&self, site: &Site, phone: &Phone, now: Timestamp) -> Option<Verdict> {
        let (kind, content, requested) = match self.need(site, phone, now) {
            Need::Notify { kind, content, requested, .. } => (kind, content, requested),
            Need::Nothing | Need::NotBefore(_) if ResyncKind::of(phone.resync_method(site.spec())).is_none() => {
                return None;
            }
            Need::Nothing | Need::NotBefore(_) => {
                return Some(match phone.derived().sync {
                    None => Verdict::yes(Reason::InSync, "the phone fetched its newest configuration"),
                    Some(_) => {
                        let message = "the phone is told when there is something new to fetch";
                        Verdict::no(Reason::NotServed, message)
                    }
                });
            }
        };
        let due = phone.attempts().due(&content, phone.last_fetch().time, now);
        Some(match (self.target(site, phone, kind, now), due) {
            (_, Due::UnderWay(then)) => match phone.attempts().silence() {
                None => Verdict::no(Reason::Told, notified(kind)),
                Some(_) => Verdict::no(Reason::Unheard, unheard(then)),
            },
            (Err(error), _) => Verdict::no(error.reason, error.message),
            (_, Due::Later(then)) => match (phone.attempts().error(), phone.attempts().silence(), seconds(then)) {
                (Some(error), _, then) => {
                    Verdict::no(error.reason, format!("{}; it is told again at {then}", error.message))
                }
                (None, Some(silence), then) => Verdict::no(
                    Reason::NoAnswer,
                    format!(
                        "{silence} and did not come back: is it unplugged, or does a firewall keep SIP from it? It is told again at {then}"
                    ),
                ),
                (None, None, then) => Verdict::no(
                    Reason::NotBack,
                    format!(
                        "it was told and did not come back for its newest files: is it in a call, or unplugged? It is told again at {then}"
                    ),
                ),
            },
            (_, Due::Now) => match site.hours() {
                Some(hours) if !requested && !hours.contains(now) => {
                    Verdict::no(Reason::OutsideWindow, format!("phones are told {}", hours.words()))
                }
                _ if site.is_suspended() => Verdict::no(Reason::Suspended, "the site is suspended"),
                _ => Verdict::no(Reason::Waiting, "other phones of the site are on their way; this one follows"),
            },
        })
    }
}

fn unheard(then: Timestamp) -> String {
    format!(
        "it was told by SIP NOTIFY, and no answer was heard: it may be unplugged, or its answer does not find the way through address translation or a firewall; until {} it is waited for",
        seconds(then)
    )
}

const fn notified(kind: ResyncKind) -> &'static str {
    match kind {
        ResyncKind::Telnet => "it is told by telnet to restart",
        ResyncKind::Notify => "it is told by SIP NOTIFY; it restarts once it has been idle for 20 seconds",
    }
}
