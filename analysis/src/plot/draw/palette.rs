//! The colours, dashes and markers that tell curves apart.
//!
//! The colours are those of M. Okabe and K. Ito, *Color Universal Design*, 2008: told apart with any kind of colour
//! blindness. Its yellow is too pale for a thin line on white and serves areas only. No two curves share a dash or a
//! marker either, for print in grey.

/// A colour with its opacity, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ink {
    pub(crate) rgb: (u8, u8, u8),
    pub(crate) alpha: f64,
}

impl Ink {
    const fn of(rgb: (u8, u8, u8)) -> Self {
        Ink { rgb, alpha: 1.0 }
    }

    /// The same colour with another opacity.
    pub(crate) const fn alpha(self, alpha: f64) -> Self {
        Ink { rgb: self.rgb, alpha }
    }
}

/// What text, axes and grids are drawn with. A report draws it in the colour of its text, so that it can be read in the dark.
pub(crate) const INK: Ink = Ink::of((0, 0, 0));
/// What lies behind a figure.
pub(crate) const PAPER: Ink = Ink::of((255, 255, 255));

const BLUE: Ink = Ink::of((0, 114, 178));
const VERMILION: Ink = Ink::of((213, 94, 0));
const GREEN: Ink = Ink::of((0, 158, 115));
const PURPLE: Ink = Ink::of((204, 121, 167));
const ORANGE: Ink = Ink::of((230, 159, 0));
const SKY: Ink = Ink::of((86, 180, 233));
const YELLOW: Ink = Ink::of((240, 228, 66));

/// The shape of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
    Plus,
    TriangleDown,
}

/// How a curve looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Style {
    pub(crate) ink: Ink,
    /// Lengths of strokes and gaps in points, from a stroke; empty is a full line.
    pub(crate) dash: &'static [f64],
    pub(crate) marker: Marker,
}

/// As many curves as a figure can hold and the eye tell apart.
pub(crate) const MAX_SERIES: usize = STYLES.len();

const STYLES: [Style; 7] = [
    Style { ink: BLUE, dash: &[], marker: Marker::Circle },
    Style { ink: VERMILION, dash: &[4.0, 1.6], marker: Marker::Square },
    Style { ink: GREEN, dash: &[1.3, 1.3], marker: Marker::Triangle },
    Style { ink: PURPLE, dash: &[5.0, 1.4, 1.2, 1.4], marker: Marker::Diamond },
    Style { ink: ORANGE, dash: &[8.0, 2.0], marker: Marker::Cross },
    Style { ink: SKY, dash: &[2.6, 1.2], marker: Marker::Plus },
    Style { ink: INK, dash: &[5.0, 1.2, 1.2, 1.2, 1.2, 1.2], marker: Marker::TriangleDown },
];

/// The style of a curve, by its position.
pub(crate) fn style(series: usize) -> Style {
    STYLES[series % MAX_SERIES]
}

/// The colours of the parts of a call, in the order of the columns: what waits in warm colours, what travels in blue,
/// what computes in green.
pub(crate) const PARTS: [Ink; 9] =
    [INK.alpha(0.3), YELLOW, INK.alpha(0.6), VERMILION, SKY, BLUE, ORANGE, PURPLE, GREEN];
