//! Changes to a scenario from the command line, said once for the simulator and for real nodes: `--include`, `--set`,
//! `--only`, `--seed`, `--repetitions`.

use crate::folder::Disk;
use clap::Args;
use edge_faas_core::scenario::{LevelsError, Loaded, Scenario, ScenarioError};
use std::path::{Path, PathBuf};

/// Changes to a scenario from the command line.
#[derive(Clone, Debug, Default, Args)]
pub struct Overrides {
    /// Puts the keys of this file on top of the scenario's, such as a calibration; below what `--set` says.
    #[arg(long, value_name = "FILE")]
    pub include: Vec<PathBuf>,
    /// Sets any key of the scenario: `--set network.nodes=500`, `--set function.resize.providers=5`. A factor of the
    /// sweep that is set has this one level.
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Runs only these levels of a factor of the sweep: `--only path=local,nearest-warm`. Counts more than what the
    /// scenario says under `[harness]`.
    #[arg(long, value_name = "FACTOR=LEVEL,…", value_parser = factor_levels)]
    pub only: Vec<(String, Vec<String>)>,
    /// The seed of all draws; the same as `--set seed=N`.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many repetitions; the same as `--set repetitions=N`. Counts more than what the scenario says under `[harness]`.
    #[arg(long, value_name = "N")]
    pub repetitions: Option<u32>,
}

/// Which levels and how many repetitions are run where the command line does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// All levels, as often as the scenario says.
    Whole,
    /// What `[harness]` names for real nodes.
    Real,
}

/// Why a scenario cannot be run as it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Its path is no text.
    #[error("{}: the path of a scenario must be valid UTF-8", .0.display())]
    Path(PathBuf),
    /// It has a mistake.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// Its sweep has not what was asked for.
    #[error("{}: {error}", path.display())]
    Levels {
        /// The scenario.
        path: PathBuf,
        /// What there is not.
        error: LevelsError,
    },
}

impl Overrides {
    /// Loads the scenario at `path` with these changes. Its variants say how often they are run.
    ///
    /// # Errors
    /// A mistake in the scenario or in the changes.
    pub fn load(&self, path: &Path, grid: Grid) -> Result<Loaded, LoadError> {
        let text = path.to_str().ok_or_else(|| LoadError::Path(path.to_owned()))?;
        let mut loaded = Scenario::load(text, &Disk, &self.all())?;
        let mut only = self.only.clone();
        if grid == Grid::Real {
            let is_said = |factor: &String| self.only.iter().any(|(said, _)| said == factor);
            only.extend(loaded.real_levels().into_iter().filter(|(factor, _)| !is_said(factor)));
        }
        loaded.restrict(&only).map_err(|error| LoadError::Levels { path: path.to_owned(), error })?;
        if grid == Grid::Real && !self.says_repetitions() {
            for variant in &mut loaded.variants {
                let scenario = &mut variant.scenario;
                scenario.repetitions = scenario.harness.repetitions.unwrap_or(scenario.repetitions);
            }
        }
        Ok(loaded)
    }

    /// Whether they say how many repetitions there are, by whichever option.
    pub fn says_repetitions(&self) -> bool {
        self.all().iter().any(|(key, _)| key == "repetitions")
    }

    /// These changes as words of a command line.
    pub fn words(&self) -> Vec<String> {
        let set = self.all().into_iter().map(|(key, value)| ["--set".to_owned(), format!("{key}={value}")]);
        let only = self.only.iter();
        let only =
            only.map(|(factor, levels)| ["--only".to_owned(), format!("{factor}={}", levels.join(","))]);
        set.chain(only).flatten().collect()
    }

    /// All that is set, as keys and values.
    fn all(&self) -> Vec<(String, String)> {
        let include = self.include.iter();
        let mut all: Vec<(String, String)> =
            include.map(|file| ("include".to_owned(), file.display().to_string())).collect();
        all.extend(self.set.iter().cloned());
        all.extend(self.seed.map(|seed| ("seed".to_owned(), seed.to_string())));
        all.extend(self.repetitions.map(|n| ("repetitions".to_owned(), n.to_string())));
        all
    }
}

/// Reads `KEY=VALUE`.
///
/// # Errors
/// Text without a key or without `=`.
pub fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE, for instance network.nodes=500")),
    }
}

fn factor_levels(text: &str) -> Result<(String, Vec<String>), String> {
    match text.split_once('=') {
        Some((factor, levels)) if !factor.trim().is_empty() => {
            let levels = levels.split(',').map(|level| level.trim().to_owned()).collect();
            Ok((factor.trim().to_owned(), levels))
        }
        _ => Err(format!("`{text}` is not FACTOR=LEVEL,…, for instance network.nodes=500,1000")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::fs;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        overrides: Overrides,
    }

    const SCENARIO: &str = r#"
        name = "grid"
        repetitions = 7
        [network]
        nodes = 4
        [[function]]
        name = "f"
        providers = 1
        service_time = "1ms"
        [[phase]]
        name = "p"
        duration = "1s"
        anycall = { rate = "1/s" }
        [harness]
        repetitions = 2
        only = { policy = ["race"] }
        [sweep]
        "network.nodes" = [4, 8]
        [[sweep.factor]]
        name = "policy"
        [sweep.factor.levels]
        near = { "faas.policy" = "nearest" }
        race = { "faas.policy" = "race" }
    "#;

    /// The labels and the repetitions of what these words choose.
    fn load(grid: Grid, words: &[&str]) -> Result<(Vec<String>, u32), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("grid.toml");
        fs::write(&path, SCENARIO).unwrap();
        let parse = |words: &[String]| {
            let program = std::iter::once("program".to_owned());
            Program::try_parse_from(program.chain(words.iter().cloned())).map_err(|error| error.to_string())
        };
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let overrides = parse(&words)?.overrides;
        let loaded = overrides.load(&path, grid).map_err(|error| error.to_string())?;
        // What a manifest says of it makes the same again.
        assert_eq!(parse(&overrides.words())?.overrides.load(&path, grid).unwrap(), loaded);
        let repetitions = loaded.variants[0].scenario.repetitions;
        Ok((loaded.variants.into_iter().map(|variant| variant.label).collect(), repetitions))
    }

    #[test]
    fn the_command_counts_more_than_what_the_scenario_says_for_real_nodes() {
        let labels = |words: &[&str]| load(Grid::Real, words).unwrap().0;
        assert_eq!(labels(&[]), ["nodes=4,policy=race", "nodes=8,policy=race"]);
        assert_eq!(labels(&["--only", "network.nodes=8"]), ["nodes=8,policy=race"]);
        assert_eq!(
            labels(&["--only", "policy=near, race", "--only", "network.nodes=4"]),
            ["nodes=4,policy=near", "nodes=4,policy=race"]
        );
        assert_eq!(labels(&["--set", "network.nodes=5"]), ["policy=race"]);
        assert_eq!(labels(&["--set", "faas.policy=race", "--only", "policy=near"]).len(), 2);
        let repetitions = |words: &[&str]| load(Grid::Real, words).unwrap().1;
        assert_eq!(repetitions(&[]), 2);
        assert_eq!(repetitions(&["--repetitions", "3"]), 3);
        assert_eq!(repetitions(&["--set", "repetitions=3"]), 3);
    }

    #[test]
    fn the_whole_grid_is_run_unless_the_command_says_otherwise() {
        let (labels, repetitions) = load(Grid::Whole, &[]).unwrap();
        assert_eq!((labels.len(), repetitions), (4, 7));
        let (labels, _) = load(Grid::Whole, &["--only", "policy=near"]).unwrap();
        assert_eq!(labels, ["nodes=4,policy=near", "nodes=8,policy=near"]);
    }

    #[test]
    fn a_file_is_included_below_what_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calibration.toml");
        fs::write(&path, "repetitions = 5\n[calibration]\nentry = \"1ms\"").unwrap();
        let include = ["--include", path.to_str().unwrap()];
        assert_eq!(load(Grid::Whole, &include).unwrap().1, 5);
        assert_eq!(load(Grid::Whole, &[&include[..], &["--repetitions", "6"]].concat()).unwrap().1, 6);
        let error = load(Grid::Whole, &["--include", "no/such.toml"]).unwrap_err();
        assert!(error.contains("no/such.toml"), "{error}");
    }

    #[test]
    fn mistakes_say_what_there_is() {
        for (words, parts) in [
            (["--only", "policy=fast"], ["grid.toml: policy has no level fast", "it has near, race"]),
            (["--only", "polcy=near"], ["polcy is no factor", "network.nodes, policy"]),
            (["--only", "policy"], ["`policy` is not FACTOR=LEVEL", "network.nodes=500"]),
            (["--set", "seed"], ["`seed` is not KEY=VALUE", "network.nodes=500"]),
        ] {
            let error = load(Grid::Whole, &words).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }
}
