//! Surface brightness of a Plummer sphere, integrated over pixels.

use ndarray::{Array2, Axis};
use rayon::prelude::*;

/// A Plummer (1911) profile on the sky: `Sigma(m) = L / (pi a^2) (1 + m^2)^-2`, where `m` is the elliptical radius in
/// units of `a`. For this profile the projected half-light radius is the scale radius `a`.
///
/// `(x0, y0)` centre, `a` = `r_half_px`, `L` = `flux`. An ellipse of axis ratio `q = 1 - ellipticity` has the semi-axes
/// `a / sqrt(q)` and `a sqrt(q)`: the area within half the light, and the total, do not depend on the ellipticity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlummerProfile {
    /// Centre, column, zero-based.
    pub x: f64,
    /// Centre, row, zero-based.
    pub y: f64,
    /// Flux out to infinity, in pixel units.
    pub flux: f64,
    /// Projected half-light radius in pixels, the geometric mean of the two semi-axes.
    pub r_half_px: f64,
    /// `1 - b/a`, from 0 (round) to below 1.
    pub ellipticity: f64,
    /// Direction of the major axis in degrees from +x towards +y.
    pub pa_deg: f64,
    /// Elliptical radius (geometric mean) beyond which nothing is added.
    pub truncate_px: f64,
}

/// Largest relative error of a pixel's flux by sub-sampling: far below the noise of any image (0.00001 mag).
const TOLERANCE: f64 = 1e-5;
/// Most samples per pixel and axis; reached only by clusters much smaller than a pixel.
const MOST_SAMPLES: f64 = 500.0;

impl PlummerProfile {
    /// Part of the total flux that lies within the truncation radius: `t^2 / (1 + t^2)` with `t = truncate / r_half`.
    #[must_use]
    pub fn fraction_within_truncation(&self) -> f64 {
        let t2 = (self.truncate_px / self.r_half_px).powi(2);
        if t2.is_infinite() { 1.0 } else { t2 / (1.0 + t2) }
    }

    /// Columns (or rows) of an image of this size that the truncated profile can reach.
    fn reach(&self, centre: f64, size: usize) -> std::ops::Range<usize> {
        let radius = self.truncate_px / (1.0 - self.ellipticity).sqrt() + 1.0;
        // Float-to-integer casts saturate, so a radius without end covers the whole image.
        let from = (centre - radius).floor().max(0.0) as usize;
        let to = (centre + radius).ceil().max(-1.0) + 1.0;
        from.min(size)..(to as usize).min(size)
    }
}

/// Adds a profile to an image, pixel values being integrals over the pixel; returns the flux that was added.
///
/// Pixels are integrated by the midpoint rule over `n x n` sub-pixels. Its relative error is `(1/24 n^2)` times the
/// relative Laplacian, which for this profile is at most `16 / (s^2 (1 + m^2))` with `s` the minor semi-axis; `n`
/// follows from `TOLERANCE`. NaN pixels stay NaN and do not count as added.
pub fn add_plummer(pixels: &mut Array2<f32>, profile: &PlummerProfile) -> f64 {
    let (height, width) = pixels.dim();
    let (columns, rows) = (profile.reach(profile.x, width), profile.reach(profile.y, height));
    let first_row = rows.start;
    if columns.is_empty() || rows.is_empty() {
        return 0.0;
    }
    let mut band = pixels.slice_axis_mut(Axis(0), rows.into());
    let added: Vec<f64> = band
        .axis_iter_mut(Axis(0))
        .into_par_iter()
        .enumerate()
        .map(|(row, mut line)| {
            let y = (first_row + row) as f64;
            let mut sum = 0.0;
            for x in columns.clone() {
                let flux = pixel_flux(profile, x as f64, y);
                let value = &mut line[x];
                if flux > 0.0 && !value.is_nan() {
                    *value = (f64::from(*value) + flux) as f32;
                    sum += flux;
                }
            }
            sum
        })
        .collect();
    // One sum per row, combined in order: the same bits for any number of threads.
    added.into_iter().fold(0.0, |a, b| a + b)
}

/// Flux of one pixel.
fn pixel_flux(profile: &PlummerProfile, x: f64, y: f64) -> f64 {
    let q = 1.0 - profile.ellipticity;
    let (major, minor) = (profile.r_half_px / q.sqrt(), profile.r_half_px * q.sqrt());
    let (sin, cos) = libm::sincos(profile.pa_deg.to_radians());
    let truncate2 = (profile.truncate_px / profile.r_half_px).powi(2);
    let m2 = |dx: f64, dy: f64| {
        let (u, v) = (dx * cos + dy * sin, dy * cos - dx * sin);
        (u / major).powi(2) + (v / minor).powi(2)
    };
    let (dx, dy) = (x - profile.x, y - profile.y);
    // Smallest m in the pixel: its half diagonal is sqrt(1/2) px, at most that over `minor` in m.
    let half_diagonal = std::f64::consts::FRAC_1_SQRT_2 / minor;
    let nearest = (m2(dx, dy).sqrt() - half_diagonal).max(0.0);
    if nearest.powi(2) > truncate2 {
        return 0.0;
    }
    let curvature = 16.0 / (minor.powi(2) * (1.0 + nearest.powi(2)));
    let n = (curvature / (24.0 * TOLERANCE)).sqrt().ceil().clamp(1.0, MOST_SAMPLES) as usize;
    let step = 1.0 / n as f64;
    let mut sum = 0.0;
    for j in 0..n {
        let sub_y = dy - 0.5 + (j as f64 + 0.5) * step;
        for i in 0..n {
            let m2 = m2(dx - 0.5 + (i as f64 + 0.5) * step, sub_y);
            if m2 <= truncate2 {
                sum += (1.0 + m2).powi(-2);
            }
        }
    }
    profile.flux / (std::f64::consts::PI * profile.r_half_px.powi(2)) * sum * step * step
}
