//! The font of the figures, DejaVu Sans, which the program carries: no font of the system is asked for.

use ttf_parser::Face;

/// What an SVG asks for. Where there is no DejaVu Sans, Verdana has nearly its widths and the others are narrower, so
/// text never needs more room than was measured.
pub(crate) const FAMILY: &str = "DejaVu Sans, Verdana, Arial, sans-serif";

/// The font file.
pub(crate) fn bytes() -> &'static [u8] {
    dejavu::sans::regular()
}

/// Measures text.
pub(crate) struct Font {
    face: Face<'static>,
}

impl Font {
    /// The font that the program carries.
    ///
    /// # Panics
    /// Never with a sound build: the font is part of the program.
    pub(crate) fn new() -> Self {
        Font { face: Face::parse(bytes(), 0).expect("the font that the program carries is sound") }
    }

    /// How wide `text` is at this size, in the unit of the size.
    pub(crate) fn width(&self, text: &str, size: f64) -> f64 {
        let advance = |c| {
            let glyph = self.face.glyph_index(c).unwrap_or_default();
            f64::from(self.face.glyph_hor_advance(glyph).unwrap_or(0))
        };
        text.chars().map(advance).sum::<f64>() * size / f64::from(self.face.units_per_em())
    }

    /// The text, cut in its middle so that it is at most so wide: both ends of a long name tell it from others.
    pub(crate) fn fit(&self, text: &str, size: f64, width: f64) -> String {
        if self.width(text, size) <= width {
            return text.to_owned();
        }
        let chars: Vec<char> = text.chars().collect();
        for kept in (1..chars.len()).rev() {
            let head = kept.div_ceil(2);
            let cut: String = chars[..head]
                .iter()
                .chain(['…'].iter())
                .chain(&chars[chars.len() - (kept - head)..])
                .collect();
            if self.width(&cut, size) <= width {
                return cut;
            }
        }
        "…".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_measured_and_cut_to_fit() {
        let font = Font::new();
        // The advances of `i` and `W` in DejaVu Sans are 569 and 2025 of 2048 units.
        assert!((font.width("iW", 2048.0) - 2594.0).abs() < 1e-9);
        assert_eq!(font.fit("short", 7.0, 100.0), "short");
        let cut = font.fit("discovery=kademlia,network.nodes=10000", 7.0, 80.0);
        assert!(font.width(&cut, 7.0) <= 80.0 && cut.starts_with("disc") && cut.ends_with("000"), "{cut}");
        assert_eq!(font.fit("anything", 7.0, 0.0), "…");
    }
}
