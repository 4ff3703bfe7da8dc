//! The number of a call in the results.

use super::{CallId, CallKind, ScheduledCall};
use crate::scenario::schema::{Arrivals, Scenario};

/// Bits of a number below its flow.
const PLACE_BITS: u32 = 40;

/// Numbers calls by the schedule alone, so that each call has the same number whoever plays it.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// Calls of open loops so far, by flow.
    arrived: Vec<u64>,
}

impl Numbers {
    /// The number of the next call of the schedule, of a manycall also the number of its first item's call, that of the
    /// others being one higher each. Calls of an open loop have to come in the schedule's order; those of a closed one may
    /// come in any.
    pub fn next(&mut self, scenario: &Scenario, call: &ScheduledCall) -> CallNumber {
        let place = self.place(scenario, call);
        let items = match call.kind {
            CallKind::Anycall { .. } => 1,
            CallKind::Manycall { items, .. } => u64::from(items),
        };
        CallNumber { call: number(call.id, place), first: number(call.id, place.saturating_mul(items)) }
    }

    /// A call's place in its flow: its number in an open loop; in a closed one by client and number, so that it
    /// does not depend on who is faster.
    fn place(&mut self, scenario: &Scenario, call: &ScheduledCall) -> u64 {
        let phase = scenario.phases.get(usize::from(call.id.phase));
        let arrivals = phase.and_then(|phase| match call.id.many {
            true => phase.manycall.as_ref().map(|many| &many.stream.arrivals),
            false => phase.anycall.as_ref().map(|any| &any.stream.arrivals),
        });
        if let Some(Arrivals::Clients { clients, .. }) = arrivals {
            return u64::from(call.id.index) * u64::from(*clients) + u64::from(call.id.lane);
        }
        let flow = usize::from(call.id.phase) * 2 + usize::from(call.id.many);
        if self.arrived.len() <= flow {
            self.arrived.resize(flow + 1, 0);
        }
        let arrived = &mut self.arrived[flow];
        *arrived += 1;
        *arrived - 1
    }
}

/// The numbers of a call, or of a manycall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallNumber {
    /// The call's, or the manycall's.
    pub call: u64,
    /// Of a manycall, the number of its first item's call; else the call's.
    pub first: u64,
}

impl CallNumber {
    /// The phase of a call, from its number.
    pub fn phase(call: u64) -> u16 {
        (call >> (PLACE_BITS + 1)) as u16
    }
}

/// Which flow of the schedule, and the place there.
fn number(id: CallId, place: u64) -> u64 {
    (u64::from(id.phase) * 2 + u64::from(id.many)) << PLACE_BITS | (place & ((1 << PLACE_BITS) - 1))
}
