//! `[calibration]`.

use super::super::error::ScenarioError;
use super::super::keys::*;
use super::super::reader::Reader;
use super::super::schema::Calibration;
use super::distribution::{durations, optional_distribution};
use crate::units::Quantity;

pub(in crate::scenario) static CALIBRATION: Section = Section {
    id: "calibration",
    title: "[calibration]",
    doc: "What real nodes take for what costs nothing in the simulator, which adds it where it belongs. `harness calibrate` measures it on a machine and writes the section; real nodes ignore it.",
    keys: &[
        optional(
            "entry",
            durations::KIND,
            "nothing",
            "From the instant a call is due to its entry's having it: `lag_us`.",
        ),
        optional(
            "direct",
            durations::KIND,
            "nothing",
            "What a call past all routing (`policy = \"direct\"`) takes besides its function.",
        ),
        optional(
            "local",
            durations::KIND,
            "nothing",
            "What an attempt at the entry's own runtime takes besides its function.",
        ),
        optional(
            "routed",
            durations::KIND,
            "nothing",
            "What an attempt at another node takes besides its function, the links and `faas.forward_cpu`; half of it on each way.",
        ),
        optional(
            "sleep",
            durations::KIND,
            "nothing",
            "How much longer a function sleeps than it is asked to.",
        ),
        optional(
            "cpu",
            durations::KIND,
            "nothing",
            "How much longer a function computes than it is asked to, on a core of its own.",
        ),
        optional(
            "handshake",
            durations::KIND,
            "nothing",
            "What opening a connection takes besides its round trips.",
        ),
        optional(
            "request",
            durations::KIND,
            "nothing",
            "What answering a request of the DHT takes besides the links and `faas.message_cpu`.",
        ),
    ],
    choices: &[],
};

/// Reads `[calibration]`.
pub(super) fn calibration(reader: &Reader<'_>) -> Result<Calibration, ScenarioError> {
    let law = |key| optional_distribution(reader, key, Quantity::Duration);
    Ok(Calibration {
        entry: law("entry")?,
        direct: law("direct")?,
        local: law("local")?,
        routed: law("routed")?,
        sleep: law("sleep")?,
        cpu: law("cpu")?,
        handshake: law("handshake")?,
        request: law("request")?,
    })
}
