//! Parameters of `subtract.joint`.

use skyloom_engine::Problems;

/// Removes all stars of a catalogue together, and fits the PSF and the sky on the way.
///
/// In crowded fields a star's cut-out is full of other stars: a fit of one star at a time takes their light, and oversubtracts. Here the
/// fluxes, positions and a local level of all stars are relaxed in turn on what all others leave (Gauss-Seidel; compare ALLSTAR,
/// Stetson 1987, and note 05 of the method), with the catalogue as a prior, so that a star in a cluster cannot swallow the unresolved
/// light around it. The PSF is a Moffat plus a Gaussian on one ellipse whose width and ellipticity follow the image (local
/// quadratic regression through the nearest PSF stars) and whose shape follows the brightness. Takes the image with its sky.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubtractJoint {
    /// Least probability of being a star (column `prob`); less is left in the image. Stars without a value pass.
    #[serde(default = "default_min_prob")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub min_prob: f64,
    /// Sharpness (column `sharp`) from which a source is left in the image. Stars without a value pass.
    #[serde(default = "default_max_sharp")]
    pub max_sharp: f64,
    /// The fainter of two stars closer than this, and as bright within `duplicate_mag`, is a duplicate and skipped. 0: none.
    #[serde(default = "default_duplicate_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub duplicate_px: f64,
    /// See `duplicate_px`: two entries of one star have about the same magnitude; other pairs are two stars.
    #[serde(default = "default_duplicate_mag")]
    #[schemars(range(min = 0.0), extend("x-unit" = "mag"))]
    pub duplicate_mag: f64,
    /// Stars with at least this parallax, and an error of at most `max_parallax_error_mas`, are foreground.
    #[serde(default = "default_min_parallax_mas")]
    #[schemars(extend("x-unit" = "mas"))]
    pub min_parallax_mas: f64,
    /// See `min_parallax_mas`.
    #[serde(default = "default_max_parallax_error_mas")]
    #[schemars(range(min = 0.0), extend("x-unit" = "mas"))]
    pub max_parallax_error_mas: f64,
    /// FWHM of a star, as a start; the PSF is fitted.
    #[serde(default = "default_fwhm_px")]
    #[schemars(range(min = 1.0, max = 50.0), extend("x-unit" = "px"))]
    pub fwhm_px: f64,
    /// Magnitudes between which stars may serve for the PSF: bright enough to have a shape, fainter than saturation.
    ///
    /// Absent: stars of 1,000 to 55,000 times the sky noise per pixel, and fainter ones down to 150 times where these are fewer than
    /// `psf_neighbours`.
    #[serde(default)]
    #[schemars(extend("x-unit" = "mag"))]
    pub psf_mag: Option<(f64, f64)>,
    /// Largest light of catalogue neighbours within 10 px, as a share of a PSF star's own.
    ///
    /// Neighbours are subtracted before the PSF is measured; where no star stands alone, as in the core of a globular cluster, a share
    /// above 1 still finds one.
    #[serde(default = "default_psf_neighbour_share")]
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub psf_neighbour_share: f64,
    /// PSF stars per million pixels at most; they are thinned evenly over magnitude.
    #[serde(default = "default_max_psf_density")]
    #[schemars(range(min = 1.0))]
    pub max_psf_density: f64,
    /// PSF stars that the image needs; with fewer the stage fails.
    #[serde(default = "default_min_psf_stars")]
    #[schemars(range(min = 6))]
    pub min_psf_stars: usize,
    /// Nearest PSF stars that one node of the map is regressed through. More smooth the map, fewer make it noisy.
    #[serde(default = "default_psf_neighbours")]
    #[schemars(range(min = 8, max = 1000))]
    pub psf_neighbours: usize,
    /// Distance of the nodes of the PSF map.
    #[serde(default = "default_psf_grid_px")]
    #[schemars(range(min = 8.0), extend("x-unit" = "px"))]
    pub psf_grid_px: f64,
    /// Stars brighter than this change shape with brightness (brighter-fatter effect): a quadratic in magnitude. Absent: those of
    /// more than 5,000 times the sky noise.
    #[serde(default)]
    #[schemars(extend("x-unit" = "mag"))]
    pub trend_mag: Option<f64>,
    /// Stars brighter than this have a shape of their own, close to that of the map. Absent: those of more than 1,000 times the sky
    /// noise.
    #[serde(default)]
    #[schemars(extend("x-unit" = "mag"))]
    pub shape_mag: Option<f64>,
    /// How close: scatter of `ln g`, `e1`, `e2` about the map.
    #[serde(default = "default_shape_scatter")]
    #[schemars(range(min = 0.0))]
    pub shape_scatter: f64,
    /// Relative scatter of the fluxes about the catalogue, added to the catalogue's own error.
    ///
    /// The prior that saves clusters: 0.05 follows the catalogue closely, large values let stars take the light around them.
    #[serde(default = "default_flux_prior")]
    #[schemars(range(min = 0.0))]
    pub flux_prior: f64,
    /// Least scatter of the positions about the catalogue, per axis.
    #[serde(default = "default_position_prior_px")]
    #[schemars(range(min = 0.0), extend("x-unit" = "px"))]
    pub position_prior_px: f64,
    /// Error of the PSF model, as a fraction of the star's light in a pixel: keeps bright cores from deciding alone.
    #[serde(default = "default_model_error")]
    #[schemars(range(min = 0.0))]
    pub model_error: f64,
    /// Scatter of the level that each star may stand on, in units of the sky noise. 0: none.
    ///
    /// It takes nebulosity and unresolved neighbours out of the flux; it is never subtracted.
    #[serde(default = "default_level_sigma")]
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    pub level_sigma: f64,
    /// Listed stars per square FWHM at which `level_sigma` counts half; denser, it soon counts nothing.
    ///
    /// In a sea of stars the light between them is that of the stars in the list, and a level would take it. Counted within six
    /// FWHM, so that a compact cluster is not a sea.
    #[serde(default = "default_level_crowding")]
    #[schemars(range(min = 0.001))]
    pub level_crowding: f64,
    /// Stars brighter than this, and fainter than the bright end of `psf_mag`, are searched for companions that the catalogue lacks.
    ///
    /// Catalogues miss faint stars beside bright ones. What is found within three FWHM as a point on no more than half its own peak of
    /// extended light, and not listed, is removed with its host. Fainter hosts cost clusters their light. Absent: as `trend_mag`.
    #[serde(default)]
    #[schemars(extend("x-unit" = "mag"))]
    pub companion_mag: Option<f64>,
    /// Least significance of a companion. Large: none is looked for.
    #[serde(default = "default_companion_sigma")]
    #[schemars(range(min = 3.0), extend("x-unit" = "sigma"))]
    pub companion_sigma: f64,
    /// Boxes of the sky's mesh, first with all stars in the image, then without them.
    #[serde(default = "default_sky_box_px")]
    #[schemars(extend("x-unit" = "px"))]
    pub sky_box_px: (usize, usize),
    /// Outer rounds: sky, PSF, stars.
    #[serde(default = "default_rounds")]
    #[schemars(range(min = 2, max = 20))]
    pub rounds: usize,
    /// Largest radius out to which a star is subtracted.
    #[serde(default = "default_max_radius_px")]
    #[schemars(range(min = 8, max = 1000), extend("x-unit" = "px"))]
    pub max_radius_px: usize,
    /// Sky that the image had before it was subtracted, in its unit per pixel: photon noise grows with the light above it.
    ///
    /// Absent, an image without sky has the same noise everywhere: fits in the cores of stars and clusters then trust pixels too much.
    /// An image with its sky needs no value.
    #[serde(default)]
    #[schemars(range(min = 0.0))]
    pub subtracted_sky: Option<f64>,
    /// Zero point of the catalogue's magnitudes where the image has none; as in `photometry.psf`.
    #[serde(default)]
    #[schemars(range(min = -100.0, max = 100.0), extend("x-unit" = "mag"))]
    pub instrumental_zero_point: f64,
}

macro_rules! defaults {
    ($($name:ident: $type:ty = $value:expr;)*) => { $(fn $name() -> $type { $value })* };
}
defaults! {
    default_min_prob: f64 = 0.33;
    default_max_sharp: f64 = 0.5;
    default_duplicate_px: f64 = 1.0;
    default_duplicate_mag: f64 = 0.5;
    default_min_parallax_mas: f64 = 0.2;
    default_max_parallax_error_mas: f64 = 0.1;
    default_fwhm_px: f64 = 2.8;
    default_psf_neighbour_share: f64 = 0.05;
    default_max_psf_density: f64 = 360.0;
    default_min_psf_stars: usize = 12;
    default_psf_neighbours: usize = 40;
    default_psf_grid_px: f64 = 64.0;
    default_shape_scatter: f64 = 0.012;
    default_flux_prior: f64 = 0.05;
    default_position_prior_px: f64 = 0.03;
    default_model_error: f64 = 0.0015;
    default_level_sigma: f64 = 2.0;
    default_level_crowding: f64 = 0.4;
    default_companion_sigma: f64 = 6.0;
    default_sky_box_px: (usize, usize) = (64, 32);
    default_rounds: usize = 4;
    default_max_radius_px: usize = 150;
}

impl Default for SubtractJoint {
    fn default() -> Self {
        Self {
            min_prob: default_min_prob(),
            max_sharp: default_max_sharp(),
            duplicate_px: default_duplicate_px(),
            duplicate_mag: default_duplicate_mag(),
            min_parallax_mas: default_min_parallax_mas(),
            max_parallax_error_mas: default_max_parallax_error_mas(),
            fwhm_px: default_fwhm_px(),
            psf_mag: None,
            psf_neighbour_share: default_psf_neighbour_share(),
            max_psf_density: default_max_psf_density(),
            min_psf_stars: default_min_psf_stars(),
            psf_neighbours: default_psf_neighbours(),
            psf_grid_px: default_psf_grid_px(),
            trend_mag: None,
            shape_mag: None,
            shape_scatter: default_shape_scatter(),
            flux_prior: default_flux_prior(),
            position_prior_px: default_position_prior_px(),
            model_error: default_model_error(),
            level_sigma: default_level_sigma(),
            level_crowding: default_level_crowding(),
            companion_mag: None,
            companion_sigma: default_companion_sigma(),
            sky_box_px: default_sky_box_px(),
            rounds: default_rounds(),
            max_radius_px: default_max_radius_px(),
            subtracted_sky: None,
            instrumental_zero_point: 0.0,
        }
    }
}

impl SubtractJoint {
    pub(super) fn check_params(&self, problems: &mut Problems) {
        for (name, value, low, high) in [
            ("min_prob", self.min_prob, 0.0, 1.0),
            ("max_sharp", self.max_sharp, -1e3, 1e3),
            ("duplicate_px", self.duplicate_px, 0.0, 1e3),
            ("duplicate_mag", self.duplicate_mag, 0.0, 1e3),
            ("min_parallax_mas", self.min_parallax_mas, -1e3, 1e6),
            ("max_parallax_error_mas", self.max_parallax_error_mas, 0.0, 1e6),
            ("fwhm_px", self.fwhm_px, 1.0, 50.0),
            ("psf_neighbour_share", self.psf_neighbour_share, 0.0, 1e3),
            ("max_psf_density", self.max_psf_density, 1.0, 1e6),
            ("min_psf_stars", self.min_psf_stars as f64, 6.0, 1e6),
            ("psf_neighbours", self.psf_neighbours as f64, 8.0, 1e3),
            ("psf_grid_px", self.psf_grid_px, 8.0, 1e5),
            ("shape_scatter", self.shape_scatter, 0.0, 1.0),
            ("flux_prior", self.flux_prior, 0.0, 1e3),
            ("position_prior_px", self.position_prior_px, 0.0, 1e2),
            ("model_error", self.model_error, 0.0, 1.0),
            ("level_sigma", self.level_sigma, 0.0, 1e6),
            ("level_crowding", self.level_crowding, 1e-3, 1e6),
            ("companion_sigma", self.companion_sigma, 3.0, 1e9),
            ("sky_box_px.0", self.sky_box_px.0 as f64, 8.0, 1e4),
            ("sky_box_px.1", self.sky_box_px.1 as f64, 8.0, 1e4),
            ("rounds", self.rounds as f64, 2.0, 20.0),
            ("max_radius_px", self.max_radius_px as f64, 8.0, 1000.0),
            ("instrumental_zero_point", self.instrumental_zero_point, -100.0, 100.0),
        ] {
            problems.require_range(name, value, low, high);
        }
        for (name, value) in [
            ("psf_mag.0", self.psf_mag.map(|m| m.0)),
            ("psf_mag.1", self.psf_mag.map(|m| m.1)),
            ("trend_mag", self.trend_mag),
            ("shape_mag", self.shape_mag),
            ("companion_mag", self.companion_mag),
        ] {
            if let Some(value) = value {
                problems.require_range(name, value, -50.0, 50.0);
            }
        }
        if let Some(sky) = self.subtracted_sky {
            problems.require_positive("subtracted_sky", sky);
        }
        if let Some((bright, faint)) = self.psf_mag
            && bright >= faint
        {
            problems.param("psf_mag", format!("{:?}", (bright, faint)), "the brighter end first");
        }
    }
}
