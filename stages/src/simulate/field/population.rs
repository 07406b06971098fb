//! Field stars, foreground stars and close pairs.

use rayon::prelude::*;

use crate::psf::PositionGrid;

use super::super::draws::{Domain, Draws};
use super::super::lattice::clouds;
use super::stage_params::{Field, StarCount};
use super::truth::{Blend, Star, StarKind};

/// Scale over which the density of field stars changes.
const DENSITY_SCALE_PX: f64 = 1100.0;
/// Red-clump stars: magnitude and scatter.
const RED_CLUMP: (f64, f64) = (16.9, 0.2);
/// Parallax of the LMC at 50 kpc in mas.
const FAR_PARALLAX: f32 = 0.02;

/// Stars of the field, then of the foreground, then of planted pairs.
pub(super) fn make_field_stars(field: &Field) -> Vec<Star> {
    let mut counts = Draws::new(field.seed, Domain::Counts, 0, 0);
    let area = field.square_degrees();
    let mut stars = Vec::new();
    for (which, range) in field.star_counts.iter().enumerate() {
        let n = counts.poisson(range.per_deg2 * area);
        let more: Vec<Star> = (0..n).into_par_iter().map(|i| field_star(field, range, which, i)).collect();
        stars.extend(more);
    }
    let n = counts.poisson(field.foreground_per_deg2 * area);
    stars.extend((0..n).map(|i| foreground_star(field, i)));
    let n = counts.poisson(field.blends_per_mpx * field.mega_pixels());
    for i in 0..n {
        stars.extend(pair(field, i));
    }
    stars
}

/// A place on the field, edge pixels whole.
pub(super) fn place(field: &Field, draws: &mut Draws) -> (f64, f64) {
    (draws.between(-0.5, field.width_px as f64 - 0.5), draws.between(-0.5, field.height_px as f64 - 0.5))
}

fn field_star(field: &Field, range: &StarCount, which: usize, number: usize) -> Star {
    let mut draws = Draws::new(field.seed, Domain::FieldStar, which as u64, number as u64);
    // Rejection: at most 1 / (1 - contrast) trials on average, which is 20 at the largest contrast.
    let (x, y) = loop {
        let (x, y) = place(field, &mut draws);
        // Two octaves of noise about 0.5 with a scatter of 0.15; three times that fills -1..1.
        let n = (3.0 * (clouds(field.seed ^ 0x6465_6e73, x, y, DENSITY_SCALE_PX, 2) - 0.5)).clamp(-1.0, 1.0);
        if draws.uniform() * (1.0 + field.density_contrast) < 1.0 + field.density_contrast * n {
            break (x, y);
        }
    };
    let mut mag = draws.magnitude(range.bright, range.faint, range.slope);
    if draws.uniform() < range.red_clump {
        // A clump at the end of its range is cut off there: the range's count holds.
        let trials = (0..20).map(|_| RED_CLUMP.0 + RED_CLUMP.1 * draws.normal());
        mag = trials.into_iter().find(|m| *m >= range.bright && *m < range.faint).unwrap_or(mag);
    }
    Star {
        x,
        y,
        mag,
        colour: old_colour(&mut draws, mag) as f32,
        kind: StarKind::Field,
        cluster: -1,
        parallax: FAR_PARALLAX,
    }
}

/// J - Ks of a field star: giants at 0.63, from 16 mag on more and more of the blue main sequence.
fn old_colour(draws: &mut Draws, mag: f64) -> f64 {
    let share = (0.25 * (mag - 16.0)).clamp(0.0, 0.5);
    let (is_blue, scatter) = (draws.uniform() < share, draws.normal());
    if is_blue { 0.04 + 0.11 * scatter } else { 0.63 - 0.035 * (mag - 16.0).clamp(0.0, 4.0) + 0.11 * scatter }
}

fn foreground_star(field: &Field, number: usize) -> Star {
    let mut draws = Draws::new(field.seed, Domain::Foreground, 0, number as u64);
    let (x, y) = place(field, &mut draws);
    // Dwarfs at 0.3 to 2.5 kpc.
    let parallax = libm::exp10(draws.between(-0.4, 0.5)) as f32;
    let mag = draws.magnitude(8.0, 16.5, 0.15);
    let colour = (0.6 + 0.18 * draws.normal()) as f32;
    Star { x, y, mag, colour, kind: StarKind::Foreground, cluster: -1, parallax }
}

/// Largest separation of a pair in pixels, its largest magnitude difference, and its faintest star.
const PAIR: (f64, f64, f64) = (3.0, 1.5, 18.5);

fn pair(field: &Field, number: usize) -> [Star; 2] {
    let mut draws = Draws::new(field.seed, Domain::Blend, 0, number as u64);
    let (x, y) = place(field, &mut draws);
    let first = draws.magnitude(13.9, PAIR.2, 0.2);
    let (separation, angle) = (draws.between(0.7, PAIR.0), std::f64::consts::TAU * draws.uniform());
    let second = first + draws.between(0.08, 1.2);
    let (sin, cos) = libm::sincos(angle);
    let mut star = |x: f64, y: f64, mag: f64| {
        let colour = (0.38 + 0.22 * draws.normal()) as f32;
        Star { x, y, mag, colour, kind: StarKind::Pair, cluster: -1, parallax: FAR_PARALLAX }
    };
    [star(x, y, first), star(x + separation * cos, y + separation * sin, second)]
}

/// All close pairs outside clusters; see [`Blend`].
pub(super) fn find_blends(stars: &[Star]) -> Vec<Blend> {
    let may = |s: &Star| s.mag < PAIR.2 && matches!(s.kind, StarKind::Field | StarKind::Foreground | StarKind::Pair);
    let bright: Vec<usize> = (0..stars.len()).filter(|i| may(&stars[*i])).collect();
    let grid = PositionGrid::new(bright.iter().map(|&i| (stars[i].x, stars[i].y)), PAIR.0);
    let mut blends = Vec::new();
    for (k, &a) in bright.iter().enumerate() {
        grid.visit_within(stars[a].x, stars[a].y, PAIR.0, |other, separation| {
            let b = bright[other];
            if other > k && (stars[a].mag - stars[b].mag).abs() < PAIR.1 {
                blends.push(Blend { a, b, separation });
            }
            true
        });
    }
    blends.sort_by_key(|blend| (blend.a, blend.b));
    blends
}
