//! The models at many pixels at once: residuals, derivatives and the normal equations of a fit.
//!
//! Pixels lie in groups of [`GROUP`], column by column of the Jacobian, so that every loop runs over an array of fixed length and the
//! compiler turns it into vector code for the widest registers that the processor has. Sums go through [`LANES`] partial sums in a
//! fixed order: all widths give the same bits.

use skyloom_data::PsfModel;

use super::levenberg::FitPixel;
use super::model::{MAX_PARAMS, Params, n_params};
use super::smooth::{exp, ln_above_one};
use super::solve::Matrix;

/// Pixels that are evaluated together: two of the widest registers, whose long chains of operations then overlap.
const GROUP: usize = 16;
/// Groups per block: the rows of a block stay in the nearest cache.
const GROUPS: usize = 8;
/// Partial sums.
const LANES: usize = 8;
/// One row per parameter, and the residuals.
const N_ROWS: usize = MAX_PARAMS + 1;
/// The row of the residuals.
const RESIDUAL: usize = MAX_PARAMS;

/// One number per pixel of a group.
type Slot = [f64; GROUP];
/// One number per pixel of a block.
type Row = [Slot; GROUPS];

/// Pixels of a fit in groups; what a group has left over weighs nothing.
#[derive(Debug, Clone, Default)]
pub struct FitPixels {
    groups: Vec<Group>,
    n: usize,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    x: Slot,
    y: Slot,
    value: Slot,
    weight: Slot,
}

impl FitPixels {
    /// Takes out all pixels and keeps the memory.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.n = 0;
    }

    /// Adds a pixel.
    pub fn push(&mut self, pixel: FitPixel) {
        let slot = self.n % GROUP;
        if slot == 0 {
            // Spare pixels lie at a place where any model is finite.
            let (x, y) = ([pixel.x; GROUP], [pixel.y; GROUP]);
            self.groups.push(Group { x, y, value: [0.0; GROUP], weight: [0.0; GROUP] });
        }
        if let Some(group) = self.groups.last_mut() {
            (group.x[slot], group.y[slot]) = (pixel.x, pixel.y);
            (group.value[slot], group.weight[slot]) = (pixel.value, pixel.weight);
        }
        self.n += 1;
    }

    /// Number of pixels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n == 0
    }

    /// The pixels, in their order.
    pub fn iter(&self) -> impl Iterator<Item = FitPixel> + '_ {
        (0..self.n).map(|i| {
            let (group, slot) = (&self.groups[i / GROUP], i % GROUP);
            FitPixel { x: group.x[slot], y: group.y[slot], value: group.value[slot], weight: group.weight[slot] }
        })
    }
}

impl Extend<FitPixel> for FitPixels {
    fn extend<I: IntoIterator<Item = FitPixel>>(&mut self, pixels: I) {
        pixels.into_iter().for_each(|pixel| self.push(pixel));
    }
}

impl FromIterator<FitPixel> for FitPixels {
    fn from_iter<I: IntoIterator<Item = FitPixel>>(pixels: I) -> Self {
        let mut all = Self::default();
        all.extend(pixels);
        all
    }
}

/// `J'WJ` (only rows and columns of open parameters), `J'Wr` and chi2 at some parameters.
///
/// Only what belongs to open parameters is written: a fit keeps two of these and never copies them.
#[derive(Debug, Clone, Default)]
pub(super) struct Normal {
    pub matrix: Matrix,
    pub gradient: Params,
    pub chi2: f64,
}

/// Derivatives and residuals at the pixels of a block, and the sums of their products: kept from evaluation to evaluation.
#[derive(Debug)]
pub(super) struct Workspace {
    rows: [Row; N_ROWS],
    sums: Sums,
}

/// Partial sums of the products of two rows.
type Sums = [[[f64; LANES]; N_ROWS]; N_ROWS];

impl Default for Workspace {
    fn default() -> Self {
        Self { rows: [[[0.0; GROUP]; GROUPS]; N_ROWS], sums: [[[0.0; LANES]; N_ROWS]; N_ROWS] }
    }
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

#[inline(always)]
fn fill_rows<const MOFFAT: bool, const GAUSS: bool>(shape: &Shape, at: usize, group: &Group, rows: &mut [Row; N_ROWS]) {
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, residual] = rows;
    for k in 0..GROUP {
        let (dx, dy) = (group.x[k] - shape.x0, group.y[k] - shape.y0);
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
            r0[at][k] = unit;
            to_x += outer * (b * m.sin - a * m.cos);
            to_y += outer * (-a * m.sin - b * m.cos);
            r3[at][k] = outer * (-a * p);
            r4[at][k] = outer * (-b * q);
            r5[at][k] = outer * (2.0 * p * q * m.stretch);
            r6[at][k] = -log * part;
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
                r7[at][k] = unit;
                r8[at][k] = wide;
                r9[at][k] = tall;
                r10[at][k] = turn;
            } else {
                r0[at][k] = unit;
                r3[at][k] = wide;
                r4[at][k] = tall;
                r5[at][k] = turn;
            }
            value += part;
        }
        r1[at][k] = to_x;
        r2[at][k] = to_y;
        residual[at][k] = value - group.value[k];
    }
}

/// The products of one column of a tile.
#[inline(always)]
fn add_column<const R: usize, const C: usize>(
    tile: &mut [[[f64; LANES]; C]; R],
    c: usize,
    heavy: &[[f64; LANES]; R],
    columns: &[&Row; C],
    g: usize,
    at: usize,
) {
    if c < C {
        let column: [f64; LANES] = std::array::from_fn(|lane| columns[c][g][at + lane]);
        add_product(tile, 0, c, heavy, &column);
        add_product(tile, 1, c, heavy, &column);
        add_product(tile, 2, c, heavy, &column);
        add_product(tile, 3, c, heavy, &column);
    }
}

#[inline(always)]
fn add_product<const R: usize, const C: usize>(
    tile: &mut [[[f64; LANES]; C]; R],
    r: usize,
    c: usize,
    heavy: &[[f64; LANES]; R],
    column: &[f64; LANES],
) {
    if r < R {
        for lane in 0..LANES {
            tile[r][c][lane] += heavy[r][lane] * column[lane];
        }
    }
}

/// Adds the weighted products of `R` rows with `C` rows to their sums; those of the first block begin them.
///
/// Each number that is loaded serves `R` or `C` products.
#[expect(clippy::needless_range_loop, reason = "row and column are places in two arrays; iterators hide which")]
#[inline(always)]
fn add_tile<const R: usize, const C: usize>(
    block: &[Group],
    is_first: bool,
    order: &[usize; N_ROWS],
    (top, left): (usize, usize),
    space: &mut Workspace,
) {
    let mut tile = [[[0.0; LANES]; C]; R];
    if !is_first {
        for r in 0..R {
            for c in 0..C {
                tile[r][c] = space.sums[top + r][left + c];
            }
        }
    }
    let rows: [&Row; R] = std::array::from_fn(|r| &space.rows[order[top + r]]);
    let columns: [&Row; C] = std::array::from_fn(|c| &space.rows[order[left + c]]);
    for (g, group) in block.iter().enumerate().take(GROUPS) {
        for half in 0..GROUP / LANES {
            let at = half * LANES;
            let mut heavy = [[0.0; LANES]; R];
            for r in 0..R {
                for lane in 0..LANES {
                    heavy[r][lane] = group.weight[at + lane] * rows[r][g][at + lane];
                }
            }
            // Written out: a nest of loops would be too long to be unrolled, and the tile would leave the registers.
            add_column(&mut tile, 0, &heavy, &columns, g, at);
            add_column(&mut tile, 1, &heavy, &columns, g, at);
            add_column(&mut tile, 2, &heavy, &columns, g, at);
            add_column(&mut tile, 3, &heavy, &columns, g, at);
        }
    }
    for r in 0..R {
        for c in 0..C {
            space.sums[top + r][left + c] = tile[r][c];
        }
    }
}

/// All tiles of `R` rows from `top` that touch the lower triangle.
#[inline(always)]
fn add_rows<const R: usize, const C: usize>(
    block: &[Group],
    is_first: bool,
    order: &[usize; N_ROWS],
    top: usize,
    space: &mut Workspace,
) {
    for left in (0..top + R).step_by(C) {
        add_tile::<R, C>(block, is_first, order, (top, left), space);
    }
}

fn total(sums: &[f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

#[inline(always)]
fn normal_body<const MOFFAT: bool, const GAUSS: bool, const T: usize>(
    shape: &Shape,
    pixels: &FitPixels,
    open: &[usize],
    space: &mut Workspace,
    normal: &mut Normal,
) {
    // The residuals are the last row: their products are the gradient and chi2. What lies behind them is computed and not used.
    let mut order = [RESIDUAL; N_ROWS];
    order[..open.len()].copy_from_slice(open);
    let n_rows = open.len() + 1;
    for (b, block) in pixels.groups.chunks(GROUPS).enumerate() {
        for (g, group) in block.iter().enumerate() {
            fill_rows::<MOFFAT, GAUSS>(shape, g, group, &mut space.rows);
        }
        let mut top = 0;
        while top + T <= n_rows {
            add_rows::<T, T>(block, b == 0, &order, top, space);
            top += T;
        }
        if T > 2 && top + 2 <= n_rows {
            add_rows::<2, T>(block, b == 0, &order, top, space);
            top += 2;
        }
        if top < n_rows {
            add_rows::<1, T>(block, b == 0, &order, top, space);
        }
    }
    if pixels.is_empty() {
        *normal = Normal::default();
        return;
    }
    for (a, &i) in open.iter().enumerate() {
        for (b, &j) in open[..=a].iter().enumerate() {
            normal.matrix[i][j] = total(&space.sums[a][b]);
            normal.matrix[j][i] = normal.matrix[i][j];
        }
        normal.gradient[i] = total(&space.sums[open.len()][a]);
    }
    normal.chi2 = total(&space.sums[open.len()][open.len()]);
}

#[inline(always)]
fn normal_of<const T: usize>(
    model: PsfModel,
    pixels: &FitPixels,
    p: &Params,
    open: &[usize],
    space: &mut Workspace,
    normal: &mut Normal,
) {
    let shape = Shape::new(model, p);
    match model {
        PsfModel::Gaussian => normal_body::<false, true, T>(&shape, pixels, open, space, normal),
        PsfModel::Moffat => normal_body::<true, false, T>(&shape, pixels, open, space, normal),
        PsfModel::Compound => normal_body::<true, true, T>(&shape, pixels, open, space, normal),
    }
}

#[inline(always)]
fn chi2_body<const MOFFAT: bool, const GAUSS: bool>(shape: &Shape, pixels: &FitPixels) -> f64 {
    let mut sums = [0.0; LANES];
    for group in &pixels.groups {
        let (mut residual, mut weighted) = ([0.0; GROUP], [0.0; GROUP]);
        for k in 0..GROUP {
            residual[k] = shape.value::<MOFFAT, GAUSS>(group.x[k], group.y[k]) - group.value[k];
            weighted[k] = group.weight[k] * residual[k];
        }
        for half in 0..GROUP / LANES {
            for lane in 0..LANES {
                sums[lane] += weighted[half * LANES + lane] * residual[half * LANES + lane];
            }
        }
    }
    total(&sums)
}

#[inline(always)]
fn chi2_of(model: PsfModel, pixels: &FitPixels, p: &Params) -> f64 {
    let shape = Shape::new(model, p);
    match model {
        PsfModel::Gaussian => chi2_body::<false, true>(&shape, pixels),
        PsfModel::Moffat => chi2_body::<true, false>(&shape, pixels),
        PsfModel::Compound => chi2_body::<true, true>(&shape, pixels),
    }
}

#[inline(always)]
fn fill_values<const MOFFAT: bool, const GAUSS: bool>(shape: &Shape, x: &Slot, y: &Slot, values: &mut Slot) {
    for k in 0..GROUP {
        values[k] = shape.value::<MOFFAT, GAUSS>(x[k], y[k]);
    }
}

#[inline(always)]
fn values_of(model: PsfModel, shape: &Shape, x: &Slot, y: &Slot, values: &mut Slot) {
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
fn normal_avx512(
    model: PsfModel,
    pixels: &FitPixels,
    p: &Params,
    open: &[usize],
    space: &mut Workspace,
    normal: &mut Normal,
) {
    normal_of::<4>(model, pixels, p, open, space, normal);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn chi2_avx512(model: PsfModel, pixels: &FitPixels, p: &Params) -> f64 {
    chi2_of(model, pixels, p)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn values_avx512(model: PsfModel, shape: &Shape, x: &Slot, y: &Slot, values: &mut Slot) {
    values_of(model, shape, x, y, values);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn normal_avx2(
    model: PsfModel,
    pixels: &FitPixels,
    p: &Params,
    open: &[usize],
    space: &mut Workspace,
    normal: &mut Normal,
) {
    normal_of::<2>(model, pixels, p, open, space, normal);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn chi2_avx2(model: PsfModel, pixels: &FitPixels, p: &Params) -> f64 {
    chi2_of(model, pixels, p)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn values_avx2(model: PsfModel, shape: &Shape, x: &Slot, y: &Slot, values: &mut Slot) {
    values_of(model, shape, x, y, values);
}

/// The model at places, one after the other in `all`, which keeps its memory.
pub fn model_values_into(model: PsfModel, p: &Params, places: impl Iterator<Item = (f64, f64)>, all: &mut Vec<f64>) {
    let (width, shape) = (Width::best(), Shape::new(model, p));
    all.clear();
    let (mut x, mut y, mut values) = ([p[1]; GROUP], [p[2]; GROUP], [0.0; GROUP]);
    let mut flush = |n: usize, x: &Slot, y: &Slot| {
        match width {
            Width::Plain => values_of(model, &shape, x, y, &mut values),
            // SAFETY: `Width::best` looked for the feature.
            #[cfg(target_arch = "x86_64")]
            Width::Avx2 => unsafe { values_avx2(model, &shape, x, y, &mut values) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Width::Avx512 => unsafe { values_avx512(model, &shape, x, y, &mut values) },
        }
        all.extend_from_slice(&values[..n]);
    };
    let mut n = 0;
    for place in places {
        (x[n], y[n]) = place;
        n += 1;
        if n == GROUP {
            flush(n, &x, &y);
            n = 0;
        }
    }
    if n > 0 {
        flush(n, &x, &y);
    }
}

/// The model at places, in their order.
#[must_use]
pub fn model_values(model: PsfModel, p: &Params, places: impl Iterator<Item = (f64, f64)>) -> Vec<f64> {
    let mut all = Vec::new();
    model_values_into(model, p, places, &mut all);
    all
}

/// Weighted sum of squared residuals of a model.
#[must_use]
pub fn model_chi2(model: PsfModel, pixels: &FitPixels, p: &Params) -> f64 {
    chi2(Width::best(), model, pixels, p)
}

/// The normal equations of a fit, for the parameters in `open`.
pub(super) fn normal_equations(
    width: Width,
    model: PsfModel,
    pixels: &FitPixels,
    p: &Params,
    open: &[usize],
    space: &mut Workspace,
    normal: &mut Normal,
) {
    debug_assert!(open.iter().all(|&i| i < n_params(model)));
    match width {
        Width::Plain => normal_of::<2>(model, pixels, p, open, space, normal),
        // SAFETY: `Width::best` looked for the feature.
        #[cfg(target_arch = "x86_64")]
        Width::Avx2 => unsafe { normal_avx2(model, pixels, p, open, space, normal) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Width::Avx512 => unsafe { normal_avx512(model, pixels, p, open, space, normal) },
    }
}

/// chi2 alone.
pub(super) fn chi2(width: Width, model: PsfModel, pixels: &FitPixels, p: &Params) -> f64 {
    match width {
        Width::Plain => chi2_of(model, pixels, p),
        // SAFETY: `Width::best` looked for the feature.
        #[cfg(target_arch = "x86_64")]
        Width::Avx2 => unsafe { chi2_avx2(model, pixels, p) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Width::Avx512 => unsafe { chi2_avx512(model, pixels, p) },
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::Profile;
    use super::*;

    fn normal_at(
        width: Width,
        model: PsfModel,
        pixels: &FitPixels,
        p: &Params,
        open: &[usize],
        space: &mut Workspace,
    ) -> Normal {
        let mut normal = Normal::default();
        normal_equations(width, model, pixels, p, open, space, &mut normal);
        normal
    }

    const MODELS: [PsfModel; 3] = [PsfModel::Gaussian, PsfModel::Moffat, PsfModel::Compound];

    fn params(model: PsfModel) -> Params {
        let mut p = [310.0, 8.3, 7.9, 2.1, 1.7, 0.4, 2.6, 120.0, 1.3, 1.1, -0.2];
        p[n_params(model)..].fill(0.0);
        p
    }

    /// 17 x 17 pixels: two blocks and a piece.
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
            let normal =
                normal_at(Width::best(), model, &list.iter().copied().collect(), &p, &open, &mut Workspace::default());
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
            let (p, blocks) = (params(model), pixels().into_iter().collect::<FitPixels>());
            let open: Vec<usize> = (0..n_params(model)).collect();
            let mut space = Workspace::default();
            let mut bits = |width: Width| {
                let normal = normal_at(width, model, &blocks, &p, &open, &mut space);
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
        let few = normal_at(
            Width::best(),
            PsfModel::Moffat,
            &list[..65].iter().copied().collect(),
            &p,
            &[0, 2],
            &mut Workspace::default(),
        );
        assert!(few.matrix[0][0] > 0.0 && few.matrix[0][2] == few.matrix[2][0] && few.matrix[1] == [0.0; MAX_PARAMS]);
        let sum = list[..65]
            .iter()
            .map(|q| q.weight * (Profile::new(PsfModel::Moffat, &p).value(q.x, q.y) - q.value).powi(2));
        assert!((few.chi2 / sum.sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
