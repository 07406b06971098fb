//! A smooth interpolant of a cut-out.
//!
//! The paper samples with a Clough-Tocher cubic, a C1 surface over scattered points. Pixels lie on a regular grid, where the C1
//! cubic is bicubic convolution (Keys 1981, a = -1/2, also named Catmull-Rom): it passes through every pixel and reproduces
//! quadratics. It serves for start values only.

use ndarray::ArrayView2;

/// Weights of the four pixels around a position `t` in 0..1 between the middle two.
fn weights(t: f64) -> [f64; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [-0.5 * t + t2 - 0.5 * t3, 1.0 - 2.5 * t2 + 1.5 * t3, 0.5 * t + 2.0 * t2 - 1.5 * t3, -0.5 * t2 + 0.5 * t3]
}

/// The value at `(x, y)`, with pixels beyond the edge equal to the nearest; NaN outside or next to a pixel without value.
#[must_use]
pub fn bicubic(values: ArrayView2<'_, f64>, x: f64, y: f64) -> f64 {
    let (height, width) = values.dim();
    if !(x >= 0.0 && y >= 0.0 && x <= width as f64 - 1.0 && y <= height as f64 - 1.0) {
        return f64::NAN;
    }
    let (fx, fy) = (x.floor(), y.floor());
    let (wx, wy) = (weights(x - fx), weights(y - fy));
    let index = |base: f64, k: usize, size: usize| (base as usize + k).saturating_sub(1).min(size - 1);
    let mut sum = 0.0;
    for (j, row_weight) in wy.iter().enumerate() {
        let row = index(fy, j, height);
        let line = wx.iter().enumerate().fold(0.0, |s, (i, w)| s + w * values[[row, index(fx, i, width)]]);
        sum += row_weight * line;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn pixels_and_quadratics_are_met_exactly() {
        let f = |x: f64, y: f64| 3.0 + 0.5 * x - 0.2 * y + 0.3 * x * x - 0.1 * y * y + 0.7 * x * y;
        let values = Array2::from_shape_fn((7, 8), |(y, x)| f(x as f64, y as f64));
        for (x, y) in [(3.0, 2.0), (2.25, 3.75), (5.5, 1.5)] {
            assert!((bicubic(values.view(), x, y) - f(x, y)).abs() < 1e-12);
        }
        assert_eq!(bicubic(values.view(), 7.0, 6.0), values[[6, 7]]);
    }

    #[test]
    fn slopes_are_continuous_across_pixels() {
        let values = Array2::from_shape_fn((6, 6), |(y, x)| ((x * 7 + y * 13) % 5) as f64);
        let h = 1e-6;
        let slope = |x: f64| (bicubic(values.view(), x + h, 2.3) - bicubic(values.view(), x, 2.3)) / h;
        assert!((slope(3.0 - 2.0 * h) - slope(3.0 + h)).abs() < 1e-4);
    }

    #[test]
    fn there_is_no_value_outside_or_beside_a_hole() {
        let mut values = Array2::ones((5, 5));
        assert!(bicubic(values.view(), -0.1, 2.0).is_nan() && bicubic(values.view(), 2.0, 4.1).is_nan());
        assert!(bicubic(values.view(), f64::NAN, 2.0).is_nan());
        values[[2, 2]] = f64::NAN;
        assert!(bicubic(values.view(), 2.5, 2.5).is_nan());
        assert_eq!(bicubic(Array2::from_elem((1, 1), 4.0).view(), 0.0, 0.0), 4.0);
    }
}
