//! The instances of a node's functions: who has one, which is used next, who has to go.

use std::collections::{BTreeMap, BTreeSet};

use edge_faas_core::time::{Duration, Time};

/// Number of an instance in its node.
pub(super) type InstanceId = u32;

#[derive(Debug)]
struct Instance {
    function: u32,
    in_use: u32,
    ready: Time,
    /// When it became idle (or will be ready, if nobody waits for it); only while idle.
    idle_since: Time,
    /// Order of becoming idle, to decide between equal times.
    turn: u64,
}

/// What all instances of a function have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mold {
    pub(super) places: u32,
    pub(super) memory: u64,
    pub(super) keep_alive: Duration,
}

#[derive(Debug, Default)]
struct OfFunction {
    /// Instances with calls and a free place, the one that is ready first in front.
    partial: BTreeSet<(Time, InstanceId)>,
    /// Instances without calls, the least recently used one in front.
    idle: BTreeSet<(u64, InstanceId)>,
}

#[derive(Debug)]
pub(super) struct Instances {
    memory: u64,
    used: u64,
    slots: Vec<Option<Instance>>,
    free: Vec<InstanceId>,
    of_function: BTreeMap<u32, OfFunction>,
    /// All idle instances, the least recently used one in front.
    idle: BTreeSet<(u64, InstanceId)>,
    /// Bytes that idle instances hold.
    idle_memory: u64,
    /// When idle instances have been kept long enough.
    expiries: BTreeSet<(Time, InstanceId)>,
    turns: u64,
    pub(super) evictions: u64,
    pub(super) expirations: u64,
}

impl Instances {
    pub(super) fn new(memory: u64) -> Self {
        Instances {
            memory,
            used: 0,
            slots: Vec::new(),
            free: Vec::new(),
            of_function: BTreeMap::new(),
            idle: BTreeSet::new(),
            idle_memory: 0,
            expiries: BTreeSet::new(),
            turns: 0,
            evictions: 0,
            expirations: 0,
        }
    }

    fn instance(&mut self, id: InstanceId) -> &mut Instance {
        self.slots[id as usize].as_mut().expect("an instance that is there")
    }

    /// Takes a place in an instance that there is: one with calls if it is ready, else the most recently used idle
    /// one, else the one that is ready first. Returns it and when it is ready.
    pub(super) fn take(&mut self, function: u32, mold: Mold, now: Time) -> Option<(InstanceId, Time)> {
        let of_function = self.of_function.get(&function)?;
        let partial = of_function.partial.first().copied();
        let idle = of_function.idle.last().map(|(_, id)| *id);
        let id = match (partial, idle) {
            (Some((ready, id)), _) if ready <= now => id,
            (Some((ready, id)), Some(idle)) => {
                if self.instance(idle).ready < ready {
                    idle
                } else {
                    id
                }
            }
            (Some((_, id)), None) | (None, Some(id)) => id,
            (None, None) => return None,
        };
        if self.instance(id).in_use == 0 {
            self.leave_idle(id, mold);
        }
        self.occupy(id, mold);
        Some((id, self.instance(id).ready))
    }

    /// Starts an instance that is ready at `ready`. With one place taken if `taken`, and then idle ones are evicted
    /// for its memory; nothing is evicted for an instance that nobody waits for. `None` without room.
    pub(super) fn start(
        &mut self,
        function: u32,
        mold: Mold,
        ready: Time,
        taken: bool,
        molds: impl Fn(u32) -> Mold,
    ) -> Option<InstanceId> {
        let room = if taken {
            self.make_room(mold.memory, molds)
        } else {
            self.used.checked_add(mold.memory).is_some_and(|used| used <= self.memory)
        };
        if !room {
            return None;
        }
        self.used += mold.memory;
        let instance = Instance { function, in_use: 0, ready, idle_since: ready, turn: 0 };
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = Some(instance);
                id
            }
            None => {
                self.slots.push(Some(instance));
                (self.slots.len() - 1) as InstanceId
            }
        };
        if taken {
            self.occupy(id, mold);
        } else {
            self.enter_idle(id, mold, ready);
        }
        Some(id)
    }

    /// Whether an instance of this size could ever be started.
    pub(super) fn fits(&self, memory: u64) -> bool {
        memory <= self.memory
    }

    /// How many calls of a function would find a place: in its instances that have calls, and in as many instances
    /// as the memory that busy ones leave has room for.
    pub(super) fn free_places(&self, function: u32, mold: Mold) -> u32 {
        let partial = self.of_function.get(&function).into_iter().flat_map(|of| &of.partial);
        let open: u32 = partial
            .filter_map(|(_, id)| self.slots[*id as usize].as_ref())
            .map(|instance| mold.places.saturating_sub(instance.in_use))
            .sum();
        let room = self.memory.saturating_sub(self.used - self.idle_memory);
        let more =
            room.checked_div(mold.memory).map_or(u32::MAX, |more| more.min(u64::from(u32::MAX)) as u32);
        open.saturating_add(more.saturating_mul(mold.places))
    }

    /// Gives a place back.
    pub(super) fn release(&mut self, id: InstanceId, mold: Mold, now: Time) {
        let instance = self.instance(id);
        let (function, ready) = (instance.function, instance.ready);
        instance.in_use -= 1;
        let in_use = instance.in_use;
        if in_use == 0 {
            self.of_function.entry(function).or_default().partial.remove(&(ready, id));
            self.enter_idle(id, mold, now.max(ready));
        } else {
            self.of_function.entry(function).or_default().partial.insert((ready, id));
        }
    }

    /// Removes the idle instances that have been kept long enough by `now`.
    pub(super) fn expire(&mut self, now: Time, molds: impl Fn(u32) -> Mold) {
        while let Some((_, id)) = self.expiries.first().copied().filter(|(at, _)| *at <= now) {
            let function = self.instance(id).function;
            self.remove_idle(id, molds(function));
            self.expirations += 1;
        }
    }

    /// Removes all instances.
    pub(super) fn clear(&mut self) {
        let (evictions, expirations) = (self.evictions, self.expirations);
        *self = Instances { evictions, expirations, ..Instances::new(self.memory) };
    }

    /// Instances of a function.
    pub(super) fn count(&self, function: u32) -> usize {
        self.slots.iter().flatten().filter(|instance| instance.function == function).count()
    }

    /// Bytes that all instances hold.
    pub(super) fn memory_used(&self) -> u64 {
        self.used
    }

    fn make_room(&mut self, memory: u64, molds: impl Fn(u32) -> Mold) -> bool {
        if memory > self.memory || self.used - self.idle_memory > self.memory - memory {
            return false;
        }
        while self.used > self.memory - memory {
            let (_, id) = *self.idle.first().expect("idle instances hold what is missing");
            let function = self.instance(id).function;
            self.remove_idle(id, molds(function));
            self.evictions += 1;
        }
        true
    }

    fn occupy(&mut self, id: InstanceId, mold: Mold) {
        let instance = self.instance(id);
        instance.in_use += 1;
        let (function, ready, full) = (instance.function, instance.ready, instance.in_use >= mold.places);
        let partial = &mut self.of_function.entry(function).or_default().partial;
        if full {
            partial.remove(&(ready, id));
        } else {
            partial.insert((ready, id));
        }
    }

    fn enter_idle(&mut self, id: InstanceId, mold: Mold, since: Time) {
        let turn = self.turns;
        self.turns += 1;
        let instance = self.instance(id);
        instance.idle_since = since;
        instance.turn = turn;
        let function = instance.function;
        self.of_function.entry(function).or_default().idle.insert((turn, id));
        self.idle.insert((turn, id));
        self.idle_memory += mold.memory;
        if mold.keep_alive < Duration::MAX {
            self.expiries.insert((since.saturating_add(mold.keep_alive), id));
        }
    }

    fn leave_idle(&mut self, id: InstanceId, mold: Mold) {
        let instance = self.instance(id);
        let (function, turn, since) = (instance.function, instance.turn, instance.idle_since);
        self.of_function.entry(function).or_default().idle.remove(&(turn, id));
        self.idle.remove(&(turn, id));
        self.idle_memory -= mold.memory;
        if mold.keep_alive < Duration::MAX {
            self.expiries.remove(&(since.saturating_add(mold.keep_alive), id));
        }
    }

    fn remove_idle(&mut self, id: InstanceId, mold: Mold) {
        self.leave_idle(id, mold);
        self.used -= mold.memory;
        self.slots[id as usize] = None;
        self.free.push(id);
    }
}
