//! Down-sampling by block means.

use ndarray::Array2;
use rayon::prelude::*;

/// Means of the finite pixels in blocks of `size` x `size`, `[y, x]`; the last blocks of a row or column may be cut.
/// NaN where a block has no finite pixel.
#[must_use]
pub fn block_means(pixels: &Array2<f32>, size: usize) -> Array2<f32> {
    let size = size.max(1);
    let (height, width) = pixels.dim();
    let (rows, columns) = (height.div_ceil(size), width.div_ceil(size));
    // One output row per task, and every block summed in raster order: the threads cannot be seen in the result.
    let means: Vec<Vec<f32>> = (0..rows)
        .into_par_iter()
        .map(|row| {
            let mut sums = vec![(0.0_f64, 0_u64); columns];
            for y in row * size..((row + 1) * size).min(height) {
                for (x, &value) in pixels.row(y).iter().enumerate() {
                    if value.is_finite() {
                        let (sum, n) = &mut sums[x / size];
                        *sum += f64::from(value);
                        *n += 1;
                    }
                }
            }
            sums.into_iter().map(|(sum, n)| if n == 0 { f32::NAN } else { (sum / n as f64) as f32 }).collect()
        })
        .collect();
    Array2::from_shape_fn((rows, columns), |(y, x)| means[y][x])
}
