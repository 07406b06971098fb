//! Filters with a full square window, the `twod` mode.
//!
//! The median works on tiles: the values of a tile and its surroundings get ranks once, and a set of ranks follows
//! the window from pixel to pixel. Both statistics are those of the whole window, so tiles never change a result.

use ndarray::{Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis};
use rayon::prelude::*;

use crate::background::Watch;

use super::algorithm::NebuliseError;
use super::gaps::fill_line;
use super::line_pass::WindowStatistic;
use super::rank_set::{NO_RANK, RankSet};

/// Rows and columns of a tile for small windows; large windows take larger tiles, or their halo would dominate.
const MIN_TILE: usize = 96;

/// A square filter.
#[derive(Debug, Clone, Copy)]
pub(super) struct SquareFilter {
    /// Side, odd.
    side: usize,
    statistic: WindowStatistic,
    exact_gaps: bool,
}

/// What a window gave.
#[derive(Debug, Clone, Copy)]
enum Found {
    Value(f32),
    Hole,
}

impl SquareFilter {
    pub(super) fn new(side: usize, statistic: WindowStatistic, exact_gaps: bool) -> Self {
        Self { side: side | 1, statistic, exact_gaps }
    }

    fn half(&self) -> usize {
        self.side / 2
    }

    fn tile(&self) -> usize {
        MIN_TILE.max(self.side)
    }
}

/// Filters `source`, leaving out pixels with one of the `skip` flags or without a finite value.
///
/// # Errors
/// When `watch` asks to stop.
pub(super) fn filter_square(
    filter: SquareFilter,
    source: ArrayView2<'_, f32>,
    flags: &Array2<u8>,
    skip: u8,
    watch: Watch<'_>,
) -> Result<Array2<f32>, NebuliseError> {
    let field = Field { values: source, flags: flags.view(), skip };
    let mut result = Array2::zeros(source.raw_dim());
    let tile = filter.tile();
    let bands: Vec<ArrayViewMut2<'_, f32>> = result.axis_chunks_iter_mut(Axis(0), tile).collect();
    bands.into_par_iter().enumerate().try_for_each(|(i, mut band)| {
        let y0 = i * tile;
        let mut is_hole = Array2::from_elem(band.raw_dim(), false);
        match filter.statistic {
            WindowStatistic::Median => {
                for x0 in (0..source.ncols()).step_by(tile) {
                    let x1 = (x0 + tile).min(source.ncols());
                    let y1 = y0 + band.nrows();
                    let mut ranked = RankedTile::new(filter, &field, [y0, y1], [x0, x1]);
                    ranked.medians(|y, x, found| match found {
                        Found::Value(v) => band[[y - y0, x]] = v,
                        Found::Hole => is_hole[[y - y0, x]] = true,
                    });
                    if !watch(0) {
                        return Err(NebuliseError::Stopped);
                    }
                }
            }
            WindowStatistic::Mean => {
                means(filter, &field, y0, &mut band, &mut is_hole);
            }
        }
        for (mut row, holes) in band.outer_iter_mut().zip(is_hole.outer_iter()) {
            if holes.iter().any(|&hole| hole) {
                let mut line = row.to_vec();
                fill_line(&mut line, |x| !holes[x], filter.exact_gaps);
                row.assign(&ArrayView1::from(&line));
            }
        }
        if watch(band.nrows() as u64) { Ok(()) } else { Err(NebuliseError::Stopped) }
    })?;
    Ok(result)
}

/// The pixels that windows see.
struct Field<'a> {
    values: ArrayView2<'a, f32>,
    flags: ArrayView2<'a, u8>,
    skip: u8,
}

impl Field<'_> {
    fn good(&self, y: usize, x: usize) -> Option<f32> {
        let value = self.values[[y, x]];
        (self.flags[[y, x]] & self.skip == 0 && value.is_finite()).then_some(value)
    }

    /// Range of the window of half width `half` around `at`, clipped at the edge of an axis of `n` pixels.
    fn window(at: usize, half: usize, n: usize) -> std::ops::Range<usize> {
        at.saturating_sub(half)..(at + half + 1).min(n)
    }

    /// The sparse case: the window's good values, and those of the four corners of the window of twice the size.
    fn widened(&self, y: usize, x: usize, side: usize) -> Vec<f32> {
        let half = side / 2;
        let (ny, nx) = self.values.dim();
        let is_near = |a: usize, b: usize| a.abs_diff(b) <= half;
        let mut found = Vec::new();
        for row in Self::window(y, side, ny) {
            for column in Self::window(x, side, nx) {
                if is_near(row, y) == is_near(column, x) {
                    found.extend(self.good(row, column));
                }
            }
        }
        found
    }
}

/// Statistic of the few values of a window that had to be widened.
fn sparse(filter: SquareFilter, mut values: Vec<f32>) -> Found {
    if values.len() <= filter.side / 4 {
        return Found::Hole;
    }
    let n = values.len();
    Found::Value(match filter.statistic {
        WindowStatistic::Mean => (values.iter().map(|&v| f64::from(v)).fold(0.0, |a, b| a + b) / n as f64) as f32,
        WindowStatistic::Median => {
            values.sort_unstable_by(f32::total_cmp);
            middle(values[(n - 1) / 2], values[n / 2])
        }
    })
}

fn middle(a: f32, b: f32) -> f32 {
    if a == b { a } else { 0.5 * (a + b) }
}

/// A tile with its surroundings, ranked, and the set of ranks inside the present window.
struct RankedTile<'a> {
    filter: SquareFilter,
    field: &'a Field<'a>,
    ys: [usize; 2],
    xs: [usize; 2],
    /// First row and column of the surroundings.
    origin: [usize; 2],
    /// Rank of each pixel of the surroundings, row by row; [`NO_RANK`] for pixels that are left out.
    ranks: Vec<u32>,
    /// Columns of the surroundings.
    width: usize,
    /// Values by rank.
    sorted: Vec<f32>,
    set: RankSet,
}

impl<'a> RankedTile<'a> {
    fn new(filter: SquareFilter, field: &'a Field<'a>, ys: [usize; 2], xs: [usize; 2]) -> Self {
        let half = filter.half();
        let (ny, nx) = field.values.dim();
        let rows = ys[0].saturating_sub(half)..(ys[1] + half).min(ny);
        let columns = xs[0].saturating_sub(half)..(xs[1] + half).min(nx);
        let mut order: Vec<(f32, u32)> = Vec::with_capacity(rows.len() * columns.len());
        let mut ranks = vec![NO_RANK; rows.len() * columns.len()];
        let mut at = 0;
        for y in rows.clone() {
            for x in columns.clone() {
                if let Some(value) = field.good(y, x) {
                    order.push((value, at));
                }
                at += 1;
            }
        }
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (rank, &(_, at)) in order.iter().enumerate() {
            ranks[at as usize] = rank as u32;
        }
        let set = RankSet::new(order.len());
        let sorted = order.into_iter().map(|(v, _)| v).collect();
        Self { filter, field, ys, xs, origin: [rows.start, columns.start], ranks, width: columns.len(), sorted, set }
    }

    /// Goes through the tile like a plough, so that each step replaces one side of the window.
    fn medians(&mut self, mut put: impl FnMut(usize, usize, Found)) {
        let (ny, nx) = self.field.values.dim();
        let half = self.filter.half();
        let [y0, y1] = self.ys;
        let [x0, x1] = self.xs;
        let mut x = x0;
        for y in Field::window(y0, half, ny) {
            self.row(y, Field::window(x0, half, nx), true);
        }
        for y in y0..y1 {
            if y > y0 {
                let columns = Field::window(x, half, nx);
                if y > half {
                    self.row(y - half - 1, columns.clone(), false);
                }
                if y + half < ny {
                    self.row(y + half, columns, true);
                }
            }
            let rows = Field::window(y, half, ny);
            let is_forward = (y - y0).is_multiple_of(2);
            put(y, x, self.median(y, x));
            for _ in x0 + 1..x1 {
                if is_forward {
                    x += 1;
                    if x > half {
                        self.column(x - half - 1, rows.clone(), false);
                    }
                    if x + half < nx {
                        self.column(x + half, rows.clone(), true);
                    }
                } else {
                    if x + half < nx {
                        self.column(x + half, rows.clone(), false);
                    }
                    x -= 1;
                    if x >= half {
                        self.column(x - half, rows.clone(), true);
                    }
                }
                put(y, x, self.median(y, x));
            }
        }
    }

    fn row(&mut self, y: usize, columns: std::ops::Range<usize>, enters: bool) {
        let [top, left] = self.origin;
        let from = (y - top) * self.width;
        for &rank in &self.ranks[from + columns.start - left..from + columns.end - left] {
            self.set.change(rank, enters);
        }
    }

    fn column(&mut self, x: usize, rows: std::ops::Range<usize>, enters: bool) {
        let [top, left] = self.origin;
        let area = &self.ranks[(rows.start - top) * self.width..(rows.end - top) * self.width];
        for &rank in area.iter().skip(x - left).step_by(self.width) {
            self.set.change(rank, enters);
        }
    }

    fn median(&self, y: usize, x: usize) -> Found {
        let n = self.set.len();
        if n < self.filter.side / 4 {
            return sparse(self.filter, self.field.widened(y, x, self.filter.side));
        }
        if n <= self.filter.side / 4 {
            return Found::Hole;
        }
        let low = self.sorted[self.set.select((n - 1) / 2)];
        if n % 2 == 1 {
            return Found::Value(low);
        }
        Found::Value(middle(low, self.sorted[self.set.select(n / 2)]))
    }
}

/// Means of one band of rows by sums over columns and along the row. Sums start anew in each row: in f64, of at most
/// a window of values, they are the same wherever the band begins.
fn means(
    filter: SquareFilter,
    field: &Field<'_>,
    y0: usize,
    band: &mut ArrayViewMut2<'_, f32>,
    is_hole: &mut Array2<bool>,
) {
    let (ny, nx) = field.values.dim();
    let half = filter.half();
    let mut sums = vec![0.0_f64; nx];
    let mut counts = vec![0_usize; nx];
    for (i, mut out) in band.outer_iter_mut().enumerate() {
        let y = y0 + i;
        sums.fill(0.0);
        counts.fill(0);
        for row in Field::window(y, half, ny) {
            for x in 0..nx {
                if let Some(value) = field.good(row, x) {
                    sums[x] += f64::from(value);
                    counts[x] += 1;
                }
            }
        }
        let (mut sum, mut count) = (0.0, 0);
        for x in 0..half.min(nx) {
            sum += sums[x];
            count += counts[x];
        }
        for x in 0..nx {
            if x + half < nx {
                sum += sums[x + half];
                count += counts[x + half];
            }
            let found = if count < filter.side / 4 {
                sparse(filter, field.widened(y, x, filter.side))
            } else if count <= filter.side / 4 {
                Found::Hole
            } else {
                Found::Value((sum / count as f64) as f32)
            };
            match found {
                Found::Value(v) => out[x] = v,
                Found::Hole => is_hole[[i, x]] = true,
            }
            if x >= half {
                sum -= sums[x - half];
                count -= counts[x - half];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, pixel by pixel.
    fn slow(filter: SquareFilter, source: &Array2<f32>, flags: &Array2<u8>) -> Array2<f32> {
        let field = Field { values: source.view(), flags: flags.view(), skip: 1 };
        let (ny, nx) = source.dim();
        let mut result = Array2::zeros((ny, nx));
        for y in 0..ny {
            let mut holes = vec![false; nx];
            for x in 0..nx {
                let mut values = Vec::new();
                for row in Field::window(y, filter.half(), ny) {
                    values.extend(Field::window(x, filter.half(), nx).filter_map(|c| field.good(row, c)));
                }
                if values.len() < filter.side / 4 {
                    values = field.widened(y, x, filter.side);
                }
                match sparse(filter, values) {
                    Found::Value(v) => result[[y, x]] = v,
                    Found::Hole => holes[x] = true,
                }
            }
            let mut row = result.row(y).to_vec();
            fill_line(&mut row, |x| !holes[x], filter.exact_gaps);
            result.row_mut(y).assign(&ndarray::Array1::from(row));
        }
        result
    }

    #[test]
    fn tiles_and_sliding_windows_equal_the_definition() {
        let (ny, nx) = (120, 210);
        let source = Array2::from_shape_fn((ny, nx), |(y, x)| ((y * 37 + x * 61 + y * x) % 53) as f32);
        // A large hole that no window can bridge, a strip at the edge, and scattered bad pixels.
        let flags = Array2::from_shape_fn((ny, nx), |(y, x)| {
            u8::from((20..70).contains(&y) && (90..150).contains(&x) || x < 9 || (y * 7 + x * 13) % 11 == 0)
        });
        for statistic in [WindowStatistic::Median, WindowStatistic::Mean] {
            for side in [1, 4, 11, 20] {
                let filter = SquareFilter::new(side, statistic, false);
                let fast = filter_square(filter, source.view(), &flags, 1, &|_| true).unwrap();
                let expected = slow(filter, &source, &flags);
                for (at, (a, b)) in fast.iter().zip(&expected).enumerate() {
                    // Sums in another order: the last bit of an f32 may differ for means, never for medians.
                    let tolerance = if statistic == WindowStatistic::Mean { 1e-5 } else { 0.0 };
                    assert!(
                        (a - b).abs() <= tolerance || a.is_nan() && b.is_nan(),
                        "{statistic:?} {side} at {at}: {a} {b}"
                    );
                }
            }
        }
    }
}
