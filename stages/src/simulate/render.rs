//! Point sources blurred by a PSF, added to rows of pixels.

use skyloom_data::PsfModel;

use crate::psf::{Params, model_values_into};

/// A point of light.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PointSource {
    /// Column, zero-based.
    pub x: f64,
    /// Row, zero-based.
    pub y: f64,
    /// Total flux in pixel units.
    pub flux: f64,
}

/// The blurred image of one source: a model with its flux in it, and where it ends.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    model: PsfModel,
    params: Params,
    x: f64,
    y: f64,
    radius: f64,
}

impl Spread {
    /// The image of a source by a model whose parameters hold flux and centre (see [`crate::psf::Params`]). It ends where each
    /// component has fallen to `limit` (in pixel units), at most `most_px` away; the light beyond is left out.
    #[must_use]
    pub fn new(model: PsfModel, params: &Params, limit: f64, most_px: f64) -> Self {
        let gauss_reach = |amplitude: f64, width: f64| width * (2.0 * libm::log((amplitude / limit).max(1.0))).sqrt();
        let moffat_reach = |amplitude: f64, width: f64, alpha: f64| {
            width * (libm::pow((amplitude / limit).max(1.0), 1.0 / alpha) - 1.0).sqrt()
        };
        let p = params;
        let reach = match model {
            PsfModel::Gaussian => gauss_reach(p[0], p[3].max(p[4])),
            PsfModel::Moffat => moffat_reach(p[0], p[3].max(p[4]), p[6]),
            PsfModel::Compound => moffat_reach(p[0], p[3].max(p[4]), p[6]).max(gauss_reach(p[7], p[8].max(p[9]))),
        };
        Self { model, params: *params, x: p[1], y: p[2], radius: reach.clamp(1.5, most_px.max(1.5)) }
    }

    /// The columns that the image touches in row `y` of a frame of this width.
    fn columns(&self, y: usize, width: usize) -> std::ops::Range<usize> {
        let dy = y as f64 - self.y;
        let half = (self.radius * self.radius - dy * dy).max(0.0).sqrt();
        Self::clip((self.x - half).ceil(), (self.x + half).floor(), 0, width)
    }

    /// Whole rows that the image touches, as numbers that may lie outside the frame.
    fn rows(&self) -> (f64, f64) {
        ((self.y - self.radius).ceil(), (self.y + self.radius).floor())
    }

    /// The part of a range of `n` pixels from `low` to `high`, both included; empty when there is none.
    fn clip(low: f64, high: f64, first: usize, end: usize) -> std::ops::Range<usize> {
        let from = low.max(first as f64);
        let to = high.min(end as f64 - 1.0);
        // max and min pass NaN over; a source without a place is nowhere.
        if low <= high && from <= to { from as usize..to as usize + 1 } else { 0..0 }
    }
}

/// Which sources touch which block of rows, in the order of the sources.
#[derive(Debug)]
pub struct RowIndex {
    rows: usize,
    blocks: Vec<Vec<u32>>,
}

impl RowIndex {
    /// Sorts the images of sources into blocks of `rows` rows of a frame of `height` rows.
    ///
    /// `spread` is asked once per source here and once per block in [`add_rows`]: images are not stored, because a tile has
    /// millions of them. At most 2^32 sources.
    pub fn new(n: usize, height: usize, rows: usize, spread: impl Fn(usize) -> Spread) -> Self {
        let rows = rows.max(1);
        let mut blocks = vec![Vec::new(); height.div_ceil(rows)];
        for i in 0..n {
            let (low, high) = spread(i).rows();
            let touched = Spread::clip(low, high, 0, height);
            if !touched.is_empty() {
                for block in &mut blocks[touched.start / rows..=(touched.end - 1) / rows] {
                    block.push(i as u32);
                }
            }
        }
        Self { rows, blocks }
    }

    /// Rows per block.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The sources of a block.
    #[must_use]
    pub fn block(&self, block: usize) -> &[u32] {
        &self.blocks[block]
    }
}

/// Adds the sources of one block to its pixels (`width` per row, the first row being `block * index.rows()`).
///
/// Models are evaluated at pixel centres, not integrated, as everywhere in the PSF family. Every pixel adds its sources in
/// their order, so its value does not depend on how the image is cut into blocks. `go_on` is asked every few sources; once
/// it says no, the rest is left out.
pub fn add_rows(
    index: &RowIndex,
    block: usize,
    width: usize,
    out: &mut [f64],
    spread: impl Fn(usize) -> Spread,
    go_on: impl Fn() -> bool,
) {
    let first = block * index.rows;
    let end = first + out.len() / width.max(1);
    let mut values = Vec::new();
    for (n, &i) in index.blocks[block].iter().enumerate() {
        if n % 256 == 0 && !go_on() {
            return;
        }
        let image = spread(i as usize);
        let (low, high) = image.rows();
        let rows = Spread::clip(low, high, first, end);
        let places = rows.clone().flat_map(|y| image.columns(y, width).map(move |x| (x as f64, y as f64)));
        model_values_into(image.model, &image.params, places, &mut values);
        let mut values = values.iter();
        for y in rows {
            let columns = image.columns(y, width);
            let row = &mut out[(y - first) * width..(y - first + 1) * width];
            for (pixel, value) in row[columns].iter_mut().zip(&mut values) {
                *pixel += value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaussian(source: &PointSource) -> Spread {
        let sigma = 1.2;
        let peak = source.flux / (std::f64::consts::TAU * sigma * sigma);
        let mut params = [0.0; crate::psf::MAX_PARAMS];
        params[..6].copy_from_slice(&[peak, source.x, source.y, sigma, sigma, 0.0]);
        Spread::new(PsfModel::Gaussian, &params, 1e-6, 100.0)
    }

    fn image(sources: &[PointSource], width: usize, height: usize, rows: usize) -> Vec<f64> {
        let spread = |i: usize| gaussian(&sources[i]);
        let index = RowIndex::new(sources.len(), height, rows, spread);
        let mut pixels = vec![0.0; width * height];
        for (block, out) in pixels.chunks_mut(width * rows).enumerate() {
            add_rows(&index, block, width, out, spread, || true);
        }
        pixels
    }

    #[test]
    fn light_is_conserved_and_blocks_do_not_matter() {
        let sources: Vec<PointSource> = (0..20)
            .map(|i| PointSource { x: 20.0 + f64::from(i) * 1.3, y: 15.0 + f64::from(i % 7) * 2.1, flux: 100.0 })
            .collect();
        let whole = image(&sources, 64, 48, 48);
        let sum = whole.iter().fold(0.0, |a, b| a + b);
        assert!((sum / 2000.0 - 1.0).abs() < 1e-5, "{sum}");
        for rows in [1, 5, 16] {
            assert_eq!(whole, image(&sources, 64, 48, rows), "{rows} rows");
        }
    }

    #[test]
    fn sources_off_the_frame_add_what_reaches_it() {
        let far = PointSource { x: -500.0, y: 3.0, flux: 1e6 };
        let near = PointSource { x: -2.0, y: -1.0, flux: 1e6 };
        assert!(image(&[far], 8, 8, 3).iter().all(|v| *v == 0.0));
        assert!(image(&[near], 8, 8, 3)[0] > 0.0);
        assert_eq!(image(&[near], 1, 1, 1).len(), 1);
        let lost = PointSource { x: f64::NAN, y: 3.0, flux: 1.0 };
        assert!(image(&[lost], 4, 4, 2).iter().all(|v| *v == 0.0));
    }
}
