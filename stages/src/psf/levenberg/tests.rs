//! Steps, learnt curvature and the fits that used to be slow.

use skyloom_data::PsfModel;

use super::curve::moved;
use super::secant::Secant;
use super::{Bounds, Fit, FitOptions, FitPixel, FitStatus, fit};
use crate::psf::kernel::Normal;
use crate::psf::model::{MAX_PARAMS, Params, Profile};

const ALL: [usize; MAX_PARAMS] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

/// A small generator (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (high - low) * ((self.0 >> 11) as f64 / (1_u64 << 53) as f64)
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform(-0.5, 0.5)).sum()
    }
}

/// 17 x 17 pixels of a star with noise 1.
fn star(model: PsfModel, p: &Params, random: &mut Random, noise: f64) -> Vec<FitPixel> {
    let profile = Profile::new(model, p);
    (0..289)
        .map(|i| {
            let (x, y) = (f64::from(i % 17), f64::from(i / 17));
            FitPixel { x, y, value: profile.value(x, y) + noise * random.normal(), weight: 1.0 }
        })
        .collect()
}

fn positive(model: PsfModel) -> Bounds {
    let mut bounds = Bounds::natural(model);
    bounds.lower[0] = 0.0;
    if model == PsfModel::Compound {
        bounds.lower[7] = 0.0;
    }
    bounds
}

/// `R diag(1/w_x^2, 1/w_y^2) R'` of the first ellipse.
fn ellipse(p: &Params) -> [f64; 3] {
    let (sin, cos) = libm::sincos(p[5]);
    let (a, b) = (1.0 / (p[3] * p[3]), 1.0 / (p[4] * p[4]));
    [a * cos * cos + b * sin * sin, (a - b) * sin * cos, a * sin * sin + b * cos * cos]
}

#[test]
fn a_short_step_goes_along_its_tangent() {
    let p: Params = [310.0, 8.3, 7.9, 2.1, 1.7, 0.4, 2.6, 120.0, 1.3, 1.6, -0.2];
    let tangent: Params = [30.0, 0.2, -0.3, 0.4, -0.2, 0.5, 0.3, -20.0, 0.1, 0.2, -0.4];
    let t = 1e-6;
    let end = moved(PsfModel::Compound, &p, &tangent.map(|d| t * d), &ALL);
    for i in 0..MAX_PARAMS {
        assert!(((end[i] - p[i]) / t - tangent[i]).abs() < 1e-4, "parameter {i}");
    }
}

#[test]
fn a_star_that_is_almost_round_turns_but_hardly_changes() {
    let p: Params = [310.0, 8.3, 7.9, 2.0001, 2.0, 0.4, 2.6, 0.0, 0.0, 0.0, 0.0];
    let mut tangent = [0.0; MAX_PARAMS];
    tangent[5] = 40.0;
    let end = moved(PsfModel::Moffat, &p, &tangent, &ALL[..7]);
    assert!((end[5] - p[5]).abs() <= std::f64::consts::FRAC_PI_4, "the nearer axis");
    let (before, after) = (ellipse(&p), ellipse(&end));
    for k in 0..3 {
        assert!((after[k] - before[k]).abs() < 0.01 * before[0], "element {k}");
    }
    let held = moved(PsfModel::Moffat, &p, &tangent, &[3, 5]);
    assert_eq!(held[4], p[4], "a width that does not move");
}

#[test]
fn curvature_is_learnt_from_gradients() {
    // chi2 / 2 = p'(M + S)p / 2 with M = 1: one step per dimension is enough.
    let s = [[0.5, -0.2, 0.1], [-0.2, -0.4, 0.3], [0.1, 0.3, 0.2]];
    let at = |p: &Params| {
        let mut normal = Normal::default();
        for i in 0..3 {
            normal.matrix[i][i] = 1.0;
            normal.gradient[i] = p[i] + (0..3).map(|j| s[i][j] * p[j]).sum::<f64>();
        }
        normal
    };
    let mut secant = Secant::default();
    let mut p = [0.0; MAX_PARAMS];
    for step in [[1.0, 0.2, 0.1], [-0.1, 1.0, 0.3], [0.3, 0.1, 1.0]] {
        let mut q = p;
        for i in 0..3 {
            q[i] += step[i];
        }
        secant.learn(&p, &q, &at(&p), &at(&q), &[0, 1, 2]);
        let last: Params = std::array::from_fn(|i| q[i] - p[i]);
        let bend: f64 = (0..3).map(|i| last[i] * (0..3).map(|j| s[i][j] * last[j]).sum::<f64>()).sum();
        assert!((secant.bend(&last, &[0, 1, 2]) - bend).abs() < 1e-12);
        p = q;
    }
}

#[test]
fn a_moffat_becomes_a_gaussian_in_a_few_steps() {
    let truth = [500.0, 8.2, 7.9, 1.6, 1.3, 0.4, 0.0, 0.0, 0.0, 0.0, 0.0];
    let pixels = star(PsfModel::Gaussian, &truth, &mut Random(3), 0.0);
    let start = [400.0, 8.0, 8.0, 2.5, 2.0, 0.2, 2.5, 0.0, 0.0, 0.0, 0.0];
    let found = fit(PsfModel::Moffat, &pixels, &start, &positive(PsfModel::Moffat), &FitOptions::default());
    assert!(found.is_converged() && found.params[6] == 100.0, "{found:?}");
    assert!(found.iterations <= 30, "{} steps", found.iterations);
}

#[test]
fn faint_compounds_converge_and_a_search_never_ends_higher() {
    let mut random = Random(11);
    let mut n_lower = 0;
    for k in 0..60 {
        let peak = libm::exp(random.uniform(3.4, 5.0));
        let mut p = [0.0; MAX_PARAMS];
        p[..7].copy_from_slice(&[peak, 8.0, 8.0, 2.3, 1.7, random.uniform(-1.2, 1.2), random.uniform(2.0, 4.0)]);
        p[7..].copy_from_slice(&[peak * random.uniform(0.3, 0.8), 1.3, 0.9, random.uniform(-1.2, 1.2)]);
        let pixels = star(PsfModel::Compound, &p, &mut random, 1.0);
        let run = |has_search: bool| -> Fit {
            let options = FitOptions { tolerance: 1e-12, has_search, ..FitOptions::default() };
            fit(PsfModel::Compound, &pixels, &p, &positive(PsfModel::Compound), &options)
        };
        let (alone, best) = (run(false), run(true));
        assert_eq!(best.status, FitStatus::Converged, "star {k}");
        assert!(best.chi2 <= alone.chi2 || !alone.is_converged(), "star {k}");
        n_lower += usize::from(best.chi2 < alone.chi2 - 0.01);
    }
    assert!(n_lower > 0, "the search is of use");
}
