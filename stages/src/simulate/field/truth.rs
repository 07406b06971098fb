//! What is in a simulated field.

use super::clusters::make_clusters;
use super::galaxies::make_galaxies;
use super::population::{find_blends, make_field_stars};
use super::stage_params::Field;

/// What a star is; the number in the truth table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum StarKind {
    /// A star of the field.
    Field = 0,
    /// A nearby star with a parallax.
    Foreground = 1,
    /// A member of a cluster.
    Member = 2,
    /// A loose young star of a complex.
    Association = 3,
    /// One of a planted close pair.
    Pair = 4,
}

/// A star; its number is its index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Star {
    /// Column, zero-based.
    pub x: f64,
    /// Row, zero-based.
    pub y: f64,
    /// Magnitude in the first band.
    pub mag: f64,
    /// Colour; see [`super::Band`].
    pub colour: f32,
    /// What it is.
    pub kind: StarKind,
    /// Number of its cluster; `-2 - complex` for loose stars of a complex; -1 for the rest.
    pub cluster: i32,
    /// True parallax in mas.
    pub parallax: f32,
}

/// A cluster; its number is its index.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Number of its complex; `None` for a cluster of its own.
    pub complex: Option<usize>,
    /// Centre, column.
    pub x: f64,
    /// Centre, row.
    pub y: f64,
    /// Half-light radius of the profile (geometric mean of the axes) in pixels.
    pub r_half_px: f64,
    /// Density profile.
    pub shape: super::super::ClusterShape,
    /// `c` of King, `gamma` of EFF, 0 for Plummer.
    pub concentration: f64,
    /// Axis ratio.
    pub q: f64,
    /// Direction of the major axis in radians from +x towards +y.
    pub pa: f64,
    /// Whether it is young (1.5 Myr, blue) or of intermediate age (300 Myr).
    pub is_young: bool,
    /// Extinction in V, which reddens the members.
    pub a_v: f64,
    /// First member's number; members are consecutive.
    pub first_star: usize,
    /// Members.
    pub n_stars: usize,
}

/// A galaxy; its number is its index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Galaxy {
    /// Centre, column.
    pub x: f64,
    /// Centre, row.
    pub y: f64,
    /// Total magnitude in the first band.
    pub mag: f64,
    /// Colour; see [`super::Band`].
    pub colour: f64,
    /// Half-light radius in pixels.
    pub r_half_px: f64,
    /// Sersic index.
    pub n: f64,
    /// Axis ratio.
    pub q: f64,
    /// Direction of the major axis in radians.
    pub pa: f64,
}

/// Two stars within 3 px of each other that are no cluster members, of less than 1.5 mag difference, brighter than 18.5 mag.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Blend {
    /// Number of the first star.
    pub a: usize,
    /// Number of the second star.
    pub b: usize,
    /// Distance in pixels.
    pub separation: f64,
}

/// Everything that is true of a field, in any band.
#[derive(Debug, Clone)]
pub struct Truth {
    /// Stars: of the field, foreground, pairs, then cluster members in the order of clusters, then loose stars of complexes.
    pub stars: Vec<Star>,
    /// Clusters.
    pub clusters: Vec<Cluster>,
    /// Centres of the complexes.
    pub complexes: Vec<(f64, f64)>,
    /// Galaxies.
    pub galaxies: Vec<Galaxy>,
    /// Close pairs.
    pub blends: Vec<Blend>,
}

/// Draws a field. The same parameters give the same field, whatever `band` and the number of threads.
#[must_use]
pub fn make_truth(field: &Field) -> Truth {
    let mut stars = make_field_stars(field);
    let (clusters, complexes) = make_clusters(field, &mut stars);
    let galaxies = make_galaxies(field);
    let blends = find_blends(&stars);
    Truth { stars, clusters, complexes, galaxies, blends }
}

impl Truth {
    /// Magnitude of a star in a band, which is number `band_index` of the field's.
    #[must_use]
    pub fn star_mag(&self, field: &Field, star: usize, band_index: usize) -> f64 {
        star_mag(field, &self.stars[star], star, band_index)
    }
}

/// See [`Truth::star_mag`].
pub(super) fn star_mag(field: &Field, star: &Star, number: usize, band_index: usize) -> f64 {
    let band = &field.bands[band_index];
    let mag = star.mag + band.colour_slope * f64::from(star.colour) + band.colour_offset;
    if band.colour_scatter == 0.0 {
        return mag;
    }
    // A normal number from two hashed ones: cheaper than a stream of its own for millions of stars.
    let unit = |which: u64| super::super::lattice::hash_unit(field.seed ^ 0x636f_6c6f, number as u64, which);
    let index = 2 * band_index as u64;
    let radius = (-2.0 * libm::log(1.0 - unit(index))).sqrt();
    mag + band.colour_scatter * radius * libm::cos(std::f64::consts::TAU * unit(index + 1))
}
