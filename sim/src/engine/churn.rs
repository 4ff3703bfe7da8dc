//! Nodes that come and go by themselves.

use super::build::{BuildError, law};
use super::lifecycle::Departure;
use super::{Engine, Event, purpose};
use edge_faas_core::draws::{Distribution, Stream};
use edge_faas_core::results::EventKind;
use edge_faas_core::scenario::schedule::Population;
use edge_faas_core::scenario::schema::{Scenario, Sessions, Start};
use edge_faas_core::scenario::trace::{SessionRow, Traces};
use edge_faas_core::time::{Duration, Time};

/// No session or gap is shorter: a distribution that draws zero must not stop the clock.
const SHORTEST: Duration = Duration::from_millis(1);
/// A node that says goodbye goes this long after its word: time for its messages to leave.
const FAREWELL: Duration = Duration::from_secs(2);

/// Which machines come and go, and when.
#[derive(Debug, Default)]
pub(crate) struct Churn {
    law: Option<Law>,
    /// By machine: 1 + the number of its row's place; machines that never churn have none.
    states: Vec<State>,
}

#[derive(Debug)]
struct Law {
    source: Source,
    leave: f64,
    fresh: bool,
    from: Time,
    until: Option<Time>,
}

#[derive(Debug)]
enum Source {
    Drawn { session: Distribution, gap: Distribution },
    Trace(Vec<SessionRow>),
}

/// Where a machine is in its comings and goings.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    churns: bool,
    up: bool,
    leaving: bool,
    /// Sessions and gaps so far: numbers the draws.
    turns: u32,
    /// The next row of a trace.
    row: u32,
}

/// Which machines are up when the network begins, and since when they are or are not.
#[derive(Debug, Default)]
pub(crate) struct Initial {
    down: Vec<bool>,
    /// Empty, but in a network that settled under churn.
    ages: Vec<Duration>,
}

impl Initial {
    pub(crate) fn is_up(&self, number: u32) -> bool {
        !self.down.get(number as usize).copied().unwrap_or(false)
    }

    /// How long a machine has been up, or away; [`Duration::MAX`]: ever since.
    pub(crate) fn age(&self, number: u32) -> Duration {
        self.ages.get(number as usize).copied().unwrap_or(Duration::MAX)
    }
}

impl Churn {
    pub(crate) fn new(scenario: &Scenario, traces: &Traces, places: &Population) -> Result<Self, BuildError> {
        let Some(churn) = &scenario.churn else {
            return Ok(Churn::default());
        };
        let mut states = vec![State { up: true, ..State::default() }; scenario.network.nodes as usize];
        for number in places.select(&churn.nodes, "churn") {
            // Bootstrap nodes stay: somebody has to be there to be asked.
            if number >= scenario.network.bootstrap {
                states[number as usize].churns = true;
            }
        }
        let source = match &churn.sessions {
            Sessions::Drawn { session, gap } => {
                Source::Drawn { session: law(session, "churn.session")?, gap: law(gap, "churn.gap")? }
            }
            Sessions::Trace { .. } => Source::Trace(traces.sessions().to_vec()),
        };
        let law =
            Law { source, leave: churn.leave, fresh: churn.fresh, from: churn.from, until: churn.until };
        Ok(Churn { law: Some(law), states })
    }
}

impl Law {
    fn length(&self, up: bool, stream: &mut Stream) -> Duration {
        match &self.source {
            Source::Drawn { session, gap } => {
                Duration::from_secs_f64(if up { session } else { gap }.sample(stream).min(1e9)).max(SHORTEST)
            }
            Source::Trace(_) => Duration::MAX,
        }
    }
}

impl Engine<'_> {
    fn churn_stream(&self, number: u32, turn: u32) -> Stream {
        // Eight blocks a turn: more than any distribution takes.
        self.draws.stream_at(purpose::CHURN, u64::from(number), turn.wrapping_mul(8))
    }

    /// Decides who is up when the network begins, and schedules the first changes.
    ///
    /// A settled network is met at any moment of its nodes' lives, if churn is there from time 0 on; then it is there before
    /// it as well. A machine is online with the probability of the
    /// stationary law of its alternating renewal process, and what remains of its session or gap is drawn from the
    /// equilibrium distribution (Cox, "Renewal Theory", 1962, chapter 7). In a network that joins, churn begins with whole sessions.
    pub(crate) fn start_churn(&mut self) -> Initial {
        let Some(law) = &self.churn.law else {
            return Initial::default();
        };
        let mut down = vec![false; self.churn.states.len()];
        let stationary = self.scenario.network.start == Start::Converged && law.from <= Time::ZERO;
        let begin = if stationary { self.now } else { law.from.max(self.now) };
        let mut ages = if stationary { vec![Duration::MAX; down.len()] } else { Vec::new() };
        let mut events = Vec::new();
        let mut states = self.churn.states.clone();
        match &law.source {
            Source::Trace(rows) => {
                for (number, state) in states.iter_mut().enumerate() {
                    if !state.churns {
                        continue;
                    }
                    let row = rows.partition_point(|row| row.node < number as u32);
                    let Some(first) = rows.get(row).filter(|row| row.node == number as u32) else {
                        state.churns = false;
                        continue;
                    };
                    state.row = row as u32;
                    state.up = first.up <= self.now;
                    down[number] = !state.up;
                    events.push((if state.up { first.down } else { first.up }, number as u32));
                }
            }
            Source::Drawn { session, gap } => {
                for (number, state) in states.iter_mut().enumerate() {
                    if !state.churns {
                        continue;
                    }
                    let mut stream = self.churn_stream(number as u32, 0);
                    state.turns = 1;
                    let rest = if stationary {
                        let (up, away) = (session.mean().unwrap_or(1e9), gap.mean().unwrap_or(1e9));
                        state.up = stream.chance(up / (up + away).max(f64::MIN_POSITIVE));
                        let law = if state.up { session } else { gap };
                        // Of an infinite mean there is no equilibrium: it never ends.
                        let part = |stream: &mut Stream| {
                            let part = law.sample_residual(stream);
                            Duration::from_secs_f64(part.unwrap_or(1e9).min(1e9)).max(SHORTEST)
                        };
                        // What has passed of it has the law of what is left.
                        ages[number] = part(&mut self.draws.stream(purpose::AGE, number as u64));
                        part(&mut stream)
                    } else {
                        law.length(true, &mut stream)
                    };
                    down[number] = !state.up;
                    events.push((begin + rest, number as u32));
                }
            }
        }
        self.churn.states = states;
        for (at, number) in events {
            if at < Time::MAX {
                self.queue.push(at, Event::Churn(number));
            }
        }
        Initial { down, ages }
    }

    /// A machine's session or gap ends.
    pub(crate) fn churn_due(&mut self, number: u32) {
        let Some(law) = &self.churn.law else { return };
        let mut state = self.churn.states[number as usize];
        let (leave, fresh) = (law.leave, law.fresh);
        if law.until.is_some_and(|until| self.now > until) && !state.leaving {
            return;
        }
        let mut stream = self.churn_stream(number, state.turns);
        let handle = self.population.handle(number);
        if state.up && !state.leaving && stream.chance(leave) {
            state.leaving = true;
            self.churn.states[number as usize] = state;
            self.event_row(EventKind::Leave, None, Some(number), None);
            self.leave(handle);
            self.queue.push(self.now + FAREWELL, Event::Churn(number));
            return;
        }
        let length = law_length(self.churn.law.as_ref(), !state.up, &mut stream);
        state.turns = state.turns.wrapping_add(1);
        if state.up {
            let departure = if state.leaving { Departure::Kill } else { Departure::PowerOff };
            if !state.leaving {
                self.event_row(EventKind::Crash, None, Some(number), None);
            }
            state.leaving = false;
            state.up = false;
            self.take_down(handle, departure);
        } else {
            state.up = true;
            self.event_row(EventKind::Join, None, Some(number), None);
            self.bring_up(number, fresh && state.turns > 1);
        }
        let next = match self.churn.law.as_ref().map(|law| &law.source) {
            Some(Source::Trace(rows)) => {
                if state.up {
                    rows.get(state.row as usize).map(|row| row.down)
                } else {
                    state.row += 1;
                    rows.get(state.row as usize).filter(|row| row.node == number).map(|row| row.up)
                }
            }
            Some(Source::Drawn { .. }) => Some(self.now.saturating_add(length)),
            None => None,
        };
        self.churn.states[number as usize] = state;
        if let Some(at) = next.filter(|at| *at < Time::MAX) {
            self.queue.push(at.max(self.now), Event::Churn(number));
        }
    }
}

fn law_length(law: Option<&Law>, up: bool, stream: &mut Stream) -> Duration {
    law.map_or(Duration::MAX, |law| law.length(up, stream))
}
