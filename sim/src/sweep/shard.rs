//! Shares of a sweep, for several machines.

use super::Cell;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One of several shares of a sweep: of all cells in their order, every n-th.
///
/// So the repetitions of a variant are spread over the shares, which then take about the same time even where variants
/// do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shard {
    /// Which one, from 1.
    pub(crate) index: u32,
    /// How many there are.
    pub(crate) count: u32,
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl Shard {
    /// Reads `I/N`, or `auto`: what the environment says of a task of a Slurm array or of an indexed Job of Kubernetes.
    ///
    /// # Errors
    /// What is wrong and what would be right.
    pub(crate) fn parse(text: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        if text == "auto" {
            return Self::of_task(&environment);
        }
        let wrong = || format!("--shard {text} is neither I/N with I from 1 to N, such as 2/8, nor `auto`");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let (index, count) = (index.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?);
        if index < 1 || index > count {
            return Err(wrong());
        }
        Ok(Shard { index, count })
    }

    fn of_task(environment: &impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| -> Result<u32, String> {
            let text = environment(name).ok_or_else(|| format!("--shard auto: {name} is not set"))?;
            text.trim().parse().map_err(|_| format!("--shard auto: {name}={text} is not a whole number"))
        };
        if environment("SLURM_ARRAY_TASK_ID").is_some() {
            let task = number("SLURM_ARRAY_TASK_ID")?;
            let (min, max, count) = (
                number("SLURM_ARRAY_TASK_MIN")?,
                number("SLURM_ARRAY_TASK_MAX")?,
                number("SLURM_ARRAY_TASK_COUNT")?,
            );
            let step = match environment("SLURM_ARRAY_TASK_STEP") {
                Some(_) => number("SLURM_ARRAY_TASK_STEP")?.max(1),
                None => 1,
            };
            let index = task.checked_sub(min).filter(|over| over % step == 0).map(|over| over / step);
            let whole =
                max.checked_sub(min).is_some_and(|span| u64::from(span / step) + 1 == u64::from(count));
            return match index {
                Some(index) if whole && index < count => Ok(Shard { index: index + 1, count }),
                _ => Err(format!(
                    "--shard auto: task {task} of the Slurm array {min}-{max} in steps of {step} with {count} tasks: the array has gaps; use one such as --array=1-8, or --shard I/N"
                )),
            };
        }
        if environment("JOB_COMPLETION_INDEX").is_some() {
            let index = number("JOB_COMPLETION_INDEX")?;
            let count = number("JOB_COMPLETIONS").map_err(|error| {
                format!("{error}; Kubernetes does not say how many there are: give the container JOB_COMPLETIONS, the same as `completions` of the Job")
            })?;
            if index >= count {
                return Err(format!(
                    "--shard auto: JOB_COMPLETION_INDEX={index} must be below JOB_COMPLETIONS={count}"
                ));
            }
            return Ok(Shard { index: index + 1, count });
        }
        Err("--shard auto: neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set: this is no task of a Slurm array or of an indexed Job of Kubernetes; use --shard I/N".into())
    }

    /// The share's part of all cells, given in their order.
    pub(crate) fn part(self, cells: impl Iterator<Item = Cell>) -> impl Iterator<Item = Cell> {
        cells.skip(self.index as usize - 1).step_by(self.count as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auto(variables: &[(&str, &str)]) -> Result<Shard, String> {
        Shard::parse("auto", |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_shares_are_all_of_it_once() {
        for count in 1..9 {
            let mut all: Vec<Cell> =
                (1..=count).flat_map(|index| Shard { index, count }.part(Cell::all(&[3, 3, 1]))).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(Cell::all(&[3, 3, 1])));
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        let none = |_: &str| None;
        assert_eq!(Shard::parse("2/8", none), Ok(Shard { index: 2, count: 8 }));
        for wrong in ["", "2", "0/8", "9/8", "-1/8", "a/b", "2/8/9", "1/0"] {
            assert!(Shard::parse(wrong, none).unwrap_err().contains("2/8"), "{wrong}");
        }
        assert!(Shard::parse("auto", none).unwrap_err().contains("SLURM_ARRAY_TASK_ID"));
    }

    #[test]
    fn slurm_and_kubernetes_say_which_share_it_is() {
        let slurm = |task, min, max, count, step| {
            auto(&[
                ("SLURM_ARRAY_TASK_ID", task),
                ("SLURM_ARRAY_TASK_MIN", min),
                ("SLURM_ARRAY_TASK_MAX", max),
                ("SLURM_ARRAY_TASK_COUNT", count),
                ("SLURM_ARRAY_TASK_STEP", step),
            ])
        };
        assert_eq!(slurm("3", "1", "4", "4", "1"), Ok(Shard { index: 3, count: 4 }));
        assert_eq!(slurm("0", "0", "3", "4", "1"), Ok(Shard { index: 1, count: 4 }));
        assert_eq!(slurm("7", "1", "10", "4", "3"), Ok(Shard { index: 3, count: 4 }));
        // --array=1,3,8: Slurm does not say which of the three the second is.
        assert!(slurm("3", "1", "8", "3", "1").unwrap_err().contains("gaps"));
        assert!(
            auto(&[("SLURM_ARRAY_TASK_ID", "3")]).unwrap_err().contains("SLURM_ARRAY_TASK_MIN is not set")
        );

        let kubernetes = |index, count| auto(&[("JOB_COMPLETION_INDEX", index), ("JOB_COMPLETIONS", count)]);
        assert_eq!(kubernetes("0", "3"), Ok(Shard { index: 1, count: 3 }));
        assert_eq!(kubernetes("2", "3"), Ok(Shard { index: 3, count: 3 }));
        assert!(kubernetes("3", "3").unwrap_err().contains("below"));
        assert!(auto(&[("JOB_COMPLETION_INDEX", "0")]).unwrap_err().contains("completions"));
    }
}
