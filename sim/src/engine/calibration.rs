//! What real nodes take for what costs nothing here, drawn as `[calibration]` says. Without it nothing is drawn.

use super::Engine;
use edge_faas_core::draws::{Distribution, Purpose};
use edge_faas_core::scenario::schedule::CallKey;
use edge_faas_core::scenario::schema;
use edge_faas_core::time::Duration;

/// A drawn time is no longer than this: a heavy tail must not leave the range of times.
const LONGEST: f64 = 1e6;

/// What is drawn for calibration, beside [`super::purpose`].
mod purpose {
    use super::Purpose;

    pub(super) const ENTRY: Purpose = Purpose(1038);
    pub(super) const PASSAGE: Purpose = Purpose(1039);
    pub(super) const WORK: Purpose = Purpose(1040);
    pub(super) const HANDSHAKE: Purpose = Purpose(1041);
    pub(super) const REQUEST: Purpose = Purpose(1042);
}

/// Which way an attempt takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Past all routing.
    Direct,
    /// To the entry's own runtime.
    Local,
    /// To another node.
    Routed,
}

impl Engine<'_> {
    fn drawn(&self, law: Option<&Distribution>, purpose: Purpose, entity: u64, n: u32) -> Duration {
        // No law needs more than four blocks (a gamma's rejections go on from there).
        law.map_or(Duration::ZERO, |law| {
            let mut stream = self.draws.stream_at(purpose, entity, n.wrapping_mul(4));
            Duration::from_secs_f64(law.sample(&mut stream).min(LONGEST))
        })
    }

    /// How long a call takes to its entry.
    pub(super) fn entry_time(&self, call: CallKey) -> Duration {
        self.drawn(self.scenario.calibration.entry.as_ref(), purpose::ENTRY, call.0, 0)
    }

    /// As `drawn`, for the attempt of a call that was begun last.
    fn drawn_for_attempt(&self, law: Option<&Distribution>, purpose: Purpose, call: u64) -> Duration {
        match (law, self.workload.call(call)) {
            (Some(_), Some(state)) => self.drawn(law, purpose, state.key.0, state.attempts),
            _ => Duration::ZERO,
        }
    }

    /// What an attempt of a call takes on each of its two ways besides links.
    pub(super) fn passage_time(&self, call: u64, way: Way) -> Duration {
        let calibration = &self.scenario.calibration;
        let law = match way {
            Way::Direct => &calibration.direct,
            Way::Local => &calibration.local,
            Way::Routed => &calibration.routed,
        };
        self.drawn_for_attempt(law.as_ref(), purpose::PASSAGE, call) / 2
    }

    /// How much longer than asked for an attempt of a call runs.
    pub(super) fn overrun(&self, call: u64, work: schema::Work) -> Duration {
        let law = match work {
            schema::Work::Cpu => &self.scenario.calibration.cpu,
            schema::Work::Sleep => &self.scenario.calibration.sleep,
        };
        self.drawn_for_attempt(law.as_ref(), purpose::WORK, call)
    }

    /// What the dial that is made now takes besides round trips.
    pub(super) fn handshake_time(&self) -> Duration {
        let law = self.scenario.calibration.handshake.as_ref();
        self.drawn(law, purpose::HANDSHAKE, self.totals.dials, 0)
    }

    /// What a node takes to answer a request now.
    pub(super) fn request_time(&self, node: u32) -> Duration {
        let law = self.scenario.calibration.request.as_ref();
        self.drawn(law, purpose::REQUEST, u64::from(node), self.nodes[node as usize].sent)
    }
}
