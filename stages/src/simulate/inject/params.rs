//! Parameters of `simulate.inject`.

use serde::{Deserialize, Serialize};
use skyloom_engine::Problems;

use super::super::profile::ClusterShape;

/// How a cluster's light is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Light {
    /// Star by star: the brightest member, then stars whose number grows as `10^(0.325 m)`, scaled to the total.
    Stars,
    /// Smooth: the density profile itself, blurred by the PSF.
    Smooth,
}

/// Plants artificial stars and clusters into an image, and says where.
///
/// Magnitudes become flux by the image's zero point and exposure. Objects are blurred by the PSF field at `psf`, or by a Gaussian
/// or Moffat of `fwhm_px`. They lie away from the edge, from masked pixels and from each other; an object that finds no place in
/// 1000 trials is left out with a warning, and the truth table holds only what was planted. Masked pixels and pixels without a
/// value stay as they are.
///
/// With `mag_steps` and `radius_steps` the clusters go round a grid of magnitudes and radii; otherwise they are drawn, evenly in
/// magnitude and in the logarithm of the radius. The random numbers of an object depend on `seed` and its number alone.
///
/// Members and single stars that a catalogue would hold (brighter than `catalogue_limit`, not hidden by the crowd) are appended to the
/// star list as PSF photometry would measure them: with errors, merged with close neighbours, and with the sharpness and the
/// probability of being a star that fall in company; the same model as in `simulate.field`. Columns that are not known stay empty.
///
/// Metrics: `n_clusters`, `n_stars`, `n_left_out`, `n_catalogued`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inject {
    /// Which objects: another number gives others.
    pub seed: u64,
    /// Clusters to plant. More than about one per 10,000 px changes the background that they are measured against.
    #[serde(default)]
    #[schemars(range(max = 100000))]
    pub n_clusters: usize,
    /// Single stars to plant.
    #[serde(default)]
    #[schemars(range(max = 1000000))]
    pub n_stars: usize,
    /// Brightest total magnitude, of clusters and of single stars.
    #[schemars(range(min = -10.0, max = 40.0))]
    pub mag_bright: f64,
    /// Faintest total magnitude.
    #[schemars(range(min = -10.0, max = 40.0))]
    pub mag_faint: f64,
    /// Number of magnitudes of the grid, both ends included; 0 draws them.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub mag_steps: usize,
    /// Smallest half-light radius of a cluster (geometric mean of its axes).
    #[serde(default = "default_radius_min")]
    #[schemars(range(min = 0.1, max = 1000.0), extend("x-unit" = "px"))]
    pub radius_min_px: f64,
    /// Largest half-light radius.
    #[serde(default = "default_radius_max")]
    #[schemars(range(min = 0.1, max = 1000.0), extend("x-unit" = "px"))]
    pub radius_max_px: f64,
    /// Number of radii of the grid, in equal ratios, both ends included; 0 draws them.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub radius_steps: usize,
    /// Profiles, in turn.
    #[serde(default = "all_shapes")]
    pub shapes: Vec<ClusterShape>,
    /// Concentration `r_t / r_c` of King profiles: 10 is typical of young and globular clusters alike.
    #[serde(default = "default_king_c")]
    #[schemars(range(min = 1.1, max = 1000.0))]
    pub king_c: f64,
    /// Exponent `gamma` of EFF profiles: 2.2 to 3.2 in the clusters of the LMC.
    #[serde(default = "default_gamma")]
    #[schemars(range(min = 2.1, max = 10.0))]
    pub eff_gamma: f64,
    /// Largest ellipticity `1 - b/a`; drawn between 0 and this.
    #[serde(default = "default_ellipticity")]
    #[schemars(range(min = 0.0, max = 0.9))]
    pub ellipticity: f64,
    /// Star by star, or smooth.
    #[serde(default = "default_light")]
    pub light: Light,
    /// Magnitudes by which the brightest member is fainter than the cluster: from this ..
    #[serde(default = "default_brightest_min")]
    #[schemars(range(min = 0.1, max = 10.0))]
    pub brightest_min: f64,
    /// .. to this, drawn. A small difference makes clusters that a bright star dominates.
    #[serde(default = "default_brightest_max")]
    #[schemars(range(min = 0.1, max = 10.0))]
    pub brightest_max: f64,
    /// Magnitudes from the brightest to the faintest member. Members below the noise make smooth light; more depth costs time.
    #[serde(default = "default_depth")]
    #[schemars(range(min = 1.0, max = 12.0))]
    pub member_depth: f64,
    /// FWHM of the PSF where no PSF field is wired; then it is required.
    #[serde(default)]
    #[schemars(range(min = 0.5, max = 100.0), extend("x-unit" = "px"))]
    pub fwhm_px: Option<f64>,
    /// Exponent of a Moffat PSF of that FWHM; a Gaussian by default.
    #[serde(default)]
    #[schemars(range(min = 1.2, max = 20.0))]
    pub moffat_alpha: Option<f64>,
    /// Electrons per pixel unit: the planted light gets its own photon noise. Without it no noise is added, and bright
    /// objects are smoother than nature's.
    #[serde(default)]
    #[schemars(range(min = 1e-6, max = 1e9))]
    pub gain: Option<f64>,
    /// Smallest distance between the centres of two objects.
    #[serde(default = "default_separation")]
    #[schemars(range(min = 0.0, max = 100000.0), extend("x-unit" = "px"))]
    pub separation_px: f64,
    /// Smallest distance of a centre from the edge; 75 px is what the isophotes of Miller et al. (2024), section 7.1, keep.
    #[serde(default = "default_edge")]
    #[schemars(range(min = 0.0, max = 100000.0), extend("x-unit" = "px"))]
    pub edge_px: f64,
    /// No masked pixel and no pixel without value lies within this distance of a centre.
    #[serde(default = "default_clearance")]
    #[schemars(range(min = 0.0, max = 1000.0), extend("x-unit" = "px"))]
    pub clearance_px: f64,
    /// Members and stars brighter than this are appended to the star list; none by default.
    #[serde(default)]
    #[schemars(range(min = -10.0, max = 40.0))]
    pub catalogue_limit: Option<f64>,
    /// Light of the others at a member's place, as a part of its own peak, at which half of the members are listed.
    ///
    /// Surveys have gaps in the cores of clusters. With a large value the core is in the list star by star, and removal of the
    /// listed stars removes the cluster. 1.05 as in `simulate.field`.
    #[serde(default = "default_crowding_limit")]
    #[schemars(range(min = 0.01, max = 1e6))]
    pub crowding_limit: f64,
    /// Column of the star list that takes their magnitudes.
    #[serde(default = "default_mag_column")]
    pub mag_column: String,
}

macro_rules! defaults {
    ($($name:ident: $type:ty = $value:expr;)*) => { $(fn $name() -> $type { $value })* };
}

defaults! {
    default_radius_min: f64 = 3.0;
    default_radius_max: f64 = 12.0;
    all_shapes: Vec<ClusterShape> = vec![ClusterShape::King, ClusterShape::Eff, ClusterShape::Plummer];
    default_king_c: f64 = 10.0;
    default_gamma: f64 = 3.0;
    default_ellipticity: f64 = 0.3;
    default_light: Light = Light::Stars;
    // As of the clusters of simulate.field.
    default_brightest_min: f64 = 1.9;
    default_brightest_max: f64 = 3.9;
    default_depth: f64 = 7.0;
    default_separation: f64 = 60.0;
    default_edge: f64 = 75.0;
    default_clearance: f64 = 5.0;
    default_crowding_limit: f64 = 1.05;
    default_mag_column: String = "mag".to_owned();
}

impl Inject {
    /// `n_clusters` clusters between two magnitudes, everything else at its default, no PSF.
    #[must_use]
    pub fn new(seed: u64, n_clusters: usize, mag_bright: f64, mag_faint: f64) -> Self {
        Self {
            seed,
            n_clusters,
            n_stars: 0,
            mag_bright,
            mag_faint,
            mag_steps: 0,
            radius_min_px: default_radius_min(),
            radius_max_px: default_radius_max(),
            radius_steps: 0,
            shapes: all_shapes(),
            king_c: default_king_c(),
            eff_gamma: default_gamma(),
            ellipticity: default_ellipticity(),
            light: default_light(),
            brightest_min: default_brightest_min(),
            brightest_max: default_brightest_max(),
            member_depth: default_depth(),
            fwhm_px: None,
            moffat_alpha: None,
            gain: None,
            separation_px: default_separation(),
            edge_px: default_edge(),
            clearance_px: default_clearance(),
            catalogue_limit: None,
            crowding_limit: default_crowding_limit(),
            mag_column: default_mag_column(),
        }
    }

    pub(super) fn check_params(&self, problems: &mut Problems) {
        for (name, value, low, high) in [
            ("mag_bright", self.mag_bright, -10.0, 40.0),
            ("mag_faint", self.mag_faint, self.mag_bright, 40.0),
            ("radius_min_px", self.radius_min_px, 0.1, 1e3),
            ("radius_max_px", self.radius_max_px, self.radius_min_px, 1e3),
            ("king_c", self.king_c, 1.1, 1e3),
            ("eff_gamma", self.eff_gamma, 2.1, 10.0),
            ("ellipticity", self.ellipticity, 0.0, 0.9),
            ("brightest_min", self.brightest_min, 0.1, 10.0),
            ("brightest_max", self.brightest_max, self.brightest_min, 10.0),
            ("member_depth", self.member_depth, 1.0, 12.0),
            ("separation_px", self.separation_px, 0.0, 1e5),
            ("edge_px", self.edge_px, 0.0, 1e5),
            ("clearance_px", self.clearance_px, 0.0, 1e3),
            ("crowding_limit", self.crowding_limit, 0.01, 1e6),
        ] {
            problems.require_range(name, value, low, high);
        }
        for (name, value, low, high) in [
            ("fwhm_px", self.fwhm_px, 0.5, 100.0),
            ("moffat_alpha", self.moffat_alpha, 1.2, 20.0),
            ("gain", self.gain, 1e-6, 1e9),
            ("catalogue_limit", self.catalogue_limit, -10.0, 40.0),
        ] {
            if let Some(value) = value {
                problems.require_range(name, value, low, high);
            }
        }
        for (name, value, most) in [
            ("n_clusters", self.n_clusters, 100_000),
            ("n_stars", self.n_stars, 1_000_000),
            ("mag_steps", self.mag_steps, 1000),
            ("radius_steps", self.radius_steps, 1000),
        ] {
            if value > most {
                problems.param(name, value, &format!("a number from 0 to {most}"));
            }
        }
        if self.n_clusters + self.n_stars == 0 {
            problems.param("n_clusters", 0, "at least one cluster or star").help("set n_clusters or n_stars");
        }
        if self.shapes.is_empty() {
            problems.param("shapes", "an empty list", "at least one of king, eff, plummer");
        }
        if self.mag_column.is_empty() {
            problems.param("mag_column", "an empty name", "the name of a column");
        }
    }
}
