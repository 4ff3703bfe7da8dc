//! Figures of runs.
//!
//! Each file of a run is read once and row by row; what is gathered from it has a bounded size. A figure is first a chart in the units of
//! its data, then an SVG of a given width, and from that a PNG. The same runs give the same bytes.

mod data;
mod draw;
mod figure;
mod figures;
mod selection;
#[cfg(test)]
mod tests;

pub use figure::{Figure, UnknownFigure};

use crate::{Run, RunError};
use data::{CallData, LookupData, NodeData, SweepData, TimelineData};
use edge_faas_core::results::Table;
use figures::Drawn;
use selection::Selection;
use std::path::PathBuf;

/// How wide a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Width {
    /// A column of a paper: 3.5 in (IEEE), 88.9 mm.
    #[default]
    Single,
    /// Both columns: 7.16 in (IEEE), 181.9 mm.
    Double,
}

impl Width {
    /// The width in inches.
    pub const fn inches(self) -> f64 {
        match self {
            Width::Single => 3.5,
            Width::Double => 7.16,
        }
    }
}

/// What to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct PlotRequest {
    /// The figures; each that cannot be drawn is left out and said.
    pub figures: Vec<Figure>,
    /// How wide they are.
    pub width: Width,
    /// Only variants that have one of the levels given for a factor, in each factor given; all if empty.
    pub variants: Vec<(String, String)>,
}

impl Default for PlotRequest {
    fn default() -> Self {
        PlotRequest { figures: Figure::ALL.to_vec(), width: Width::default(), variants: Vec::new() }
    }
}

/// A figure that was drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plot {
    /// Which one.
    pub figure: Figure,
    /// The drawing, an SVG document.
    pub svg: String,
    /// What a reader has to know: what is pooled, what is left out.
    pub notes: Vec<String>,
}

/// What was drawn and what was not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plots {
    /// The figures, in the order asked for.
    pub plots: Vec<Plot>,
    /// The figures that could not be drawn, with why.
    pub left_out: Vec<(Figure, String)>,
    /// Variants that were not overlaid, with what to do about it; none if all were.
    pub overlay: Option<String>,
}

/// Why runs cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum PlotError {
    /// A file of a run is broken.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The manifest's scenario is none.
    #[error("{}: the scenario in it cannot be read: {error}", path.display())]
    Scenario {
        /// The manifest.
        path: PathBuf,
        /// What is wrong.
        error: String,
    },
    /// No variant has the levels asked for.
    #[error("no variant has {asked}; {there}")]
    NoVariant {
        /// What was asked for.
        asked: String,
        /// What there is.
        there: String,
    },
    /// A figure could not be drawn.
    #[error("{figure}: {error}")]
    Draw {
        /// Which one.
        figure: Figure,
        /// What went wrong.
        error: String,
    },
}

/// Draws figures of runs, several overlaid.
///
/// # Errors
/// If a file of a run is broken, with file and row; or no variant has the levels asked for.
pub fn plot(runs: &[Run], request: &PlotRequest) -> Result<Plots, PlotError> {
    let selection = Selection::new(runs, &request.variants)?;
    let data = Data::read(runs, &selection, &request.figures)?;
    let double = request.width == Width::Double;
    let mut plots = Plots { plots: Vec::new(), left_out: Vec::new(), overlay: overlay(&selection) };
    for &figure in &request.figures {
        match data.chart(figure, &selection, double) {
            Ok((chart, notes)) => {
                let svg = draw::render(&chart, figure.title(), request.width.inches())
                    .map_err(|error| PlotError::Draw { figure, error })?;
                plots.plots.push(Plot { figure, svg, notes });
            }
            Err(why) => plots.left_out.push((figure, why)),
        }
    }
    Ok(plots)
}

fn overlay(selection: &Selection) -> Option<String> {
    let drawn = selection.series.len();
    (selection.without_room > 0).then(|| {
        format!(
            "{drawn} of {} variants are overlaid, as many as can be told apart; choose with --variant FACTOR=LEVEL (`sweep` has them all)",
            drawn + selection.without_room
        )
    })
}

impl Plot {
    /// The figure as PNG with so many dots per inch, on white.
    ///
    /// # Errors
    /// If it would have too many dots.
    pub fn png(&self, dpi: u32) -> Result<Vec<u8>, PlotError> {
        draw::png(&self.svg, dpi).map_err(|error| PlotError::Draw { figure: self.figure, error })
    }

    /// The figure to stand within an HTML page: it takes the width of what it stands in and the colour of the text around
    /// it, and has no paper.
    pub fn inline_svg(&self) -> String {
        // What is text is escaped, so that a quote is always an attribute's.
        let ink = self.svg.replace("\"#000000\"", "\"currentColor\"").replacen(
            "fill=\"#FFFFFF\"",
            "fill=\"none\"",
            1,
        );
        let Some(start) = ink.find(" width=\"") else { return ink };
        let Some(end) = ink[start..].find(" viewBox") else { return ink };
        format!("{}{}", &ink[..start], &ink[start + end..])
    }
}

/// What was gathered; of a file that a run left out, that it did.
struct Data {
    calls: Result<CallData, String>,
    lookups: Result<LookupData, String>,
    nodes: Result<NodeData, String>,
    timeline: Result<TimelineData, String>,
    faults: Vec<data::FaultPeriod>,
    sweep: Result<SweepData, String>,
}

impl Data {
    fn read(runs: &[Run], selection: &Selection, figures: &[Figure]) -> Result<Self, RunError> {
        let wants = |any: &[Figure]| figures.iter().any(|figure| any.contains(figure));
        let of_calls = [
            Figure::Ecdf,
            Figure::Percentiles,
            Figure::Parts,
            Figure::Lookups,
            Figure::Gantt,
            Figure::SpeedUp,
        ];
        Ok(Data {
            calls: read(runs, Table::Calls, wants(&of_calls), || CallData::read(runs, selection))?,
            lookups: read(runs, Table::Lookups, wants(&[Figure::Lookups]), || {
                LookupData::read(runs, selection)
            })?,
            nodes: read(runs, Table::Nodes, wants(&[Figure::Load]), || NodeData::read(runs, selection))?,
            timeline: read(runs, Table::Timeline, wants(&[Figure::OverTime]), || {
                TimelineData::read(runs, selection)
            })?,
            // Without events the figure has no faults, and is still one.
            faults: read(runs, Table::Events, wants(&[Figure::OverTime]), || data::faults(runs, selection))?
                .unwrap_or_default(),
            sweep: read(runs, Table::Summary, wants(&[Figure::Sweep]), || SweepData::read(runs, selection))?,
        })
    }

    fn chart(&self, figure: Figure, selection: &Selection, double: bool) -> Drawn {
        let calls = || self.calls.as_ref().map_err(String::clone);
        match figure {
            Figure::Ecdf => figures::distribution(calls()?, selection, double),
            Figure::Percentiles => figures::percentiles(calls()?, selection, double),
            Figure::Parts => figures::parts(calls()?, selection, double),
            Figure::OverTime => {
                figures::over_time(self.timeline.as_ref().map_err(String::clone)?, &self.faults, selection)
            }
            Figure::Lookups => {
                figures::lookups(self.lookups.as_ref(), self.calls.as_ref(), selection, double)
            }
            Figure::Gantt => figures::gantt(calls()?, selection),
            Figure::SpeedUp => figures::speed_up(calls()?, selection),
            Figure::Load => figures::load(self.nodes.as_ref().map_err(String::clone)?, selection, double),
            Figure::Sweep => figures::sweep(self.sweep.as_ref().map_err(String::clone)?, selection, double),
        }
    }
}

/// A file that a run left out is no error: figures that need it are left out, too. Left out is also a file without rows.
fn read<T>(
    runs: &[Run],
    table: Table,
    wanted: bool,
    read: impl FnOnce() -> Result<T, RunError>,
) -> Result<Result<T, String>, RunError> {
    if !wanted {
        return Ok(Err("not asked for".into()));
    }
    if runs.iter().all(|run| run.entry(table).is_some_and(|entry| entry.rows == Some(0))) {
        let whose = if runs.len() == 1 { "has no rows" } else { "has no rows in any of the runs" };
        return Ok(Err(format!("{table} {whose}; `[output]` of the scenario can leave them out")));
    }
    match read() {
        Ok(data) => Ok(Ok(data)),
        Err(error @ RunError::LeftOut { .. }) => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}
