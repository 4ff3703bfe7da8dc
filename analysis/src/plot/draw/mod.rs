//! Drawing: a [`Chart`] becomes an SVG of a given width, an SVG becomes a PNG.

mod canvas;
mod chart;
mod font;
mod palette;
mod png;
mod render;
mod scale;

pub(crate) use chart::{Axis, Chart, Key, Mark, Markers, Panel};
pub(crate) use palette::{INK, Ink, MAX_SERIES, PARTS, Style, style};
pub(crate) use png::png;
pub(crate) use render::render;
pub(crate) use scale::{Scale, Tick, TimeUnit};

/// Coordinates are whole numbers, this many to the inch: finer than any printer.
pub(crate) const UNITS_PER_INCH: f64 = 600.0;

/// A typographic point, 1/72 in, in units.
pub(crate) const POINT: f64 = UNITS_PER_INCH / 72.0;
