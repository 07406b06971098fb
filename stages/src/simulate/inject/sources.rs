//! What is planted: a star, or a cluster as points of light.

use super::super::draws::{Domain, Draws};
use super::super::field::clusters::{MEMBER_SLOPE, mean_flux};
use super::super::profile::{ClusterProfile, ClusterShape, shape_point};
use super::params::{Inject, Light};

/// A planted object, before it has a place: offsets are from its centre.
#[derive(Debug, Clone, PartialEq)]
pub struct Injected {
    /// Total magnitude.
    pub mag: f64,
    /// Half-light radius in pixels and profile of a cluster; `None` for a star.
    pub cluster: Option<(f64, ClusterShape)>,
    /// `c` of King, `gamma` of EFF, 0 otherwise.
    pub concentration: f64,
    /// Axis ratio.
    pub q: f64,
    /// Direction of the major axis in radians from +x towards +y.
    pub pa: f64,
    /// Points of light. The parts of the total add up to 1.
    pub members: Vec<Member>,
    /// Whether the points are stars; those of smooth light are not.
    pub is_resolved: bool,
}

/// A point of light of an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// Offset from the centre along columns.
    pub dx: f64,
    /// Offset along rows.
    pub dy: f64,
    /// Part of the object's light.
    pub part: f64,
}

/// Object number `i`: clusters first, then stars. Also returns the stream that its place is drawn from.
#[must_use]
pub fn make_object(params: &Inject, i: usize) -> (Injected, Draws) {
    let mut draws = Draws::new(params.seed, Domain::Injected, 0, i as u64);
    let place = Draws::new(params.seed, Domain::Injected, 1, i as u64);
    // The same numbers are drawn whether or not they are used, so that a grid changes nothing else.
    let (u_mag, u_radius, u_q, u_pa) = (draws.uniform(), draws.uniform(), draws.uniform(), draws.uniform());
    let is_cluster = i < params.n_clusters;
    let on_grid = |step: usize, steps: usize| if steps > 1 { step as f64 / (steps - 1) as f64 } else { 0.5 };
    let mag_part = match params.mag_steps {
        0 => u_mag,
        steps => on_grid(i % steps, steps),
    };
    let mag = params.mag_bright + mag_part * (params.mag_faint - params.mag_bright);
    if !is_cluster {
        let members = vec![Member { dx: 0.0, dy: 0.0, part: 1.0 }];
        let star = Injected { mag, cluster: None, concentration: 0.0, q: 1.0, pa: 0.0, members, is_resolved: true };
        return (star, place);
    }
    let radius_part = match params.radius_steps {
        0 => u_radius,
        // The next radius after a full round of magnitudes.
        steps => on_grid(i / params.mag_steps.max(1) % steps, steps),
    };
    let ratio = libm::log(params.radius_max_px / params.radius_min_px);
    let r_half = params.radius_min_px * libm::exp(radius_part * ratio);
    // Shapes take turns, shifted after each full round of the grid: every cell gets every shape in time.
    let cells = params.mag_steps.max(1) * params.radius_steps.max(1);
    let shape = params.shapes[(i + i / cells) % params.shapes.len()];
    let concentration = match shape {
        ClusterShape::King => params.king_c,
        ClusterShape::Eff => params.eff_gamma,
        ClusterShape::Plummer => 0.0,
    };
    let profile = ClusterProfile::new(shape, concentration);
    let (q, pa) = (1.0 - params.ellipticity * u_q, std::f64::consts::PI * u_pa);
    let members = match params.light {
        Light::Stars => star_members(params, &mut draws, &profile, r_half, q, pa),
        Light::Smooth => smooth_members(&profile, r_half, q, pa),
    };
    let is_resolved = params.light == Light::Stars;
    (Injected { mag, cluster: Some((r_half, shape)), concentration, q, pa, members, is_resolved }, place)
}

/// Stars of a cluster, with parts of its light that add up to 1.
fn star_members(
    params: &Inject,
    draws: &mut Draws,
    profile: &ClusterProfile,
    r_half: f64,
    q: f64,
    pa: f64,
) -> Vec<Member> {
    let brightest = draws.between(params.brightest_min, params.brightest_max);
    let rest = (libm::exp10(0.4 * brightest) - 1.0).max(0.0);
    let n = (rest / mean_flux(0.0, params.member_depth)).round() as usize;
    let depths = std::iter::once(0.0).chain((0..n).map(|_| draws.magnitude(0.0, params.member_depth, MEMBER_SLOPE)));
    let fluxes: Vec<f64> = depths.map(|m| libm::exp10(-0.4 * m)).collect();
    let total = fluxes.iter().fold(0.0, |a, b| a + b);
    fluxes
        .into_iter()
        .map(|flux| {
            let (r, phi) = (r_half * profile.radius(draws.uniform()), std::f64::consts::TAU * draws.uniform());
            let (dx, dy) = shape_point(r, phi, q, pa);
            Member { dx, dy, part: flux / total }
        })
        .collect()
}

/// Points on a spiral whose radius grows with the square of their number, each with the light of its ring: dense where the
/// light is, and never so far apart that the PSF leaves gaps where light counts (2 px at two half-light radii).
fn smooth_members(profile: &ClusterProfile, r_half: f64, q: f64, pa: f64) -> Vec<Member> {
    const GOLDEN_ANGLE: f64 = 2.399_963_229_728_653_3;
    let edge = profile.edge();
    let n = (0.3 * (edge * r_half).powi(2)).clamp(500.0, 20_000.0) as usize;
    let radius = |t: f64| edge * (t / n as f64).powi(2);
    (0..n)
        .map(|i| {
            let part = profile.fraction(radius(i as f64 + 1.0)) - profile.fraction(radius(i as f64));
            let phi = GOLDEN_ANGLE * i as f64 % std::f64::consts::TAU;
            let (dx, dy) = shape_point(r_half * radius(i as f64 + 0.5), phi, q, pa);
            Member { dx, dy, part }
        })
        .collect()
}
