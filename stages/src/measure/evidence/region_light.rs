//! Light of a set of pixels: where it is and how concentrated.

/// Light of a region. Lengths in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RegionLight {
    /// Sum of the pixel values, negative ones too.
    pub flux: f64,
    /// Pixels of the region, those without value too.
    pub n_pixels: usize,
    /// Centre `[x, y]` of the positive light.
    pub centre: [f64; 2],
    /// Mean distance of the positive light from the centre.
    pub r_light: f64,
    /// `sqrt(n_pixels / pi)`.
    pub r_geo: f64,
}

impl RegionLight {
    /// `r_geo / r_light`: 1.5 for an even disc, more for what is brighter in the middle, less for shells and scraps.
    #[must_use]
    pub fn concentration(&self) -> f64 {
        self.r_geo / self.r_light
    }
}

/// Iterations of the windowed centre; it stands still long before.
const CENTRE_STEPS: usize = 15;

/// Measures pixels `(x, y, value)`; `None` stands for a pixel without value. No result when no pixel is positive.
///
/// Negative pixels count in the flux only: weights of a centre must be positive.
pub fn measure_region(pixels: impl Iterator<Item = (usize, usize, Option<f64>)> + Clone) -> Option<RegionLight> {
    let (mut flux, mut n_pixels) = (0.0, 0_usize);
    for (_, _, v) in pixels.clone() {
        n_pixels += 1;
        flux += v.unwrap_or(0.0);
    }
    let centre = weighted_centre(pixels.clone(), |_, _| 1.0)?;
    let (mut sum, mut moment) = (0.0, 0.0);
    for (x, y, v) in positive(pixels) {
        sum += v;
        moment += v * libm::hypot(x - centre[0], y - centre[1]);
    }
    let r_geo = (n_pixels as f64 / std::f64::consts::PI).sqrt();
    Some(RegionLight { flux, n_pixels, centre, r_light: moment / sum, r_geo })
}

/// Centre of the positive light under a Gaussian window of `sigma` pixels that moves with it, from `start`.
///
/// Less noise than the centre of all light: pixels at the edge of a region have little light and a long lever.
pub fn windowed_centre(
    pixels: impl Iterator<Item = (usize, usize, Option<f64>)> + Clone,
    start: [f64; 2],
    sigma: f64,
) -> [f64; 2] {
    let mut centre = start;
    for _ in 0..CENTRE_STEPS {
        let [cx, cy] = centre;
        let window = |x: f64, y: f64| {
            let (dx, dy) = ((x - cx) / sigma, (y - cy) / sigma);
            libm::exp(-0.5 * (dx * dx + dy * dy))
        };
        match weighted_centre(pixels.clone(), window) {
            Some(next) => centre = next,
            None => break,
        }
    }
    centre
}

fn positive(pixels: impl Iterator<Item = (usize, usize, Option<f64>)>) -> impl Iterator<Item = (f64, f64, f64)> {
    pixels.filter_map(|(x, y, v)| v.filter(|v| *v > 0.0).map(|v| (x as f64, y as f64, v)))
}

fn weighted_centre(
    pixels: impl Iterator<Item = (usize, usize, Option<f64>)>,
    weight: impl Fn(f64, f64) -> f64,
) -> Option<[f64; 2]> {
    let mut origin = None;
    let (mut sum, mut sx, mut sy) = (0.0, 0.0, 0.0);
    for (x, y, v) in positive(pixels) {
        // Relative to the first pixel: far from the image's origin the products would lose digits.
        let [ox, oy] = *origin.get_or_insert([x, y]);
        let w = v * weight(x, y);
        sum += w;
        sx += w * (x - ox);
        sy += w * (y - oy);
    }
    let [ox, oy] = origin?;
    (sum > 0.0 && sum.is_finite()).then(|| [ox + sx / sum, oy + sy / sum])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc(
        profile: impl Fn(f64) -> f64 + Copy + 'static,
    ) -> impl Iterator<Item = (usize, usize, Option<f64>)> + Clone {
        (0..41_usize).flat_map(move |y| (0..41_usize).map(move |x| (x, y))).filter_map(move |(x, y)| {
            let r = libm::hypot(x as f64 - 20.0, y as f64 - 20.0);
            (r <= 18.0).then(|| (x, y, Some(profile(r))))
        })
    }

    #[test]
    fn an_even_disc_has_concentration_one_and_a_half() {
        let light = measure_region(disc(|_| 2.0)).unwrap();
        assert!((light.concentration() - 1.5).abs() < 0.01);
        assert_eq!(light.centre, [20.0, 20.0]);
        let peaked = measure_region(disc(|r| libm::exp(-r / 3.0))).unwrap();
        assert!(peaked.concentration() > 2.5);
    }

    #[test]
    fn a_bright_pixel_at_the_rim_moves_the_windowed_centre_less() {
        let rim = |x: usize, y: usize, v: Option<f64>| (x, y, if (x, y) == (35, 20) { Some(60.0) } else { v });
        let pixels = disc(|r| 10.0 * libm::exp(-r * r / 18.0)).map(move |(x, y, v)| rim(x, y, v));
        let light = measure_region(pixels.clone()).unwrap();
        let windowed = windowed_centre(pixels, light.centre, 1.5 * 4.0);
        assert!(light.centre[0] > 20.9 && (windowed[0] - 20.0).abs() < 0.3, "{:?} {windowed:?}", light.centre);
    }

    #[test]
    fn what_has_no_light_has_no_measures() {
        assert_eq!(measure_region(std::iter::empty()), None);
        assert_eq!(measure_region([(0, 0, None), (1, 0, Some(-3.0))].into_iter()), None);
    }
}
