//! Regions of public clouds, with a built-in table of the round trips between them.

use super::matrix::RoundTrips;

/// The name of the built-in table.
pub const CLOUD_2024: &str = "cloud-2024";

/// Approximate median round trips in milliseconds between 18 public cloud regions (names as AWS has them), each
/// with the regions before it.
///
/// Source: public measurements by cloudping.co (TCP round trips between all AWS regions, medians), two snapshots of
/// 2022 to 2025; both directions averaged, rounded to the millisecond, and the lower snapshot taken where a cable cut
/// or a detour shows in one of them. IBM Cloud's published inter-region averages of August 2024 agree within 15 %
/// for the cities that both have (Frankfurt – London 13, Washington – Frankfurt 91, Tokyo – Sydney 115, Washington
/// – São Paulo 119 ms). They are typical values, not a promise of any provider.
const CLOUD_2024_MILLIS: [(&str, &[u32]); 18] = [
    ("af-south-1", &[]),
    ("ap-east-1", &[238]),
    ("ap-northeast-1", &[286, 46]),
    ("ap-south-1", &[152, 89, 125]),
    ("ap-southeast-1", &[203, 34, 69, 56]),
    ("ap-southeast-2", &[295, 125, 107, 146, 93]),
    ("ca-central-1", &[222, 186, 144, 187, 210, 198]),
    ("eu-central-1", &[155, 189, 223, 110, 158, 249, 92]),
    ("eu-north-1", &[175, 211, 243, 131, 178, 295, 108, 22]),
    ("eu-west-1", &[157, 212, 201, 120, 182, 256, 70, 27, 42]),
    ("eu-west-2", &[147, 199, 211, 111, 171, 265, 78, 17, 33, 13]),
    ("eu-west-3", &[147, 197, 216, 104, 167, 279, 84, 12, 30, 18, 10]),
    ("me-south-1", &[145, 122, 162, 35, 86, 178, 163, 86, 105, 96, 87, 80]),
    ("sa-east-1", &[337, 299, 257, 298, 322, 312, 125, 204, 215, 177, 186, 195, 272]),
    ("us-east-1", &[227, 188, 146, 186, 212, 199, 15, 92, 112, 70, 76, 83, 160, 114]),
    ("us-east-2", &[237, 176, 134, 196, 200, 187, 25, 102, 121, 79, 86, 93, 170, 124, 13]),
    ("us-west-1", &[287, 146, 108, 228, 172, 139, 79, 151, 174, 128, 147, 143, 220, 172, 62, 52]),
    ("us-west-2", &[274, 136, 98, 218, 162, 140, 60, 141, 158, 119, 128, 134, 212, 174, 64, 52, 22]),
];

/// A choice of regions that cannot be made.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RegionError {
    /// No built-in table has that name.
    #[error(
        "there is no built-in table of regions named `{0}`; valid is `cloud-2024`, or a file with a matrix"
    )]
    UnknownTable(String),
    /// The table has no such region.
    #[error("there is no region `{found}`; valid are {valid}")]
    UnknownRegion {
        /// The name as written.
        found: String,
        /// All names of the table.
        valid: String,
    },
    /// A weight that is no share.
    #[error(
        "the weight {weight} of region `{region}` is not valid; valid is a number from 0 on, above 0 for one region at least"
    )]
    BadWeight {
        /// The region.
        region: String,
        /// The weight as written.
        weight: f64,
    },
}

/// The built-in table named `name`.
///
/// # Errors
/// If there is none of that name.
pub fn built_in(name: &str) -> Result<RoundTrips, RegionError> {
    match name {
        CLOUD_2024 => Ok(RoundTrips::from_triangle(&CLOUD_2024_MILLIS)),
        _ => Err(RegionError::UnknownTable(name.to_owned())),
    }
}

/// Weights for [`Sites::draw_weighted`](super::Sites::draw_weighted): of each region of `table` in its order; a
/// region that `chosen` does not name gets none.
///
/// # Errors
/// If a region is unknown, a weight negative or not a number, or no weight positive.
pub fn weights(table: &RoundTrips, chosen: &[(&str, f64)]) -> Result<Vec<f64>, RegionError> {
    let mut weights = vec![0.0; table.rows()];
    for (region, weight) in chosen {
        let Some(row) = table.names().iter().position(|name| name == region) else {
            let valid = table.names().join(", ");
            return Err(RegionError::UnknownRegion { found: (*region).to_owned(), valid });
        };
        if !weight.is_finite() || *weight < 0.0 {
            return Err(RegionError::BadWeight { region: (*region).to_owned(), weight: *weight });
        }
        weights[row] += weight;
    }
    if !weights.iter().any(|weight| *weight > 0.0) {
        let (region, weight) = chosen.first().map_or(("", 0.0), |(region, weight)| (region, *weight));
        return Err(RegionError::BadWeight { region: region.to_owned(), weight });
    }
    Ok(weights)
}
