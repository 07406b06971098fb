//! The median of an image over the pixels of an ellipse.

/// An ellipse in pixel coordinates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ellipse {
    /// Centre `[x, y]`.
    pub centre: [f64; 2],
    /// Major semi-axis in pixels.
    pub a: f64,
    /// Minor semi-axis in pixels.
    pub b: f64,
    /// Direction of the major axis in degrees, from +x towards +y.
    pub pa_deg: f64,
}

/// Median of `value(x, y)` over the pixels of a `width` x `height` image whose centres are inside the ellipse or on it.
///
/// Pixels without value (`None`) are left out. When the ellipse holds no pixel centre, the nearest pixel of the image counts
/// instead: the second part of the result then is true. NaN when no pixel with a value is left.
pub fn median_in_ellipse(
    ellipse: &Ellipse,
    (width, height): (usize, usize),
    value: impl Fn(usize, usize) -> Option<f64>,
) -> (f64, bool) {
    let [cx, cy] = ellipse.centre;
    if width == 0 || height == 0 || !cx.is_finite() || !cy.is_finite() {
        return (f64::NAN, false);
    }
    let angle = ellipse.pa_deg.to_radians();
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    // Half extents of the rotated ellipse, with a margin for rounding: the test below decides.
    let half_x = libm::hypot(ellipse.a * cos, ellipse.b * sin) + 1.0;
    let half_y = libm::hypot(ellipse.a * sin, ellipse.b * cos) + 1.0;
    // Saturating casts clip at the image's first row and column.
    let range = |centre: f64, half: f64, size: usize| {
        let end = ((centre + half).floor() + 1.0).max(0.0) as usize;
        ((centre - half).ceil().max(0.0) as usize)..end.min(size)
    };
    let part = |offset: f64, axis: f64| if offset == 0.0 { 0.0 } else { (offset / axis).powi(2) };
    let mut values = Vec::new();
    let mut is_empty = true;
    for y in range(cy, half_y, height) {
        for x in range(cx, half_x, width) {
            let (dx, dy) = (x as f64 - cx, y as f64 - cy);
            if part(dx * cos + dy * sin, ellipse.a) + part(dy * cos - dx * sin, ellipse.b) <= 1.0 {
                is_empty = false;
                values.extend(value(x, y));
            }
        }
    }
    if is_empty {
        let nearest = |v: f64, size: usize| (v.round().max(0.0) as usize).min(size - 1);
        return (value(nearest(cx, width), nearest(cy, height)).unwrap_or(f64::NAN), true);
    }
    (median(&mut values), false)
}

/// Median; the mean of the two middle values when their number is even; NaN of nothing.
fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return f64::NAN;
    }
    let middle = values.len() / 2;
    let is_odd = values.len() % 2 == 1;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if is_odd {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (lower + upper) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_on_the_ellipse_count() {
        let ellipse = Ellipse { centre: [5.0, 5.0], a: 2.0, b: 1.0, pa_deg: 0.0 };
        let seen = std::cell::RefCell::new(Vec::new());
        let value = |x: usize, y: usize| {
            seen.borrow_mut().push((x, y));
            Some(0.0)
        };
        assert_eq!(median_in_ellipse(&ellipse, (11, 11), value), (0.0, false));
        assert_eq!(seen.into_inner(), [(5, 4), (3, 5), (4, 5), (5, 5), (6, 5), (7, 5), (5, 6)]);
    }

    #[test]
    fn an_ellipse_between_pixels_takes_the_nearest_one() {
        let ellipse = Ellipse { centre: [5.4, 5.4], a: 0.1, b: 0.0, pa_deg: 30.0 };
        assert_eq!(median_in_ellipse(&ellipse, (11, 11), |x, y| Some((10 * y + x) as f64)), (55.0, true));
        let outside = Ellipse { centre: [-40.0, 90.0], ..ellipse };
        assert_eq!(median_in_ellipse(&outside, (11, 11), |x, y| Some((10 * y + x) as f64)), (100.0, true));
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), 2.5);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert!(median(&mut []).is_nan());
    }
}
