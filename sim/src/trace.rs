//! `sim trace`: one line an event.

/// Takes the lines of a trace.
pub type Tracer = Box<dyn FnMut(&str)>;

use crate::engine::Engine;

impl Engine<'_> {
    /// A line about a node.
    pub(crate) fn trace(&mut self, node: u32, line: impl FnOnce() -> String) {
        let number = self.population.number(node);
        let now = self.now;
        if let Some(tracer) = &mut self.tracer {
            tracer(&format!("{:>12.6}  node-{number:<6} {}", now.as_secs_f64(), line()));
        }
    }

    /// A line about the network.
    pub(crate) fn trace_network(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(tracer) = &mut self.tracer {
            tracer(&format!("{:>12.6}  {:<11} {}", now.as_secs_f64(), "network", line()));
        }
    }
}
