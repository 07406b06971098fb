//! The PSF over the image: a smooth map of width and ellipticity, one profile, and its trend with brightness.

use rayon::prelude::*;
use skyloom_data::{PsfCell, PsfField, PsfModel};

use super::shape::{Kernel, Shape};
use crate::psf::{PositionGrid, mad_sigma, median};

/// A PSF whose `ln g`, `e1`, `e2` are interpolated between the nodes of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct SmoothPsf {
    /// Distance of the nodes, px; node (0, 0) is at pixel (0, 0).
    step: f64,
    n_x: usize,
    n_y: usize,
    /// In raster order.
    nodes: Vec<[f64; 3]>,
    /// `w` and `ln r`, the same everywhere.
    pub tail: [f64; 2],
    /// Slope of the wings, the same everywhere.
    pub alpha: f64,
    /// Linear and quadratic change of the shape per magnitude above the trend's start.
    pub trend: [Shape; 2],
    /// Magnitude from which brighter stars follow the trend.
    trend_mag: f64,
    /// Magnitudes above the start where the trend stops: no star measured it further.
    pub max_t: f64,
}

/// One measured star.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShapeSample {
    pub x: f64,
    pub y: f64,
    pub mag: f64,
    pub shape: Shape,
    /// Error of `ln g`.
    pub error: f64,
}

/// Smallest error of a sample in the regression: what the interpolation cannot follow anyway.
const SOFT_ERROR: f64 = 0.004;
/// Samples closer than this to the map are never rejected.
const LEAST_REJECTION: f64 = 0.01;
/// Bright stars that the trend needs.
const MIN_TREND_STARS: usize = 15;

impl SmoothPsf {
    /// The same round PSF everywhere.
    pub fn uniform(width: usize, height: usize, step: f64, fwhm: f64, trend_mag: f64) -> Self {
        // alpha, w, ln r of the VIRCAM-like PSF of the method's simulated fields: a start, all are fitted.
        let (alpha, tail) = (2.8, [0.35, -0.92]);
        let unit = Kernel::new(&[0.0, 0.0, 0.0, tail[0], tail[1]], alpha).fwhm();
        let nodes = |size: usize| (size as f64 / step).ceil() as usize + 1;
        let (n_x, n_y) = (nodes(width), nodes(height));
        Self {
            step,
            n_x,
            n_y,
            nodes: vec![[libm::log(fwhm / unit), 0.0, 0.0]; n_x * n_y],
            tail,
            alpha,
            trend: [[0.0; 5]; 2],
            trend_mag,
            max_t: 2.0,
        }
    }

    /// Magnitudes above the start of the trend.
    pub fn t(&self, mag: f64) -> f64 {
        // NaN (a star without light) is 0.
        (self.trend_mag - mag).max(0.0).min(self.max_t)
    }

    fn trend_at(&self, mag: f64) -> Shape {
        let t = self.t(mag);
        std::array::from_fn(|k| t * self.trend[0][k] + t * t * self.trend[1][k])
    }

    /// The shape of a star.
    #[must_use]
    pub fn at(&self, x: f64, y: f64, mag: f64) -> Shape {
        let map = self.map_at(x, y);
        let trend = self.trend_at(mag);
        let base = [map[0], map[1], map[2], self.tail[0], self.tail[1]];
        std::array::from_fn(|k| base[k] + trend[k])
    }

    /// Bicubic (Catmull-Rom) interpolation of the nodes; constant outside.
    fn map_at(&self, x: f64, y: f64) -> [f64; 3] {
        let place = |v: f64, n: usize| {
            let v = (v / self.step).clamp(0.0, (n - 1) as f64);
            let i = (v.floor() as usize).min(n.saturating_sub(2));
            (i, v - i as f64)
        };
        let weights = |t: f64| {
            let (t2, t3) = (t * t, t * t * t);
            [
                0.5 * (2.0 * t2 - t - t3),
                0.5 * (3.0 * t3 - 5.0 * t2 + 2.0),
                0.5 * (4.0 * t2 - 3.0 * t3 + t),
                0.5 * (t3 - t2),
            ]
        };
        let ((ix, tx), (iy, ty)) = (place(x, self.n_x), place(y, self.n_y));
        let (wx, wy) = (weights(tx), weights(ty));
        let clamp = |i: usize, k: usize, n: usize| (i + k).saturating_sub(1).min(n - 1);
        let mut sum = [0.0; 3];
        for (j, &wj) in wy.iter().enumerate() {
            for (i, &wi) in wx.iter().enumerate() {
                let node = &self.nodes[clamp(iy, j, self.n_y) * self.n_x + clamp(ix, i, self.n_x)];
                for (s, v) in sum.iter_mut().zip(node) {
                    *s += wi * wj * v;
                }
            }
        }
        sum
    }

    /// Fits map and trend to measured stars, and says which were kept.
    pub(super) fn fit(&mut self, samples: &[ShapeSample], neighbours: usize, fit_tail: bool) -> Vec<bool> {
        let mut ts: Vec<f64> = samples.iter().map(|s| (self.trend_mag - s.mag).max(0.0)).collect();
        ts.sort_unstable_by(f64::total_cmp);
        // The brightest 2 % are few: what they follow is not known.
        self.max_t = ts.get(ts.len() * 49 / 50).copied().unwrap_or(0.0).max(0.1);
        let mut keep = vec![true; samples.len()];
        for round in 0..5 {
            if round == 0 && fit_tail {
                for k in 0..2 {
                    let faint = samples.iter().filter(|s| self.t(s.mag) == 0.0).map(|s| s.shape[3 + k]);
                    let value = median(&faint.collect::<Vec<_>>());
                    if value.is_finite() {
                        self.tail[k] = value;
                    }
                }
            }
            self.fit_nodes(samples, &keep, neighbours);
            self.fit_trend(samples, &keep);
            keep = self.judge(samples, &keep);
        }
        keep
    }

    /// Local quadratic regression with tricube weights through the nearest stars of each node.
    fn fit_nodes(&mut self, samples: &[ShapeSample], keep: &[bool], neighbours: usize) {
        let kept: Vec<ShapeSample> = samples.iter().zip(keep).filter(|(_, k)| **k).map(|(s, _)| *s).collect();
        let values: Vec<[f64; 3]> = kept
            .iter()
            .map(|s| {
                let trend = self.trend_at(s.mag);
                std::array::from_fn(|k| s.shape[k] - trend[k])
            })
            .collect();
        let grid = PositionGrid::new(kept.iter().map(|s| (s.x, s.y)), self.step);
        let (n_x, step) = (self.n_x, self.step);
        let span = step * (self.n_x + self.n_y) as f64;
        self.nodes.par_iter_mut().enumerate().for_each(|(i, node)| {
            let (x, y) = ((i % n_x) as f64 * step, (i / n_x) as f64 * step);
            let wanted = neighbours.min(kept.len());
            let mut near: Vec<(f64, usize)> = Vec::new();
            let mut radius = 2.0 * step;
            loop {
                near.clear();
                grid.visit_within(x, y, radius, |j, d| {
                    near.push((d, j));
                    true
                });
                if near.len() >= wanted || radius > 4.0 * span {
                    break;
                }
                radius *= 1.5;
            }
            near.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            near.truncate(wanted);
            if let Some(value) = regress(x, y, &near, &kept, &values) {
                *node = value;
            }
        });
    }

    fn fit_trend(&mut self, samples: &[ShapeSample], keep: &[bool]) {
        let bright: Vec<(f64, Shape)> = samples
            .iter()
            .zip(keep)
            .filter(|(s, k)| **k && self.t(s.mag) > 0.2)
            .map(|(s, _)| {
                let map = self.map_at(s.x, s.y);
                let base = [map[0], map[1], map[2], self.tail[0], self.tail[1]];
                (self.t(s.mag), std::array::from_fn(|k| s.shape[k] - base[k]))
            })
            .collect();
        if bright.len() <= MIN_TREND_STARS {
            return;
        }
        // Width, share and width of the Gaussian: the ellipticity does not depend on brightness.
        for k in [0, 3, 4] {
            let mut used = vec![true; bright.len()];
            for _ in 0..4 {
                let (mut m11, mut m12, mut m22, mut v1, mut v2) = (0.0, 0.0, 0.0, 0.0, 0.0);
                for ((t, d), _) in bright.iter().zip(&used).filter(|(_, u)| **u) {
                    let t2 = t * t;
                    m11 += t * t;
                    m12 += t * t2;
                    m22 += t2 * t2;
                    v1 += t * d[k];
                    v2 += t2 * d[k];
                }
                let det = m11 * m22 - m12 * m12;
                if det <= 1e-12 * m11 * m22 {
                    break;
                }
                self.trend[0][k] = (v1 * m22 - v2 * m12) / det;
                self.trend[1][k] = (v2 * m11 - v1 * m12) / det;
                let rest: Vec<f64> =
                    bright.iter().map(|(t, d)| d[k] - t * self.trend[0][k] - t * t * self.trend[1][k]).collect();
                let kept: Vec<f64> = rest.iter().zip(&used).filter(|(_, u)| **u).map(|(r, _)| *r).collect();
                let limit = 3.0 * mad_sigma(&kept, 0.0) + 1e-6;
                used = rest.iter().map(|r| r.abs() < limit).collect();
            }
        }
    }

    /// Which stars agree with map and trend, within four times the scatter and their own error.
    fn judge(&self, samples: &[ShapeSample], keep: &[bool]) -> Vec<bool> {
        let rest: Vec<[f64; 3]> = samples
            .iter()
            .map(|s| {
                let model = self.at(s.x, s.y, s.mag);
                std::array::from_fn(|k| s.shape[k] - model[k])
            })
            .collect();
        let scatter: [f64; 3] = std::array::from_fn(|k| {
            let kept: Vec<f64> = rest.iter().zip(keep).filter(|(_, u)| **u).map(|(r, _)| r[k]).collect();
            mad_sigma(&kept, 0.0)
        });
        let limit = |k: usize, error: f64| (4.0 * libm::hypot(scatter[k], error)).max(LEAST_REJECTION);
        samples.iter().zip(&rest).map(|(s, r)| (0..3).all(|k| r[k].abs() < limit(k, s.error))).collect()
    }

    /// The map as a compound PSF field of equal cells, for stages that want a local FWHM. Faint stars; scatters are zero.
    #[must_use]
    pub fn to_field(&self, width: usize, height: usize, n_stars: usize) -> PsfField {
        let n = |size: usize| (size as f64 / self.step).ceil().max(1.0) as usize;
        let (n_x, n_y) = (n(width), n(height));
        let cells = (0..n_x * n_y)
            .map(|i| {
                let x = ((i % n_x) as f64 + 0.5) * width as f64 / n_x as f64 - 0.5;
                let y = ((i / n_x) as f64 + 0.5) * height as f64 / n_y as f64 - 0.5;
                let shape = self.at(x, y, f64::INFINITY);
                let median = compound_shape(&shape, self.alpha);
                let scatter = vec![0.0; median.len()];
                let fwhm = Kernel::new(&shape, self.alpha).fwhm();
                PsfCell { n_stars, median, scatter, fwhm, is_borrowed: false }
            })
            .collect();
        PsfField { model: PsfModel::Compound, width, height, n_x, n_y, cells }
    }
}

/// The shape in the parameters of eq. 1: widths along the axes, their angle, alpha, amplitude ratio, Gaussian widths, angle.
fn compound_shape(shape: &Shape, alpha: f64) -> Vec<f64> {
    let [lg, e1, e2, w, lr] = *shape;
    let (g, e) = (libm::exp(lg), libm::hypot(e1, e2));
    let (gx, gy) = (g * libm::exp(0.5 * e), g * libm::exp(-0.5 * e));
    let theta = 0.5 * libm::atan2(e2, e1);
    let r = libm::exp(lr);
    let ratio = w / (2.0 * r * r) / ((1.0 - w) * (alpha - 1.0));
    vec![gx, gy, theta, alpha, ratio, r * gx, r * gy, theta]
}

/// The constant term of a weighted quadratic through the neighbours of a node; `None` when it is not determined.
fn regress(x: f64, y: f64, near: &[(f64, usize)], samples: &[ShapeSample], values: &[[f64; 3]]) -> Option<[f64; 3]> {
    let reach = near.last()?.0 * 1.05 + 1e-9;
    let mut m = [[0.0; 6]; 6];
    let mut v = [[0.0; 3]; 6];
    let mut total = 0.0;
    for &(d, j) in near {
        let s = &samples[j];
        let tricube = (1.0 - (d / reach).powi(3)).powi(3);
        let weight = tricube / (s.error * s.error + SOFT_ERROR * SOFT_ERROR);
        let (u, w) = ((s.x - x) / reach, (s.y - y) / reach);
        let row = [1.0, u, w, u * u, u * w, w * w];
        total += weight;
        for a in 0..6 {
            for b in 0..6 {
                m[a][b] += weight * row[a] * row[b];
            }
            for (slot, value) in v[a].iter_mut().zip(&values[j]) {
                *slot += weight * row[a] * value;
            }
        }
    }
    // A ridge on all but the constant: where stars lie on one side only, the map stays level.
    for (a, row) in m.iter_mut().enumerate().skip(1) {
        row[a] += 1e-3 * total;
    }
    solve6(m, v)
}

/// First row of the solution of `m x = v`, by elimination without pivoting: `m` is positive definite.
fn solve6(mut m: [[f64; 6]; 6], mut v: [[f64; 3]; 6]) -> Option<[f64; 3]> {
    for k in 0..6 {
        let (row, right) = (m[k], v[k]);
        if !(row[k] > 0.0 && row[k].is_finite()) {
            return None;
        }
        for i in k + 1..6 {
            let factor = m[i][k] / row[k];
            m[i].iter_mut().zip(&row).skip(k).for_each(|(a, b)| *a -= factor * b);
            v[i].iter_mut().zip(&right).for_each(|(a, b)| *a -= factor * b);
        }
    }
    for k in (0..6).rev() {
        let mut solved = v[k];
        for (factor, known) in m[k].iter().zip(&v).skip(k + 1) {
            solved.iter_mut().zip(known).for_each(|(a, b)| *a -= factor * b);
        }
        v[k] = solved.map(|a| a / m[k][k]);
    }
    Some(v[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::psf::{Profile, params_from_shape};

    fn samples() -> Vec<ShapeSample> {
        (0..600)
            .map(|i| {
                let t = f64::from(i);
                let (x, y) = ((t * 0.754_877_666).fract() * 700.0, (t * 0.569_840_291).fract() * 500.0);
                let mag = 13.0 + 4.0 * (t * 0.618_034).fract();
                let bright = (15.0 - mag).max(0.0);
                let shape =
                    [0.9 + 0.1 * libm::sin(x / 150.0) + 0.02 * bright, 1e-4 * y, -1e-4 * x, 0.3, -0.9 + 0.01 * bright];
                ShapeSample { x, y, mag, shape, error: 0.005 }
            })
            .collect()
    }

    #[test]
    fn the_map_follows_width_ellipticity_and_the_trend_and_rejects_what_is_no_star() {
        let mut all = samples();
        for i in (0..600).step_by(37) {
            all[i].shape[0] += 0.3;
        }
        let mut psf = SmoothPsf::uniform(700, 500, 64.0, 2.8, 15.0);
        let keep = psf.fit(&all, 40, true);
        assert!((0..600).step_by(37).all(|i| !keep[i]));
        assert!(keep.iter().filter(|k| **k).count() > 560);
        for s in samples().iter().step_by(11) {
            let model = psf.at(s.x, s.y, s.mag);
            for k in 0..5 {
                assert!((model[k] - s.shape[k]).abs() < 0.006, "{k} at {s:?}: {model:?}");
            }
        }
    }

    #[test]
    fn the_compound_shape_is_the_same_profile() {
        let shape = [0.95, 0.1, -0.07, 0.35, -0.9];
        let kernel = Kernel::new(&shape, 2.7);
        let p = params_from_shape(PsfModel::Compound, &compound_shape(&shape, 2.7), 1.0, 0.0, 0.0);
        let profile = Profile::new(PsfModel::Compound, &p);
        for (dx, dy) in [(0.0, 0.0), (1.2, 0.7), (-3.0, 2.0), (0.5, -6.0)] {
            let (a, b) = (kernel.value(dx, dy), profile.value(dx, dy) / profile.flux());
            assert!((a / b - 1.0).abs() < 1e-9, "{a} and {b}");
        }
    }
}
