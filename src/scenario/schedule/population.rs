//! Which node is of which class and region, hosts which functions, and is meant by a selector.

use super::choice::jump;
use super::{ScheduleError, purpose};
use crate::draws::{Draws, Weighted};
use crate::key::Key;
use crate::scenario::schema::{
    FaultAction, FunctionRange, Latency, NodeRange, Pool, Scenario, Selector, Take,
};
use std::collections::BTreeSet;

/// The nodes of one repetition.
///
/// Every draw is keyed by a node's index or by a name, and choices are made by consistent hashing: one more node, function or
/// fault moves few of the others.
#[derive(Clone, Debug, PartialEq)]
pub struct Population {
    draws: Draws,
    nodes: u32,
    /// By node; empty when all are of class 0.
    classes: Vec<u16>,
    /// By node, an index into the names, or [`NOWHERE`]; empty when there are no regions.
    regions: Vec<u16>,
    region_names: Vec<String>,
    /// By function, copies counted; ascending.
    providers: Vec<Vec<u32>>,
}

/// The region of a node that has none.
const NOWHERE: u16 = u16::MAX;

impl Population {
    /// Draws classes, regions and the placement of functions.
    pub fn new(scenario: &Scenario, draws: Draws) -> Result<Self, ScheduleError> {
        let mut population = Population {
            draws,
            nodes: scenario.network.nodes,
            classes: Vec::new(),
            regions: Vec::new(),
            region_names: Vec::new(),
            providers: Vec::new(),
        };
        population.draw_classes(scenario)?;
        population.draw_regions(scenario)?;
        population.place(scenario)?;
        Ok(population)
    }

    /// How many nodes there are.
    pub fn len(&self) -> u32 {
        self.nodes
    }

    /// True without nodes, which no checked scenario is.
    pub fn is_empty(&self) -> bool {
        self.nodes == 0
    }

    /// The class of `node`, an index into the scenario's classes.
    pub fn class(&self, node: u32) -> u32 {
        self.classes.get(node as usize).copied().unwrap_or(0).into()
    }

    /// The region of `node`, an index into [`Population::regions`]; `None` where it has none.
    pub fn region(&self, node: u32) -> Option<u32> {
        self.regions.get(node as usize).copied().filter(|region| *region != NOWHERE).map(u32::from)
    }

    /// The names of the regions: those of the latency model in its order, then those that only classes name.
    pub fn regions(&self) -> &[String] {
        &self.region_names
    }

    /// The nodes that host function `function` (copies counted), ascending.
    pub fn providers(&self, function: u32) -> &[u32] {
        self.providers.get(function as usize).map_or(&[], Vec::as_slice)
    }

    /// The nodes that `selector` means, ascending. Where it takes some of a pool, `label` says for what: the same label
    /// takes the same nodes, and a larger number contains a smaller one; different labels are independent.
    pub fn select(&self, selector: &Selector, label: &str) -> Vec<u32> {
        self.take(self.pool(&selector.from).as_deref(), selector.take, label)
    }

    /// The nodes of fault `index` of the scenario; of a partition a list for each group, and a node is in the first
    /// group that selects it. Keyed by what the fault does, when, and which of several such it is: other faults do not matter.
    pub fn fault(&self, scenario: &Scenario, index: usize) -> Vec<Vec<u32>> {
        let Some(fault) = scenario.faults.get(index) else {
            return Vec::new();
        };
        let word = action(&fault.action);
        let before = scenario.faults[..index].iter();
        let same = before.filter(|other| other.at == fault.at && action(&other.action) == word).count();
        let label = format!("fault/{word}/{}/{same}", fault.at.as_nanos());
        match &fault.action {
            FaultAction::Kill { nodes, .. }
            | FaultAction::PowerOff { nodes, .. }
            | FaultAction::Restart { nodes, .. }
            | FaultAction::Slow { nodes, .. }
            | FaultAction::Degrade { nodes, .. }
            | FaultAction::RuntimeDown { nodes }
            | FaultAction::Misbehave { nodes, .. } => vec![self.select(nodes, &label)],
            FaultAction::Partition(partition) => {
                let mut placed = BTreeSet::new();
                let groups = partition.groups.iter().enumerate().map(|(number, selector)| {
                    let mut group = self.select(selector, &format!("{label}/{number}"));
                    group.retain(|node| placed.insert(*node));
                    group
                });
                groups.collect()
            }
            FaultAction::Heal => Vec::new(),
        }
    }

    /// The nodes of a pool, ascending; `None`: all.
    fn pool(&self, pool: &Pool) -> Option<Vec<u32>> {
        match pool {
            Pool::All => None,
            Pool::Nodes(ranges) => Some(self.ranges(ranges)),
            Pool::Class(class) => Some((0..self.nodes).filter(|node| self.class(*node) == *class).collect()),
            Pool::Region(name) => {
                let region = self.region_names.iter().position(|known| known == name).map(|at| at as u32);
                Some(match region {
                    Some(_) => (0..self.nodes).filter(|node| self.region(*node) == region).collect(),
                    None => Vec::new(),
                })
            }
            Pool::Function(ranges) => Some(self.hosts(ranges)),
        }
    }

    /// As many nodes of a pool (`None`: of all) as `take` says, ascending.
    ///
    /// Draw j of the label chooses a position by consistent hashing, until enough are chosen.
    fn take(&self, pool: Option<&[u32]>, take: Take, label: &str) -> Vec<u32> {
        let len = pool.map_or(self.nodes, |pool| pool.len() as u32);
        let wanted = match take {
            Take::All => len,
            Take::Share(share) => (libm::round(share * f64::from(len)) as u32).max(1),
            Take::Count(count) => count,
        };
        if wanted >= len {
            return pool.map_or_else(|| (0..self.nodes).collect(), <[u32]>::to_vec);
        }
        let mut taken = BTreeSet::new();
        let mut stream = self.draws.stream(purpose::SELECT, Key::hash(label.as_bytes()).prefix());
        // To take all but one of n takes about n ln n draws; the bound is far above, for the sake of having one.
        for _ in 0..200 * u64::from(len) {
            if taken.len() as u64 >= u64::from(wanted) {
                break;
            }
            taken.insert(jump(stream.next_u64(), len));
        }
        match pool {
            None => taken.into_iter().collect(),
            Some(pool) => taken.into_iter().map(|at| pool[at as usize]).collect(),
        }
    }

    /// Exactly as many nodes of each class as it counts, by the order of a draw for each node.
    fn draw_classes(&mut self, scenario: &Scenario) -> Result<(), ScheduleError> {
        let classes = scenario.node_classes.len();
        if classes > usize::from(u16::MAX) {
            return Err(ScheduleError::TooMany {
                what: "node classes",
                found: classes,
                max: usize::from(u16::MAX),
            });
        }
        if classes < 2 {
            return Ok(());
        }
        let mut order: Vec<(u64, u32)> = (0..self.nodes)
            .map(|node| (self.draws.stream(purpose::CLASS, u64::from(node)).next_u64(), node))
            .collect();
        order.sort_unstable();
        // Counts that do not add up leave the rest in the last class.
        self.classes = vec![classes as u16 - 1; self.nodes as usize];
        let mut nodes = order.into_iter();
        for (class, definition) in scenario.node_classes.iter().enumerate() {
            for (_, node) in nodes.by_ref().take(definition.count as usize) {
                self.classes[node as usize] = class as u16;
            }
        }
        Ok(())
    }

    /// The region of its class, or one by the model's weights.
    fn draw_regions(&mut self, scenario: &Scenario) -> Result<(), ScheduleError> {
        let mut weights = None;
        if let Latency::Regions(regions) = &scenario.network.latency {
            self.region_names.clone_from(&regions.names);
            weights = Some(Weighted::new(regions.weights.iter().copied()).map_err(|source| {
                ScheduleError::Weights { place: "weights of the regions".to_owned(), source }
            })?);
        }
        let mut of_class = Vec::with_capacity(scenario.node_classes.len());
        for class in &scenario.node_classes {
            of_class.push(class.region.as_ref().map(|name| {
                self.region_names.iter().position(|known| known == name).unwrap_or_else(|| {
                    self.region_names.push(name.clone());
                    self.region_names.len() - 1
                })
            }));
        }
        if self.region_names.len() >= usize::from(NOWHERE) {
            let (found, max) = (self.region_names.len(), usize::from(NOWHERE) - 1);
            return Err(ScheduleError::TooMany { what: "regions", found, max });
        }
        if self.region_names.is_empty() {
            return Ok(());
        }
        let region = |node: u32| match (of_class.get(self.class(node) as usize).copied().flatten(), &weights)
        {
            (Some(region), _) => region as u16,
            (None, Some(weights)) => {
                let region =
                    weights.sample(&mut self.draws.stream(purpose::REGION, u64::from(node))) as usize;
                if region < self.region_names.len() { region as u16 } else { NOWHERE }
            }
            (None, None) => NOWHERE,
        };
        self.regions = (0..self.nodes).map(region).collect();
        Ok(())
    }

    /// Places functions, those first that others' providers are chosen among.
    fn place(&mut self, scenario: &Scenario) -> Result<(), ScheduleError> {
        const MOST: u32 = 1 << 24;
        let functions = scenario.function_count();
        if functions > MOST {
            let (found, max) = (functions as usize, MOST as usize);
            return Err(ScheduleError::TooMany { what: "functions", found, max });
        }
        self.providers = vec![Vec::new(); functions as usize];
        let mut placed = vec![false; functions as usize];
        let mut waiting = Vec::with_capacity(scenario.functions.len());
        let mut first = 0;
        for function in &scenario.functions {
            waiting.push((first, function));
            first += function.copies;
        }
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut rest = Vec::new();
            for (first, function) in waiting {
                let ready = match &function.providers.from {
                    Pool::Function(ranges) => expand(ranges, functions).all(|other| placed[other as usize]),
                    Pool::All | Pool::Nodes(_) | Pool::Region(_) | Pool::Class(_) => true,
                };
                if !ready {
                    rest.push((first, function));
                    continue;
                }
                let pool = self.pool(&function.providers.from);
                for copy in 0..function.copies {
                    let label = format!("providers/{}", function.copy_name(copy));
                    let providers = self.take(pool.as_deref(), function.providers.take, &label);
                    self.providers[(first + copy) as usize] = providers;
                    placed[(first + copy) as usize] = true;
                }
            }
            if let Some((_, function)) = rest.first()
                && rest.len() == before
            {
                return Err(ScheduleError::Cycle { function: function.name.clone() });
            }
            waiting = rest;
        }
        Ok(())
    }

    /// The nodes of these ranges, ascending, each once.
    fn ranges(&self, ranges: &[NodeRange]) -> Vec<u32> {
        let mut nodes: Vec<u32> = ranges
            .iter()
            .flat_map(|range| range.first..range.first.saturating_add(range.count).min(self.nodes))
            .collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// The providers of these functions, ascending, each once.
    fn hosts(&self, ranges: &[FunctionRange]) -> Vec<u32> {
        let functions = self.providers.len() as u32;
        let mut nodes: Vec<u32> =
            expand(ranges, functions).flat_map(|function| self.providers(function)).copied().collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }
}

/// The functions of these ranges that exist, below `functions`.
fn expand(ranges: &[FunctionRange], functions: u32) -> impl Iterator<Item = u32> {
    ranges.iter().flat_map(move |range| range.first..range.first.saturating_add(range.count).min(functions))
}

/// What an action is called where its draws are keyed.
fn action(action: &FaultAction) -> &'static str {
    match action {
        FaultAction::Kill { .. } => "kill",
        FaultAction::PowerOff { .. } => "power-off",
        FaultAction::Restart { .. } => "restart",
        FaultAction::Partition(_) => "partition",
        FaultAction::Heal => "heal",
        FaultAction::Slow { .. } => "slow",
        FaultAction::Degrade { .. } => "degrade",
        FaultAction::RuntimeDown { .. } => "runtime-down",
        FaultAction::Misbehave { .. } => "misbehave",
    }
}
