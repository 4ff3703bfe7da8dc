//! What a figure shows, before it has a size: a legend, panels, and marks in the units of their axes.

use super::palette::{Ink, Style};
use super::scale::Scale;

/// A figure.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Chart {
    /// What the legend's names are of; empty to say nothing.
    pub(crate) legend_title: String,
    /// Names of curves and areas, above the panels.
    pub(crate) legend: Vec<(String, Key)>,
    /// Panels side by side.
    pub(crate) columns: usize,
    /// The panels, row by row.
    pub(crate) panels: Vec<Panel>,
}

/// What stands before a name in the legend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Key {
    /// A curve, with its marker if its points have one.
    Curve(Style, bool),
    /// An area.
    Area(Ink),
    /// A thin line across.
    Guide,
}

/// One pair of axes and what lies between them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Panel {
    /// Above the panel; empty for none.
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Height of what lies between the axes, in inches.
    pub(crate) height: f64,
    /// From the bottom to the top.
    pub(crate) marks: Vec<Mark>,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Axis {
    /// What it shows, with its unit; empty for no label.
    pub(crate) label: String,
    pub(crate) scale: Scale,
    /// False: no names at the ticks, as the panel below has them.
    pub(crate) named: bool,
    /// False: no lines across the panel at the ticks.
    pub(crate) grid: bool,
}

impl Axis {
    pub(crate) fn new(label: impl Into<String>, scale: Scale) -> Self {
        Axis { label: label.into(), scale, named: true, grid: true }
    }

    /// The same without names and label.
    pub(crate) fn bare(&self) -> Self {
        Axis { label: String::new(), named: false, ..self.clone() }
    }
}

/// Something drawn between the axes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mark {
    /// A line through points, with a few markers along it where curves have to be told apart.
    Line { points: Vec<(f64, f64)>, style: Style, markers: Markers },
    /// An area between two lines: (x, low, high).
    Band { points: Vec<(f64, f64, f64)>, ink: Ink },
    /// Intervals as bars with ends: (x, low, high).
    Intervals { points: Vec<(f64, f64, f64)>, style: Style },
    /// A rectangle: x from, to; y from, to.
    Block { x: (f64, f64), y: (f64, f64), ink: Ink },
    /// A stretch of x over the whole height.
    Stretch { x: (f64, f64), ink: Ink },
    /// A line across at an x, with a name at its top.
    At { x: f64, name: String },
    /// A guide through points.
    Guide { points: Vec<(f64, f64)> },
    /// A text at a place, to its right.
    Note { at: (f64, f64), text: String },
}

/// Where a line has markers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Markers {
    None,
    /// Five or so along the line.
    Few,
    /// At every point.
    All,
}
