//! How a network begins: every node joins by the protocol, or it has settled already.

use super::churn::Initial;
use super::{Engine, Event, purpose};
use edge_faas_core::io::Input;
use edge_faas_core::key::FunctionHandle;
use edge_faas_core::scenario::schema::Start;

impl Engine<'_> {
    /// Schedules everything that is known beforehand.
    pub(crate) fn start(&mut self) {
        let initial = self.start_churn();
        match self.scenario.network.start {
            Start::Join => self.start_joining(&initial),
            Start::Converged => self.start_converged(&initial),
        }
        self.start_faults();
    }

    /// The bootstrap nodes join at once, the others at instants drawn uniformly.
    fn start_joining(&mut self, initial: &Initial) {
        let over = self.scenario.network.join_over;
        let origin = self.now;
        for number in 0..self.population.nodes() {
            if !initial.is_up(number) {
                continue;
            }
            let at = if number < self.scenario.network.bootstrap {
                origin
            } else {
                origin + over.mul_f64(self.draws.stream(purpose::JOIN, u64::from(number)).unit())
            };
            self.queue.push(at, Event::Join(number));
        }
    }

    /// Fills tables and records as the protocol would have, long after.
    fn start_converged(&mut self, initial: &Initial) {
        let now = self.now;
        let up: Vec<u32> = (0..self.population.nodes())
            .filter(|handle| initial.is_up(self.population.number(*handle)))
            .collect();
        for handle in &up {
            self.set_up(*handle);
        }
        if self.discovery.is_kademlia() {
            self.settle_kademlia(&up, initial);
        }
        self.discovery_settles();
        for &handle in &up {
            let number = self.population.number(handle);
            let functions =
                self.machines[number as usize].runtime.as_ref().map(|runtime| runtime.functions.clone());
            for function in functions.unwrap_or_default() {
                self.input(handle, Input::Host { function: FunctionHandle(function) });
            }
            self.set_wake(handle);
        }
        self.discovery_settled(&up);
        debug_assert!(self.now == now, "a settled start takes no time");
    }
}
