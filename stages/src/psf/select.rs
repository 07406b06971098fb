//! Which detections can serve as PSF stars, and why the others cannot.

use skyloom_data::{Image, MaskBits};

use super::params::PsfFit;
use super::position_grid::PositionGrid;
use super::stamp::{CAPPED, UNUSABLE};

/// A detection, as the fits need it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Row of the detection table.
    pub id: usize,
    /// Column of the image.
    pub x: f64,
    /// Row of the image.
    pub y: f64,
    /// Flux estimate: only the order matters. NaN counts as faintest.
    pub flux: f64,
    /// Sharpness of the detection; NaN when the table has none.
    pub sharpness: f64,
}

/// How many detections were turned down, by the first reason that applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rejections {
    /// Position not finite, or cut-out crosses the image edge.
    pub edge: usize,
    /// Peak below the limit, or no noise value.
    pub faint: usize,
    /// Saturated by level or mask.
    pub saturated: usize,
    /// Sharpness outside the accepted range.
    pub sharpness: usize,
    /// A masked or undefined pixel in the cut-out.
    pub masked: usize,
    /// A neighbour of comparable brightness.
    pub neighbour: usize,
    /// Good, but its cell had enough brighter ones.
    pub surplus: usize,
}

impl std::fmt::Display for Rejections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} too faint, {} saturated, {} by sharpness, {} near the edge, {} with masked pixels, {} with a neighbour, \
             {} beyond the limit per cell",
            self.faint, self.saturated, self.sharpness, self.edge, self.masked, self.neighbour, self.surplus
        )
    }
}

/// Largest good pixel of the 3x3 box around a position, saturated ones included; NaN without one.
pub(crate) fn peak_near(image: &Image, x: f64, y: f64) -> f64 {
    // Also false for a position that is not finite.
    if !(x > -1.5 && y > -1.5 && x < image.width() as f64 + 0.5 && y < image.height() as f64 + 0.5) {
        return f64::NAN;
    }
    let span = |centre: f64, size: usize| {
        let c = centre.round();
        (c - 1.0).max(0.0) as usize..((c + 2.0).max(0.0) as usize).min(size)
    };
    let mut peak = f64::NAN;
    for iy in span(y, image.height()) {
        for ix in span(x, image.width()) {
            if image.is_good(ix, iy, MaskBits::BAD | MaskBits::NO_DATA) {
                // max ignores NaN.
                peak = peak.max(f64::from(image.pixels[[iy, ix]]));
            }
        }
    }
    peak
}

/// The PSF stars among the detections (indices, brightest first within their order by flux) and the rejection counts.
///
/// `noise` has the shape of the image.
#[must_use]
pub fn select_stars(image: &Image, noise: &Image, all: &[Candidate], params: &PsfFit) -> (Vec<usize>, Rejections) {
    let mut counts = Rejections::default();
    let (width, height) = (image.width(), image.height());
    let radius = params.stamp_radius_px as f64;
    let inside = |c: &Candidate| {
        c.x.round() >= radius
            && c.y.round() >= radius
            && c.x.round() + radius <= width as f64 - 1.0
            && c.y.round() + radius <= height as f64 - 1.0
    };
    let peaks: Vec<f64> = all.iter().map(|c| peak_near(image, c.x, c.y)).collect();
    let grid = PositionGrid::new(all.iter().map(|c| (c.x, c.y)), params.isolation_px.max(8.0));

    let mut order: Vec<usize> = (0..all.len()).collect();
    // Brightest first; the row decides between equals, so that the order is defined.
    let key = |i: usize| if all[i].flux.is_nan() { f64::NEG_INFINITY } else { all[i].flux };
    order.sort_by(|&a, &b| key(b).total_cmp(&key(a)).then(a.cmp(&b)));

    let (n_x, n_y) = (params.n_cells(width), params.n_cells(height));
    let mut taken = vec![0_usize; n_x * n_y];
    let mut chosen = Vec::new();
    for i in order {
        let star = &all[i];
        // Also false for a position that is not finite.
        if !inside(star) {
            counts.edge += 1;
            continue;
        }
        let (cx, cy) = (star.x.round() as usize, star.y.round() as usize);
        let sigma = f64::from(noise.pixels[[cy, cx]]);
        if !(sigma > 0.0 && peaks[i] >= params.min_peak_sigma * sigma) {
            counts.faint += 1;
        } else if params.saturation.is_some_and(|level| peaks[i] >= level) || is_capped(image, cx, cy, 2) {
            counts.saturated += 1;
        } else if star.sharpness < params.min_sharpness || star.sharpness > params.max_sharpness {
            counts.sharpness += 1;
        } else if has_bad_pixel(image, noise, cx, cy, params.stamp_radius_px) {
            counts.masked += 1;
        } else if grid
            .any_within(star.x, star.y, params.isolation_px, |j| j != i && peaks[j] > params.neighbour_ratio * peaks[i])
        {
            counts.neighbour += 1;
        } else {
            let cell = (cy * n_y / height) * n_x + cx * n_x / width;
            if taken[cell] < params.max_cell_stars {
                taken[cell] += 1;
                chosen.push(i);
            } else {
                counts.surplus += 1;
            }
        }
    }
    (chosen, counts)
}

/// Whether a pixel within `radius` is marked as saturated, or interpolated over. The box is inside the image.
fn is_capped(image: &Image, cx: usize, cy: usize, radius: usize) -> bool {
    image.mask.as_ref().is_some_and(|mask| {
        mask.slice(ndarray::s![cy - radius..=cy + radius, cx - radius..=cx + radius]).iter().any(|m| m & CAPPED != 0)
    })
}

/// Whether the cut-out holds a pixel that a fit cannot use.
fn has_bad_pixel(image: &Image, noise: &Image, cx: usize, cy: usize, radius: usize) -> bool {
    (cy - radius..=cy + radius).any(|y| {
        (cx - radius..=cx + radius).any(|x| {
            let sigma = noise.pixels[[y, x]];
            let is_usable = image.is_good(x, y, UNUSABLE) && sigma > 0.0 && sigma.is_finite();
            !is_usable
        })
    })
}
