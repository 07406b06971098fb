//! The stage `detect.stars`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, MaskBits, Table, TableBuilder};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Place, Problems, Signature, Stage, StageError, register_stage,
};

use super::find::{DEFAULT_BAND_ROWS, DaoFind, Detection, Threshold, find_stars};
use crate::measure::shape::{check_shape, require_shape};

/// Finds stars in a background-subtracted image (DAOPHOT FIND).
///
/// The image is convolved with a Gaussian of the stars' size, lowered to sum zero; its maxima above the threshold are
/// stars when they are neither too sharp (cosmic rays) nor too flat or elongated (Stetson 1987, PASP 99, 191). Rows
/// come in raster order of the peak pixels. `flux` is the sum of a small square about the peak: good for ranking, not
/// for photometry.
///
/// Pixels that are not finite, bad or without data count as background and are never a peak. Saturated pixels keep
/// their values: a saturated star is still a star.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetectStars {
    /// FWHM of the stars in pixels (along the major axis).
    ///
    /// Within 30 % of the truth is enough. Too small prefers noise peaks, too large merges neighbours.
    #[schemars(range(min = 0.5, max = 100.0), extend("x-unit" = "px"))]
    pub fwhm_px: f64,
    /// Threshold in units of the noise at the pixel; needs a noise map. Either this or `threshold` must be given.
    ///
    /// The noise is that of a single pixel; the amplitude of a fitted star has less. 5 is typical, 3 finds the
    /// faintest stars and some noise.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    pub threshold_sigma: Option<f64>,
    /// Threshold in units of the pixels, the same everywhere; for images without a noise map.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "pixel value"))]
    pub threshold: Option<f64>,
    /// Minor over major axis of the stars, 0 to 1; 1 for round stars.
    #[serde(default = "one")]
    #[schemars(range(min = 0.05, max = 1.0))]
    pub ratio: f64,
    /// Direction of the stars' major axis in degrees, from +x towards +y.
    #[serde(default)]
    #[schemars(range(min = -360.0, max = 360.0), extend("x-unit" = "deg"))]
    pub theta_deg: f64,
    /// Least and greatest sharpness of a star.
    ///
    /// Single bright pixels are sharper than 1, extended objects and blends flatter than 0.2. Raise the upper limit
    /// to 2 when searching residuals, where the neighbours are dug out.
    #[serde(default = "default_sharpness")]
    pub sharpness: [f64; 2],
    /// Least and greatest roundness of a star, for both measures of it. Bleed trails and pairs lie near -2 and 2.
    #[serde(default = "default_roundness")]
    pub roundness: [f64; 2],
    /// Radius in pixels within which no pixel of the convolved image may be higher than a star's peak; absent or 0, only
    /// the kernel's footprint counts (1.5 sigma).
    ///
    /// Large values lose real neighbours; a few times the FWHM avoids false stars on the wings of bright ones.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1000.0), extend("x-unit" = "px"))]
    pub min_separation_px: Option<f64>,
}

fn one() -> f64 {
    1.0
}

fn default_sharpness() -> [f64; 2] {
    [0.2, 1.0]
}

fn default_roundness() -> [f64; 2] {
    [-1.0, 1.0]
}

impl DetectStars {
    /// The image.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image");
    /// The noise.
    pub const NOISE: Opt<Image> = Opt::new("noise", "noise map; required by threshold_sigma");
    /// The stars.
    pub const STARS: Out<Table> = Out::new("stars", "one row per star");

    /// Stars of this FWHM, 5 sigma above the noise map.
    #[must_use]
    pub fn new(fwhm_px: f64) -> Self {
        Self {
            fwhm_px,
            threshold_sigma: Some(5.0),
            threshold: None,
            ratio: one(),
            theta_deg: 0.0,
            sharpness: default_sharpness(),
            roundness: default_roundness(),
            min_separation_px: None,
        }
    }
}

#[typetag::serde(name = "detect.stars")]
impl Stage for DetectStars {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).optional(&Self::NOISE).output(&Self::STARS)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        problems.require_range("fwhm_px", self.fwhm_px, 0.5, 100.0);
        problems.require_range("ratio", self.ratio, 0.05, 1.0);
        problems.require_range("theta_deg", self.theta_deg, -360.0, 360.0);
        for (name, range) in [("sharpness", self.sharpness), ("roundness", self.roundness)] {
            if !(range[0] <= range[1] && range[0].is_finite() && range[1].is_finite()) {
                let found = format!("[{}, {}]", range[0], range[1]);
                problems.param(name, found, "two finite numbers, the lesser one first");
            }
        }
        if let Some(separation) = self.min_separation_px {
            problems.require_range("min_separation_px", separation, 0.0, 1000.0);
        }
        match (self.threshold_sigma, self.threshold) {
            (Some(sigma), None) => problems.require_positive("threshold_sigma", sigma),
            (None, Some(counts)) => problems.require_positive("threshold", counts),
            (found, _) => {
                let found = if found.is_some() { "both threshold_sigma and threshold" } else { "neither" };
                problems
                    .param("threshold_sigma", found, "either threshold_sigma or threshold")
                    .help("threshold_sigma: 5.0 is typical where there is a noise map");
            }
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shape(inputs, "image", "noise", problems);
        if self.threshold_sigma.is_some() && !inputs.is_wired("noise") {
            let place = Place::Input("noise".to_owned());
            problems
                .push("missing-input", place, "nothing".to_owned(), "a noise map, as threshold_sigma is set")
                .help("wire a noise map, or set threshold in units of the pixels instead");
        }
        let columns = ["x", "y", "flux", "peak", "sharpness", "roundness1", "roundness2", "mag"];
        let columns = columns.map(|name| (name.to_owned(), ColumnKind::Float)).to_vec();
        outputs.set("stars", TableFacet { columns: Some(columns) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        let maps = if inputs.is_wired("noise") { 2 } else { 1 };
        let halo = self.min_separation_px.unwrap_or(0.0).max(self.fwhm_px) as u64 + 3;
        // Per thread a band of values, their validity, and the convolution; 64 threads at most, and no more than bands.
        let threads = image.height.unwrap_or(0).div_ceil(DEFAULT_BAND_ROWS).max(1);
        let band = image.width.unwrap_or(0) as u64 * (DEFAULT_BAND_ROWS as u64 + 2 * halo) * 17;
        // Every star needs a footprint of its own, about ten pixels, and 64 bytes in two copies.
        let peak_bytes = maps * image.bytes() + band * threads.min(64) as u64 + image.n_pixels() * 2 + (1 << 20);
        Demand { peak_bytes, threads }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let image = cx.input(&Self::IMAGE)?;
        let noise = cx.optional(&Self::NOISE)?;
        let (width, height) = (image.width(), image.height());
        if let Some(noise) = &noise {
            require_shape("noise", noise, (width, height))?;
        }
        let sigma_at;
        let threshold = match (self.threshold_sigma, self.threshold, &noise) {
            (Some(k), _, Some(noise)) => {
                sigma_at = move |x: usize, y: usize| {
                    let sigma = f64::from(noise.pixels[[y, x]]);
                    if sigma > 0.0 { k * sigma } else { f64::NAN }
                };
                Threshold::PerPixel(&sigma_at)
            }
            (None, Some(counts), _) => Threshold::Scalar(counts),
            _ => {
                return Err(StageError::config("no threshold: threshold_sigma needs a noise map")
                    .with_help("wire a noise map, or set threshold in units of the pixels"));
            }
        };
        let parameters = DaoFind {
            fwhm_px: self.fwhm_px,
            ratio: self.ratio,
            theta_deg: self.theta_deg,
            sharpness: self.sharpness,
            roundness: self.roundness,
            min_separation_px: self.min_separation_px.unwrap_or(0.0),
        };
        let fill = |y: usize, row: &mut [f64]| fill_row(&image, y, row);
        let band_rows = cx.band_rows().map_or(DEFAULT_BAND_ROWS, std::num::NonZero::get);
        let progress = cx.progress("rows", height as u64);
        let advance = |rows: u64| {
            progress.advance(rows);
            !progress.is_cancelled()
        };
        let stars = cx
            .pool()
            .install(|| find_stars(width, height, &parameters, threshold, band_rows, &fill, &advance))
            .ok_or_else(StageError::cancelled)?;
        cx.metric("n_stars", stars.len() as f64);
        let table = star_table(&stars, &image).map_err(StageError::data)?;
        cx.set(&Self::STARS, table);
        Ok(())
    }
}

/// One row of the image; NaN where there is no value.
fn fill_row(image: &Image, y: usize, row: &mut [f64]) {
    for (out, &value) in row.iter_mut().zip(image.pixels.row(y)) {
        *out = f64::from(value);
    }
    if let Some(mask) = &image.mask {
        for (out, _) in row.iter_mut().zip(mask.row(y)).filter(|&(_, &m)| m & (MaskBits::BAD | MaskBits::NO_DATA) != 0)
        {
            *out = f64::NAN;
        }
    }
}

fn star_table(stars: &[Detection], image: &Image) -> Result<Table, skyloom_data::TableError> {
    let floats = |f: fn(&Detection) -> f64| stars.iter().map(f).collect::<Vec<f64>>();
    let unit = image.meta.unit.as_deref().unwrap_or_default();
    TableBuilder::new()
        .float("x", "pix", "column of the centroid, zero-based", floats(|s| s.x))
        .float("y", "pix", "row of the centroid, zero-based", floats(|s| s.y))
        .float("flux", unit, "sum of a small square about the peak pixel", floats(|s| s.flux))
        .float("peak", unit, "value of the peak pixel", floats(|s| s.peak))
        .float("sharpness", "", "peak over its surroundings, in units of the fitted amplitude", floats(|s| s.sharpness))
        .float("roundness1", "", "asymmetry between quadrants; 0 for a round star", floats(|s| s.roundness1))
        .float(
            "roundness2",
            "",
            "difference of the heights along x and y; 0 for a round star",
            floats(|s| s.roundness2),
        )
        .float("mag", "mag", "magnitude of flux", stars.iter().map(|s| image.magnitude(s.flux)).collect())
        .build()
}

register_stage!(DetectStars, kind: "detect.stars", example: "(fwhm_px: 2.8, threshold_sigma: 5.0)");
