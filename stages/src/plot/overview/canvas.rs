//! Text, lines and rectangles on RGB pixels, and PNG.

use std::sync::OnceLock;

use image::ImageEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, register_font};

use super::colours::Rgb;

/// DejaVu Sans, embedded: a picture must not depend on the fonts of a machine.
static FONT: &[u8] = include_bytes!("../../../assets/DejaVuSans.ttf");
const FONT_NAME: &str = "skyloom-sans";

/// Pixels of a picture, row by row from the top.
pub(crate) struct Canvas {
    pub size: (usize, usize),
    rgb: Vec<u8>,
}

/// Drawing on a canvas with plotters.
pub(crate) struct Pen<'a> {
    area: DrawingArea<BitMapBackend<'a>, Shift>,
}

/// How a text is anchored at its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Anchor {
    /// Upper left corner.
    Left,
    /// Middle of the upper edge.
    Top,
    /// Middle of the right edge.
    Right,
}

impl Canvas {
    pub(crate) fn new(size: (usize, usize), paper: Rgb) -> Self {
        Self { size, rgb: paper.repeat(size.0 * size.1) }
    }

    /// Sets one pixel; places outside are ignored.
    pub(crate) fn set(&mut self, x: usize, y: usize, colour: Rgb) {
        if x < self.size.0 && y < self.size.1 {
            let at = (y * self.size.0 + x) * 3;
            self.rgb[at..at + 3].copy_from_slice(&colour);
        }
    }

    /// Draws with plotters.
    pub(crate) fn draw(&mut self, work: impl FnOnce(&Pen<'_>) -> Result<(), String>) -> Result<(), String> {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        if !REGISTERED.get_or_init(|| register_font(FONT_NAME, FontStyle::Normal, FONT).is_ok()) {
            return Err("the embedded font cannot be read".to_owned());
        }
        let size = (self.size.0 as u32, self.size.1 as u32);
        let pen = Pen { area: BitMapBackend::with_buffer(&mut self.rgb, size).into_drawing_area() };
        work(&pen)?;
        pen.area.present().map_err(|e| e.to_string())
    }

    /// The picture as PNG; equal pictures are equal bytes, because nothing but pixels is written.
    pub(crate) fn png(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
        let (width, height) = (self.size.0 as u32, self.size.1 as u32);
        encoder.write_image(&self.rgb, width, height, image::ExtendedColorType::Rgb8).map_err(|e| e.to_string())?;
        Ok(bytes)
    }
}

fn colour(rgb: Rgb) -> RGBColor {
    RGBColor(rgb[0], rgb[1], rgb[2])
}

fn style(size: usize, ink: Rgb, anchor: Anchor) -> TextStyle<'static> {
    let pos = match anchor {
        Anchor::Left => Pos::new(HPos::Left, VPos::Top),
        Anchor::Top => Pos::new(HPos::Center, VPos::Top),
        Anchor::Right => Pos::new(HPos::Right, VPos::Center),
    };
    TextStyle { font: (FONT_NAME, size as f64).into_font(), color: colour(ink).to_backend_color(), pos }
}

impl Pen<'_> {
    pub(crate) fn text(
        &self,
        text: &str,
        (x, y): (usize, usize),
        size: usize,
        ink: Rgb,
        anchor: Anchor,
    ) -> Result<(), String> {
        self.area.draw_text(text, &style(size, ink, anchor), (x as i32, y as i32)).map_err(|e| e.to_string())
    }

    /// Width and height of a text.
    pub(crate) fn text_size(&self, text: &str, size: usize) -> Result<(usize, usize), String> {
        let style = style(size, [0; 3], Anchor::Left);
        let (w, h) = self.area.estimate_text_size(text, &style).map_err(|e| e.to_string())?;
        Ok((w as usize, h as usize))
    }

    /// A line through points.
    pub(crate) fn line(&self, points: Vec<(i32, i32)>, ink: Rgb, width: u32) -> Result<(), String> {
        self.area.draw(&PathElement::new(points, colour(ink).stroke_width(width))).map_err(|e| e.to_string())
    }

    /// An open circle.
    pub(crate) fn ring(&self, centre: (i32, i32), radius: i32, ink: Rgb, width: u32) -> Result<(), String> {
        self.area.draw(&Circle::new(centre, radius, colour(ink).stroke_width(width))).map_err(|e| e.to_string())
    }
}
