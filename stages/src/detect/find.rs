//! DAOPHOT FIND (Stetson 1987): stars as maxima of the image convolved with a lowered Gaussian.

use rayon::prelude::*;

use super::kernel::Kernel;

/// What counts as a star.
#[derive(Debug, Clone, PartialEq)]
pub struct DaoFind {
    /// FWHM of the stars in pixels, along the major axis.
    pub fwhm_px: f64,
    /// Minor axis over major axis, in (0, 1].
    pub ratio: f64,
    /// Direction of the major axis in degrees, from +x towards +y.
    pub theta_deg: f64,
    /// Least and greatest sharpness, inclusive.
    pub sharpness: [f64; 2],
    /// Least and greatest roundness, inclusive; holds for both roundnesses.
    pub roundness: [f64; 2],
    /// Radius in pixels within which no pixel of the convolved image may be higher; 0 takes the kernel's footprint.
    pub min_separation_px: f64,
}

/// How far above the background a star must be.
#[derive(Clone, Copy)]
pub enum Threshold<'a> {
    /// The same amplitude everywhere, in units of the image. Multiplied by the kernel's relative error, as DAOPHOT does.
    Scalar(f64),
    /// An amplitude per pixel `(x, y)`; NaN finds nothing there.
    PerPixel(&'a (dyn Fn(usize, usize) -> f64 + Sync)),
}

/// One star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Column of the centroid, zero-based.
    pub x: f64,
    /// Row of the centroid, zero-based.
    pub y: f64,
    /// Sum of the square stamp of half width `max(2, 1.5 sigma)` about the peak.
    pub flux: f64,
    /// Value of the peak pixel.
    pub peak: f64,
    /// Peak pixel over the mean of the other pixels, in units of the fitted amplitude: large for cosmic rays.
    pub sharpness: f64,
    /// Asymmetry between quadrants of the convolved image: 0 for a round star.
    pub roundness1: f64,
    /// Difference of the heights fitted along x and y: 0 for a round star.
    pub roundness2: f64,
}

/// Rows per band when nobody asks for another number.
pub(super) const DEFAULT_BAND_ROWS: usize = 128;

/// Finds stars in a background-subtracted image of `width` x `height` pixels, in raster order of their peak pixels.
///
/// `fill_row(y, row)` writes the values of row `y`; what is not finite has no value: it counts as 0, the background, in
/// convolutions and sums, so that it spoils no neighbour, and is never the peak of a star. Outside the image
/// everything is 0. A detection is the maximum of the convolved image over its surroundings (the first in raster
/// order among equals) and above the threshold times the kernel's relative error.
///
/// The image is worked on in bands of `band_rows` rows on the current rayon pool, which changes no result.
/// `advance(rows)` is called as rows are finished, and returns false to stop: the result is then `None`.
pub fn find_stars(
    width: usize,
    height: usize,
    parameters: &DaoFind,
    threshold: Threshold<'_>,
    band_rows: usize,
    fill_row: &(dyn Fn(usize, &mut [f64]) + Sync),
    advance: &(dyn Fn(u64) -> bool + Sync),
) -> Option<Vec<Detection>> {
    let kernel = Kernel::new(parameters.fwhm_px, parameters.ratio, parameters.theta_deg);
    let surroundings = surroundings(&kernel, parameters.min_separation_px);
    // Rows of the convolved image that a detection looks at, above and below.
    let reach = surroundings.iter().map(|&(_, dy)| dy.unsigned_abs()).fold(kernel.half, usize::max);
    let band_rows = band_rows.max(1);
    let bands: Vec<usize> = (0..height).step_by(band_rows).collect();
    let found: Option<Vec<Vec<Detection>>> = bands
        .into_par_iter()
        .map(|first| {
            let end = (first + band_rows).min(height);
            let band =
                Band::new(width, height, first.saturating_sub(reach)..(end + reach).min(height), &kernel, fill_row);
            let mut stars = Vec::new();
            for y in first..end {
                for x in 0..width {
                    stars.extend(band.star_at(x, y, parameters, &kernel, &surroundings, threshold));
                }
            }
            advance((end - first) as u64).then_some(stars)
        })
        .collect();
    Some(found?.into_iter().flatten().collect())
}

/// Offsets of the other pixels over which a star is the maximum.
fn surroundings(kernel: &Kernel, min_separation: f64) -> Vec<(isize, isize)> {
    let offsets: Vec<(isize, isize)> = if min_separation > 0.0 {
        // A disc on a grid of whole steps from -r. When r is not whole, the grid misses the peak's pixel by `shift`: the
        // convention of photutils 3.0, kept so that star lists agree.
        let size = (2.0 * min_separation + 1.0).ceil() as isize;
        let half = size / 2;
        let shift = half as f64 - min_separation;
        let is_near = |&(dx, dy): &(isize, isize)| {
            (dx as f64 + shift).powi(2) + (dy as f64 + shift).powi(2) <= min_separation * min_separation
        };
        let steps = move || -half..size - half;
        steps().flat_map(|dy| steps().map(move |dx| (dx, dy))).filter(is_near).collect()
    } else {
        kernel.footprint.iter().map(|p| (p.0, p.1)).collect()
    };
    offsets.into_iter().filter(|&offset| offset != (0, 0)).collect()
}

/// Some rows of the image, padded with zeros, and their convolution.
struct Band {
    width: usize,
    /// First row of the convolved image that is held.
    first: usize,
    rows: usize,
    /// Columns and rows of zeros around the values.
    margin: usize,
    stride: usize,
    values: Vec<f64>,
    /// NaN where the image has no value: not a peak.
    convolved: Vec<f64>,
}

impl Band {
    fn new(
        width: usize,
        height: usize,
        rows: std::ops::Range<usize>,
        kernel: &Kernel,
        fill_row: &(dyn Fn(usize, &mut [f64]) + Sync),
    ) -> Self {
        let margin = kernel.half;
        let stride = width + 2 * margin;
        let n_rows = rows.len();
        let mut values = vec![0.0; stride * (n_rows + 2 * margin)];
        for (i, row) in values.chunks_exact_mut(stride).enumerate() {
            // Row i of the buffer is row `rows.start + i - margin` of the image.
            if let Some(y) = (rows.start + i).checked_sub(margin).filter(|&y| y < height) {
                fill_row(y, &mut row[margin..margin + width]);
            }
        }
        let mut convolved = vec![0.0; width * n_rows];
        let has_value: Vec<bool> = values.iter().map(|v| v.is_finite()).collect();
        values.iter_mut().filter(|v| !v.is_finite()).for_each(|v| *v = 0.0);
        for (r, out) in convolved.chunks_exact_mut(width.max(1)).enumerate() {
            let centre = (r + margin) * stride + margin;
            // One kernel pixel at a time over the whole row: the order of the additions is that of the footprint.
            for &(dx, dy, weight) in &kernel.footprint {
                let start = (centre as isize + dy * stride as isize + dx) as usize;
                for (sum, value) in out.iter_mut().zip(&values[start..start + width]) {
                    *sum += weight * value;
                }
            }
            for (sum, _) in out.iter_mut().zip(&has_value[centre..centre + width]).filter(|&(_, &has)| !has) {
                *sum = f64::NAN;
            }
        }
        Self { width, first: rows.start, rows: n_rows, margin, stride, values, convolved }
    }

    /// The convolved image; 0 outside, NaN where the image has no value.
    fn convolved(&self, x: usize, y: usize, (dx, dy): (isize, isize)) -> f64 {
        let column = x.checked_add_signed(dx).filter(|&x| x < self.width);
        let row = y.checked_add_signed(dy).and_then(|y| y.checked_sub(self.first)).filter(|&r| r < self.rows);
        column.zip(row).map_or(0.0, |(x, r)| self.convolved[r * self.width + x])
    }

    /// The image, with 0 for what has no value and outside; offsets within the kernel's half width.
    fn value(&self, x: usize, y: usize, (dx, dy): (isize, isize)) -> f64 {
        let centre = (y - self.first + self.margin) * self.stride + x + self.margin;
        self.values[(centre as isize + dy * self.stride as isize + dx) as usize]
    }

    /// The star whose peak is at a pixel, if there is one.
    fn star_at(
        &self,
        x: usize,
        y: usize,
        parameters: &DaoFind,
        kernel: &Kernel,
        surroundings: &[(isize, isize)],
        threshold: Threshold<'_>,
    ) -> Option<Detection> {
        let amplitude = self.convolved(x, y, (0, 0));
        // Most pixels end here; NaN does too.
        if amplitude.is_nan() || amplitude <= 0.0 {
            return None;
        }
        let least = match threshold {
            Threshold::Scalar(value) => value,
            Threshold::PerPixel(value) => value(x, y),
        };
        let least = least * kernel.relative_error;
        if least.is_nan() || amplitude <= least {
            return None;
        }
        let is_maximum = surroundings.iter().all(|&(dx, dy)| {
            let other = self.convolved(x, y, (dx, dy));
            let is_earlier = (dy, dx) < (0, 0);
            other.is_nan() || other < amplitude || (other == amplitude && !is_earlier)
        });
        if !is_maximum {
            return None;
        }
        let peak = self.value(x, y, (0, 0));
        let others = kernel.footprint.iter().map(|&(dx, dy, _)| self.value(x, y, (dx, dy))).fold(-peak, |a, b| a + b);
        let sharpness = (peak - others / (kernel.footprint.len() - 1) as f64) / amplitude;
        let roundness1 = self.quadrant_roundness(x, y, kernel);
        let [(hx, shift_x), (hy, shift_y)] = self.marginal_fits(x, y, kernel);
        let roundness2 = 2.0 * (hx - hy) / (hx + hy);
        let within = |value: f64, range: [f64; 2]| value >= range[0] && value <= range[1];
        let reach = kernel.half as f64;
        let is_star = hx > 0.0
            && hy > 0.0
            && within(sharpness, parameters.sharpness)
            && within(roundness1, parameters.roundness)
            && within(roundness2, parameters.roundness)
            && shift_x.abs() <= reach
            && shift_y.abs() <= reach;
        is_star.then(|| Detection {
            x: x as f64 + shift_x,
            y: y as f64 + shift_y,
            flux: stamp(kernel).map(|offset| self.value(x, y, offset)).fold(0.0, |a, b| a + b),
            peak,
            sharpness,
            roundness1,
            roundness2,
        })
    }

    /// Roundness from opposite quadrants of the convolved image: `2 (q2 + q4 - q1 - q3) / sum |c|`.
    fn quadrant_roundness(&self, x: usize, y: usize, kernel: &Kernel) -> f64 {
        let (mut difference, mut total) = (0.0, 0.0);
        for (dx, dy) in stamp(kernel).filter(|&offset| offset != (0, 0)) {
            let c = self.convolved(x, y, (dx, dy));
            let c = if c.is_nan() { 0.0 } else { c };
            let is_q1 = dy <= 0 && dx > 0;
            let is_q3 = dy >= 0 && dx < 0;
            difference += if is_q1 || is_q3 { -c } else { c };
            total += c.abs();
        }
        2.0 * difference / total
    }

    /// Height and shift of a Gaussian along x and along y.
    fn marginal_fits(&self, x: usize, y: usize, kernel: &Kernel) -> [(f64, f64); 2] {
        let size = 2 * kernel.half + 1;
        let (mut along_x, mut along_y) = (vec![0.0; size], vec![0.0; size]);
        for (k, (dx, dy)) in stamp(kernel).enumerate() {
            let (column, row) = (k % size, k / size);
            let value = self.value(x, y, (dx, dy));
            along_x[column] += kernel.marginals[0].weight(row) * value;
            along_y[row] += kernel.marginals[1].weight(column) * value;
        }
        [kernel.marginals[0].fit(&along_x), kernel.marginals[1].fit(&along_y)]
    }
}

/// Offsets of the square stamp, in raster order.
fn stamp(kernel: &Kernel) -> impl Iterator<Item = (isize, isize)> {
    let reach = kernel.half as isize;
    (-reach..=reach).flat_map(move |dy| (-reach..=reach).map(move |dx| (dx, dy)))
}
