//! Nodes on sites: rows of a measured matrix, or regions.

use std::sync::Arc;

use edge_faas_core::draws::Draws;
use edge_faas_core::time::Duration;

use super::matrix::{CELL_NANOS, RoundTrips};
use super::purpose;

/// Where each node is, and the matrix between the places. Two bytes a node; the matrix is shared.
#[derive(Debug, Clone)]
pub struct Sites {
    matrix: Arc<RoundTrips>,
    site: Vec<u16>,
    /// One way, in [`CELL_NANOS`].
    within: Option<u32>,
}

impl Sites {
    /// Draws `nodes` nodes onto the rows of `matrix`, each row with equal probability, by node: another number of
    /// nodes moves none. Nodes of one row have the round trip `within`.
    pub fn draw(matrix: Arc<RoundTrips>, within: Duration, draws: &Draws, nodes: u32) -> Self {
        let rows = matrix.rows() as u64;
        let place = |node: u32| draws.stream(purpose::PLACEMENT, u64::from(node)).below(rows) as u16;
        Self::place(matrix, within, (0..nodes).map(place).collect())
    }

    /// As [`Sites::draw`], where row i is as probable as `weights[i]` says against the sum of them all.
    ///
    /// # Panics
    /// If there are not as many weights as rows, or they are not finite, not negative and positive in sum.
    pub fn draw_weighted(
        matrix: Arc<RoundTrips>,
        weights: &[f64],
        within: Duration,
        draws: &Draws,
        nodes: u32,
    ) -> Self {
        assert_eq!(weights.len(), matrix.rows(), "one weight a row");
        assert!(weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0), "weights");
        let mut sum = 0.0;
        let cumulated: Vec<f64> = weights
            .iter()
            .map(|weight| {
                sum += weight;
                sum
            })
            .collect();
        assert!(sum > 0.0, "one weight must be positive");
        let last = weights.iter().rposition(|weight| *weight > 0.0).unwrap_or(0);
        let place = |node: u32| {
            let at = draws.stream(purpose::PLACEMENT, u64::from(node)).unit() * sum;
            cumulated.partition_point(|bound| *bound <= at).min(last) as u16
        };
        Self::place(matrix, within, (0..nodes).map(place).collect())
    }

    /// Node i on row `site[i]`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn place(matrix: Arc<RoundTrips>, within: Duration, site: Vec<u16>) -> Self {
        assert!(site.iter().all(|row| usize::from(*row) < matrix.rows()), "a row of the matrix");
        let within = (within.as_nanos() / (2 * CELL_NANOS)).min(i64::from(u32::MAX)) as u32;
        Sites { matrix, site, within: Some(within) }
    }

    /// Node i in region `site[i]`; nodes of one region have the round trip on the table's diagonal.
    ///
    /// # Panics
    /// If there is no such region.
    pub fn place_in_regions(table: Arc<RoundTrips>, site: Vec<u16>) -> Self {
        Sites { within: None, ..Self::place(table, Duration::ZERO, site) }
    }

    /// The row of a node.
    pub fn site(&self, node: u32) -> u16 {
        self.site[node as usize]
    }

    /// The matrix between the sites.
    pub fn matrix(&self) -> &Arc<RoundTrips> {
        &self.matrix
    }

    /// Number of nodes.
    pub(super) fn nodes(&self) -> usize {
        self.site.len()
    }

    /// The one-way delay between two different nodes.
    #[inline]
    pub(super) fn one_way(&self, from: u32, to: u32) -> Duration {
        let (row, column) = (self.site[from as usize], self.site[to as usize]);
        let cell = match self.within {
            Some(within) if row == column => within,
            _ => self.matrix.cells()[usize::from(row) * self.matrix.rows() + usize::from(column)],
        };
        Duration::from_nanos(i64::from(cell) * CELL_NANOS)
    }
}
