//! The world of one history: everything that happens is an event at a virtual time, and chance decides when.

use std::collections::{BTreeMap, BTreeSet};

use dialtone::base::report::Report;
use dialtone::provision::{Key, WorkItem};

use super::api::{Api, Id, Reply, Request, WATCHES};
use super::checks::Checks;
use super::dice::Dice;
use super::people::{Act, Plan, SITES, key, plan};
use super::phones::Phone;
use super::pods::Pod;
use super::queue::Time;
use super::shell::Shell;
use super::work::{Step, Then};

/// What happens to a request to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Served,
    /// A conflict, or an error of the server.
    Refused,
    /// It never arrives.
    Lost,
    /// It is stored, and the answer is lost.
    Unanswered,
}

/// Something that happens.
#[derive(Clone, Debug)]
pub enum Event {
    Act(usize),
    Start,
    Crash,
    Tick(u64),
    Work,
    Watch(u64, usize),
    Cut(usize),
    Arrives(u64, WorkItem, Box<Request>, Then, Fate),
    Answers(u64, WorkItem, Then, Box<Reply>),
    Poll(u64, Key),
    Reports(u64, Key, Option<Box<Report>>),
    Hears(Key, Id),
    Syncs(Key, bool),
    PodStarts(Key, Key),
    PodEnds(Key),
    Controller(Key),
    Collects(Id, u64),
    Phone(usize, u64),
    Boot(usize),
    /// Somebody compares how often an unplugged phone failed with what its status says, and plugs it in again.
    Counts,
    /// It boots again, if it has not done so since.
    Again(usize, u64),
    Reshapes,
}

/// All that will happen, in order.
#[derive(Default)]
pub struct Agenda {
    pub now: Time,
    count: u64,
    events: BTreeMap<(Time, u64), Event>,
}

impl Agenda {
    fn add(&mut self, after: Time, event: Event) {
        self.count += 1;
        self.events.insert((self.now + after, self.count), event);
    }

    fn next(&mut self) -> Option<Event> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = at;
        Some(event)
    }
}

/// What goes wrong: until when, and by which dice.
pub struct Faults {
    pub dice: Dice,
    pub until: Time,
}

/// The operator's process, if it runs, and which one it is.
#[derive(Default)]
pub struct Operator {
    pub shell: Option<Shell>,
    run: u64,
    waking: [bool; WATCHES],
    polling: BTreeSet<Key>,
    wakes_at: Option<Time>,
    /// Whose statuses are as this process wrote them, and it was told so.
    written: BTreeSet<Id>,
    /// How many pods there were.
    pods: u64,
}

/// Many fields because there is one of each kind in the world.
pub struct World {
    pub agenda: Agenda,
    faults: Faults,
    pub api: Api,
    pub operator: Operator,
    pub pods: BTreeMap<Key, Pod>,
    pub phones: Vec<Phone>,
    boots: Vec<u64>,
    plan: Plan,
    checks: Checks,
    pub last_write: Time,
    /// Phones boot no more by themselves.
    pub rest: bool,
    /// Phones of which it cannot be known any more how often they failed.
    uncountable: BTreeSet<usize>,
    /// What happened, if somebody wants to read it.
    pub trace: Option<Vec<String>>,
}

type Verdict = Result<(), String>;

impl World {
    /// A world in which people do what the seed says until `end`; nothing goes wrong if it is not `disturbed`.
    pub fn new(seed: u64, disturbed: bool, end: Time) -> World {
        let mut people = Dice::new(seed, 1);
        let plan = plan(&mut people, end);
        let phones: Vec<Phone> = (0..plan.phones)
            .map(|n| {
                let gives_up = if n == 0 && people.chance(400) { people.between(1, 4) as u32 } else { 0 };
                Phone::new(n, key(SITES[0]), people.below(2) as usize, gives_up)
            })
            .collect();
        let faults = Faults { dice: Dice::new(seed, 2), until: if disturbed { end } else { 0 } };
        let mut world = World {
            agenda: Agenda::default(),
            faults,
            api: Api::default(),
            operator: Operator::default(),
            pods: BTreeMap::new(),
            boots: vec![0; phones.len()],
            phones,
            plan,
            checks: Checks::default(),
            last_write: 0,
            rest: false,
            uncountable: BTreeSet::new(),
            trace: None,
        };
        for (n, (time, _)) in world.plan.acts.iter().enumerate() {
            world.agenda.add(*time, Event::Act(n));
        }
        for n in 0..world.phones.len() {
            world.agenda.add(people.between(3_000, 20_000), Event::Boot(n));
        }
        world.agenda.add(500, Event::Start);
        world.agenda.add(end + 100_000, Event::Counts);
        if disturbed {
            world.plan_faults(end);
        }
        world
    }

    fn plan_faults(&mut self, end: Time) {
        let dice = &mut self.faults.dice;
        for _ in 0..dice.below(4) {
            self.agenda.add(dice.between(2_000, end - 1_000), Event::Crash);
        }
        if dice.chance(300) {
            // When all is calm again, and pods have much to tell that was told before.
            self.agenda.add(end + dice.between(10_000, 75_000), Event::Crash);
        }
        for _ in 0..dice.below(8) {
            self.agenda.add(dice.below(end), Event::Cut(dice.below(WATCHES as u64) as usize));
        }
        for _ in 0..dice.below(4) {
            self.agenda.add(dice.between(5_000, end), Event::Reshapes);
        }
        for _ in 0..dice.below(3) {
            self.agenda.add(dice.between(5_000, end), Event::Boot(dice.below(self.phones.len() as u64) as usize));
        }
    }

    pub fn now(&self) -> Time {
        self.agenda.now
    }

    fn disturbed(&self) -> bool {
        self.now() < self.faults.until
    }

    /// How long something takes: nearly nothing, or up to so long where things go wrong.
    fn lag(&mut self, usual: Time, worst: Time) -> Time {
        if !self.disturbed() {
            return usual;
        }
        let most = if self.faults.dice.chance(100) { worst } else { (worst / 12).max(usual + 1) };
        self.faults.dice.between(usual, most.max(usual))
    }

    fn chance(&mut self, per_mille: u64) -> bool {
        self.disturbed() && self.faults.dice.chance(per_mille)
    }

    /// Lets everything happen until then.
    pub fn run_until(&mut self, until: Time) -> Verdict {
        while self.agenda.events.first_key_value().is_some_and(|((at, _), _)| *at <= until) {
            let Some(event) = self.agenda.next() else { break };
            if self.trace.is_some() {
                let line = format!("{:>7} {}", self.now(), short(&event));
                self.trace.iter_mut().for_each(|trace| trace.push(line.clone()));
            }
            self.happens(event)?;
            self.drive();
        }
        self.agenda.now = until;
        Ok(())
    }

    fn happens(&mut self, event: Event) -> Verdict {
        let now = self.now();
        match event {
            Event::Act(n) => {
                let act = self.plan.acts[n].1.clone();
                self.checks.note(now, &act);
                let moved = matches!(act, Act::Phone(..));
                if !self.operator.shell.as_ref().is_some_and(Shell::runs) {
                    // Who takes note of what a phone took meanwhile does not know the file that it was.
                    self.uncountable.extend((0..self.phones.len()).filter(|n| self.boots[*n] > 0));
                }
                match &act {
                    Act::DeletePhone(n) => drop(self.uncountable.insert(*n)),
                    Act::DeleteSite(_) => self.uncountable.extend(0..self.phones.len()),
                    _ => {}
                }
                for id in act.act(&mut self.api, now) {
                    self.changed(&id);
                }
                if let (true, Act::Phone(n, wish)) = (moved, act)
                    && (self.phones[n].mac != wish.mac || self.phones[n].site != key(SITES[wish.site]))
                {
                    // Somebody carries it there, or replaces it.
                    self.uncountable.insert(n);
                    (self.phones[n].mac, self.phones[n].site) = (wish.mac, key(SITES[wish.site]));
                    self.agenda.add(2_000, Event::Boot(n));
                }
            }
            Event::Start => self.start(),
            Event::Crash => self.crash(),
            Event::Tick(run) => {
                if let Some(shell) = self.shell(run) {
                    shell.update(now, |fleet| fleet.tick(super::shell::at(now)));
                    self.agenda.add(15_000, Event::Tick(run));
                }
            }
            // What is due is begun after every event.
            Event::Work => {}
            Event::Watch(run, watch) => self.watch(run, watch),
            Event::Cut(watch) => {
                if let Some(shell) = &mut self.operator.shell {
                    shell.cut(watch);
                    self.operator.waking[watch] = true;
                    let after = self.faults.dice.between(800, 5_000);
                    self.agenda.add(after, Event::Watch(self.operator.run, watch));
                }
            }
            Event::Arrives(run, item, request, then, fate) => self.arrives(run, item, *request, then, fate)?,
            Event::Answers(run, item, then, reply) => self.answers(run, item, then, *reply),
            Event::Poll(run, pod) => self.poll(run, &pod),
            Event::Reports(run, pod, report) => self.reports(run, &pod, report.map(|report| *report)),
            Event::Hears(pod, id) => {
                if let Some(pod) = self.pods.get_mut(&pod) {
                    pod.hear(&self.api, &id);
                }
            }
            Event::Syncs(pod, again) => self.syncs(&pod, again)?,
            Event::PodStarts(pod, site) => self.pod_starts(&pod, &site),
            Event::PodEnds(pod) => {
                self.pods.remove(&pod);
                let id = Id::Pod(pod);
                if self.api.remove(&id) {
                    self.changed(&id);
                }
            }
            Event::Controller(site) => self.control(&site),
            Event::Collects(id, uid) => {
                if self.api.get(&id).is_some_and(|object| object.owner == Some(uid)) {
                    self.api.remove(&id);
                    self.changed(&id);
                }
            }
            Event::Phone(n, boot) if self.boots[n] == boot => self.phone(n),
            Event::Phone(..) => {}
            Event::Counts => self.count()?,
            Event::Boot(n) => self.boot(n),
            Event::Again(n, boot) if self.boots[n] == boot && !self.rest => self.boot(n),
            Event::Again(..) => {}
            Event::Reshapes => self.reshape(),
        }
        Ok(())
    }

    /// The operator that this was for, if it still runs.
    fn shell(&mut self, run: u64) -> Option<&mut Shell> {
        self.operator.shell.as_mut().filter(|_| run == self.operator.run)
    }
}

/// An event as one line.
fn short(event: &Event) -> String {
    let text = format!("{event:?}");
    text.chars().take(400).collect()
}

mod cluster;
mod process;
