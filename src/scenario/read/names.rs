//! What names in a scenario can refer to: regions, classes, functions.

use super::super::error::ScenarioError;
use super::super::keys::suggestion;
use super::super::schema::{Function, FunctionRange, Latency, Network, NodeClass};
use super::super::value::{At, Sources};

/// What names can refer to.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) nodes: u32,
    /// Name and whether any node can be in it.
    regions: Vec<(String, bool)>,
    classes: Vec<(String, u32)>,
    functions: Vec<(String, u32, bool)>,
}

impl Names {
    /// Those of a network and its classes.
    pub(super) fn of(network: &Network, classes: &[NodeClass]) -> Names {
        let mut regions: Vec<(String, bool)> = Vec::new();
        let placed_by_model = classes.iter().any(|class| class.region.is_none() && class.count > 0);
        if let Latency::Regions(model) = &network.latency {
            for (name, weight) in model.names.iter().zip(&model.weights) {
                regions.push((name.clone(), placed_by_model && *weight > 0.0));
            }
        }
        for class in classes {
            let Some(region) = &class.region else { continue };
            match regions.iter_mut().find(|(name, _)| name == region) {
                Some((_, inhabited)) => *inhabited |= class.count > 0,
                None => regions.push((region.clone(), class.count > 0)),
            }
        }
        let classes = classes.iter().map(|class| (class.name.clone(), class.count)).collect();
        Names { nodes: network.nodes, regions, classes, functions: Vec::new() }
    }

    /// Adds the functions.
    pub(super) fn with_functions(&mut self, functions: &[Function]) {
        self.functions = functions
            .iter()
            .map(|function| (function.name.clone(), function.copies, function.numbered))
            .collect();
    }

    /// How many functions there are, copies counted.
    pub(super) fn function_count(&self) -> u32 {
        self.functions.iter().map(|(_, copies, _)| *copies).fold(0, u32::saturating_add)
    }

    /// Checks that a region exists and that nodes can be in it.
    pub(super) fn region(&self, sources: &Sources, at: At, name: &str) -> Result<(), ScenarioError> {
        match self.regions.iter().find(|(region, _)| region == name) {
            Some((_, true)) => Ok(()),
            Some((_, false)) => Err(sources.error(at, format!("no node is in region `{name}`"))),
            None => {
                let hint = suggestion(name, self.regions.iter().map(|(region, _)| region.as_str()));
                Err(sources.error(at, format!("there is no region `{name}`: {hint}")))
            }
        }
    }

    /// The index of a class and how many nodes it has.
    pub(super) fn class(&self, sources: &Sources, at: At, name: &str) -> Result<(u32, u32), ScenarioError> {
        let found = self.classes.iter().position(|(class, _)| class == name);
        match found.and_then(|index| self.classes.get(index).map(|(_, count)| (index as u32, *count))) {
            Some((_, 0)) => Err(sources.error(at, format!("class `{name}` has no nodes"))),
            Some(found) => Ok(found),
            None => {
                let hint = suggestion(name, self.classes.iter().map(|(class, _)| class.as_str()));
                Err(sources.error(at, format!("there is no node class `{name}`: {hint}")))
            }
        }
    }

    /// The functions that patterns name, in the order of the patterns, each once. A pattern is a function's name
    /// (with copies: all of them), the name of one copy, or a text in which `*` stands for anything.
    pub(super) fn functions(
        &self,
        sources: &Sources,
        patterns: &[(String, At)],
    ) -> Result<Vec<FunctionRange>, ScenarioError> {
        let mut taken = vec![false; self.function_count() as usize];
        let mut ranges: Vec<FunctionRange> = Vec::new();
        for (pattern, at) in patterns {
            let mut matched = false;
            let mut first = 0u32;
            for (name, copies, numbered) in &self.functions {
                let whole = matches(pattern, name);
                // Only a pattern that begins like the group can name one of its copies.
                let single = *numbered && !whole && may_name_a_copy(pattern, name);
                if whole || single {
                    for copy in 0..*copies {
                        if whole || matches(pattern, &format!("{name}-{copy}")) {
                            matched = true;
                            take(first.saturating_add(copy), &mut taken, &mut ranges);
                        }
                    }
                }
                first = first.saturating_add(*copies);
            }
            if !matched {
                let hint = suggestion(pattern, self.functions.iter().map(|(name, ..)| name.as_str()));
                return Err(sources.error(*at, format!("no function is named `{pattern}`: {hint}")));
            }
        }
        Ok(ranges)
    }

    /// All functions.
    pub(super) fn all_functions(&self) -> Vec<FunctionRange> {
        match self.function_count() {
            0 => Vec::new(),
            count => vec![FunctionRange { first: 0, count }],
        }
    }
}

/// Adds a function to the ranges, unless it was there.
fn take(index: u32, taken: &mut [bool], ranges: &mut Vec<FunctionRange>) {
    match taken.get_mut(index as usize) {
        Some(taken) if !*taken => *taken = true,
        _ => return,
    }
    match ranges.last_mut() {
        Some(last) if last.first.saturating_add(last.count) == index => last.count += 1,
        _ => ranges.push(FunctionRange { first: index, count: 1 }),
    }
}

/// Whether a pattern could match `name-<number>`.
fn may_name_a_copy(pattern: &str, name: &str) -> bool {
    let fixed = pattern.split('*').next().unwrap_or("");
    fixed.starts_with(name) || (fixed.len() < pattern.len() && name.starts_with(fixed))
}

/// Whether `text` matches `pattern`, in which `*` stands for anything. Linear but for a product of the lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(index) => rest = rest.get(index + part.len()..).unwrap_or(""),
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, expected) in [
            ("resize", "resize", true),
            ("resize", "resizer", false),
            ("re*", "resize", true),
            ("*", "", true),
            ("*ze", "resize", true),
            ("r*s*e", "resize", true),
            ("r*x*e", "resize", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
