//! Sums over pixels: the products of all pairs of rows, and chi2.

use super::pixels::{FitPixels, Group};
use super::shape::{Shape, fill_rows};
use super::{GROUP, GROUPS, LANES, N_ROWS, Normal, RESIDUAL, Row};

/// Derivatives and residuals at the pixels of a block, and the sums of their products: kept from evaluation to evaluation.
#[derive(Debug)]
pub(in crate::psf) struct Workspace {
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

/// The products of one column of a tile.
#[inline(always)]
fn add_column<const R: usize, const C: usize, const HALF: bool>(
    tile: &mut [[[f64; LANES]; C]; R],
    c: usize,
    heavy: &[[f64; LANES]; R],
    columns: &[&Row; C],
    g: usize,
    at: usize,
) {
    if c < C {
        let column: [f64; LANES] = std::array::from_fn(|lane| columns[c][g][at + lane]);
        add_product::<R, C, HALF>(tile, 0, c, heavy, &column);
        add_product::<R, C, HALF>(tile, 1, c, heavy, &column);
        add_product::<R, C, HALF>(tile, 2, c, heavy, &column);
        add_product::<R, C, HALF>(tile, 3, c, heavy, &column);
    }
}

#[inline(always)]
fn add_product<const R: usize, const C: usize, const HALF: bool>(
    tile: &mut [[[f64; LANES]; C]; R],
    r: usize,
    c: usize,
    heavy: &[[f64; LANES]; R],
    column: &[f64; LANES],
) {
    if r < R && (c <= r || !HALF) {
        for lane in 0..LANES {
            tile[r][c][lane] += heavy[r][lane] * column[lane];
        }
    }
}

/// Adds the weighted products of `R` rows with `C` rows to their sums; those of the first block begin them.
///
/// Each number that is loaded serves `R` or `C` products. `HALF` is for tiles on the diagonal: only their lower triangle.
#[expect(clippy::needless_range_loop, reason = "row and column are places in two arrays; iterators hide which")]
#[inline(always)]
fn add_tile<const R: usize, const C: usize, const HALF: bool>(
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
            add_column::<R, C, HALF>(&mut tile, 0, &heavy, &columns, g, at);
            add_column::<R, C, HALF>(&mut tile, 1, &heavy, &columns, g, at);
            add_column::<R, C, HALF>(&mut tile, 2, &heavy, &columns, g, at);
            add_column::<R, C, HALF>(&mut tile, 3, &heavy, &columns, g, at);
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
        if left == top {
            add_tile::<R, C, true>(block, is_first, order, (top, left), space);
        } else {
            add_tile::<R, C, false>(block, is_first, order, (top, left), space);
        }
    }
}

fn total(sums: &[f64; LANES]) -> f64 {
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + b) + (c + d)) + ((e + f) + (g + h))
}

#[inline(always)]
pub(super) fn normal_body<const MOFFAT: bool, const GAUSS: bool, const T: usize>(
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
pub(super) fn chi2_body<const MOFFAT: bool, const GAUSS: bool>(shape: &Shape, pixels: &FitPixels) -> f64 {
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
