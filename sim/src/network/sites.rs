//! Nodes on sites: rows of a measured matrix, or regions.

use std::sync::Arc;

use edge_faas_core::draws::Draws;
use edge_faas_core::prefetch;
use edge_faas_core::time::Duration;

use super::matrix::{CELL_NANOS, RoundTrips};
use super::purpose;

/// Where each node is, and the matrix between the places. Two bytes a node; the matrix is shared.
#[derive(Debug, Clone)]
pub struct Sites {
    matrix: Arc<RoundTrips>,
    site: Vec<u16>,
    /// One way within a site, in [`CELL_NANOS`]; what the matrix' diagonal says if `None`.
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

    /// Node i on row `site[i]`; nodes of one row have the round trip `within`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn place(matrix: Arc<RoundTrips>, within: Duration, site: Vec<u16>) -> Self {
        let within = (within.as_nanos() / (2 * CELL_NANOS)).min(i64::from(u32::MAX)) as u32;
        Self::new(matrix, Some(within), site)
    }

    /// Node i in region `region[i]` of a matrix that holds the round trips within regions on its diagonal
    /// ([`RoundTrips::from_rows`]).
    ///
    /// # Panics
    /// If there is no such region.
    pub fn place_in_regions(matrix: Arc<RoundTrips>, region: Vec<u16>) -> Self {
        Self::new(matrix, None, region)
    }

    fn new(matrix: Arc<RoundTrips>, within: Option<u32>, site: Vec<u16>) -> Self {
        assert!(site.iter().all(|row| usize::from(*row) < matrix.rows()), "a row of the matrix");
        Sites { matrix, site, within }
    }

    /// The row of a node.
    pub fn site(&self, node: u32) -> u16 {
        self.site[node as usize]
    }

    /// The matrix between the sites.
    pub fn matrix(&self) -> &Arc<RoundTrips> {
        &self.matrix
    }

    /// Asks the processor for a node's site.
    #[inline]
    pub(super) fn prefetch(&self, node: u32) {
        prefetch::element(&self.site, node as usize);
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::latency::Latency;
    use super::super::matrix::{Missing, TimeUnit};
    use super::super::read::MatrixOptions;
    use super::*;

    /// A measured matrix that lies beside the checkout, if it does.
    fn measured(file: &str, options: MatrixOptions) -> Option<Arc<RoundTrips>> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        // A linked worktree lies elsewhere: the variable says where the data is.
        let data = std::env::var_os("EDGE_FAAS_DATA").map_or(root.join("../shared/data"), PathBuf::from);
        let path = data.join("latency").join(file);
        if !path.exists() {
            println!(
                "SKIPPED: {} is not there (EDGE_FAAS_DATA names the folder of measured data)",
                path.display()
            );
            return None;
        }
        Some(Arc::new(RoundTrips::read_file(&path, options).expect("a valid file")))
    }

    /// The two-sample Kolmogorov-Smirnov statistic: the largest distance of the empirical distributions.
    fn kolmogorov_smirnov(a: &mut [i64], b: &mut [i64]) -> f64 {
        a.sort_unstable();
        b.sort_unstable();
        let below = |sample: &[i64], x: i64| sample.partition_point(|y| *y <= x) as f64 / sample.len() as f64;
        a.iter().chain(b.iter()).map(|x| (below(a, *x) - below(b, *x)).abs()).fold(0.0, f64::max)
    }

    /// The statistic that two samples of one distribution exceed with a probability of 1 %.
    fn critical(a: usize, b: usize) -> f64 {
        1.628 * ((a + b) as f64 / (a as f64 * b as f64)).sqrt()
    }

    fn off_diagonal(matrix: &RoundTrips) -> Vec<i64> {
        let rows = matrix.rows();
        let pairs = (0..rows).flat_map(|from| (0..rows).map(move |to| (from, to)));
        pairs
            .filter(|(from, to)| from != to)
            .map(|(from, to)| matrix.round_trip(from, to).as_nanos() / 2)
            .collect()
    }

    #[test]
    fn planetlabs_latencies_have_planetlabs_distribution() {
        let Some(matrix) = measured("planetlab-490-slice1.txt.gz", MatrixOptions::default()) else {
            return;
        };
        assert_eq!((matrix.rows(), matrix.bad_cells().count()), (490, 0));
        let mut cells = off_diagonal(&matrix);
        cells.sort_unstable();
        let round_trip = |share: f64| cells[(cells.len() as f64 * share) as usize] * 2 / 1_000;
        assert_eq!((round_trip(0.5), round_trip(0.9)), (135_010, 290_720), "median and 90 % in microseconds");

        // Pairs without a common node are independent draws from the matrix.
        let nodes = 1_000;
        let sites = Sites::draw(matrix, Duration::from_millis(1), &Draws::new(42, 0), nodes);
        let pairs =
            (0..nodes / 2).map(|i| (2 * i, 2 * i + 1)).filter(|(a, b)| sites.site(*a) != sites.site(*b));
        let mut drawn: Vec<i64> = pairs.map(|(a, b)| sites.one_way(a, b).as_nanos()).collect();
        let statistic = kolmogorov_smirnov(&mut drawn, &mut cells);
        let bound = critical(drawn.len(), cells.len());
        assert!(statistic < bound, "KS {statistic} against {bound} at 1 %");
        // The test can fail: latencies 20 % too long are told apart.
        drawn.iter_mut().for_each(|delay| *delay += *delay / 5);
        let statistic = kolmogorov_smirnov(&mut drawn, &mut cells);
        assert!(statistic > bound, "KS {statistic} against {bound} at 1 %");
    }

    #[test]
    fn seattle_is_in_seconds_and_keeps_its_directions() {
        let options =
            MatrixOptions { unit: Some(TimeUnit::Seconds), missing: Missing::Median, ..Default::default() };
        let Some(matrix) = measured("seattle-99-slice1.txt.gz", options) else {
            return;
        };
        // The file's first values: 0 0.17 0.32, and below 0.12 0 0.1.
        let millis = |from, to| matrix.round_trip(from, to).as_micros() / 1_000;
        assert_eq!((matrix.rows(), millis(0, 1), millis(1, 0), millis(0, 2)), (99, 170, 120, 320));
        // 157 zeros in the file, 92 of them on the diagonal.
        assert_eq!((matrix.bad_cells().zero, matrix.bad_cells().count()), (65, 65));
        let sites = Sites::place(matrix, Duration::ZERO, vec![0, 1]);
        assert_eq!(sites.one_way(0, 1), Duration::from_millis(85));
        assert_eq!(sites.one_way(1, 0), Duration::from_millis(60));
    }

    /// Three regions; 1, 2 and 3 ms within, 80 ms from the first to the second, 10 ms back.
    fn regions() -> Arc<RoundTrips> {
        let names = ["east", "west", "south"].map(str::to_owned);
        let rows = [[1, 80, 200], [10, 2, 120], [200, 120, 3]];
        let rows = rows.map(|row| row.map(Duration::from_millis).to_vec());
        Arc::new(RoundTrips::from_rows(&names, &rows))
    }

    #[test]
    fn another_number_of_nodes_moves_none() {
        let draws = Draws::new(1, 0);
        let few = Sites::draw(regions(), Duration::ZERO, &draws, 100);
        let many = Sites::draw(regions(), Duration::ZERO, &draws, 1_000);
        assert!((0..100).all(|node| few.site(node) == many.site(node)));
        let other = Sites::draw(regions(), Duration::ZERO, &Draws::new(1, 1), 100);
        assert!((0..100).any(|node| few.site(node) != other.site(node)), "another repetition, other places");
    }

    #[test]
    fn nodes_in_regions_have_half_the_regions_round_trips() {
        let latency = Latency::Sites(Sites::place_in_regions(regions(), vec![0, 0, 1, 2, 2]));
        assert_eq!(latency.one_way(0, 0), Duration::ZERO);
        assert_eq!(latency.one_way(0, 1), Duration::from_micros(500));
        assert_eq!(latency.one_way(4, 3), Duration::from_micros(1_500));
        assert_eq!(latency.one_way(0, 2), Duration::from_millis(40));
        assert_eq!(latency.one_way(2, 0), Duration::from_millis(5));
        assert_eq!(latency.site(2), Some(1));
        assert_eq!(latency.site_names(), ["east", "west", "south"]);
    }

    #[test]
    fn nodes_on_one_row_have_the_round_trip_within_a_site() {
        let latency = Latency::Sites(Sites::place(regions(), Duration::from_millis(7), vec![1, 1, 2]));
        assert_eq!(latency.one_way(0, 1), Duration::from_micros(3_500));
        assert_eq!(latency.one_way(1, 2), Duration::from_millis(60));
        assert_eq!(latency.nodes(), Some(3));
    }
}
