//! Which stars of the catalogue are removed, and which of them may serve for the PSF.

use ndarray::Array2;

use super::params::SubtractJoint;
use super::star::JointFlags;
use crate::psf::{CatalogueStar, PositionGrid};

/// The stars that are removed, in the order of removal.
pub(super) struct Selection {
    /// Rows of the catalogue.
    pub rows: Vec<usize>,
    /// Static flags of all rows.
    pub flags: Vec<i64>,
}

/// Stars inside the image that pass the cuts, brightest first, each once.
pub(super) fn select(stars: &[CatalogueStar], width: usize, height: usize, params: &SubtractJoint) -> Selection {
    let inside = |v: f64, size: usize| v > -0.5 && v < size as f64 - 0.5;
    let mut flags: Vec<i64> = stars
        .iter()
        .map(|s| {
            let mut flag = 0;
            if !(inside(s.x, width) && inside(s.y, height) && s.mag.is_finite()) {
                flag |= JointFlags::OUTSIDE;
            }
            if s.prob < params.min_prob {
                flag |= JointFlags::PROBABILITY;
            }
            if s.sharp >= params.max_sharp {
                flag |= JointFlags::SHARPNESS;
            }
            flag
        })
        .collect();
    let mut rows: Vec<usize> = (0..stars.len()).filter(|&i| flags[i] == 0).collect();
    rows.sort_by(|&a, &b| {
        let (a, b) = (&stars[a], &stars[b]);
        a.mag.total_cmp(&b.mag).then(a.y.total_cmp(&b.y)).then(a.x.total_cmp(&b.x)).then(a.id.cmp(&b.id))
    });
    if params.duplicate_px > 0.0 {
        let grid = PositionGrid::new(rows.iter().map(|&i| (stars[i].x, stars[i].y)), 16.0);
        for (k, &row) in rows.iter().enumerate() {
            let s = &stars[row];
            let is_same = |j: usize| {
                let other = rows[j];
                j < k && flags[other] == 0 && s.mag - stars[other].mag <= params.duplicate_mag
            };
            if grid.any_within(s.x, s.y, params.duplicate_px, is_same) {
                flags[row] |= JointFlags::DUPLICATE;
            }
        }
        rows.retain(|&row| flags[row] == 0);
    }
    for &row in &rows {
        let s = &stars[row];
        if s.parallax >= params.min_parallax_mas && s.parallax_error <= params.max_parallax_error_mas {
            flags[row] |= JointFlags::FOREGROUND;
        }
    }
    Selection { rows, flags }
}

/// Which stars may serve for the PSF, as indices into `rows`, and how many are in the range of magnitude.
pub(super) fn psf_candidates(
    stars: &[CatalogueStar],
    rows: &[usize],
    bad: &Array2<bool>,
    params: &SubtractJoint,
    psf_mag: (f64, f64),
) -> (Vec<usize>, usize) {
    const EDGE: f64 = 15.0;
    const NEIGHBOUR_PX: f64 = 10.0;
    const MAX_SHARP: f64 = 0.3;
    let (height, width) = bad.dim();
    let flux = |mag: f64| libm::pow(10.0, -0.4 * mag);
    let grid = PositionGrid::new(stars.iter().map(|s| (s.x, s.y)), 16.0);
    let in_range = |s: &CatalogueStar| s.mag > psf_mag.0 && s.mag < psf_mag.1;
    let n_in_range = rows.iter().filter(|&&r| in_range(&stars[r])).count();
    let found: Vec<usize> = (0..rows.len())
        .filter(|&k| {
            let s = &stars[rows[k]];
            let is_inner =
                s.x > EDGE && s.y > EDGE && s.x < width as f64 - EDGE - 1.0 && s.y < height as f64 - EDGE - 1.0;
            // NaN passes: not known is no reason.
            if !in_range(s) || !is_inner || s.sharp.abs() >= MAX_SHARP {
                return false;
            }
            let (cx, cy) = (s.x.round() as usize, s.y.round() as usize);
            if bad.slice(ndarray::s![cy - 4..cy + 5, cx - 4..cx + 5]).iter().any(|b| *b) {
                return false;
            }
            let mut others: Vec<usize> = Vec::new();
            grid.visit_within(s.x, s.y, NEIGHBOUR_PX, |j, _| {
                others.push(j);
                true
            });
            others.sort_unstable();
            let light = others
                .iter()
                .filter(|&&j| j != rows[k] && stars[j].mag.is_finite())
                .fold(0.0, |sum, &j| sum + flux(stars[j].mag));
            light < params.psf_neighbour_share * flux(s.mag)
        })
        .collect();
    let wanted = (params.max_psf_density * (width * height) as f64 / 1e6).max(params.min_psf_stars as f64);
    let stride = (found.len() as f64 / wanted).ceil().max(1.0) as usize;
    (found.into_iter().step_by(stride).collect(), n_in_range)
}
