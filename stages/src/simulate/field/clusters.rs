//! Clusters drawn star by star, alone and in complexes, and the loose stars of complexes.

use rayon::prelude::*;

use super::super::draws::{Domain, Draws};
use super::super::profile::{ClusterProfile, ClusterShape, shape_point};
use super::population::place;
use super::stage_params::Field;
use super::truth::{Cluster, Star, StarKind};

/// Cluster members per magnitude grow as `10^(0.325 m)`: a population of 10^4 stars with a Salpeter-like mass function.
pub(in super::super) const MEMBER_SLOPE: f64 = 0.325;
/// The brightest member is fainter than the cluster by so many magnitudes: one star never is most of a cluster.
const BRIGHTEST: (f64, f64) = (1.9, 3.9);

/// What is decided of a cluster before its stars are drawn.
struct Plan {
    cluster: Cluster,
    mag: f64,
}

/// Clusters (isolated ones first), and centres of complexes. Members and loose stars are added to `stars`.
pub(super) fn make_clusters(field: &Field, stars: &mut Vec<Star>) -> (Vec<Cluster>, Vec<(f64, f64)>) {
    let mut counts = Draws::new(field.seed, Domain::Counts, 1, 0);
    let n_single = counts.poisson(field.clusters_per_mpx * field.mega_pixels());
    let n_complex = counts.poisson(field.complexes_per_mpx * field.mega_pixels());

    let mut plans = Vec::new();
    for i in 0..n_single {
        let mut draws = Draws::new(field.seed, Domain::Cluster, 0, i as u64);
        let at = place(field, &mut draws);
        // Fainter clusters are commoner, as in any luminosity function.
        let mag = draws.magnitude(field.cluster_bright, field.cluster_faint.max(field.cluster_bright), 0.13);
        plans.push(plan(field, &mut draws, at, mag, None, 0.6));
    }
    let mut complexes = Vec::new();
    for c in 0..n_complex {
        let mut draws = Draws::new(field.seed, Domain::Complex, 0, c as u64);
        let centre = place(field, &mut draws);
        complexes.push(centre);
        let members = 3 + (6.0 * draws.uniform()) as u64;
        for i in 0..members {
            let mut draws = Draws::new(field.seed, Domain::Cluster, 1 + c as u64, i);
            let (dx, dy) = draws.normal_pair();
            let at = (centre.0 + 0.7 * field.complex_px * dx, centre.1 + 0.7 * field.complex_px * dy);
            // Members of complexes are young and bright.
            let middle = 0.5 * (field.cluster_bright + field.cluster_faint.max(field.cluster_bright));
            let mag = draws.between(field.cluster_bright.max(12.0).min(middle), middle + 1.2);
            plans.push(plan(field, &mut draws, at, mag, Some(c), 0.75));
        }
    }

    let members: Vec<Vec<Star>> = plans.par_iter().enumerate().map(|(i, plan)| members(field, plan, i)).collect();
    let mut clusters = Vec::with_capacity(plans.len());
    for (plan, members) in plans.into_iter().zip(members) {
        clusters.push(Cluster { first_star: stars.len(), n_stars: members.len(), ..plan.cluster });
        stars.extend(members);
    }
    for (c, &centre) in complexes.iter().enumerate() {
        stars.extend((0..field.association_stars).map(|i| loose_star(field, c, centre, i)));
    }
    (clusters, complexes)
}

fn plan(field: &Field, draws: &mut Draws, at: (f64, f64), mag: f64, complex: Option<usize>, young: f64) -> Plan {
    let (shape, concentration) = match draws.uniform() {
        u if u < 0.26 => (ClusterShape::King, draws.between(4.0, 20.0)),
        u if u < 0.56 => (ClusterShape::Eff, draws.between(2.6, 3.6)),
        _ => (ClusterShape::Plummer, 0.0),
    };
    // Half-light radii are log-normal about 7 px (2.4 arcsec, 0.6 pc in the LMC) with 0.25 dex, inside the given range.
    let median: f64 = 7.0;
    let (low, high) = (field.radius_min_px, field.radius_max_px.max(field.radius_min_px));
    let r_half_px = (median * libm::exp10(0.25 * draws.normal())).clamp(low, high);
    let cluster = Cluster {
        complex,
        x: at.0,
        y: at.1,
        r_half_px,
        shape,
        concentration,
        q: draws.between(0.7, 1.0),
        pa: draws.between(0.0, std::f64::consts::PI),
        is_young: draws.uniform() < young,
        a_v: -0.55 * libm::log(1.0 - draws.uniform()),
        first_star: 0,
        n_stars: 0,
    };
    Plan { cluster, mag }
}

/// Mean flux of stars between two magnitudes whose number grows as `10^(MEMBER_SLOPE m)`, as a part of the flux at `bright`.
pub(in super::super) fn mean_flux(bright: f64, faint: f64) -> f64 {
    let span = faint - bright;
    let integral = |slope: f64| (libm::exp10(slope * span) - 1.0) / slope;
    integral(MEMBER_SLOPE - 0.4) / integral(MEMBER_SLOPE)
}

/// Magnitudes of members: the brightest first, then as many as the total needs on average.
pub(super) fn member_mags(draws: &mut Draws, mag: f64, faint: f64) -> Vec<f64> {
    let bright = (mag + draws.between(BRIGHTEST.0, BRIGHTEST.1)).min(faint - 0.5);
    let rest = libm::exp10(-0.4 * (mag - bright)) - 1.0;
    let n = (rest.max(0.0) / mean_flux(bright, faint)).round() as usize;
    std::iter::once(bright).chain((0..n).map(|_| draws.magnitude(bright, faint, MEMBER_SLOPE))).collect()
}

fn members(field: &Field, plan: &Plan, number: usize) -> Vec<Star> {
    let mut draws = Draws::new(field.seed, Domain::Members, 0, number as u64);
    let cluster = &plan.cluster;
    let profile = ClusterProfile::new(cluster.shape, cluster.concentration);
    let mags = member_mags(&mut draws, plan.mag, field.member_faint);
    mags.into_iter()
        .map(|mag| {
            let (r, phi) =
                (cluster.r_half_px * profile.radius(draws.uniform()), std::f64::consts::TAU * draws.uniform());
            let (dx, dy) = shape_point(r, phi, cluster.q, cluster.pa);
            // Colour excess E(J - Ks) = 0.17 A_V (Cardelli et al. 1989).
            let (mean, scatter) = if cluster.is_young { (0.02, 0.11) } else { (0.56, 0.11) };
            let colour = mean + 0.17 * cluster.a_v + scatter * draws.normal();
            Star {
                x: cluster.x + dx,
                y: cluster.y + dy,
                mag,
                colour: colour as f32,
                kind: StarKind::Member,
                cluster: number as i32,
                parallax: 0.02,
            }
        })
        .collect()
}

fn loose_star(field: &Field, complex: usize, centre: (f64, f64), number: usize) -> Star {
    let mut draws = Draws::new(field.seed, Domain::Association, complex as u64, number as u64);
    let (dx, dy) = draws.normal_pair();
    Star {
        x: centre.0 + 1.2 * field.complex_px * dx,
        y: centre.1 + 1.2 * field.complex_px * dy,
        mag: draws.magnitude(14.5, 22.0, 0.3),
        colour: (0.05 + 0.15 * draws.normal()) as f32,
        kind: StarKind::Association,
        cluster: -2 - complex as i32,
        parallax: 0.02,
    }
}
