//! Enlarging a mesh by a cubic B-spline.

use std::ops::Range;

use ndarray::{Array2, ArrayViewMut1, Axis};
use rayon::prelude::*;

use crate::background::Watch;

/// Pole of the cubic B-spline's prefilter (Unser 1999, IEEE Signal Processing Magazine 16, 22).
const POLE: f64 = -0.267_949_192_431_122_7; // sqrt(3) - 2

/// Values of a mesh at the pixels of an image of `shape` (rows, columns).
///
/// Mesh values sit at the centres of boxes of `box_px` (rows, columns) pixels: pixel `x` lies at `(x + 0.5) / bx - 0.5`
/// of the mesh. Beyond the mesh it is mirrored about the edge of its outer cells. The result stays within the
/// smallest and largest mesh value, which a cubic spline alone does not. A mesh of one value gives a constant image.
#[must_use]
pub fn zoom(mesh: &Array2<f64>, box_px: [usize; 2], shape: [usize; 2]) -> Array2<f32> {
    // The watch never stops, so there is always a result.
    zoom_while(mesh, box_px, shape, &|_| true).unwrap_or_default()
}

/// [`zoom`] that tells `watch` of finished rows; `None` when it asked to stop.
pub(super) fn zoom_while(
    mesh: &Array2<f64>,
    box_px: [usize; 2],
    shape: [usize; 2],
    watch: Watch<'_>,
) -> Option<Array2<f32>> {
    zoom_into(mesh, box_px, shape, watch, |v| v as f32)
}

/// The same before rounding to the pixels' type, which `into` does.
pub(super) fn zoom_into<T: Copy + Send + Sync>(
    mesh: &Array2<f64>,
    box_px: [usize; 2],
    shape: [usize; 2],
    watch: Watch<'_>,
    into: impl Fn(f64) -> T + Sync,
) -> Option<Array2<T>> {
    let zoom = Zoom::new(mesh, box_px, shape);
    let mut result = Array2::from_elem(shape, into(0.0));
    result.outer_iter_mut().into_par_iter().enumerate().try_for_each_init(Vec::new, |line, (y, mut row)| {
        zoom.row(y, line, row.as_slice_mut()?, &into);
        watch(1).then_some(())
    })?;
    Some(result)
}

/// A mesh that is ready to be enlarged row by row.
pub(super) struct Zoom {
    coefficients: Array2<f64>,
    rows: Vec<Weights>,
    /// Weights of the pixels of a row, by cell.
    columns: [Vec<f64>; 4],
    /// Pixels of a row that depend on the same cells.
    runs: Vec<(Range<usize>, [usize; 4])>,
    low: f64,
    high: f64,
}

impl Zoom {
    /// For an image of `shape` (rows, columns).
    pub(super) fn new(mesh: &Array2<f64>, box_px: [usize; 2], shape: [usize; 2]) -> Self {
        let (low, high) = mesh.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)));
        let mut coefficients = mesh.clone();
        for axis in [Axis(0), Axis(1)] {
            coefficients.lanes_mut(axis).into_iter().for_each(prefilter);
        }
        let at = |axis: usize, n: usize| (0..shape[axis]).map(move |i| Weights::at(i, box_px[axis], n));
        let pixels: Vec<Weights> = at(1, mesh.ncols()).collect();
        let mut runs: Vec<(Range<usize>, [usize; 4])> = Vec::new();
        for (x, pixel) in pixels.iter().enumerate() {
            match runs.last_mut() {
                Some((run, cells)) if *cells == pixel.cells => run.end = x + 1,
                _ => runs.push((x..x + 1, pixel.cells)),
            }
        }
        let columns = std::array::from_fn(|k| pixels.iter().map(|p| p.weights[k]).collect());
        Self { coefficients, rows: at(0, mesh.nrows()).collect(), columns, runs, low, high }
    }

    /// Row `y` of the image; `line` is room that is used again.
    pub(super) fn row<T>(&self, y: usize, line: &mut Vec<f64>, to: &mut [T], into: impl Fn(f64) -> T) {
        if self.low == self.high {
            to.iter_mut().for_each(|to| *to = into(self.low));
            return;
        }
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has the feature.
            return unsafe { self.row_avx2(y, line, to, into) };
        }
        self.row_of(y, line, to, into);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn row_avx2<T>(&self, y: usize, line: &mut Vec<f64>, to: &mut [T], into: impl Fn(f64) -> T) {
        self.row_of(y, line, to, into);
    }

    #[inline(always)]
    fn row_of<T>(&self, y: usize, line: &mut Vec<f64>, to: &mut [T], into: impl Fn(f64) -> T) {
        let at = &self.rows[y];
        line.clear();
        line.resize(self.coefficients.ncols(), 0.0);
        for (&cell, &weight) in at.cells.iter().zip(&at.weights) {
            line.iter_mut().zip(self.coefficients.row(cell)).for_each(|(sum, c)| *sum += weight * c);
        }
        for (run, cells) in &self.runs {
            let [a, b, c, d] = cells.map(|cell| line[cell]);
            let [wa, wb, wc, wd] = [0, 1, 2, 3].map(|k: usize| &self.columns[k][run.clone()]);
            let weights = wa.iter().zip(wb).zip(wc).zip(wd);
            for (to, (((wa, wb), wc), wd)) in to[run.clone()].iter_mut().zip(weights) {
                // From 0, so that a sum of nothing but -0 is 0.
                let value = 0.0 + wa * a + wb * b + wc * c + wd * d;
                *to = into(value.clamp(self.low, self.high));
            }
        }
    }
}

/// Turns samples into B-spline coefficients, for samples mirrored about the edges of their cells.
fn prefilter(mut line: ArrayViewMut1<'_, f64>) {
    let n = line.len();
    // One sample stands for a constant.
    if n < 2 {
        return;
    }
    // 6 = (1 - z)(1 - 1/z).
    line.mapv_inplace(|v| v * 6.0);
    // Causal start: the sum of z^k s[-k] over the mirrored samples, which repeat after 2n. The widespread
    // implementation (scipy.ndimage) accumulates it in the place of s[0] and meets that place again in its last
    // term; kept, because it moves meshes of fewer than five cells by up to 1e-3 of a step and maps should agree.
    let pole_n = POLE.powi(n as i32);
    let mut start = line[0] + pole_n * line[n - 1];
    let mut power = POLE;
    for i in 1..n {
        let mirrored = if i == n - 1 { start } else { line[n - 1 - i] };
        start += power * (line[i] + pole_n * mirrored);
        power *= POLE;
    }
    line[0] += start * POLE / (1.0 - pole_n * pole_n);
    for i in 1..n {
        line[i] += POLE * line[i - 1];
    }
    // Anticausal start: the same mirror at the other end, in closed form.
    line[n - 1] *= POLE / (POLE - 1.0);
    for i in (0..n - 1).rev() {
        line[i] = POLE * (line[i + 1] - line[i]);
    }
}

/// The four cells that a pixel depends on along one axis.
#[derive(Debug, Clone, Copy)]
struct Weights {
    cells: [usize; 4],
    weights: [f64; 4],
}

impl Weights {
    fn at(pixel: usize, box_px: usize, n: usize) -> Self {
        let position = (pixel as f64 + 0.5) / box_px as f64 - 0.5;
        let below = position.floor();
        let t = position - below;
        let u = 1.0 - t;
        let weights = [
            u * u * u / 6.0,
            (4.0 - 6.0 * t * t + 3.0 * t * t * t) / 6.0,
            (4.0 - 6.0 * u * u + 3.0 * u * u * u) / 6.0,
            t * t * t / 6.0,
        ];
        let cells = std::array::from_fn(|k| mirror(below as i64 - 1 + k as i64, n as i64));
        Self { cells, weights }
    }
}

/// Index into a line of `n` that is mirrored about the edges of its outer cells: `.. 1 0 | 0 1 .. n-1 | n-1 ..`.
fn mirror(index: i64, n: i64) -> usize {
    let folded = index.rem_euclid(2 * n);
    folded.min(2 * n - 1 - folded) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spline_passes_through_the_mesh_at_box_centres() {
        let mesh = Array2::from_shape_fn((6, 7), |(y, x)| ((y * 7 + x * 3) % 5) as f64);
        // Odd boxes have a pixel at their centre; six cells make the start of the recursion exact to 1e-5.
        let image = zoom(&mesh, [3, 5], [18, 35]);
        for ((y, x), value) in mesh.indexed_iter() {
            assert!((f64::from(image[[3 * y + 1, 5 * x + 2]]) - value).abs() < 1e-4, "cell {y}, {x}");
        }
    }

    #[test]
    fn values_stay_within_the_mesh_and_constants_stay_constant() {
        let mut mesh = Array2::zeros((6, 6));
        mesh[[3, 3]] = 1.0;
        let image = zoom(&mesh, [8, 8], [41, 47]);
        assert!(image.iter().all(|v| (0.0..=1.0).contains(v)));
        assert_eq!(zoom(&Array2::from_elem((3, 2), 2.5), [4, 4], [9, 7]), Array2::from_elem((9, 7), 2.5_f32));
    }

    #[test]
    fn a_mesh_of_one_row_varies_along_it_only() {
        let mesh = Array2::from_shape_vec((1, 3), vec![1.0, 2.0, 4.0]).unwrap();
        let image = zoom(&mesh, [5, 5], [5, 15]);
        for row in image.outer_iter() {
            assert_eq!(row, image.row(0));
        }
    }
}
