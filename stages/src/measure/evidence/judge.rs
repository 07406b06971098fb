//! All evidence on one object.

use ndarray::{Array2, ArrayView2, s};
use skyloom_data::PsfField;

use super::blend::{BlendOptions, psf_misfit};
use super::catalogue::EvidenceCatalogue;
use super::params::MeasureEvidence;
use super::region_light::{RegionLight, measure_region};
use super::smooth_model::{SmoothOptions, smooth_chi2};
use crate::filter::{fill_bad, gaussian};
use crate::measure::polygon;

/// What objects are judged by; images of one shape, `[y, x]`.
pub(super) struct Witnesses<'a> {
    pub image: ArrayView2<'a, f32>,
    pub bad: ArrayView2<'a, bool>,
    pub noise: ArrayView2<'a, f32>,
    pub psf: Option<&'a PsfField>,
    pub star_light: Option<ArrayView2<'a, f32>>,
    pub catalogue: Option<&'a EvidenceCatalogue>,
    /// Flux of a star of magnitude 0.
    pub unit_flux: f64,
}

/// The evidence; NaN and `None` for what is not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Evidence {
    pub psf_misfit: f64,
    pub smooth_chi2: f64,
    pub star_light_ratio: f64,
    pub n_catalogue: Option<i64>,
    pub extended_fraction: f64,
    pub extended_colour: f64,
    pub overdensity_sigma: f64,
    pub n_bad_near_peak: Option<i64>,
    pub flux_left: f64,
}

impl Evidence {
    const NONE: Self = Self {
        psf_misfit: f64::NAN,
        smooth_chi2: f64::NAN,
        star_light_ratio: f64::NAN,
        n_catalogue: None,
        extended_fraction: f64::NAN,
        extended_colour: f64::NAN,
        overdensity_sigma: f64::NAN,
        n_bad_near_peak: None,
        flux_left: f64::NAN,
    };
}

/// Smoothing and filling of bad pixels look this much farther than four sigmas of the smoothing.
const FILL_REACH: f64 = 9.0;

/// The evidence on the object inside a contour.
pub(super) fn judge(vertices: &[[f64; 2]], with: &Witnesses<'_>, params: &MeasureEvidence) -> Evidence {
    let (height, width) = with.image.dim();
    let spans = polygon::spans(vertices, width, height);
    let value = |x: usize, y: usize| {
        let v = f64::from(with.image[[y, x]]);
        (!with.bad[[y, x]] && v.is_finite()).then_some(v)
    };
    let pixels: Vec<(usize, usize, Option<f64>)> = polygon::pixels(&spans).map(|(x, y)| (x, y, value(x, y))).collect();
    let Some(light) = measure_region(pixels.iter().copied()) else { return Evidence::NONE };
    let mut evidence = Evidence { flux_left: light.flux, ..Evidence::NONE };
    evidence.smooth_chi2 = smooth_chi2(with.image, with.bad, with.noise, &light, &SmoothOptions::default());
    if let Some(stars) = with.star_light {
        let sum = pixels.iter().fold(0.0, |sum, &(x, y, _)| sum + f64::from(stars[[y, x]]));
        evidence.star_light_ratio = sum / light.flux;
    }
    if let Some(peak) = peak_of(&pixels, with, params.peak_smooth_px) {
        evidence.n_bad_near_peak = Some(bad_near(peak, with.bad, params.bad_reach_px));
        if let Some(psf) = with.psf
            && light.r_light < params.psf_max_r_light_px
        {
            evidence.psf_misfit = psf_misfit(with.image, with.bad, with.noise, psf, peak, &BlendOptions::default());
        }
    }
    if let Some(catalogue) = with.catalogue {
        add_catalogue(&mut evidence, &light, &pixels, catalogue, with.unit_flux);
    }
    evidence
}

fn add_catalogue(
    evidence: &mut Evidence,
    light: &RegionLight,
    pixels: &[(usize, usize, Option<f64>)],
    catalogue: &EvidenceCatalogue,
    unit_flux: f64,
) {
    let [cx, cy] = light.centre;
    // Pixels are in raster order.
    let is_inside = |x: i64, y: i64| {
        usize::try_from(x)
            .ok()
            .zip(usize::try_from(y).ok())
            .is_some_and(|(x, y)| pixels.binary_search_by(|&(px, py, _)| (py, px).cmp(&(y, x))).is_ok())
    };
    let reach = pixels.iter().map(|&(x, y, _)| libm::hypot(x as f64 - cx, y as f64 - cy)).fold(0.0, f64::max) + 1.0;
    let flux_of = |mag: f64| unit_flux * libm::exp10(-0.4 * mag);
    let found = catalogue.inside(light.centre, reach, light.flux, flux_of, is_inside);
    evidence.n_catalogue = Some(found.n as i64);
    evidence.extended_fraction = found.extended_fraction;
    evidence.extended_colour = found.extended_colour;
    evidence.overdensity_sigma = catalogue.overdensity(light.centre, light.r_light);
}

/// The brightest pixel of the smoothed image inside.
fn peak_of(pixels: &[(usize, usize, Option<f64>)], with: &Witnesses<'_>, sigma: f64) -> Option<(usize, usize)> {
    let (height, width) = with.image.dim();
    let reach = (4.0 * sigma + FILL_REACH).ceil() as usize;
    let x0 = pixels.iter().map(|p| p.0).min()?.saturating_sub(reach);
    let x1 = (pixels.iter().map(|p| p.0).max()? + reach + 1).min(width);
    let y0 = pixels.first()?.1.saturating_sub(reach);
    let y1 = (pixels.last()?.1 + reach + 1).min(height);
    let window = s![y0..y1, x0..x1];
    let smooth: Array2<f32> = gaussian(fill_bad(with.image.slice(window), with.bad.slice(window)).view(), sigma);
    let mut best: Option<((usize, usize), f32)> = None;
    for &(x, y, _) in pixels {
        let v = smooth[[y - y0, x - x0]];
        if best.is_none_or(|(_, b)| v > b) {
            best = Some(((x, y), v));
        }
    }
    best.map(|(at, _)| at)
}

fn bad_near((x, y): (usize, usize), bad: ArrayView2<'_, bool>, reach: usize) -> i64 {
    let (height, width) = bad.dim();
    let rows = y.saturating_sub(reach)..(y + reach + 1).min(height);
    let columns = x.saturating_sub(reach)..(x + reach + 1).min(width);
    bad.slice(s![rows, columns]).iter().filter(|b| **b).count() as i64
}
