//! The part of a sweep that real nodes run.

use crate::failure::Failure;
use edge_faas_core::scenario::{Loaded, Variant};
use std::collections::{BTreeMap, BTreeSet};

/// Leaves only the variants whose levels are wanted: what `only` (factor and levels) says, else what the scenario says.
pub(super) fn restrict(mut loaded: Loaded, only: &[(String, String)]) -> Result<Loaded, Failure> {
    let scenario = loaded.variants.first().map(|variant| &variant.scenario);
    let mut wanted = scenario.map(|scenario| scenario.harness.only.clone()).unwrap_or_default();
    for (factor, levels) in only {
        wanted.insert(factor.clone(), levels.split(',').map(|level| level.trim().to_owned()).collect());
    }
    let known = levels(&loaded);
    // A factor that is set has no levels left, and what the scenario says of it no meaning.
    let said: Vec<&String> = only.iter().map(|(factor, _)| factor).collect();
    wanted.retain(|factor, _| known.contains_key(factor) || said.contains(&factor));
    for (factor, levels) in &wanted {
        let Some(there) = known.get(factor) else {
            let factors: Vec<&str> = known.keys().map(String::as_str).collect();
            return Err(Failure::Input(format!(
                "{factor} is no factor of the sweep; its factors are {}",
                if factors.is_empty() { "none".to_owned() } else { factors.join(", ") }
            )));
        };
        if let Some(level) = levels.iter().find(|level| !there.contains(*level)) {
            let levels: Vec<&str> = there.iter().map(String::as_str).collect();
            return Err(Failure::Input(format!(
                "{factor} has no level {level}; it has {}",
                levels.join(", ")
            )));
        }
    }
    let matches = |variant: &Variant| {
        variant
            .values
            .iter()
            .all(|(factor, level)| wanted.get(factor).is_none_or(|levels| levels.contains(level)))
    };
    loaded.variants.retain(matches);
    Ok(loaded)
}

fn levels(loaded: &Loaded) -> BTreeMap<String, BTreeSet<String>> {
    let mut levels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (factor, level) in loaded.variants.iter().flat_map(|variant| &variant.values) {
        levels.entry(factor.clone()).or_default().insert(level.clone());
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge_faas_core::scenario::{Loader, Scenario};
    use std::io;

    struct Text(&'static str);

    impl Loader for Text {
        fn load(&self, _: &str) -> io::Result<Vec<u8>> {
            Ok(self.0.into())
        }
    }

    const SCENARIO: &str = r#"
        name = "grid"
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
        only = { policy = ["race"] }
        [sweep]
        "network.nodes" = [4, 8]
        [[sweep.factor]]
        name = "policy"
        [sweep.factor.levels]
        near = { "faas.policy" = "nearest" }
        race = { "faas.policy" = "race" }
    "#;

    fn labels(only: &[(&str, &str)], set: &[(String, String)]) -> Result<Vec<String>, String> {
        let loaded = Scenario::load("grid.toml", &Text(SCENARIO), set).unwrap();
        let only: Vec<_> = only.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let loaded = restrict(loaded, &only).map_err(|error| error.to_string())?;
        Ok(loaded.variants.into_iter().map(|variant| variant.label).collect())
    }

    #[test]
    fn what_the_command_says_counts_more_than_what_the_scenario_says() {
        assert_eq!(labels(&[], &[]).unwrap(), ["nodes=4,policy=race", "nodes=8,policy=race"]);
        assert_eq!(labels(&[("network.nodes", "8")], &[]).unwrap(), ["nodes=8,policy=race"]);
        assert_eq!(
            labels(&[("policy", "near, race"), ("network.nodes", "4")], &[]).unwrap(),
            ["nodes=4,policy=near", "nodes=4,policy=race"]
        );
        let set = [("network.nodes".to_owned(), "5".to_owned())];
        assert_eq!(labels(&[], &set).unwrap(), ["policy=race"]);
    }

    #[test]
    fn mistakes_say_what_there_is() {
        assert!(labels(&[("policy", "fast")], &[]).unwrap_err().contains("it has near, race"));
        assert!(labels(&[("polcy", "near")], &[]).unwrap_err().contains("network.nodes, policy"));
    }
}
