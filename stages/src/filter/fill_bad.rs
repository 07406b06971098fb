//! Values for bad pixels, from the good ones around them.

use ndarray::{Array2, ArrayView2, Zip};

use super::gaussian::gaussian;

/// Width in pixels of the weights about a bad pixel: bridges dead pixels and saturated cores.
const SIGMA: f64 = 2.0;
/// Bad pixels with less weight of good ones around them are farther than 6 px from any.
const LEAST_WEIGHT: f32 = 1e-3;

/// The image with its bad pixels replaced by the Gaussian-weighted mean (sigma 2 px) of the good ones around, and by 0 where
/// there are none. Values of bad pixels do not matter: they may be NaN.
#[must_use]
pub fn fill_bad(image: ArrayView2<'_, f32>, bad: ArrayView2<'_, bool>) -> Array2<f32> {
    let mut filled = Zip::from(image).and(bad).map_collect(|&v, &b| if b { 0.0 } else { v });
    if !bad.iter().any(|b| *b) {
        return filled;
    }
    let weights = gaussian(bad.mapv(|b| if b { 0.0 } else { 1.0 }).view(), SIGMA);
    let values = gaussian(filled.view(), SIGMA);
    Zip::from(&mut filled).and(bad).and(&values).and(&weights).for_each(|to, &b, &v, &w| {
        if b && w > LEAST_WEIGHT {
            *to = v / w;
        }
    });
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_pixels_take_the_level_around_them_and_good_ones_stay() {
        let mut image = Array2::from_elem((30, 30), 5.0_f32);
        let mut bad = Array2::from_elem((30, 30), false);
        image[[10, 10]] = f32::NAN;
        bad[[10, 10]] = true;
        image[[20, 20]] = 1e9;
        bad[[20, 20]] = true;
        let filled = fill_bad(image.view(), bad.view());
        assert!(filled.iter().all(|v| (v - 5.0).abs() < 1e-5));
        bad.fill(true);
        assert!(fill_bad(image.view(), bad.view()).iter().all(|v| *v == 0.0));
    }
}
