//! Gaussian smoothing.

use ndarray::{Array2, ArrayView2, Zip};
use rayon::prelude::*;

/// The image smoothed by a Gaussian of `sigma` pixels, cut off at 4 sigma and mirrored about the image's edge.
///
/// A sigma that is not above 0 changes nothing. A pixel that is not finite spoils all pixels within reach: fill it before, see
/// [`super::fill_bad`].
///
/// ```
/// use ndarray::Array2;
/// use skyloom_stages::filter::gaussian;
///
/// let mut image = Array2::<f32>::zeros((21, 21));
/// image[[10, 10]] = 1.0;
/// let smooth = gaussian(image.view(), 2.0);
/// assert!((smooth[[10, 10]] - 0.0398).abs() < 2e-4 && (smooth.sum() - 1.0).abs() < 1e-5);
/// ```
#[must_use]
pub fn gaussian(image: ArrayView2<'_, f32>, sigma: f64) -> Array2<f32> {
    if image.is_empty() || sigma.is_nan() || sigma <= 0.0 {
        return image.to_owned();
    }
    let kernel = kernel(sigma);
    let reach = kernel.len() / 2;
    let (height, width) = image.dim();

    let mut along_rows = Array2::<f32>::zeros((height, width));
    Zip::from(along_rows.rows_mut()).and(image.rows()).par_for_each(|mut to, from| {
        let line: Vec<f64> = (0..width + 2 * reach).map(|i| f64::from(from[mirror(i, reach, width)])).collect();
        for (to, window) in to.iter_mut().zip(line.windows(kernel.len())) {
            *to = window.iter().zip(&kernel).fold(0.0, |sum, (v, k)| sum + v * k) as f32;
        }
    });
    let mut result = Array2::<f32>::zeros((height, width));
    result.outer_iter_mut().into_par_iter().enumerate().for_each(|(y, mut to)| {
        let mut sums = vec![0.0_f64; width];
        for (i, k) in kernel.iter().enumerate() {
            for (sum, &v) in sums.iter_mut().zip(along_rows.row(mirror(y + i, reach, height))) {
                *sum += k * f64::from(v);
            }
        }
        to.iter_mut().zip(&sums).for_each(|(to, &sum)| *to = sum as f32);
    });
    result
}

/// Weights at -reach..=reach; their sum is 1.
fn kernel(sigma: f64) -> Vec<f64> {
    let reach = (4.0 * sigma + 0.5) as i64;
    let raw: Vec<f64> = (-reach..=reach).map(|i| libm::exp(-0.5 * (i as f64 / sigma).powi(2))).collect();
    let sum = raw.iter().fold(0.0, |a, b| a + b);
    raw.into_iter().map(|v| v / sum).collect()
}

/// Entry `i - reach` of a line of `n` that is mirrored about the edges of its outer pixels.
fn mirror(i: usize, reach: usize, n: usize) -> usize {
    let folded = (i as i64 - reach as i64).rem_euclid(2 * n as i64) as usize;
    folded.min(2 * n - 1 - folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_constant_up_to_the_edge_and_in_one_pixel() {
        for shape in [(1, 1), (3, 40), (25, 17)] {
            let smooth = gaussian(Array2::from_elem(shape, 3.0_f32).view(), 2.5);
            assert!(smooth.iter().all(|v| (v - 3.0).abs() < 1e-6));
        }
        assert_eq!(gaussian(Array2::zeros((0, 4)).view(), 1.0).dim(), (0, 4));
    }
}
