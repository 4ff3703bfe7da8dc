//! A page of fixed size that lines, areas and text are put on, as an SVG.

use super::font::FAMILY;
use super::palette::{INK, Ink, Marker, PAPER, Style};
use super::{POINT, UNITS_PER_INCH};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// A rectangle in units of the page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rect {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Rect {
    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(crate) fn height(&self) -> f64 {
        self.bottom - self.top
    }
}

/// Where a text lies against its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Start,
    Middle,
    End,
}

/// The page. Coordinates are [`UNITS_PER_INCH`] to the inch, from the top left.
pub(crate) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    failure: Option<String>,
}

impl<'a> Canvas<'a> {
    /// An empty page of `size` units.
    pub(crate) fn new(svg: &'a mut String, size: (u32, u32)) -> Self {
        let mut canvas =
            Canvas { area: SVGBackend::with_string(svg, size).into_drawing_area(), failure: None };
        let page = Rect { left: 0.0, top: 0.0, right: size.0.into(), bottom: size.1.into() };
        canvas.fill(page, PAPER);
        canvas
    }

    /// Ends the page.
    ///
    /// # Errors
    /// If anything could not be drawn.
    pub(crate) fn finish(mut self) -> Result<(), String> {
        let presented = self.area.present();
        self.note(presented);
        self.failure.map_or(Ok(()), Err)
    }

    /// A line through points, `width` points (1/72 in) wide.
    pub(crate) fn line(&mut self, points: &[(f64, f64)], ink: Ink, width: f64, dash: &[f64]) {
        let style = color(ink).stroke_width(libm::round(width * POINT).max(1.0) as u32);
        for piece in dashes(points, dash) {
            let drawn = self.area.draw(&PathElement::new(piece, style));
            self.note(drawn);
        }
    }

    /// A filled shape.
    pub(crate) fn shape(&mut self, points: &[(f64, f64)], ink: Ink) {
        let points: Vec<_> = points.iter().copied().map(snapped).collect();
        let drawn = self.area.draw(&Polygon::new(points, color(ink)));
        self.note(drawn);
    }

    /// A filled rectangle.
    pub(crate) fn fill(&mut self, rect: Rect, ink: Ink) {
        let corners = [snapped((rect.left, rect.top)), snapped((rect.right, rect.bottom))];
        let drawn = self.area.draw(&Rectangle::new(corners, color(ink).filled()));
        self.note(drawn);
    }

    /// A curve's marker, about 4 points across.
    pub(crate) fn marker(&mut self, at: (f64, f64), style: Style) {
        let (x, y) = at;
        let r = 1.9 * POINT;
        let strokes: &[[(f64, f64); 2]] = match style.marker {
            Marker::Circle => {
                let circle = Circle::new(snapped(at), libm::round(r) as i32, color(style.ink).filled());
                let drawn = self.area.draw(&circle);
                return self.note(drawn);
            }
            Marker::Square => {
                let r = 0.88 * r;
                return self.fill(Rect { left: x - r, top: y - r, right: x + r, bottom: y + r }, style.ink);
            }
            Marker::Triangle => {
                return self.shape(
                    &[(x, y - 1.25 * r), (x + 1.15 * r, y + 0.8 * r), (x - 1.15 * r, y + 0.8 * r)],
                    style.ink,
                );
            }
            Marker::TriangleDown => {
                return self.shape(
                    &[(x, y + 1.25 * r), (x + 1.15 * r, y - 0.8 * r), (x - 1.15 * r, y - 0.8 * r)],
                    style.ink,
                );
            }
            Marker::Diamond => {
                return self.shape(
                    &[(x, y - 1.3 * r), (x + 1.1 * r, y), (x, y + 1.3 * r), (x - 1.1 * r, y)],
                    style.ink,
                );
            }
            Marker::Cross => &[[(-0.9, -0.9), (0.9, 0.9)], [(-0.9, 0.9), (0.9, -0.9)]],
            Marker::Plus => &[[(-1.2, 0.0), (1.2, 0.0)], [(0.0, -1.2), (0.0, 1.2)]],
        };
        for stroke in strokes {
            self.line(&stroke.map(|(dx, dy)| (x + dx * r, y + dy * r)), style.ink, 1.1, &[]);
        }
    }

    /// Text of `size` points, its middle line at the point.
    pub(crate) fn text(&mut self, text: &str, at: (f64, f64), size: f64, align: Align) {
        self.put_text(text, at, size, align, FontTransform::None);
    }

    /// Text that runs upwards, centred at the point.
    pub(crate) fn text_upwards(&mut self, text: &str, at: (f64, f64), size: f64) {
        self.put_text(text, at, size, Align::Middle, FontTransform::Rotate270);
    }

    fn put_text(&mut self, text: &str, at: (f64, f64), size: f64, align: Align, transform: FontTransform) {
        let anchor = match align {
            Align::Start => HPos::Left,
            Align::Middle => HPos::Center,
            Align::End => HPos::Right,
        };
        // The backend divides a font's size by 1.24.
        let font = FontDesc::new(
            FontFamily::Name(FAMILY),
            libm::round(size * POINT) * 1.24,
            plotters::style::FontStyle::Normal,
        );
        let black = color(INK);
        let style =
            TextStyle::from(font.transform(transform)).color(&black).pos(Pos::new(anchor, VPos::Center));
        // XML has no control characters, not even as references.
        let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        let drawn = self.area.draw(&Text::new(text, snapped(at), style));
        self.note(drawn);
    }

    fn note<E: std::error::Error + Send + Sync>(&mut self, result: Result<(), DrawingAreaErrorKind<E>>) {
        if let Err(error) = result {
            self.failure.get_or_insert_with(|| error.to_string());
        }
    }
}

fn color(ink: Ink) -> RGBAColor {
    RGBAColor(ink.rgb.0, ink.rgb.1, ink.rgb.2, ink.alpha)
}

fn snapped((x, y): (f64, f64)) -> (i32, i32) {
    (libm::round(x) as i32, libm::round(y) as i32)
}

/// The strokes of a line; all of it without dashes. Points that fall together are one.
fn dashes(points: &[(f64, f64)], dash: &[f64]) -> Vec<Vec<(i32, i32)>> {
    if dash.is_empty() || points.len() < 2 {
        let mut line: Vec<_> = points.iter().copied().map(snapped).collect();
        line.dedup();
        return if line.is_empty() { Vec::new() } else { vec![line] };
    }
    let mut pieces = Vec::new();
    let (mut at, mut left) = (0, dash[0] * POINT);
    let mut piece = vec![snapped(points[0])];
    for pair in points.windows(2) {
        let (mut from, to) = (pair[0], pair[1]);
        loop {
            let (dx, dy) = (to.0 - from.0, to.1 - from.1);
            let length = libm::sqrt(dx * dx + dy * dy);
            if length <= left {
                left -= length;
                break;
            }
            from = (from.0 + dx * left / length, from.1 + dy * left / length);
            if at % 2 == 0 {
                piece.push(snapped(from));
                pieces.push(std::mem::take(&mut piece));
            } else {
                piece = vec![snapped(from)];
            }
            at = (at + 1) % dash.len();
            left = dash[at] * POINT;
        }
        if at % 2 == 0 {
            piece.push(snapped(to));
        }
    }
    pieces.push(piece);
    for piece in &mut pieces {
        piece.dedup();
    }
    pieces.retain(|piece| piece.len() > 1);
    pieces
}

/// Says the page's size in inches, so that a paper or a browser shows it as large as it is meant, and names the figure
/// for those who cannot see it.
pub(crate) fn head(svg: &str, size: (u32, u32), title: &str) -> String {
    let inches = |units: u32| f64::from(units) / UNITS_PER_INCH;
    let plain = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
    let sized = format!("role=\"img\" width=\"{}in\" height=\"{}in\"", inches(size.0), inches(size.1));
    let svg = svg.replacen(&plain, &sized, 1);
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    svg.replacen(">\n", &format!(">\n<title>{title}</title>\n"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashed_line_has_its_strokes_and_goes_round_corners() {
        let line = [(0.0, 0.0), (10.0 * POINT, 0.0), (10.0 * POINT, 10.0 * POINT)];
        assert_eq!(dashes(&line, &[]).len(), 1);
        let pieces = dashes(&line, &[4.0, 2.0]);
        // Strokes at 0-4, 6-10 (ends in the corner), 12-16 and 18-20 points along the line.
        assert_eq!(pieces.len(), 4, "{pieces:?}");
        let length = |piece: &Vec<(i32, i32)>| {
            piece.windows(2).map(|p| (p[1].0 - p[0].0).abs() + (p[1].1 - p[0].1).abs()).sum::<i32>()
        };
        let total: i32 = pieces.iter().map(length).sum();
        assert!((f64::from(total) - 14.0 * POINT).abs() < 4.0, "{total}");
    }

    #[test]
    fn text_cannot_break_out() {
        let mut svg = String::new();
        let mut canvas = Canvas::new(&mut svg, (100, 100));
        canvas.text("</text><script>\u{1}&", (0.0, 0.0), 7.0, Align::Start);
        canvas.finish().unwrap();
        assert!(svg.contains("&lt;/text&gt;&lt;script&gt;\u{fffd}&amp;"), "{svg}");
        assert!(head(&svg, (100, 100), "a<b").contains("<title>a&lt;b</title>"));
    }
}
