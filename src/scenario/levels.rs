//! Part of a sweep: only some levels of its factors.

use super::load::{Loaded, Variant};
use std::collections::BTreeMap;

/// Why a sweep cannot be narrowed as it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelsError {
    /// The sweep has no factor of this name.
    #[error("{factor} is no factor of the sweep; its factors are {}", listed(known))]
    Factor {
        /// What was asked for.
        factor: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The factor has no level of this name.
    #[error("{factor} has no level {level}; it has {}", listed(known))]
    Level {
        /// The factor.
        factor: String,
        /// What was asked for.
        level: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Each level is there, but no variant has all of them.
    #[error("no combination of the sweep has all of {}", wanted.join(", "))]
    Nothing {
        /// What was asked for, as `factor=level,level`.
        wanted: Vec<String>,
    },
}

impl Loaded {
    /// Leaves only the variants that have, of each factor named, one of the levels named. A factor that is named twice
    /// may have the levels of both; one that is not named keeps all.
    ///
    /// # Errors
    /// A factor or a level that the sweep does not have, or levels that never come together (`mode = "zip"`). Then
    /// nothing is changed.
    pub fn restrict(&mut self, only: &[(String, Vec<String>)]) -> Result<(), LevelsError> {
        let known = self.levels();
        let mut wanted: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
        for (factor, levels) in only {
            let Some((_, there)) = known.iter().find(|(name, _)| name == factor) else {
                let known = known.into_iter().map(|(name, _)| name).collect();
                return Err(LevelsError::Factor { factor: factor.clone(), known });
            };
            if let Some(level) = levels.iter().find(|level| !there.contains(level)) {
                return Err(LevelsError::Level {
                    factor: factor.clone(),
                    level: level.clone(),
                    known: there.clone(),
                });
            }
            wanted.entry(factor).or_default().extend(levels);
        }
        let matches = |variant: &Variant| {
            let is_wanted =
                |factor: &str, level| wanted.get(factor).is_none_or(|levels| levels.contains(&level));
            variant.values.iter().all(|(factor, level)| is_wanted(factor, level))
        };
        if !self.variants.iter().any(matches) {
            let wanted =
                only.iter().map(|(factor, levels)| format!("{factor}={}", levels.join(","))).collect();
            return Err(LevelsError::Nothing { wanted });
        }
        self.variants.retain(matches);
        Ok(())
    }

    /// What `[harness] only` says of the factors that there are. A factor that was set on the command line is none any
    /// more, and what the scenario says of its levels has no meaning.
    pub fn real_levels(&self) -> Vec<(String, Vec<String>)> {
        let known = self.levels();
        let only = self.variants.first().map(|variant| variant.scenario.harness.only.clone());
        only.unwrap_or_default()
            .into_iter()
            .filter(|(factor, _)| known.iter().any(|(name, _)| name == factor))
            .collect()
    }

    /// Factors and their levels, both in the order of the file.
    fn levels(&self) -> Vec<(String, Vec<String>)> {
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        for (factor, level) in self.variants.iter().flat_map(|variant| &variant.values) {
            let Some((_, levels)) = all.iter_mut().find(|(name, _)| name == factor) else {
                all.push((factor.clone(), vec![level.clone()]));
                continue;
            };
            if !levels.contains(level) {
                levels.push(level.clone());
            }
        }
        all
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
