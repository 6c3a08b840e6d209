//! Which phones are told to fetch a change, and what their statuses say of it.

use jiff::Timestamp;

use super::*;
use crate::api::ResyncMethod;
use crate::phone::cnf;
use crate::provision::advice;
use crate::provision::phone_status::{PhoneFacts, ResyncFacts, Served, SyncProblem, sync_problem};
use crate::provision::resync::{Due, Password, ResyncError, ResyncOrder, Transport};

/// How many phones are on their way at a time, if nobody says.
const MOST: i64 = 5;

/// Whether a phone is to be told.
enum Need {
    /// There is nothing to tell.
    Nothing,
    /// Not before then.
    NotBefore(Timestamp),
    /// It is to be told, so that it fetches this.
    Tell { method: ResyncMethod, content: String, requested: bool },
    /// It is to be told, so that it is seen whether it runs this image.
    Check { method: ResyncMethod, content: String, image: String },
}

impl Fleet {
    /// Those who may be told now, and after how many seconds to ask again. Whoever is returned counts as being told until
    /// [`Fleet::note_resync`].
    pub fn resync_orders(&mut self, site_key: &Key, now: Timestamp) -> (Vec<ResyncOrder>, Option<i64>) {
        self.settle();
        let Some(site) = self.sites.get(site_key).filter(|site| !site.spec.suspend) else { return (Vec::new(), None) };
        // Phones look into syncinfo.xml, and take the common files too.
        let common = site.plan.as_ref().map_or(Served::Nothing, |plan| self.served(site, &plan.files));
        if common != Served::Everywhere {
            return (Vec::new(), None);
        }
        let most = site.spec.resync.as_ref().and_then(|resync| resync.max_concurrent).unwrap_or(MOST);
        let (mut active, mut next, mut ready) = (0, None::<Timestamp>, Vec::new());
        let mut later = |then: Timestamp| next = Some(next.map_or(then, |next: Timestamp| next.min(then)));
        for key in &site.pending {
            let (Some(phone), Some(facts)) = (self.phones.get(key), self.phone_facts(key)) else { continue };
            let (method, content, requested, checks) = match self.need(site, phone, &facts, now) {
                Need::Nothing => continue,
                Need::NotBefore(then) => {
                    later(then);
                    continue;
                }
                Need::Tell { method, content, requested } => (method, content, requested, None),
                Need::Check { method, content, image } => (method, content, false, Some(image)),
            };
            match phone.telling.turn(&content, phone.seen.time, now) {
                Due::OnItsWay(then) => {
                    active += 1;
                    later(then);
                }
                Due::Later(then) => later(then),
                Due::Now => match site.hours() {
                    Some(hours) if !requested && !hours.contains(now) => later(hours.next(now)),
                    _ => {
                        if let Ok(way) = way(site, phone, method, now) {
                            ready.push((key.clone(), content, way, checks));
                        } else if let Some(seconds) = phone.track.now().due_in(now) {
                            later(Timestamp::from_second(now.as_second() + seconds).unwrap_or(now));
                        }
                    }
                },
            }
        }
        let room = usize::try_from(most - active).unwrap_or(0);
        let mut orders = Vec::new();
        for (key, content, (address, way), checks) in ready.into_iter().take(room) {
            if let Some(phone) = self.phones.get_mut(&key) {
                match checks {
                    Some(image) => phone.telling.begin_check(&content, &image, now),
                    None => phone.telling.begin(&content, now),
                }
                self.mark(WorkItem::PhoneStatus(key.clone()));
                orders.push(ResyncOrder { phone: key, address, way });
            }
        }
        (orders, next.map(|next| (next.as_second() - now.as_second()).max(0) + 1))
    }

    /// A phone was told, or could not be.
    pub fn note_resync(&mut self, key: &Key, result: Result<(), ResyncError>) {
        let Some(phone) = self.phones.get_mut(key) else { return };
        phone.telling.end(result);
        let home = phone.home.clone();
        self.mark(WorkItem::PhoneStatus(key.clone()));
        if let Some(home) = home {
            self.mark(WorkItem::Resync(home));
        }
    }

    /// Whether a phone is among those that are to be told: soon there is more to say of it.
    pub fn needs_resync(&self, key: &Key) -> bool {
        let home = self.phones.get(key).and_then(|phone| self.sites.get(phone.home.as_ref()?));
        home.is_some_and(|site| site.pending.contains(key))
    }

    /// Notes whether a phone is to be told, now or later.
    pub(super) fn settle_resync(&mut self, key: &Key) {
        let Some(facts) = self.phone_facts(key) else { return };
        let Some(phone) = self.phones.get(key) else { return };
        let Some(home) = phone.home.clone() else { return };
        let Some(site) = self.sites.get(&home) else { return };
        let needed = !matches!(self.need(site, phone, &facts, self.clock), Need::Nothing);
        let (Some(site), Some(phone)) = (self.sites.get_mut(&home), self.phones.get_mut(key)) else { return };
        let was = if needed { !site.pending.insert(key.clone()) } else { site.pending.remove(key) };
        if !needed {
            phone.telling.rest();
        }
        if needed || was {
            self.mark(WorkItem::Resync(home));
        }
    }

    /// Whether one of a site's phones is told by SIP NOTIFY: they look into `syncinfo.xml` then.
    pub(super) fn notifies(&self, site_key: &Key) -> bool {
        let by_site = self.sites.get(site_key).and_then(|site| site.spec.resync.as_ref());
        by_site.is_some_and(|resync| resync.method == ResyncMethod::Notify)
            || self.sites.get(site_key).is_some_and(|site| site.meta.resync_at.is_some())
            || self.by_site.get(site_key).into_iter().flatten().any(|key| {
                self.phones.get(key).is_some_and(|phone| {
                    let own = phone.spec.resync.as_ref().is_some_and(|own| own.method == ResyncMethod::Notify);
                    own || phone.meta.resync_at.is_some()
                })
            })
    }

    fn need(&self, site: &Site, phone: &Phone, facts: &PhoneFacts<'_>, now: Timestamp) -> Need {
        let Some((_, hash)) = &facts.file else { return Need::Nothing };
        let method = method(site, phone);
        let request = phone.request().max(site.request());
        let since = |request: &Timestamp| phone.seen.time.is_none_or(|seen| seen < *request);
        let content = format!("{hash} {}", facts.common.as_deref().unwrap_or_default());
        match request.filter(since) {
            Some(request) if request <= now => {
                let method = if method == ResyncMethod::Never { ResyncMethod::Notify } else { method };
                return Need::Tell { method, content: format!("{content} {request}"), requested: true };
            }
            Some(request) if method == ResyncMethod::Never => return Need::NotBefore(request),
            _ => {}
        }
        let stale = matches!(
            sync_problem(facts),
            Some(SyncProblem::NeverFetched | SyncProblem::Outdated | SyncProblem::CommonOutdated)
        );
        match request.filter(since) {
            _ if stale && method != ResyncMethod::Never && facts.current && facts.served == Served::Everywhere => {
                Need::Tell { method, content, requested: false }
            }
            Some(request) => Need::NotBefore(request),
            None if method == ResyncMethod::Never || sync_problem(facts).is_some() => Need::Nothing,
            None => check(phone, method, content, now),
        }
    }

    /// What a phone's status follows from, as far as telling it is concerned.
    pub(super) fn resync_facts(&self, key: &Key, facts: &PhoneFacts<'_>, now: Timestamp) -> ResyncFacts {
        let said = self.resync_said(key, facts, now);
        let needed = said.as_ref().is_some_and(|(done, ..)| !done);
        ResyncFacts { status: self.phones.get(key).and_then(|phone| phone.telling.status(needed)), said }
    }

    fn resync_said(&self, key: &Key, facts: &PhoneFacts<'_>, now: Timestamp) -> Option<(bool, &'static str, String)> {
        let phone = self.phones.get(key)?;
        let site = self.sites.get(phone.home.as_ref()?)?;
        let (how, content, requested) = match self.need(site, phone, facts, now) {
            Need::Tell { method, content, requested } => (method, content, requested),
            Need::Check { method, content, .. } => (method, content, false),
            _ if method(site, phone) == ResyncMethod::Never => return None,
            _ => {
                return Some(match sync_problem(facts) {
                    None => (true, "InSync", "the phone fetched its newest configuration".to_owned()),
                    Some(_) => {
                        (false, "NotServed", "the phone is told when there is something new to fetch".to_owned())
                    }
                });
            }
        };
        let (reason, message) = match (way(site, phone, how, now), phone.telling.turn(&content, phone.seen.time, now)) {
            (_, Due::OnItsWay(_)) => ("Told", told(how).to_owned()),
            (Err(problem), _) => (problem.reason, problem.message),
            (_, Due::Later(then)) => {
                let then = crate::provision::observed::seconds(then);
                match phone.telling.problem() {
                    Some(problem) => (problem.reason, format!("{}; it is told again at {then}", problem.message)),
                    None => (
                        "NotBack",
                        format!(
                            "it was told and did not come back for its newest files: is it in a call, or unplugged? It is told again at {then}"
                        ),
                    ),
                }
            }
            (_, Due::Now) => match site.hours() {
                Some(hours) if !requested && !hours.contains(now) => {
                    ("OutsideWindow", format!("phones are told {}", hours.words()))
                }
                _ if site.spec.suspend => ("Suspended", "the site is suspended".to_owned()),
                _ => ("Waiting", "other phones of the site are on their way; this one follows".to_owned()),
            },
        };
        Some((false, reason, message))
    }
}

impl Site {
    fn hours(&self) -> Option<&crate::provision::resync::Hours> {
        self.plan.as_ref()?.hours.as_ref()
    }

    fn request(&self) -> Option<Timestamp> {
        request(&self.meta)
    }
}

impl Phone {
    fn request(&self) -> Option<Timestamp> {
        request(&self.meta)
    }
}

/// When somebody asked for a restart, by an annotation.
fn request(meta: &Meta) -> Option<Timestamp> {
    meta.resync_at.as_deref()?.trim().parse().ok()
}

/// What is wrong with such an annotation.
pub(super) fn check_request(meta: &Meta, found: &mut Vec<Diagnostic>) {
    if let (Some(text), None) = (&meta.resync_at, request(meta)) {
        let field = "metadata.annotations[dialtone.dev/resync-at]";
        found.push(Diagnostic::advice(advice::RESYNC_TIME, field, format!("is {text:?}")));
    }
}

fn method(site: &Site, phone: &Phone) -> ResyncMethod {
    let own = phone.spec.resync.as_ref().map(|resync| resync.method);
    own.or_else(|| site.spec.resync.as_ref().map(|resync| resync.method)).unwrap_or_default()
}

/// Whether a phone that took an image, or read of it, and was not heard of since should show what it runs.
fn check(phone: &Phone, method: ResyncMethod, content: String, now: Timestamp) -> Need {
    let Some(image) = phone.told.clone().filter(|told| Some(told) == phone.image.as_ref()) else {
        return Need::Nothing;
    };
    match phone.track.now().overdue_at(&image) {
        Some(then) if then > now => Need::NotBefore(then),
        Some(_) if !phone.telling.has_checked(&image) => {
            Need::Check { method, content: format!("{content} {image}"), image }
        }
        _ => Need::Nothing,
    }
}

const fn told(how: ResyncMethod) -> &'static str {
    match how {
        ResyncMethod::Telnet => "it is told by telnet to restart",
        _ => "it is told by SIP NOTIFY; it restarts once it has been idle for 20 seconds",
    }
}

/// Where and how a phone is told; why it cannot be, and what to do.
fn way(site: &Site, phone: &Phone, how: ResyncMethod, now: Timestamp) -> Result<(IpAddr, Transport), ResyncError> {
    let Some(address) = phone.seen.address else {
        return Err(ResyncError::new(
            "NoAddress",
            "the phone was never seen: plug it in, and it fetches everything by itself",
        ));
    };
    let upgrade = phone.track.now();
    let overdue = phone.told.as_ref().and_then(|told| upgrade.overdue_at(told)).is_some_and(|then| then <= now);
    if upgrade.due_in(now).is_some() && !overdue {
        return Err(ResyncError::new("Upgrading", "the phone is taking an image and restarts by itself"));
    }
    // It still goes by what it fetched last, not by the change that it is to be told of; after a restart of the operator the
    // change is all that is known.
    let files = match &phone.runs {
        Some((plan, own)) => [plan.common(), Some(own)],
        None => {
            let own = phone.plan.as_ref().and_then(|plan| plan.files.first());
            [site.plan.as_ref().and_then(|plan| plan.common()), own]
        }
    };
    let mut values = BTreeMap::new();
    for file in files.into_iter().flatten() {
        values.append(&mut cnf::read(&file.bytes).effective());
    }
    let value = |name: &str| values.get(name).map(String::as_str).filter(|v| !v.is_empty() && *v != "UNPROVISIONED");
    if how != ResyncMethod::Telnet {
        let port = value("voip_control_port").and_then(|port| port.parse().ok()).unwrap_or(5060);
        let lines = (1..=phone.spec.model.lines()).filter_map(|n| value(&format!("line{n}_name")));
        return Ok((address, Transport::Notify { port, lines: lines.map(str::to_owned).collect() }));
    }
    if value("telnet_level") != Some("2") {
        return Err(ResyncError::new(
            "TelnetOff",
            "phones restart by telnet only with settings.telnetLevel Privileged: set it, and let the phone restart once by itself",
        ));
    }
    let password = value("phone_password").unwrap_or("cisco").to_owned();
    Ok((address, Transport::Telnet { password: Password(password) }))
}
