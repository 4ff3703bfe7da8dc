//! The built-in table of regions.

use crate::time::Duration;

/// The name of the built-in table.
pub const CLOUD_2024: &str = "cloud-2024";

/// The regions of `cloud-2024`: large cloud regions on every continent.
pub const CLOUD_2024_NAMES: [&str; 12] = [
    "us-east",
    "us-west",
    "ca-central",
    "sa-east",
    "eu-west",
    "eu-central",
    "eu-north",
    "me-south",
    "ap-south",
    "ap-southeast",
    "ap-northeast",
    "au-east",
];

/// Round trips in milliseconds, the lower triangle with the diagonal; in the order of [`CLOUD_2024_NAMES`].
///
/// Rounded medians of the size that public dashboards of inter-region round trips showed in 2024 (Virginia, Oregon,
/// Montréal, São Paulo, Dublin, Frankfurt, Stockholm, Bahrain, Mumbai, Singapore, Tokyo, Sydney). They are for
/// plausible geography, not for a claim about a provider: for that, give a measured matrix.
const CLOUD_2024_MS: [&[i64]; 12] = [
    &[2],
    &[65, 2],
    &[16, 60, 2],
    &[115, 175, 125, 2],
    &[70, 125, 70, 178, 2],
    &[92, 145, 93, 203, 26, 2],
    &[112, 160, 108, 220, 40, 24, 2],
    &[165, 228, 170, 275, 98, 86, 108, 2],
    &[192, 222, 195, 302, 124, 112, 138, 36, 2],
    &[218, 165, 215, 328, 176, 160, 182, 88, 62, 2],
    &[150, 98, 145, 258, 205, 228, 248, 158, 130, 70, 2],
    &[200, 140, 198, 312, 258, 250, 275, 184, 150, 93, 107, 2],
];

/// The table: round trips, row by row, in the order of [`CLOUD_2024_NAMES`].
pub fn cloud_2024() -> Vec<Vec<Duration>> {
    let cell = |row: usize, column: usize| {
        let (low, high) = (row.min(column), row.max(column));
        let millis = CLOUD_2024_MS.get(high).and_then(|row| row.get(low)).copied().unwrap_or(0);
        Duration::from_millis(millis)
    };
    let count = CLOUD_2024_NAMES.len();
    (0..count).map(|row| (0..count).map(|column| cell(row, column)).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_no_detour_is_absurdly_shorter() {
        let table = cloud_2024();
        for (i, row) in table.iter().enumerate() {
            assert_eq!(row.len(), CLOUD_2024_NAMES.len());
            assert!(CLOUD_2024_MS[i].len() == i + 1);
            for (j, cell) in row.iter().enumerate() {
                assert!(!cell.is_zero());
                assert_eq!(*cell, table[j][i]);
                for middle in &table {
                    // Routing detours are real, but not of a factor of 1.5.
                    let detour = middle[i].as_nanos() + middle[j].as_nanos();
                    assert!(cell.as_nanos() <= detour * 3 / 2, "{i} {j}");
                }
            }
        }
    }
}
