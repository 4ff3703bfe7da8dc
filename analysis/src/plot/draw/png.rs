//! An SVG of ours as PNG.

use super::UNITS_PER_INCH;
use super::font;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};
use std::sync::Arc;

/// Draws a figure at so many dots per inch, with the font that the program carries. The file says its resolution, so that it is shown in
/// its true size.
///
/// # Errors
/// If it is no figure, or would not fit into memory.
pub(crate) fn png(svg: &str, dpi: u32) -> Result<Vec<u8>, String> {
    let mut options = Options { dpi: UNITS_PER_INCH as f32, ..Options::default() };
    Arc::make_mut(&mut options.fontdb).load_font_data(font::bytes().to_vec());
    let tree = Tree::from_str(svg, &options).map_err(|error| error.to_string())?;
    let scale = dpi as f32 / UNITS_PER_INCH as f32;
    let pixels = |length: f32| libm::ceilf(length * scale - 0.01) as u32;
    let (width, height) = (pixels(tree.size().width()), pixels(tree.size().height()));
    let mut pixmap =
        Pixmap::new(width, height).ok_or_else(|| format!("{width} x {height} dots are too many"))?;
    resvg::render(&tree, Transform::from_scale(scale, scale), &mut pixmap.as_mut());

    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let per_metre = libm::round(f64::from(dpi) / 0.0254) as u32;
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: per_metre,
        yppu: per_metre,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    // The paper is white and covers all, so no pixel is transparent.
    let rgb: Vec<u8> =
        pixmap.data().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    writer.write_image_data(&rgb).map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    Ok(bytes)
}
