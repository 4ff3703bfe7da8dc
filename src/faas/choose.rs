//! The choice of a provider for one attempt: the anycall policies.

use super::AnycallPolicy;
use super::cache::{Entry, Provider};
use super::health::{Health, HealthTable};
use crate::draws::Stream;
use crate::key::PeerHandle;
use crate::time::Time;
use smallvec::SmallVec;

/// `nearest` asks so many peers of unknown distance for a sign of life with each call.
const EXPLORED_PER_CALL: usize = 4;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) policy: AnycallPolicy,
    pub(super) me: PeerHandle,
    pub(super) now: Time,
    /// Providers that have failed this call.
    pub(super) excluded: &'a [PeerHandle],
    /// True: providers that failed others lately will do.
    pub(super) avoided: bool,
    pub(super) probe_misses: u32,
}

/// Whom to take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Pick {
    /// This one.
    One(PeerHandle),
    /// Nobody now: those that live are full. The earliest opens then ([`Time::MAX`]: when an own attempt ends).
    Closed(Time),
    /// Nobody: all have failed or none is known.
    None,
}

/// A choice, and whom to ask for a sign of life meanwhile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Choice {
    pub(super) pick: Pick,
    pub(super) probe: SmallVec<[PeerHandle; EXPLORED_PER_CALL]>,
}

/// What stands against a provider.
enum Standing {
    Open,
    Closed(Time),
    Unusable,
    /// Dead, but long enough ago to be asked whether it lives.
    Askable,
}

impl Ask<'_> {
    fn standing(&self, provider: &Provider, health: &Health) -> Standing {
        let local_only = self.policy == AnycallPolicy::LocalOnly;
        if local_only && provider.peer != self.me {
            return Standing::Unusable;
        }
        if health.dead {
            return if health.avoided(self.now) { Standing::Unusable } else { Standing::Askable };
        }
        if self.excluded.contains(&provider.peer)
            || health.silent(self.probe_misses)
            || (!self.avoided && health.avoided(self.now))
        {
            return Standing::Unusable;
        }
        match provider.closed(self.now) {
            Some(opens) => Standing::Closed(opens),
            None => Standing::Open,
        }
    }

    /// True if the provider would get the call were it the only one.
    pub(super) fn usable(&self, provider: &Provider, health: &Health) -> bool {
        matches!(self.standing(provider, health), Standing::Open)
    }

    /// What the policy minimises: a class, then a cost.
    fn cost(&self, provider: &Provider, health: &Health) -> (u8, u64) {
        let distance = || {
            if provider.peer == self.me {
                0
            } else {
                health.rtt().map_or(u64::MAX, |rtt| rtt.as_nanos().unsigned_abs())
            }
        };
        match self.policy {
            AnycallPolicy::LocalFirst => match (provider.peer == self.me, provider.has_free_slot()) {
                (true, true) => (0, 0),
                (false, true) => (1, distance()),
                (true, false) => (2, 0),
                (false, false) => (3, distance()),
            },
            AnycallPolicy::LeastOutstanding => (0, u64::from(health.outstanding)),
            AnycallPolicy::LeastLoaded | AnycallPolicy::PowerOfTwo => (0, provider.load()),
            _ => (0, distance()),
        }
    }
}

/// Chooses among the providers of `entry`. Equals are told apart by draws, never by their handles, so that many
/// entry nodes do not all take the same one.
pub(super) fn choose(entry: &Entry, health: &HealthTable, ask: &Ask<'_>, stream: &mut Stream) -> Choice {
    let mut probe = SmallVec::new();
    let count = entry.providers.len();
    let drawn = match ask.policy {
        AnycallPolicy::Random | AnycallPolicy::PowerOfTwo | AnycallPolicy::RoundRobin => false,
        _ => count > 1,
    };
    let offset = if drawn { stream.below(count as u64) as usize } else { 0 };
    let explores =
        matches!(ask.policy, AnycallPolicy::Nearest | AnycallPolicy::LocalFirst | AnycallPolicy::Race);
    let mut best: Option<(PeerHandle, (u8, u64))> = None;
    let mut open = 0u64;
    let mut opens: Option<Time> = None;
    let (behind, ahead) = entry.providers.split_at(offset);
    for provider in ahead.iter().chain(behind) {
        let peer_health = health.get(provider.health);
        match ask.standing(provider, peer_health) {
            Standing::Open => {
                open += 1;
                let cost = ask.cost(provider, peer_health);
                if best.is_none_or(|(_, least)| cost < least) {
                    best = Some((provider.peer, cost));
                }
            }
            Standing::Closed(until) => opens = Some(opens.map_or(until, |first| first.min(until))),
            Standing::Unusable => continue,
            Standing::Askable => {
                if probe.len() < EXPLORED_PER_CALL {
                    probe.push(provider.peer);
                }
                continue;
            }
        }
        if explores
            && count > 1
            && provider.peer != ask.me
            && peer_health.rtt().is_none()
            && !peer_health.explored
            && probe.len() < EXPLORED_PER_CALL
        {
            probe.push(provider.peer);
        }
    }
    let Some((best, cost)) = best else {
        return Choice { pick: opens.map_or(Pick::None, Pick::Closed), probe };
    };
    if matches!(ask.policy, AnycallPolicy::LocalFirst | AnycallPolicy::Nearest)
        && best == ask.me
        && cost.0 == 0
    {
        // Nobody else is needed: leave them alone.
        probe.clear();
    }
    let nth = |n: u64| {
        let mut open =
            entry.providers.iter().filter(|provider| ask.usable(provider, health.get(provider.health)));
        open.nth(n as usize)
    };
    let pick = match ask.policy {
        AnycallPolicy::Random => nth(stream.below(open)).map_or(best, |provider| provider.peer),
        AnycallPolicy::PowerOfTwo if open > 1 => {
            let first = stream.below(open);
            let second = (first + 1 + stream.below(open - 1)) % open;
            match (nth(first), nth(second)) {
                (Some(a), Some(b)) if b.load() < a.load() => b.peer,
                (Some(a), _) => a.peer,
                _ => best,
            }
        }
        AnycallPolicy::RoundRobin => {
            let after = entry
                .turn
                .map_or(0, |turn| entry.providers.partition_point(|provider| provider.peer <= turn));
            let (before, after) = entry.providers.split_at(after);
            after
                .iter()
                .chain(before)
                .find(|provider| ask.usable(provider, health.get(provider.health)))
                .map_or(best, |provider| provider.peer)
        }
        _ => best,
    };
    Choice { pick: Pick::One(pick), probe }
}
