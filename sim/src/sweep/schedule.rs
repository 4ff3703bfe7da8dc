//! Which repetition is played next.

use edge_faas_core::results::{RepetitionSummary, StoppingRule};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One repetition of one variant. Ordered as the rows of a run are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    /// The variant's place in the sweep, from 0.
    pub(crate) variant: usize,
    /// The repetition, from 0.
    pub(crate) repetition: u32,
}

impl Cell {
    /// All repetitions of all variants, in order; `repetitions` are those of each variant.
    pub(crate) fn all(repetitions: &[u32]) -> impl Iterator<Item = Cell> {
        repetitions.iter().enumerate().flat_map(|(variant, repetitions)| {
            (0..*repetitions).map(move |repetition| Cell { variant, repetition })
        })
    }
}

/// Gives out the cells to be played. Whoever is free asks for the next.
#[derive(Debug)]
pub(crate) enum Schedule {
    /// These cells, in order.
    Fixed(VecDeque<Cell>),
    /// As many of each variant as a rule says.
    Until(StoppingRule, Vec<Variant>),
}

/// What is known of a variant whose number of repetitions a rule says.
#[derive(Debug, Default)]
pub(crate) struct Variant {
    /// Repetitions that are played or being played.
    given: BTreeSet<u32>,
    /// The rule's values of repetitions that came before their turn.
    early: BTreeMap<u32, Option<f64>>,
    /// The values of the repetitions from 0 on, as far as they have been judged.
    judged: Vec<Option<f64>>,
    done: bool,
}

impl Schedule {
    /// These cells, in order.
    pub(crate) fn fixed(cells: impl IntoIterator<Item = Cell>) -> Self {
        Schedule::Fixed(cells.into_iter().collect())
    }

    /// As many repetitions of each of so many variants as the rule says.
    pub(crate) fn until(rule: StoppingRule, variants: usize) -> Self {
        Schedule::Until(rule, std::iter::repeat_with(Variant::default).take(variants).collect())
    }

    /// The next cell to be played; none if all that will be needed are played or being played.
    ///
    /// With a rule, first come the repetitions that are certainly needed. Who is free then plays ahead the variant that
    /// is least ahead: what turns out not to be needed is not looked at, so that the number of threads shows nowhere.
    pub(crate) fn next(&mut self) -> Option<Cell> {
        let (rule, variants) = match self {
            Schedule::Fixed(cells) => return cells.pop_front(),
            Schedule::Until(rule, variants) => (rule, variants),
        };
        let free = |variant: &Variant, below: u32| {
            (0..below.min(rule.most)).find(|repetition| !variant.given.contains(repetition))
        };
        let open = || variants.iter().enumerate().filter(|(_, variant)| !variant.done);
        let needed = open().find_map(|(at, variant)| {
            Some((at, free(variant, rule.least.max(variant.judged.len() as u32 + 1))?))
        });
        let ahead = || {
            open()
                .filter_map(|(at, variant)| Some((at, free(variant, rule.most)?)))
                .min_by_key(|(at, _)| variants[*at].given.len() - variants[*at].judged.len())
        };
        let (variant, repetition) = needed.or_else(ahead)?;
        variants[variant].given.insert(repetition);
        Some(Cell { variant, repetition })
    }

    /// Takes what a cell gave, whether it was asked for here or was there before.
    pub(crate) fn played(&mut self, cell: Cell, summary: &RepetitionSummary) {
        let Schedule::Until(rule, variants) = self else { return };
        let Some(variant) = variants.get_mut(cell.variant) else { return };
        variant.given.insert(cell.repetition);
        variant.early.insert(cell.repetition, rule.value(summary));
        while !variant.done
            && let Some(value) = variant.early.remove(&(variant.judged.len() as u32))
        {
            variant.judged.push(value);
            variant.done = rule.is_done(&variant.judged);
        }
    }

    /// With a rule, how many repetitions each variant has had so far, and at the end has.
    pub(crate) fn repetitions(&self) -> Option<Vec<u32>> {
        match self {
            Schedule::Fixed(_) => None,
            Schedule::Until(_, variants) => {
                Some(variants.iter().map(|variant| variant.judged.len() as u32).collect())
            }
        }
    }

    /// With a rule, the variants whose interval stayed wider than asked for, each with how far its farther end is from
    /// the median as a share of the median; none if there is no interval.
    pub(crate) fn too_wide(&self) -> Vec<(usize, Option<f64>)> {
        let Schedule::Until(rule, variants) = self else { return Vec::new() };
        let widths = variants.iter().map(|variant| rule.width(&variant.judged)).enumerate();
        widths.filter(|(_, width)| width.is_none_or(|width| width > rule.within)).collect()
    }

    /// About how many cells there will be, beside those that were there before.
    pub(crate) fn expected(&self) -> usize {
        match self {
            Schedule::Fixed(cells) => cells.len(),
            Schedule::Until(rule, variants) => {
                variants.iter().map(|variant| variant.given.len().max(rule.least as usize)).sum()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge_faas_core::results::Statistic;

    fn summary(repetition: u32, value: f64) -> RepetitionSummary {
        let statistic = Statistic {
            metric: "latency".into(),
            group: "all".into(),
            statistic: "p95".into(),
            value,
            unit: "us".into(),
            n: 1,
        };
        RepetitionSummary { repetition, statistics: vec![statistic], phases: Vec::new(), faults: Vec::new() }
    }

    /// Variant 0 is steady from the start, 1 has an outlier that nine repetitions outweigh, 2 never settles.
    fn value(cell: Cell) -> f64 {
        match (cell.variant, cell.repetition) {
            (0, _) => 100.0,
            (1, 2) => 200.0,
            (1, _) => 100.0,
            (_, repetition) => f64::from(1 << repetition),
        }
    }

    /// Plays with so many at work, of whom the last to begin ends first or last.
    fn play(threads: usize, last_first: bool, before: &[Cell]) -> (Vec<u32>, usize) {
        let mut schedule = Schedule::until(StoppingRule::parse("latency_p95 ±5%", 12).unwrap(), 3);
        for cell in before {
            schedule.played(*cell, &summary(cell.repetition, value(*cell)));
        }
        let mut working = VecDeque::new();
        let mut played = 0;
        loop {
            while working.len() < threads
                && let Some(cell) = schedule.next()
            {
                assert!(!before.contains(&cell) && !working.contains(&cell));
                working.push_back(cell);
            }
            let Some(cell) = (if last_first { working.pop_back() } else { working.pop_front() }) else {
                break;
            };
            schedule.played(cell, &summary(cell.repetition, value(cell)));
            played += 1;
        }
        assert_eq!(schedule.too_wide().len(), 1);
        (schedule.repetitions().unwrap(), played)
    }

    #[test]
    fn the_number_of_repetitions_does_not_depend_on_who_is_how_fast() {
        let (repetitions, played) = play(1, false, &[]);
        assert_eq!(repetitions, [6, 9, 12]);
        assert_eq!(played, 27, "one at a time plays nothing in vain");
        for threads in [2, 3, 7, 40] {
            for last_first in [false, true] {
                let (again, played) = play(threads, last_first, &[]);
                assert_eq!(again, repetitions, "{threads} threads");
                // Who waits for one that takes very long plays ahead what can be played, up to the bound.
                let most = if last_first { 36 } else { 27 + threads - 1 };
                assert!(played <= most, "{threads} threads played {played}");
            }
        }
    }

    #[test]
    fn what_was_there_before_counts_and_is_not_played_again() {
        let before: Vec<Cell> = [(0, 0), (0, 7), (1, 1), (1, 8), (2, 3)]
            .map(|(variant, repetition)| Cell { variant, repetition })
            .to_vec();
        let (repetitions, played) = play(1, false, &before);
        assert_eq!(repetitions, [6, 9, 12]);
        // Repetition 7 of the first variant was not needed.
        assert_eq!(played, 27 - 4);
    }

    #[test]
    fn cells_are_in_the_order_of_the_rows() {
        let cells: Vec<Cell> = Cell::all(&[2, 0, 1]).collect();
        assert_eq!(cells.len(), 3);
        assert!(cells.is_sorted());
        assert_eq!(cells[2], Cell { variant: 2, repetition: 0 });
    }
}
