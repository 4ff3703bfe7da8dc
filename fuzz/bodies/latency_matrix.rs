//! Arbitrary bytes as measured latencies: a square matrix of sensible round trips, or an error that says where.
#![allow(unreachable_pub)]

use edge_faas_core::time::Duration;
use edge_faas_sim::network::{MAX_ROUND_TRIP, MatrixFormat, MatrixOptions, Missing, RoundTrips};

/// The body of the fuzz target; says how many readings took the bytes.
pub fn latency_matrix(bytes: &[u8]) -> usize {
    let formats = [
        MatrixFormat::Auto,
        MatrixFormat::Square,
        MatrixFormat::King,
        MatrixFormat::Pairs,
        MatrixFormat::WonderNetwork,
    ];
    let mut read = 0;
    for format in formats {
        for missing in [Missing::Error, Missing::Median, Missing::Drop] {
            match RoundTrips::read("fuzz", bytes, MatrixOptions { format, unit: None, missing }) {
                Ok(matrix) => {
                    read += 1;
                    check(&matrix);
                }
                Err(error) => assert!(error.to_string().starts_with("fuzz"), "{error}"),
            }
        }
    }
    read
}

fn check(matrix: &RoundTrips) {
    let rows = matrix.rows();
    assert!(rows >= 2);
    for (from, to) in (0..rows).flat_map(|from| (0..rows).map(move |to| (from, to))) {
        let round_trip = matrix.round_trip(from, to);
        assert_eq!(round_trip.is_zero(), from == to, "{from} to {to}");
        assert!(
            round_trip >= Duration::ZERO && round_trip <= MAX_ROUND_TRIP,
            "{from} to {to}: {round_trip:?}"
        );
    }
}
