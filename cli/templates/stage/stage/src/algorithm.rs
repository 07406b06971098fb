//! The work, as a plain function over arrays: it knows no files, no graph and no engine.

use ndarray::{Array2, ArrayView2, Zip};

/// An unsharp mask: `v + amount (v - blur)` where a pixel is good, `v` elsewhere.
///
/// `blur` is the mean of the good pixels, weighted by a Gaussian of `sigma` pixels that is cut off at 4 sigma; outside the
/// image there is nothing. Sums are in `f64`, each pixel's in one fixed order: threads change no bit.
///
/// # Panics
/// When the two arrays differ in shape.
#[must_use]
pub fn unsharp_mask(pixels: ArrayView2<'_, f32>, good: ArrayView2<'_, bool>, sigma: f64, amount: f64) -> Array2<f32> {
    let kernel = kernel(sigma);
    let reach = kernel.len() / 2;
    let (height, width) = pixels.dim();

    // Along rows: light and weight of the good pixels within reach.
    let mut light = Array2::<f64>::zeros((height, width));
    let mut weight = Array2::<f64>::zeros((height, width));
    Zip::from(light.rows_mut()).and(weight.rows_mut()).and(pixels.rows()).and(good.rows()).par_for_each(
        |mut light, mut weight, pixels, good| {
            for (from, (&value, _)) in pixels.iter().zip(good).enumerate().filter(|(_, (_, good))| **good) {
                for x in from.saturating_sub(reach)..(from + reach + 1).min(width) {
                    let k = kernel[x + reach - from];
                    light[x] += k * f64::from(value);
                    weight[x] += k;
                }
            }
        },
    );

    // Along columns, a row of sums at a time.
    let mut result = pixels.to_owned();
    Zip::indexed(result.rows_mut()).and(good.rows()).par_for_each(|y, mut row, good| {
        let mut sums = vec![(0.0_f64, 0.0_f64); width];
        for from in y.saturating_sub(reach)..(y + reach + 1).min(height) {
            let k = kernel[from + reach - y];
            for ((sum, light), weight) in sums.iter_mut().zip(light.row(from)).zip(weight.row(from)) {
                sum.0 += k * light;
                sum.1 += k * weight;
            }
        }
        for ((value, &is_good), (light, weight)) in row.iter_mut().zip(good).zip(sums) {
            if is_good {
                let v = f64::from(*value);
                *value = (v + amount * (v - light / weight)) as f32;
            }
        }
    });
    result
}

/// A Gaussian at -reach..=reach, 1 in the middle.
fn kernel(sigma: f64) -> Vec<f64> {
    let reach = (4.0 * sigma + 0.5) as i64;
    (-reach..=reach).map(|i| libm::exp(-((i * i) as f64) / (2.0 * sigma * sigma))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula, pixel by pixel.
    fn directly(pixels: &Array2<f32>, good: &Array2<bool>, sigma: f64, amount: f64) -> Array2<f32> {
        let kernel = kernel(sigma);
        let reach = (kernel.len() / 2) as i64;
        Array2::from_shape_fn(pixels.dim(), |(y, x)| {
            if !good[[y, x]] {
                return pixels[[y, x]];
            }
            let (mut light, mut weight) = (0.0, 0.0);
            for ((v, u), &value) in pixels.indexed_iter() {
                let (dy, dx) = (v as i64 - y as i64, u as i64 - x as i64);
                if good[[v, u]] && dy.abs() <= reach && dx.abs() <= reach {
                    let k = kernel[(dy + reach) as usize] * kernel[(dx + reach) as usize];
                    light += k * f64::from(value);
                    weight += k;
                }
            }
            let v = f64::from(pixels[[y, x]]);
            (v + amount * (v - light / weight)) as f32
        })
    }

    #[test]
    fn it_is_the_formula_also_at_the_edge_and_around_bad_pixels() {
        let mut pixels = Array2::from_shape_fn((13, 17), |(y, x)| ((x * 7 + y * 5) % 11) as f32);
        let mut good = Array2::from_elem((13, 17), true);
        for (y, x) in [(0, 0), (6, 8), (6, 9), (12, 3)] {
            good[[y, x]] = false;
        }
        pixels[[6, 8]] = f32::NAN;
        for sigma in [0.3, 1.0, 2.5, 40.0] {
            let found = unsharp_mask(pixels.view(), good.view(), sigma, 1.5);
            let expected = directly(&pixels, &good, sigma, 1.5);
            // The order of the sums differs: a few units of the last place of an f32 of up to 30.
            let is_near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5 || (a.is_nan() && b.is_nan());
            assert!(found.iter().zip(&expected).all(is_near), "sigma {sigma}");
        }
    }

    #[test]
    fn a_constant_and_a_single_pixel_stay_as_they_are() {
        for shape in [(1, 1), (1, 9), (20, 30), (0, 0)] {
            let flat = Array2::from_elem(shape, 3.0_f32);
            let sharp = unsharp_mask(flat.view(), Array2::from_elem(shape, true).view(), 2.0, 1.0);
            assert!(sharp.iter().all(|v| (v - 3.0).abs() < 1e-6));
        }
    }
}
