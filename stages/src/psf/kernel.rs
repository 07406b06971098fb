//! The models at many pixels at once: residuals, derivatives and the normal equations of a fit.
//!
//! Pixels lie in blocks of [`BLOCK`], column by column of the Jacobian, so that every loop runs over an array of fixed length and the
//! compiler turns it into vector code for the widest registers that the processor has. Sums go through [`LANES`] partial sums in a
//! fixed order: all widths give the same bits.

use skyloom_data::PsfModel;

use super::levenberg::FitPixel;
use super::model::{MAX_PARAMS, Params, n_params};
use super::smooth::{exp, ln_above_one};
use super::solve::Matrix;

/// Pixels per block.
const BLOCK: usize = 64;
/// Partial sums.
const LANES: usize = 8;

/// One number per pixel of a block.
type Row = [f64; BLOCK];

/// Pixels of a fit in blocks; what a block has left over weighs nothing.
#[derive(Debug, Clone)]
pub(super) struct PixelBlocks {
    blocks: Vec<Block>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    x: Row,
    y: Row,
    value: Row,
    weight: Row,
}

impl PixelBlocks {
    pub fn new(pixels: &[FitPixel]) -> Self {
        let empty = Block { x: [0.0; BLOCK], y: [0.0; BLOCK], value: [0.0; BLOCK], weight: [0.0; BLOCK] };
        let blocks = pixels
            .chunks(BLOCK)
            .map(|chunk| {
                let mut block = empty;
                for (k, pixel) in chunk.iter().enumerate() {
                    block.x[k] = pixel.x;
                    block.y[k] = pixel.y;
                    block.value[k] = pixel.value;
                    block.weight[k] = pixel.weight;
                }
                // A place where any model is finite.
                for k in chunk.len()..BLOCK {
                    block.x[k] = chunk[0].x;
                    block.y[k] = chunk[0].y;
                }
                block
            })
            .collect();
        Self { blocks }
    }
}

/// `J'WJ` (only rows and columns of open parameters), `J'Wr` and chi2 at some parameters.
#[derive(Debug, Clone)]
pub(super) struct Normal {
    pub matrix: Matrix,
    pub gradient: Params,
    pub chi2: f64,
}

/// Sine and cosine of an angle and inverse widths of one elliptical component.
#[derive(Clone, Copy)]
struct Ellipse {
    amplitude: f64,
    cos: f64,
    sin: f64,
    inverse_x: f64,
    inverse_y: f64,
    /// `w_y / w_x - w_x / w_y`.
    stretch: f64,
}

impl Ellipse {
    fn new(amplitude: f64, width_x: f64, width_y: f64, theta: f64) -> Self {
        let (sin, cos) = libm::sincos(theta);
        Self {
            amplitude,
            cos,
            sin,
            inverse_x: 1.0 / width_x,
            inverse_y: 1.0 / width_y,
            stretch: width_y / width_x - width_x / width_y,
        }
    }
}

/// The components of a model.
#[derive(Clone, Copy)]
struct Shape {
    x0: f64,
    y0: f64,
    alpha: f64,
    moffat: Ellipse,
    gauss: Ellipse,
}

impl Shape {
    fn new(model: PsfModel, p: &Params) -> Self {
        let none = Ellipse { amplitude: 0.0, cos: 1.0, sin: 0.0, inverse_x: 1.0, inverse_y: 1.0, stretch: 0.0 };
        let first = Ellipse::new(p[0], p[3], p[4], p[5]);
        let (moffat, alpha, gauss) = match model {
            PsfModel::Gaussian => (none, 1.0, first),
            PsfModel::Moffat => (first, p[6], none),
            PsfModel::Compound => (first, p[6], Ellipse::new(p[7], p[8], p[9], p[10])),
        };
        Self { x0: p[1], y0: p[2], alpha, moffat, gauss }
    }

    #[inline(always)]
    fn value<const MOFFAT: bool, const GAUSS: bool>(&self, x: f64, y: f64) -> f64 {
        let (dx, dy) = (x - self.x0, y - self.y0);
        let mut value = 0.0;
        if MOFFAT {
            let m = &self.moffat;
            let (p, q) = ((dx * m.cos + dy * m.sin) * m.inverse_x, (dy * m.cos - dx * m.sin) * m.inverse_y);
            value += m.amplitude * exp(-self.alpha * ln_above_one(1.0 + (p * p + q * q)));
        }
        if GAUSS {
            let g = &self.gauss;
            let (p, q) = ((dx * g.cos + dy * g.sin) * g.inverse_x, (dy * g.cos - dx * g.sin) * g.inverse_y);
            value += g.amplitude * exp(-0.5 * (p * p + q * q));
        }
        value
    }
}

/// Derivatives at the pixels of a block, one row per parameter, and the values.
struct Slopes {
    rows: [Row; MAX_PARAMS],
    values: Row,
}

#[inline(always)]
fn fill_slopes<const MOFFAT: bool, const GAUSS: bool>(shape: &Shape, block: &Block, slopes: &mut Slopes) {
    let Slopes { rows, values } = slopes;
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10] = rows;
    for k in 0..BLOCK {
        let (dx, dy) = (block.x[k] - shape.x0, block.y[k] - shape.y0);
        let (mut value, mut to_x, mut to_y) = (0.0, 0.0, 0.0);
        if MOFFAT {
            let m = &shape.moffat;
            let (p, q) = ((dx * m.cos + dy * m.sin) * m.inverse_x, (dy * m.cos - dx * m.sin) * m.inverse_y);
            let square = p * p + q * q;
            let base = 1.0 + square;
            let log = ln_above_one(base);
            let unit = exp(-shape.alpha * log);
            let part = m.amplitude * unit;
            let outer = -shape.alpha * part / base;
            let (a, b) = (2.0 * p * m.inverse_x, 2.0 * q * m.inverse_y);
            r0[k] = unit;
            to_x += outer * (b * m.sin - a * m.cos);
            to_y += outer * (-a * m.sin - b * m.cos);
            r3[k] = outer * (-a * p);
            r4[k] = outer * (-b * q);
            r5[k] = outer * (2.0 * p * q * m.stretch);
            r6[k] = -log * part;
            value += part;
        }
        if GAUSS {
            let g = &shape.gauss;
            let (p, q) = ((dx * g.cos + dy * g.sin) * g.inverse_x, (dy * g.cos - dx * g.sin) * g.inverse_y);
            let unit = exp(-0.5 * (p * p + q * q));
            let part = g.amplitude * unit;
            let outer = -0.5 * part;
            let (a, b) = (2.0 * p * g.inverse_x, 2.0 * q * g.inverse_y);
            to_x += outer * (b * g.sin - a * g.cos);
            to_y += outer * (-a * g.sin - b * g.cos);
            let (wide, tall, turn) = (outer * (-a * p), outer * (-b * q), outer * (2.0 * p * q * g.stretch));
            if MOFFAT {
                r7[k] = unit;
                r8[k] = wide;
                r9[k] = tall;
                r10[k] = turn;
            } else {
                r0[k] = unit;
                r3[k] = wide;
                r4[k] = tall;
                r5[k] = turn;
            }
            value += part;
        }
        r1[k] = to_x;
        r2[k] = to_y;
        values[k] = value;
    }
}

#[inline(always)]
fn add_products(sums: &mut [f64; LANES], a: &Row, b: &Row) {
    for chunk in 0..BLOCK / LANES {
        for lane in 0..LANES {
            sums[lane] += a[chunk * LANES + lane] * b[chunk * LANES + lane];
        }
    }
}

fn total(sums: &[f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

#[inline(always)]
fn normal_body<const MOFFAT: bool, const GAUSS: bool>(shape: &Shape, pixels: &PixelBlocks, open: &[usize]) -> Normal {
    let mut slopes = Slopes { rows: [[0.0; BLOCK]; MAX_PARAMS], values: [0.0; BLOCK] };
    let mut products = [[[0.0; LANES]; MAX_PARAMS]; MAX_PARAMS];
    let mut gradients = [[0.0; LANES]; MAX_PARAMS];
    let mut chi2 = [0.0; LANES];
    for block in &pixels.blocks {
        fill_slopes::<MOFFAT, GAUSS>(shape, block, &mut slopes);
        let (mut residual, mut weighted) = ([0.0; BLOCK], [0.0; BLOCK]);
        for k in 0..BLOCK {
            residual[k] = slopes.values[k] - block.value[k];
            weighted[k] = block.weight[k] * residual[k];
        }
        add_products(&mut chi2, &residual, &weighted);
        for (a, &i) in open.iter().enumerate() {
            let row = &slopes.rows[i];
            add_products(&mut gradients[i], row, &weighted);
            let mut heavy = [0.0; BLOCK];
            for k in 0..BLOCK {
                heavy[k] = block.weight[k] * row[k];
            }
            for &j in &open[..=a] {
                add_products(&mut products[i][j], &heavy, &slopes.rows[j]);
            }
        }
    }
    let mut normal =
        Normal { matrix: [[0.0; MAX_PARAMS]; MAX_PARAMS], gradient: [0.0; MAX_PARAMS], chi2: total(&chi2) };
    for (a, &i) in open.iter().enumerate() {
        normal.gradient[i] = total(&gradients[i]);
        for &j in &open[..=a] {
            normal.matrix[i][j] = total(&products[i][j]);
            normal.matrix[j][i] = normal.matrix[i][j];
        }
    }
    normal
}

#[inline(always)]
fn normal_of(model: PsfModel, pixels: &PixelBlocks, p: &Params, open: &[usize]) -> Normal {
    let shape = Shape::new(model, p);
    match model {
        PsfModel::Gaussian => normal_body::<false, true>(&shape, pixels, open),
        PsfModel::Moffat => normal_body::<true, false>(&shape, pixels, open),
        PsfModel::Compound => normal_body::<true, true>(&shape, pixels, open),
    }
}

#[inline(always)]
fn chi2_body<const MOFFAT: bool, const GAUSS: bool>(shape: &Shape, pixels: &PixelBlocks) -> f64 {
    let mut sums = [0.0; LANES];
    for block in &pixels.blocks {
        let (mut residual, mut weighted) = ([0.0; BLOCK], [0.0; BLOCK]);
        for k in 0..BLOCK {
            residual[k] = shape.value::<MOFFAT, GAUSS>(block.x[k], block.y[k]) - block.value[k];
            weighted[k] = block.weight[k] * residual[k];
        }
        add_products(&mut sums, &residual, &weighted);
    }
    total(&sums)
}

#[inline(always)]
fn chi2_of(model: PsfModel, pixels: &PixelBlocks, p: &Params) -> f64 {
    let shape = Shape::new(model, p);
    match model {
        PsfModel::Gaussian => chi2_body::<false, true>(&shape, pixels),
        PsfModel::Moffat => chi2_body::<true, false>(&shape, pixels),
        PsfModel::Compound => chi2_body::<true, true>(&shape, pixels),
    }
}

#[inline(always)]
fn fill_values<const MOFFAT: bool, const GAUSS: bool>(shape: &Shape, x: &Row, y: &Row, values: &mut Row) {
    for k in 0..BLOCK {
        values[k] = shape.value::<MOFFAT, GAUSS>(x[k], y[k]);
    }
}

#[inline(always)]
fn values_of(model: PsfModel, shape: &Shape, x: &Row, y: &Row, values: &mut Row) {
    match model {
        PsfModel::Gaussian => fill_values::<false, true>(shape, x, y, values),
        PsfModel::Moffat => fill_values::<true, false>(shape, x, y, values),
        PsfModel::Compound => fill_values::<true, true>(shape, x, y, values),
    }
}

/// Which vector instructions to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Plain,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Width {
    /// The widest that this processor has.
    pub fn best() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                return Self::Avx512;
            }
            if is_x86_feature_detected!("avx2") {
                return Self::Avx2;
            }
        }
        Self::Plain
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn normal_avx512(model: PsfModel, pixels: &PixelBlocks, p: &Params, open: &[usize]) -> Normal {
    normal_of(model, pixels, p, open)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn normal_avx2(model: PsfModel, pixels: &PixelBlocks, p: &Params, open: &[usize]) -> Normal {
    normal_of(model, pixels, p, open)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn chi2_avx512(model: PsfModel, pixels: &PixelBlocks, p: &Params) -> f64 {
    chi2_of(model, pixels, p)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn chi2_avx2(model: PsfModel, pixels: &PixelBlocks, p: &Params) -> f64 {
    chi2_of(model, pixels, p)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn values_avx512(model: PsfModel, shape: &Shape, x: &Row, y: &Row, values: &mut Row) {
    values_of(model, shape, x, y, values);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn values_avx2(model: PsfModel, shape: &Shape, x: &Row, y: &Row, values: &mut Row) {
    values_of(model, shape, x, y, values);
}

/// The model at places, in their order.
#[must_use]
pub fn model_values(model: PsfModel, p: &Params, places: impl ExactSizeIterator<Item = (f64, f64)>) -> Vec<f64> {
    let (width, shape) = (Width::best(), Shape::new(model, p));
    let mut all = Vec::with_capacity(places.len());
    let (mut x, mut y, mut values) = ([p[1]; BLOCK], [p[2]; BLOCK], [0.0; BLOCK]);
    let mut flush = |n: usize, x: &Row, y: &Row| {
        match width {
            Width::Plain => values_of(model, &shape, x, y, &mut values),
            // SAFETY: `Width::best` looked for the feature.
            #[cfg(target_arch = "x86_64")]
            Width::Avx2 => unsafe { values_avx2(model, &shape, x, y, &mut values) },
            #[cfg(target_arch = "x86_64")]
            Width::Avx512 => unsafe { values_avx512(model, &shape, x, y, &mut values) },
        }
        all.extend_from_slice(&values[..n]);
    };
    let mut n = 0;
    for place in places {
        (x[n], y[n]) = place;
        n += 1;
        if n == BLOCK {
            flush(n, &x, &y);
            n = 0;
        }
    }
    flush(n, &x, &y);
    all
}

/// Weighted sum of squared residuals of a model.
#[must_use]
pub fn model_chi2(model: PsfModel, pixels: &[FitPixel], p: &Params) -> f64 {
    chi2(Width::best(), model, &PixelBlocks::new(pixels), p)
}

/// The normal equations of a fit, for the parameters in `open`.
pub(super) fn normal_equations(
    width: Width,
    model: PsfModel,
    pixels: &PixelBlocks,
    p: &Params,
    open: &[usize],
) -> Normal {
    debug_assert!(open.iter().all(|&i| i < n_params(model)));
    match width {
        Width::Plain => normal_of(model, pixels, p, open),
        // SAFETY: `Width::best` looked for the feature.
        #[cfg(target_arch = "x86_64")]
        Width::Avx2 => unsafe { normal_avx2(model, pixels, p, open) },
        #[cfg(target_arch = "x86_64")]
        Width::Avx512 => unsafe { normal_avx512(model, pixels, p, open) },
    }
}

/// chi2 alone.
pub(super) fn chi2(width: Width, model: PsfModel, pixels: &PixelBlocks, p: &Params) -> f64 {
    match width {
        Width::Plain => chi2_of(model, pixels, p),
        // SAFETY: `Width::best` looked for the feature.
        #[cfg(target_arch = "x86_64")]
        Width::Avx2 => unsafe { chi2_avx2(model, pixels, p) },
        #[cfg(target_arch = "x86_64")]
        Width::Avx512 => unsafe { chi2_avx512(model, pixels, p) },
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Profile;
    use super::*;

    const MODELS: [PsfModel; 3] = [PsfModel::Gaussian, PsfModel::Moffat, PsfModel::Compound];

    fn params(model: PsfModel) -> Params {
        let mut p = [310.0, 8.3, 7.9, 2.1, 1.7, 0.4, 2.6, 120.0, 1.3, 1.1, -0.2];
        p[n_params(model)..].fill(0.0);
        p
    }

    /// 17 x 17 pixels: four blocks and a half.
    fn pixels() -> Vec<FitPixel> {
        (0..289)
            .map(|i| {
                let (x, y) = (f64::from(i % 17), f64::from(i / 17));
                FitPixel { x, y, value: 3.0 * x - y, weight: 1.0 / (1.0 + f64::from(i % 5)) }
            })
            .collect()
    }

    #[test]
    fn normal_equations_equal_those_of_the_plain_model() {
        for model in MODELS {
            let (p, list) = (params(model), pixels());
            let n = n_params(model);
            let open: Vec<usize> = (0..n).collect();
            let normal = normal_equations(Width::best(), model, &PixelBlocks::new(&list), &p, &open);
            let profile = Profile::new(model, &p);
            let (mut chi2, mut gradient, mut matrix) = (0.0, [0.0; MAX_PARAMS], [[0.0; MAX_PARAMS]; MAX_PARAMS]);
            let mut slope = [0.0; MAX_PARAMS];
            for pixel in &list {
                let residual = profile.value_and_gradient(pixel.x, pixel.y, &mut slope) - pixel.value;
                chi2 += pixel.weight * residual * residual;
                for i in 0..n {
                    gradient[i] += pixel.weight * residual * slope[i];
                    for j in 0..n {
                        matrix[i][j] += pixel.weight * slope[i] * slope[j];
                    }
                }
            }
            assert!((normal.chi2 / chi2 - 1.0).abs() < 1e-12);
            for i in 0..n {
                let scale = (matrix[i][i] * chi2).sqrt();
                assert!((normal.gradient[i] - gradient[i]).abs() < 1e-12 * scale, "{model:?} {i}");
                for j in 0..n {
                    let scale = (matrix[i][i] * matrix[j][j]).sqrt();
                    assert!((normal.matrix[i][j] - matrix[i][j]).abs() < 1e-12 * scale, "{model:?} {i} {j}");
                }
            }
        }
    }

    #[test]
    fn every_width_of_vectors_gives_the_same_bits() {
        #[cfg(target_arch = "x86_64")]
        let widths: Vec<Width> =
            [(Width::Avx2, is_x86_feature_detected!("avx2")), (Width::Avx512, is_x86_feature_detected!("avx512f"))]
                .into_iter()
                .filter_map(|(width, is_there)| is_there.then_some(width))
                .collect();
        #[cfg(not(target_arch = "x86_64"))]
        let widths: Vec<Width> = Vec::new();
        for model in MODELS {
            let (p, blocks) = (params(model), PixelBlocks::new(&pixels()));
            let open: Vec<usize> = (0..n_params(model)).collect();
            let bits = |width: Width| {
                let normal = normal_equations(width, model, &blocks, &p, &open);
                let all = normal.matrix.iter().flatten().chain(&normal.gradient).map(|v| v.to_bits());
                (all.collect::<Vec<_>>(), normal.chi2.to_bits(), chi2(width, model, &blocks, &p).to_bits())
            };
            let plain = bits(Width::Plain);
            assert_eq!(plain.1, plain.2, "chi2 alone is the same number");
            for &width in &widths {
                assert!(bits(width) == plain, "{model:?} {width:?}");
            }
        }
    }

    #[test]
    fn values_come_in_the_order_of_their_places() {
        for model in MODELS {
            let (p, list) = (params(model), pixels());
            let values = model_values(model, &p, list.iter().map(|q| (q.x, q.y)));
            let profile = Profile::new(model, &p);
            assert!(values.len() == 289);
            for (value, q) in values.iter().zip(&list) {
                assert!((value / profile.value(q.x, q.y) - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn closed_parameters_and_spare_pixels_add_nothing() {
        let (p, list) = (params(PsfModel::Moffat), pixels());
        let few = normal_equations(Width::best(), PsfModel::Moffat, &PixelBlocks::new(&list[..65]), &p, &[0, 2]);
        assert!(few.matrix[0][0] > 0.0 && few.matrix[0][2] == few.matrix[2][0] && few.matrix[1] == [0.0; MAX_PARAMS]);
        let sum = list[..65]
            .iter()
            .map(|q| q.weight * (Profile::new(PsfModel::Moffat, &p).value(q.x, q.y) - q.value).powi(2));
        assert!((few.chi2 / sum.sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
