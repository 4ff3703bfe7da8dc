//! The state machine of one node's runtime.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use edge_faas_core::context::Capacity;
use edge_faas_core::time::{Duration, Time};
use rustc_hash::FxHashMap;

use super::cores::{Cores, Share};
use super::instances::{InstanceId, Instances, Mold};
use super::machine::{Cut, Event, Finished, Hosting, Job, Lost, Machine, Stats, Submit, Work};

/// A function on this node.
#[derive(Debug)]
struct Hosted {
    hosting: Hosting,
    running: u32,
    /// Tasks that wait, by order of arrival.
    queue: BTreeMap<u64, u32>,
    /// When the image is there; `None` before the pull.
    pulled: Option<Time>,
}

impl Hosting {
    fn mold(&self) -> Mold {
        Mold { places: self.calls_per_instance, memory: self.memory, keep_alive: self.keep_alive }
    }
}

/// Something that is on the node.
#[derive(Debug)]
struct Task {
    sequence: u64,
    arrived: Time,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// CPU work outside functions.
    Charge { id: u64 },
    /// A call.
    Call { job: Job, phase: Phase },
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Queued,
    Placed { slot_at: Time, ready: Time, instance: InstanceId, run: Run },
}

#[derive(Debug, Clone, Copy)]
enum Run {
    /// Its instance is not ready.
    Starting,
    Sleeping {
        until: Time,
    },
    OnCores(Share),
}

/// One node's runtime; see the [module](super). Boxed and made when a node first hosts something: a node that hosts
/// nothing needs none.
#[derive(Debug)]
pub struct Executor {
    now: Time,
    down: bool,
    cores: Cores,
    instances: Instances,
    functions: BTreeMap<u32, Hosted>,
    tasks: Vec<Option<Task>>,
    free: Vec<u32>,
    by_id: FxHashMap<u64, u32>,
    /// Instances to get ready and sleeps to end: time, order of arrival, task.
    timers: BTreeSet<(Time, u64, u32)>,
    /// Functions whose first waiting call has a slot but no memory.
    starved: BTreeSet<u32>,
    events: VecDeque<Event>,
    submitted: u64,
    stats: Stats,
}

impl Executor {
    /// A node that hosts nothing yet.
    ///
    /// # Panics
    /// If the machine has no core.
    pub fn new(machine: Machine) -> Self {
        Executor {
            now: Time::MIN,
            down: false,
            cores: Cores::new(machine.cores, machine.speed),
            instances: Instances::new(machine.memory),
            functions: BTreeMap::new(),
            tasks: Vec::new(),
            free: Vec::new(),
            by_id: FxHashMap::default(),
            timers: BTreeSet::new(),
            starved: BTreeSet::new(),
            events: VecDeque::new(),
            submitted: 0,
            stats: Stats::default(),
        }
    }

    /// Hosts a function from now on. Its image is not there yet: the first instance pulls it.
    ///
    /// # Panics
    /// If it is hosted already, or has no slot or no call per instance.
    pub fn host(&mut self, function: u32, hosting: Hosting) {
        assert!(hosting.concurrency > 0 && hosting.calls_per_instance > 0, "a function has a slot");
        let hosted = Hosted { hosting, running: 0, queue: BTreeMap::new(), pulled: None };
        let before = self.functions.insert(function, hosted);
        assert!(before.is_none(), "a function is hosted once a node");
    }

    /// Starts up to `count` idle instances at `now`, each taking its pull and `cold`; returns for how many there
    /// was memory (nothing is evicted for them). None if the function is not hosted here or the runtime is down.
    pub fn prewarm(&mut self, now: Time, function: u32, count: u32, cold: Duration) -> u32 {
        self.advance(now);
        if self.down || !self.functions.contains_key(&function) {
            return 0;
        }
        (0..count).take_while(|_| self.start_instance(now, function, cold, false).is_some()).count() as u32
    }

    /// Takes a call in. Its [`Event::Finished`] follows if it is started or queued, unless it is cancelled or lost.
    ///
    /// # Panics
    /// If a job of the same id is on the node.
    pub fn submit(&mut self, now: Time, job: Job) -> Submit {
        self.advance(now);
        if self.down {
            return Submit::Down;
        }
        let Some(hosted) = self.functions.get(&job.function) else {
            return Submit::NotHosted;
        };
        let has_slot = hosted.queue.is_empty() && hosted.running < hosted.hosting.concurrency;
        let may_wait = hosted.queue.len() < hosted.hosting.queue_limit as usize
            && self.instances.fits(hosted.hosting.memory);
        let place = if has_slot { self.place(now, &job) } else { None };
        if place.is_none() && !may_wait {
            self.stats.rejected += 1;
            return Submit::Rejected;
        }
        let task = self.add_task(now, Kind::Call { job, phase: Phase::Queued });
        let before = self.by_id.insert(job.id, task);
        assert!(before.is_none(), "ids are unique on a node");
        if let Some((instance, ready)) = place {
            self.begin(now, task, instance, ready);
            return Submit::Started;
        }
        let sequence = self.task(task).sequence;
        let hosted = self.hosted(job.function);
        hosted.queue.insert(sequence, task);
        let waiting = hosted.queue.len() as u32;
        self.stats.longest_queue = self.stats.longest_queue.max(waiting);
        if has_slot {
            self.starved.insert(job.function);
        }
        Submit::Queued
    }

    /// Whether a call waits for a slot.
    pub fn is_queued(&self, id: u64) -> bool {
        let task = self.by_id.get(&id).and_then(|task| self.tasks[*task as usize].as_ref());
        matches!(task.map(|task| &task.kind), Some(Kind::Call { phase: Phase::Queued, .. }))
    }

    /// Takes a call off the node, wherever it is. `None` if it is not there (any more).
    pub fn cancel(&mut self, now: Time, id: u64) -> Option<Cut> {
        self.advance(now);
        let task = self.by_id.remove(&id)?;
        let taken = self.take_task(task);
        let Kind::Call { job, phase } = taken.kind else { unreachable!("only calls have ids") };
        let cut = self.cut(now, taken.arrived, phase);
        match phase {
            Phase::Queued => {
                self.hosted(job.function).queue.remove(&taken.sequence);
            }
            Phase::Placed { instance, run, ready, .. } => {
                match run {
                    Run::Starting => self.timers.remove(&(ready, taken.sequence, task)),
                    Run::Sleeping { until } => self.timers.remove(&(until, taken.sequence, task)),
                    Run::OnCores(share) => {
                        self.cores.remove(share);
                        true
                    }
                };
                self.leave_slot(now, job.function, instance);
            }
        }
        self.refill(now, job.function);
        Some(cut)
    }

    /// Adds CPU work that is no call: forwarding, protocol messages. [`Event::Charged`] tells its end. It shares
    /// the cores with the calls, without a slot or a queue, and goes on while the runtime is down.
    pub fn charge(&mut self, now: Time, id: u64, work: Duration) {
        self.advance(now);
        let task = self.add_task(now, Kind::Charge { id });
        self.cores.add(task, work);
    }

    /// What happened by `now`, in order of time. Drain it after every call.
    pub fn poll(&mut self, now: Time) -> Option<Event> {
        self.advance(now);
        self.events.pop_front()
    }

    /// When the next thing happens; `None` if nothing will without a call.
    pub fn next_deadline(&self) -> Option<Time> {
        if let Some(event) = self.events.front() {
            return Some(match event {
                Event::Started { at, .. } | Event::Charged { at, .. } => *at,
                Event::Finished(finished) => finished.at,
            });
        }
        let timer = self.timers.first().map(|(at, ..)| *at);
        match (timer, self.cores.deadline()) {
            (Some(timer), Some(cores)) => Some(timer.min(cores)),
            (timer, cores) => timer.or(cores),
        }
    }

    /// From `now` on cores have this speed (a slow node); sleeps are not affected.
    pub fn set_speed(&mut self, now: Time, speed: f64) {
        self.advance(now);
        self.cores.set_speed(speed);
    }

    /// The runtime goes down: all calls are lost, in the order they came, and all instances. Images stay on the
    /// node's disk.
    pub fn stop(&mut self, now: Time) -> Vec<Lost> {
        self.advance(now);
        self.down = true;
        let mut calls: Vec<u32> = self.by_id.drain().map(|(_, task)| task).collect();
        calls.sort_unstable_by_key(|task| self.tasks[*task as usize].as_ref().map(|task| task.sequence));
        let mut lost = Vec::with_capacity(calls.len());
        for task in calls {
            let taken = self.take_task(task);
            let Kind::Call { job, phase } = taken.kind else { unreachable!("only calls have ids") };
            if let Phase::Placed { run: Run::OnCores(share), .. } = phase {
                self.cores.remove(share);
            }
            lost.push(Lost { id: job.id, cut: self.cut(now, taken.arrived, phase) });
        }
        self.timers.clear();
        self.starved.clear();
        self.instances.clear();
        for hosted in self.functions.values_mut() {
            hosted.queue.clear();
            hosted.running = 0;
            // A pull that was under way starts again.
            hosted.pulled = hosted.pulled.filter(|at| *at <= now);
        }
        lost
    }

    /// The runtime is up again, without instances.
    pub fn restart(&mut self, now: Time) {
        self.advance(now);
        self.down = false;
    }

    /// Whether a function is hosted here.
    pub fn hosts(&self, function: u32) -> bool {
        self.functions.contains_key(&function)
    }

    /// What the node offers for a function as of the last call; nothing if it does not host it or is down.
    pub fn capacity(&self, function: u32) -> Capacity {
        match self.functions.get(&function) {
            Some(hosted) if !self.down => Capacity {
                // What there is memory for, if that is less: busy instances keep theirs.
                slots: hosted.hosting.concurrency.min(
                    hosted
                        .running
                        .saturating_add(self.instances.free_places(function, hosted.hosting.mold())),
                ),
                running: hosted.running,
                queued: hosted.queue.len() as u32,
                queue_limit: hosted.hosting.queue_limit,
            },
            _ => Capacity::default(),
        }
    }

    /// Instances of a function, idle ones and starting ones included, as of the last call.
    pub fn instances(&self, function: u32) -> usize {
        self.instances.count(function)
    }

    /// Bytes that instances hold, as of the last call.
    pub fn memory_used(&self) -> u64 {
        self.instances.memory_used()
    }

    /// What the node has done, as of the last call; calls in progress count up to it.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        for task in self.tasks.iter().flatten() {
            if let Kind::Call { phase: Phase::Placed { slot_at, .. }, .. } = task.kind {
                stats.slot_busy += self.now.since(slot_at);
            }
        }
        stats.core_busy = self.cores.busy();
        stats.evictions = self.instances.evictions;
        stats.expirations = self.instances.expirations;
        stats
    }

    /// Does everything that is due by `now`, each thing at its own time.
    fn advance(&mut self, now: Time) {
        loop {
            let timer = self.timers.first().copied().filter(|(at, ..)| *at <= now);
            let cores = self.cores.deadline().filter(|at| *at <= now);
            let at = match (timer, cores) {
                (Some((timer, ..)), Some(cores)) => timer.min(cores),
                (Some((timer, ..)), None) => timer,
                (None, Some(cores)) => cores,
                (None, None) => break,
            };
            self.now = self.now.max(at);
            self.cores.advance(at);
            self.expire();
            if let Some(key) = timer.filter(|(timer, ..)| *timer <= at) {
                self.timers.remove(&key);
                self.on_timer(key.0, key.2);
            } else if let Some(task) = self.cores.pop_done() {
                self.on_done(at, task);
            }
        }
        self.now = self.now.max(now);
        self.cores.advance(now);
        self.expire();
    }

    fn expire(&mut self) {
        let functions = &self.functions;
        self.instances.expire(self.now, |function| mold(functions, function));
    }

    fn on_timer(&mut self, at: Time, task: u32) {
        match &self.task(task).kind {
            Kind::Call { phase: Phase::Placed { run: Run::Starting, .. }, .. } => self.run(at, task),
            Kind::Call { .. } => self.on_done(at, task),
            Kind::Charge { .. } => unreachable!("charges have no timer"),
        }
    }

    /// A task's work is done.
    fn on_done(&mut self, at: Time, task: u32) {
        let taken = self.take_task(task);
        let (job, phase) = match taken.kind {
            Kind::Charge { id } => {
                self.events.push_back(Event::Charged { id, at });
                return;
            }
            Kind::Call { job, phase } => (job, phase),
        };
        let Phase::Placed { slot_at, ready, instance, .. } = phase else {
            unreachable!("work is done in a slot");
        };
        self.by_id.remove(&job.id);
        let begun = ready.max(slot_at);
        self.events.push_back(Event::Finished(Finished {
            id: job.id,
            at,
            queue: slot_at.since(taken.arrived),
            cold: begun.since(slot_at),
            exec: at.since(begun),
        }));
        self.stats.finished += 1;
        self.stats.slot_busy += at.since(slot_at);
        self.leave_slot(at, job.function, instance);
        self.refill(at, job.function);
    }

    /// Gives calls that wait the slots and the memory that became free; the oldest call first.
    fn refill(&mut self, now: Time, function: u32) {
        if self.starved.is_empty() {
            self.refill_one(now, function);
            return;
        }
        let mut waiting: Vec<(u64, u32)> = self
            .starved
            .iter()
            .copied()
            .chain([function])
            .filter_map(|function| {
                Some((*self.functions.get(&function)?.queue.first_key_value()?.0, function))
            })
            .collect();
        waiting.sort_unstable();
        waiting.dedup();
        self.starved.clear();
        for (_, function) in waiting {
            self.refill_one(now, function);
        }
    }

    fn refill_one(&mut self, now: Time, function: u32) {
        loop {
            let hosted = self.hosted(function);
            if hosted.running >= hosted.hosting.concurrency {
                return;
            }
            let Some((&sequence, &task)) = hosted.queue.first_key_value() else {
                return;
            };
            let Kind::Call { job, .. } = self.task(task).kind else { unreachable!("calls are queued") };
            let Some((instance, ready)) = self.place(now, &job) else {
                self.starved.insert(function);
                return;
            };
            self.hosted(function).queue.remove(&sequence);
            self.events.push_back(Event::Started { id: job.id, at: now });
            self.begin(now, task, instance, ready);
        }
    }

    /// A place in an instance, an old one or a new one, and when it is ready. `None` without memory.
    fn place(&mut self, now: Time, job: &Job) -> Option<(InstanceId, Time)> {
        let mold = mold(&self.functions, job.function);
        if let Some(place) = self.instances.take(job.function, mold, now) {
            return Some(place);
        }
        let place = self.start_instance(now, job.function, job.cold, true)?;
        self.stats.cold_starts += 1;
        Some(place)
    }

    fn start_instance(
        &mut self,
        now: Time,
        function: u32,
        cold: Duration,
        taken: bool,
    ) -> Option<(InstanceId, Time)> {
        let hosted = self.functions.get(&function)?;
        let pulled = hosted.pulled.unwrap_or_else(|| now.saturating_add(hosted.hosting.pull));
        let ready = pulled.max(now).saturating_add(cold);
        let mold_of_this = hosted.hosting.mold();
        let functions = &self.functions;
        let id = self
            .instances
            .start(function, mold_of_this, ready, taken, |function| mold(functions, function))?;
        let hosted = self.hosted(function);
        if hosted.pulled.is_none() {
            hosted.pulled = Some(pulled);
            let pulls = u64::from(!hosted.hosting.pull.is_zero());
            self.stats.pulls += pulls;
        }
        Some((id, ready))
    }

    /// A call has its slot and a place in an instance.
    fn begin(&mut self, now: Time, task: u32, instance: InstanceId, ready: Time) {
        let sequence = self.task(task).sequence;
        let Kind::Call { job, phase } = &mut self.task(task).kind else { unreachable!("calls have slots") };
        *phase = Phase::Placed { slot_at: now, ready, instance, run: Run::Starting };
        let function = job.function;
        self.hosted(function).running += 1;
        if ready <= now {
            self.run(now, task);
        } else {
            self.timers.insert((ready, sequence, task));
        }
    }

    /// A call's instance is ready: its code runs.
    fn run(&mut self, now: Time, task: u32) {
        self.stats.executions += 1;
        let sequence = self.task(task).sequence;
        let Kind::Call { job, .. } = self.task(task).kind else { unreachable!("calls run") };
        let started = match job.work {
            Work::Sleep(duration) => {
                let until = now.saturating_add(duration);
                self.timers.insert((until, sequence, task));
                Run::Sleeping { until }
            }
            Work::Cpu(work) => Run::OnCores(self.cores.add(task, work)),
        };
        if let Kind::Call { phase: Phase::Placed { run, .. }, .. } = &mut self.task(task).kind {
            *run = started;
        }
    }

    fn leave_slot(&mut self, now: Time, function: u32, instance: InstanceId) {
        let mold = mold(&self.functions, function);
        self.instances.release(instance, mold, now);
        self.hosted(function).running -= 1;
    }

    /// What a call that is cut off at `now` had; counts it.
    fn cut(&mut self, now: Time, arrived: Time, phase: Phase) -> Cut {
        self.stats.cut += 1;
        match phase {
            Phase::Queued => {
                Cut { started: false, queue: now.since(arrived), cold: Duration::ZERO, burnt: Duration::ZERO }
            }
            Phase::Placed { slot_at, ready, run, .. } => {
                self.stats.slot_busy += now.since(slot_at);
                let begun = ready.max(slot_at).min(now);
                Cut {
                    started: !matches!(run, Run::Starting),
                    queue: slot_at.since(arrived),
                    cold: begun.since(slot_at),
                    burnt: now.since(begun),
                }
            }
        }
    }

    fn add_task(&mut self, now: Time, kind: Kind) -> u32 {
        let sequence = self.submitted;
        self.submitted += 1;
        let task = Some(Task { sequence, arrived: now, kind });
        match self.free.pop() {
            Some(slot) => {
                self.tasks[slot as usize] = task;
                slot
            }
            None => {
                self.tasks.push(task);
                (self.tasks.len() - 1) as u32
            }
        }
    }

    fn take_task(&mut self, task: u32) -> Task {
        self.free.push(task);
        self.tasks[task as usize].take().expect("a task that is on the node")
    }

    fn task(&mut self, task: u32) -> &mut Task {
        self.tasks[task as usize].as_mut().expect("a task that is on the node")
    }

    fn hosted(&mut self, function: u32) -> &mut Hosted {
        self.functions.get_mut(&function).expect("a function that is hosted")
    }
}

fn mold(functions: &BTreeMap<u32, Hosted>, function: u32) -> Mold {
    functions.get(&function).expect("a function that is hosted").hosting.mold()
}
