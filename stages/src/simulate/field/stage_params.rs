//! Parameters of `simulate.field`.

use serde::{Deserialize, Serialize};

use super::bands::{Band, vmc_bands};

/// Stars of one magnitude range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StarCount {
    /// Bright end in mag.
    pub bright: f64,
    /// Faint end in mag.
    pub faint: f64,
    /// Stars per square degree.
    pub per_deg2: f64,
    /// Density inside the range goes with `10^(slope mag)`.
    pub slope: f64,
    /// Share of the range's stars that belong to the red clump, a Gaussian of 0.2 mag about 16.9 mag.
    #[serde(default)]
    pub red_clump: f64,
}

/// Makes a field of stars, clusters, galaxies and nebulosity with exact truth, one band per node.
///
/// All that is true (positions, magnitudes, the catalogue) depends on the seed and the parameters, never on `band`: nodes that
/// differ in `band` alone show one field. Positions of a larger field are others than those of a small one.
///
/// What is in it: field stars with the counts of Miller et al. (2024), Table 1; foreground stars with parallaxes; clusters
/// drawn star by star from King, EFF and Plummer profiles, alone and in complexes with loose stars around them; galaxies
/// (Sersic, red); close pairs; a gradient and filaments of nebulosity; a PSF that changes over the field, wider for bright
/// stars; photon and read noise; saturated pixels and dead pixels, both 0; a confidence map with dead pixels, bad columns,
/// strips of half the exposure and thin edges; a catalogue with gaps where stars crowd or are faint, false entries and
/// duplicates.
///
/// PSFs are evaluated at pixel centres and end where they fall below `wing_limit` of the sky noise. Noise is Gaussian, with the
/// variance of photons and read noise: at the 10^5 electrons of a sky pixel nobody can tell. Every number is drawn from a stream
/// of its own (seed, purpose, number of the star or row), so nothing depends on threads or bands of rows.
///
/// Metrics: `n_stars`, `n_clusters`, `n_galaxies`, `n_catalogue`, `n_saturated_pixels`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    /// Which field: another number gives another field of the same kind.
    pub seed: u64,
    /// Columns.
    #[schemars(range(min = 1, max = 60000), extend("x-unit" = "px"))]
    pub width_px: usize,
    /// Rows.
    #[schemars(range(min = 1, max = 60000), extend("x-unit" = "px"))]
    pub height_px: usize,
    /// Band whose image this node makes; one of `bands`.
    #[serde(default = "default_band")]
    pub band: String,
    /// The bands of the field; the first is the one that all magnitudes below belong to.
    #[serde(default = "vmc_bands")]
    pub bands: Vec<Band>,
    /// Pixel scale.
    #[serde(default = "default_pixel_scale")]
    #[schemars(range(min = 0.01, max = 10.0), extend("x-unit" = "arcsec"))]
    pub pixel_scale_arcsec: f64,
    /// Right ascension of the centre.
    #[serde(default = "default_ra")]
    #[schemars(range(min = 0.0, max = 360.0), extend("x-unit" = "deg"))]
    pub ra_deg: f64,
    /// Declination of the centre.
    #[serde(default = "default_dec")]
    #[schemars(range(min = -90.0, max = 90.0), extend("x-unit" = "deg"))]
    pub dec_deg: f64,
    /// Field stars per magnitude range, by default those of Table 1 (5-13, 13-14, 14-17, 17-22 mag on 1.77 deg^2; the first drawn from 8 mag on), the last
    /// raised by 17 % for what the catalogue misses, and two magnitudes below.
    #[serde(default = "table_one")]
    pub star_counts: Vec<StarCount>,
    /// How much the density of field stars changes over the field: 0 is even, 0.6 changes it by up to 1 to 4.
    #[serde(default = "default_density_contrast")]
    #[schemars(range(min = 0.0, max = 0.95))]
    pub density_contrast: f64,
    /// Foreground stars per square degree: 790 on 1.77 deg^2 in Table 1.
    #[serde(default = "default_foreground")]
    #[schemars(range(min = 0.0, max = 1e6))]
    pub foreground_per_deg2: f64,
    /// Clusters outside complexes per million pixels.
    #[serde(default = "default_clusters")]
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub clusters_per_mpx: f64,
    /// Complexes per million pixels: 3 to 8 clusters within about 1.5 times `complex_px`, and loose young stars.
    #[serde(default = "default_complexes")]
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub complexes_per_mpx: f64,
    /// Scale of a complex (standard deviation of its members' positions per axis).
    #[serde(default = "default_complex_px")]
    #[schemars(range(min = 1.0, max = 10000.0), extend("x-unit" = "px"))]
    pub complex_px: f64,
    /// Loose young stars around each complex.
    #[serde(default = "default_association")]
    #[schemars(range(max = 100000))]
    pub association_stars: usize,
    /// Brightest cluster, total magnitude.
    #[serde(default = "default_cluster_bright")]
    #[schemars(range(min = 8.0, max = 24.0))]
    pub cluster_bright: f64,
    /// Faintest cluster, total magnitude.
    #[serde(default = "default_cluster_faint")]
    #[schemars(range(min = 8.0, max = 24.0))]
    pub cluster_faint: f64,
    /// Smallest half-light radius of a cluster.
    #[serde(default = "default_radius_min")]
    #[schemars(range(min = 0.1, max = 1000.0), extend("x-unit" = "px"))]
    pub radius_min_px: f64,
    /// Largest half-light radius of a cluster.
    #[serde(default = "default_radius_max")]
    #[schemars(range(min = 0.1, max = 1000.0), extend("x-unit" = "px"))]
    pub radius_max_px: f64,
    /// Magnitude of the faintest cluster members: 2 to 3 mag below the limit of the catalogue, so that the unresolved light
    /// of a cluster is made of stars too.
    #[serde(default = "default_member_faint")]
    #[schemars(range(min = 15.0, max = 30.0))]
    pub member_faint: f64,
    /// Galaxies brighter than 18.5 mag per million pixels.
    #[serde(default = "default_galaxies")]
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub galaxies_per_mpx: f64,
    /// Close pairs (0.7 to 3 px, primary of 14 to 18.5 mag) per million pixels, besides those that chance makes.
    #[serde(default = "default_blends")]
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub blends_per_mpx: f64,
    /// Smallest FWHM over the field, first band.
    #[serde(default = "default_fwhm_min")]
    #[schemars(range(min = 1.0, max = 20.0), extend("x-unit" = "px"))]
    pub fwhm_min_px: f64,
    /// Largest FWHM over the field, first band.
    #[serde(default = "default_fwhm_max")]
    #[schemars(range(min = 1.0, max = 20.0), extend("x-unit" = "px"))]
    pub fwhm_max_px: f64,
    /// Largest ellipticity `1 - b/a` of the PSF.
    #[serde(default = "default_ellipticity")]
    #[schemars(range(min = 0.0, max = 0.8))]
    pub ellipticity: f64,
    /// Share of a star's light in the Moffat part; the rest is a Gaussian of the same FWHM.
    #[serde(default = "default_moffat_fraction")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub moffat_fraction: f64,
    /// Exponent of the Moffat part: wings fall with `r^(-2 alpha)`.
    #[serde(default = "default_moffat_alpha")]
    #[schemars(range(min = 1.2, max = 20.0))]
    pub moffat_alpha: f64,
    /// By how much the FWHM of the brightest stars is larger; half of it at a peak of a quarter of `saturation`.
    #[serde(default = "default_brighter_fatter")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub brighter_fatter: f64,
    /// A star's image ends where it falls below this part of the sky noise. Larger is faster, and leaves steps around stars.
    #[serde(default = "default_wing_limit")]
    #[schemars(range(min = 1e-6, max = 1.0))]
    pub wing_limit: f64,
    /// Pixels above so many counts (with sky) are set to 0.
    #[serde(default = "default_saturation")]
    #[schemars(range(min = 1.0, max = 1e9))]
    pub saturation: f64,
    /// Read noise of one integration in electrons.
    #[serde(default = "default_read_noise")]
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub read_noise_e: f64,
    /// Part of the total integration that a pixel sees: a VISTA tile is six pawprints, a point lies on two.
    #[serde(default = "default_coverage")]
    #[schemars(range(min = 0.001, max = 1.0))]
    pub coverage: f64,
    /// Nebulosity of the brightest filaments in counts of the first band.
    #[serde(default = "default_nebulosity")]
    #[schemars(range(min = 0.0, max = 1e6))]
    pub nebulosity: f64,
    /// Change of the sky from corner to corner in counts of the first band.
    #[serde(default = "default_gradient")]
    #[schemars(range(min = 0.0, max = 1e6))]
    pub gradient: f64,
    /// Magnitude at which the catalogue holds half of the uncrowded stars; it ends 0.25 mag below.
    #[serde(default = "default_catalogue_limit")]
    #[schemars(range(min = 10.0, max = 30.0))]
    pub catalogue_limit: f64,
    /// A star is as likely as not in the catalogue where the light of others at its place is this part of its own peak; gaps in
    /// the cores of clusters follow from it.
    #[serde(default = "default_crowding_limit")]
    #[schemars(range(min = 0.01, max = 100.0))]
    pub crowding_limit: f64,
    /// Share of stars that are in the catalogue twice.
    #[serde(default = "default_duplicates")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub duplicates: f64,
    /// Number of false entries, as a share of the true ones: most are in the wings of bright stars.
    #[serde(default = "default_false_entries")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub false_entries: f64,
}

macro_rules! defaults {
    ($($name:ident: $type:ty = $value:expr;)*) => {
        $(pub(super) fn $name() -> $type { $value })*
    };
}

defaults! {
    default_band: String = "Ks".to_owned();
    default_pixel_scale: f64 = 0.339;
    // In the LMC bar's neighbourhood.
    default_ra: f64 = 84.4167;
    default_dec: f64 = -69.3717;
    default_density_contrast: f64 = 0.6;
    default_foreground: f64 = 446.0;
    default_clusters: f64 = 10.5;
    default_complexes: f64 = 0.8;
    default_complex_px: f64 = 40.0;
    default_association: usize = 250;
    default_cluster_bright: f64 = 11.2;
    default_cluster_faint: f64 = 17.5;
    default_radius_min: f64 = 2.95;
    default_radius_max: f64 = 23.3;
    default_member_faint: f64 = 24.0;
    default_galaxies: f64 = 24.0;
    default_blends: f64 = 11.7;
    default_fwhm_min: f64 = 2.4;
    default_fwhm_max: f64 = 3.2;
    default_ellipticity: f64 = 0.1;
    default_moffat_fraction: f64 = 0.5;
    default_moffat_alpha: f64 = 2.5;
    default_brighter_fatter: f64 = 0.08;
    default_wing_limit: f64 = 0.005;
    default_saturation: f64 = 33000.0;
    default_read_noise: f64 = 20.0;
    default_coverage: f64 = 1.0 / 3.0;
    default_nebulosity: f64 = 60.0;
    default_gradient: f64 = 12.0;
    default_catalogue_limit: f64 = 21.75;
    default_crowding_limit: f64 = 1.05;
    default_duplicates: f64 = 0.007;
    default_false_entries: f64 = 0.025;
}

/// Table 1 of Miller et al. (2024): stars on 1.77 deg^2.
fn table_one() -> Vec<StarCount> {
    let range =
        |bright, faint, n: f64, slope, red_clump| StarCount { bright, faint, per_deg2: n / 1.77, slope, red_clump };
    vec![
        // Hardly any are brighter than 8 mag; one would fill a small field with its wings.
        range(8.0, 13.0, 7840.0, 0.38, 0.0),
        range(13.0, 14.0, 11_232.0, 0.3, 0.0),
        range(14.0, 17.0, 224_345.0, 0.33, 0.45),
        range(17.0, 22.0, 804_461.0 * 1.17, 0.155, 0.0),
        // Deeper than Table 1: fainter stars go on at a slower pace, and blur the background.
        range(22.0, 24.0, 700_000.0, 0.1, 0.0),
    ]
}

impl Field {
    /// The defaults for a seed and a size.
    #[must_use]
    pub fn new(seed: u64, width_px: usize, height_px: usize) -> Self {
        Self {
            seed,
            width_px,
            height_px,
            band: default_band(),
            bands: vmc_bands(),
            pixel_scale_arcsec: default_pixel_scale(),
            ra_deg: default_ra(),
            dec_deg: default_dec(),
            star_counts: table_one(),
            density_contrast: default_density_contrast(),
            foreground_per_deg2: default_foreground(),
            clusters_per_mpx: default_clusters(),
            complexes_per_mpx: default_complexes(),
            complex_px: default_complex_px(),
            association_stars: default_association(),
            cluster_bright: default_cluster_bright(),
            cluster_faint: default_cluster_faint(),
            radius_min_px: default_radius_min(),
            radius_max_px: default_radius_max(),
            member_faint: default_member_faint(),
            galaxies_per_mpx: default_galaxies(),
            blends_per_mpx: default_blends(),
            fwhm_min_px: default_fwhm_min(),
            fwhm_max_px: default_fwhm_max(),
            ellipticity: default_ellipticity(),
            moffat_fraction: default_moffat_fraction(),
            moffat_alpha: default_moffat_alpha(),
            brighter_fatter: default_brighter_fatter(),
            wing_limit: default_wing_limit(),
            saturation: default_saturation(),
            read_noise_e: default_read_noise(),
            coverage: default_coverage(),
            nebulosity: default_nebulosity(),
            gradient: default_gradient(),
            catalogue_limit: default_catalogue_limit(),
            crowding_limit: default_crowding_limit(),
            duplicates: default_duplicates(),
            false_entries: default_false_entries(),
        }
    }

    /// Millions of pixels.
    #[must_use]
    pub fn mega_pixels(&self) -> f64 {
        self.width_px as f64 * self.height_px as f64 / 1e6
    }

    /// Square degrees.
    #[must_use]
    pub fn square_degrees(&self) -> f64 {
        self.mega_pixels() * 1e6 * (self.pixel_scale_arcsec / 3600.0).powi(2)
    }

    /// The band to make, and its place among the bands.
    #[must_use]
    pub fn chosen_band(&self) -> Option<(usize, &Band)> {
        self.bands.iter().enumerate().find(|(_, b)| b.name == self.band)
    }

    /// Noise of a band.
    #[must_use]
    pub fn noise(&self, band: &Band) -> super::bands::BandNoise {
        super::bands::BandNoise::new(band, self.pixel_scale_arcsec, self.read_noise_e, self.coverage)
    }
}
