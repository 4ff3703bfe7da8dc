//! The bandwidth of nodes.

use edge_faas_core::time::Duration;

/// The speed of a node's link, in bits a second, up (sending) and down (receiving).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bandwidth {
    /// Bits a second that the node can send.
    pub up: u64,
    /// Bits a second that the node can receive.
    pub down: u64,
}

impl Bandwidth {
    /// A link that no message waits for.
    pub const UNLIMITED: Bandwidth = Bandwidth { up: u64::MAX, down: u64::MAX };
}

/// The links of all nodes: one class of bandwidth for all of them, or a class a node (one byte each).
#[derive(Debug, Clone)]
pub struct Links {
    classes: Vec<Bandwidth>,
    class_of: Vec<u8>,
}

impl Links {
    /// All nodes have this bandwidth.
    pub fn same(bandwidth: Bandwidth) -> Self {
        Links { classes: vec![bandwidth], class_of: Vec::new() }
    }

    /// Node i has the bandwidth `classes[class_of[i]]`.
    ///
    /// # Panics
    /// If a node's class does not exist.
    pub fn by_class(classes: Vec<Bandwidth>, class_of: Vec<u8>) -> Self {
        assert!(class_of.iter().all(|class| usize::from(*class) < classes.len()), "a class of bandwidth");
        Links { classes, class_of }
    }

    /// The bandwidth of a node.
    #[inline]
    pub fn of(&self, node: u32) -> Bandwidth {
        match self.class_of.get(node as usize) {
            Some(class) => self.classes[usize::from(*class)],
            None => self.classes[0],
        }
    }

    /// How long `bytes` take through the slower of the sender's uplink and the receiver's downlink when nothing
    /// else uses them, the links' speeds times `factor`; rounded up to the nanosecond. Zero from a node to itself.
    #[inline]
    pub fn serialisation(&self, from: u32, to: u32, bytes: u64, factor: f64) -> Duration {
        if from == to {
            return Duration::ZERO;
        }
        let speed = self.of(from).up.min(self.of(to).down);
        if speed == u64::MAX {
            return Duration::ZERO;
        }
        let speed = if factor == 1.0 { speed } else { scale(speed, factor) };
        if speed == 0 {
            return Duration::MAX;
        }
        let nanos = match bytes.checked_mul(8_000_000_000) {
            Some(nanobits) => nanobits.div_ceil(speed),
            None => u64::try_from((u128::from(bytes) * 8_000_000_000).div_ceil(u128::from(speed)))
                .unwrap_or(u64::MAX),
        };
        Duration::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

/// A speed times a factor from 0 to 1; the unlimited one stays so.
pub(super) fn scale(speed: u64, factor: f64) -> u64 {
    if speed == u64::MAX {
        return speed;
    }
    // The cast saturates and sends NaN to zero.
    (speed as f64 * factor) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slower_end_decides_and_time_is_rounded_up() {
        let slow = Bandwidth { up: 8_000, down: 1_000_000 };
        let fast = Bandwidth { up: 1_000_000, down: 3_000_000 };
        let links = Links::by_class(vec![slow, fast], vec![0, 1, 1]);
        assert_eq!(links.serialisation(0, 1, 1_000, 1.0), Duration::from_secs(1));
        assert_eq!(links.serialisation(1, 0, 1_000, 1.0), Duration::from_millis(8));
        assert_eq!(links.serialisation(1, 0, 1_000, 0.5), Duration::from_millis(16));
        assert_eq!(links.serialisation(1, 1, 1_000, 1.0), Duration::ZERO);
        let third = Links::same(Bandwidth { up: 3_000_000_000, down: 3_000_000_000 });
        assert_eq!(third.serialisation(0, 1, 1, 1.0), Duration::from_nanos(3), "8/3 ns");
    }

    #[test]
    fn no_size_and_no_speed_overflows() {
        let links = Links::same(Bandwidth { up: 1, down: 1 });
        assert_eq!(links.serialisation(0, 1, u64::MAX, 1.0), Duration::MAX);
        assert_eq!(links.serialisation(0, 1, 1, 0.0), Duration::MAX);
        assert_eq!(Links::same(Bandwidth::UNLIMITED).serialisation(0, 1, u64::MAX, 0.1), Duration::ZERO);
    }
}
