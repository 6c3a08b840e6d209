//! The operator's process in the world: it starts, follows watches, asks the API server, polls pods, and is killed.

use dialtone::base::report::Report;
use dialtone::provision::{Key, WorkItem};

use super::super::api::{Body, Id, Reply, Request, WATCHES};
use super::super::people::key;
use super::super::shell::{Phase, Shell};
use super::super::work::id_of;
use super::{Event, Fate, Operator, Step, Then, World};

impl World {
    pub(super) fn start(&mut self) {
        let now = self.now();
        let run = self.operator.run + 1;
        let pods = self.operator.pods;
        self.operator = Operator { shell: Some(Shell::new(now)), run, pods, ..Operator::default() };
        for watch in 0..WATCHES {
            self.operator.waking[watch] = true;
            let after = self.lag(10, 2_000);
            self.agenda.add(after, Event::Watch(run, watch));
        }
    }

    /// Everything that the process knew is gone. What it had asked for may still be done. Another one leads after a while.
    pub(super) fn crash(&mut self) {
        if self.operator.shell.take().is_some() {
            let after = self.faults.dice.between(8_000, 16_000);
            self.agenda.add(after, Event::Start);
        }
    }

    pub(super) fn watch(&mut self, run: u64, watch: usize) {
        let (now, more) = (self.now(), self.disturbed());
        let most = if more { self.faults.dice.between(1, 4) as usize } else { usize::MAX };
        if run != self.operator.run {
            return;
        }
        let Some(shell) = &mut self.operator.shell else { return };
        let again = shell.follow(now, &self.api, watch, most);
        self.operator.waking[watch] = again;
        if again {
            let after = self.lag(1, 1_000);
            self.agenda.add(after, Event::Watch(run, watch));
        }
    }

    /// A watch has something to tell, soon.
    pub(super) fn wake(&mut self, watch: usize) {
        if self.operator.shell.is_some() && !self.operator.waking[watch] {
            self.operator.waking[watch] = true;
            let after = self.lag(2, 3_000);
            self.agenda.add(after, Event::Watch(self.operator.run, watch));
        }
    }

    /// Begins all that the operator has to do now.
    pub(super) fn drive(&mut self) {
        self.go_on_with_the_start();
        let (now, run) = (self.now(), self.operator.run);
        let Some(shell) = &mut self.operator.shell else { return };
        let begun = shell.begin_work(now);
        let (new, told) = (std::mem::take(&mut shell.new_pollers), std::mem::take(&mut shell.told));
        for (item, step) in begun {
            self.ask(item, step);
        }
        for pod in new {
            self.operator.polling.insert(pod.clone());
            let after = self.lag(5, 1_000);
            self.agenda.add(after, Event::Poll(run, pod));
        }
        for address in told {
            if let Some(n) = self.phones.iter().position(|phone| phone.address() == address) {
                self.agenda.add(5_000, Event::Boot(n));
            }
        }
        let next = self.operator.shell.as_ref().and_then(|shell| shell.queue.next_at()).filter(|at| *at > now);
        if let Some(at) = next.filter(|at| self.operator.wakes_at.is_none_or(|wakes| wakes > *at || wakes <= now)) {
            self.operator.wakes_at = Some(at);
            self.agenda.add(at - now, Event::Work);
        }
    }

    /// The initial sync, one step after the other.
    fn go_on_with_the_start(&mut self) {
        let (now, run) = (self.now(), self.operator.run);
        let Some(shell) = &mut self.operator.shell else { return };
        match shell.phase {
            Phase::Listing if shell.has_listed() => {
                shell.recover();
                shell.phase = Phase::Reading(0);
                self.go_on_with_the_start();
            }
            Phase::Reading(0) => {
                let (reads, rest): (Vec<WorkItem>, _) =
                    shell.fleet.take_work().into_iter().partition(|item| matches!(item, WorkItem::Read(..)));
                shell.rest.extend(rest);
                shell.phase = Phase::Reading(reads.len());
                if reads.is_empty() {
                    shell.fleet.finish_recovery();
                    shell.phase = Phase::Reports(now + 5_000);
                    self.agenda.add(5_000, Event::Work);
                }
                for item in reads {
                    let WorkItem::Read(kind, key) = &item else { continue };
                    let request = Request::Read(id_of(*kind, key));
                    self.ask(item, Step::Asks(Box::new(request), Then::Read));
                }
            }
            Phase::Reports(deadline) if now >= deadline || !shell.has_silent_pods() => {
                shell.finish_sync(now);
                self.agenda.add(15_000, Event::Tick(run));
            }
            Phase::Listing | Phase::Reading(_) | Phase::Reports(_) | Phase::Runs => {}
        }
    }

    fn ask(&mut self, item: WorkItem, step: Step) {
        let Step::Asks(request, then) = step else { return };
        let fate = match self.disturbed().then(|| self.faults.dice.below(100)) {
            Some(0..3) => Fate::Refused,
            Some(3..5) => Fate::Lost,
            Some(5..8) => Fate::Unanswered,
            _ => Fate::Served,
        };
        let run = self.operator.run;
        let after = self.lag(2, 4_000);
        self.agenda.add(after, Event::Arrives(run, item, request, then, fate));
    }

    pub(super) fn arrives(
        &mut self,
        run: u64,
        item: WorkItem,
        request: Request,
        then: Then,
        fate: Fate,
    ) -> Result<(), String> {
        let now = self.now();
        let reply = if matches!(fate, Fate::Served | Fate::Unanswered) {
            self.checks.writes(now, &self.api, &self.pods, &self.phones, &request)?;
            let is_write = request.is_write();
            let id = match &request {
                Request::Apply { id, .. } | Request::Exists { id, .. } | Request::Delete(id) | Request::Read(id) => {
                    id.clone()
                }
                Request::SiteStatus(key, _) => Id::Site(key.clone()),
                Request::PhoneStatus(key, _) => Id::Phone(key.clone()),
                Request::Nudge(key, _) => Id::Pod(key.clone()),
            };
            self.is_news(&id, &request)?;
            if run != self.operator.run || fate == Fate::Unanswered {
                self.operator.written.remove(&id);
            }
            let (reply, changed) = self.api.serve(super::super::shell::at(now).as_second(), request);
            if changed {
                self.changed(&id);
            }
            if is_write {
                self.last_write = now;
            }
            reply
        } else {
            Reply::Failed
        };
        let (reply, after) = match fate {
            Fate::Served => (reply, self.lag(2, 3_000)),
            Fate::Refused => (Reply::Failed, self.lag(2, 1_000)),
            // The connection breaks, or the call takes too long.
            Fate::Lost | Fate::Unanswered => (Reply::Failed, *self.faults.dice.pick(&[5, 700, 10_000])),
        };
        self.agenda.add(after, Event::Answers(run, item, then, Box::new(reply)));
        Ok(())
    }

    /// A status that is written differs from the one that the same process wrote last, and was told that it did.
    fn is_news(&self, id: &Id, request: &Request) -> Result<(), String> {
        let stored = self.api.get(id).filter(|_| self.operator.written.contains(id)).map(|object| &object.body);
        let is_same = match (request, stored) {
            (Request::SiteStatus(_, next), Some(Body::Site(_, status))) => **next == **status,
            (Request::PhoneStatus(_, next), Some(Body::Phone(_, status))) => **next == **status,
            _ => false,
        };
        if is_same { Err(format!("the status of {id:?} is written again as it is")) } else { Ok(()) }
    }

    pub(super) fn answers(&mut self, run: u64, item: WorkItem, then: Then, reply: Reply) {
        let now = self.now();
        if let (true, Then::SiteStatusWritten | Then::PhoneStatusWritten { .. }, Reply::Object(Some(object))) =
            (run == self.operator.run, &then, &reply)
        {
            let newest = self.api.objects.iter().find(|(_, newest)| newest.version == object.version);
            self.operator.written.extend(newest.map(|(id, _)| id.clone()));
        }
        let Some(shell) = self.shell(run) else { return };
        if let Phase::Reading(left) = shell.phase {
            let WorkItem::Read(kind, key) = &item else { return };
            match &reply {
                Reply::Object(found) => shell.note_read(now, *kind, key, found.as_ref()),
                Reply::Taken | Reply::Failed => shell.rest.push(item),
            }
            shell.phase = Phase::Reading(left - 1);
            return;
        }
        if let Some((item, step)) = shell.go_on(now, item, then, reply) {
            self.ask(item, step);
        }
    }

    pub(super) fn poll(&mut self, run: u64, name: &Key) {
        let now = self.now();
        if run != self.operator.run {
            return;
        }
        let Some(shell) = &self.operator.shell else { return };
        let Some(poller) = shell.pollers.get(name) else { return };
        let token = self.pods.get(name).is_some_and(|pod| shell.seen.token(&pod.site).is_some());
        let lost = self.disturbed() && self.faults.dice.chance(60);
        let report = match self.pods.get(name).filter(|_| token && !lost) {
            None => None,
            Some(pod) if pod.has_news(&poller.query) => Some(Box::new(pod.report(now, &poller.query))),
            Some(_) => {
                // It answers as soon as there is anything.
                self.operator.polling.remove(name);
                return;
            }
        };
        let after = self.lag(3, 2_000);
        self.agenda.add(after, Event::Reports(run, name.clone(), report));
    }

    pub(super) fn reports(&mut self, run: u64, name: &Key, report: Option<Report>) {
        let now = self.now();
        // An answer may be lost, too.
        let report = if self.chance(30) { None } else { report };
        let site = key(&name.name[..name.name.find('-').unwrap_or(0)]);
        let Some(shell) = self.shell(run) else { return };
        if let Some(after) = shell.take_report(now, &site, name, report) {
            self.agenda.add(after, Event::Poll(run, name.clone()));
        }
    }

    /// A pod has something to report: who waits for that is told.
    pub(super) fn pod_has_news(&mut self, name: &Key) {
        if self.operator.shell.is_some() && self.operator.polling.insert(name.clone()) {
            let after = self.lag(50, 1_000);
            self.agenda.add(after, Event::Poll(self.operator.run, name.clone()));
        }
    }
}
