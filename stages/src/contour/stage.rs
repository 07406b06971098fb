//! The stage `contour.trace`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::ImageFacet;
use skyloom_data::{Image, Isophote, Isophotes};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::find::{ContourOptions, DEFAULT_BAND_ROWS, Orientation, trace_levels};
use super::marching::Saddle;
use super::nesting::link_parents;
use super::signal::fill_signal_to_noise;
use crate::measure::shape::{check_shape, require_shape};

/// Traces contours of equal signal-to-noise, and the tree that they form.
///
/// Marching squares on image / noise (step 5 of Miller et al. 2024): vertices lie between pixel centres, by linear interpolation.
/// Pixels without a value (not finite; marked bad, without data or saturated; noise not above zero) end a contour. The
/// zeroed cores of subtracted stars are values like any other.
///
/// Isophotes are ordered by level, then by their topmost vertex (least y, then least x), which is also where each
/// starts. The parent of an isophote is the one of the highest lower level that contains it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// Contour levels in units of the local noise, lowest first; without a noise map, in units of the pixels.
    ///
    /// Lower levels find fainter objects and many more scraps of badly subtracted stars; below 2 the number of contours
    /// explodes. The published LMC catalogue uses 3 for its roots, then 10, 15, 20 and so on for the tree.
    #[serde(default = "default_levels")]
    #[schemars(length(min = 1), extend("x-unit" = "sigma"))]
    pub levels_sigma: Vec<f64>,
    /// What a cell joins in which two diagonal pixels are above the level: `low` cuts the high pixels apart, `high`
    /// joins them. `low` gives a few more and smaller contours.
    #[serde(default)]
    pub saddle: Saddle,
    /// Leaves out contours around regions below the level. The published method measures islands only.
    #[serde(default = "yes")]
    pub drop_holes: bool,
    /// Leaves out contours that end at the image's edge or at a pixel without value. Open contours have no area and
    /// no measures.
    #[serde(default = "yes")]
    pub drop_open: bool,
    /// Leaves out closed contours of a smaller area, in square pixels; absent keeps all.
    ///
    /// Saves memory and time at low levels, where most contours are noise of a few pixels. Keep it well below the
    /// area that the measuring stage requires, pi (2 FWHM)^2.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "px^2"))]
    pub min_area_px2: Option<f64>,
}

fn default_levels() -> Vec<f64> {
    vec![3.0]
}

fn yes() -> bool {
    true
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            levels_sigma: default_levels(),
            saddle: Saddle::Low,
            drop_holes: true,
            drop_open: true,
            min_area_px2: None,
        }
    }
}

impl Trace {
    /// The image: background-subtracted, for instance a residual after star subtraction.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image");
    /// The noise.
    pub const NOISE: Opt<Image> = Opt::new("noise", "noise map; without it levels are in units of the pixels");
    /// The contours.
    pub const ISOPHOTES: Out<Isophotes> =
        Out::new("isophotes", "contours, ordered by level and position, with parents");
}

#[typetag::serde(name = "contour.trace")]
impl Stage for Trace {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).optional(&Self::NOISE).output(&Self::ISOPHOTES)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        if self.levels_sigma.is_empty() {
            problems.param("levels_sigma", "an empty list", "at least one level").help("3.0 is typical");
        }
        for (i, level) in self.levels_sigma.iter().enumerate() {
            if !level.is_finite() {
                problems.param(&format!("levels_sigma.{i}"), level, "a finite number");
            }
        }
        for (i, w) in self.levels_sigma.windows(2).enumerate() {
            if w[1] <= w[0] {
                let found = format!("{} after {}", w[1], w[0]);
                problems.param(&format!("levels_sigma.{}", i + 1), found, "levels in rising order, none twice");
            }
        }
        if let Some(area) = self.min_area_px2 {
            problems.require_range("min_area_px2", area, 0.0, f64::MAX);
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shape(inputs, "image", "noise", problems);
        let image = ImageFacet::from_facet(&inputs.get("image"));
        let frame = ImageFacet { width: image.width, height: image.height, ..ImageFacet::default() };
        outputs.set("isophotes", frame.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        let noise = if inputs.is_wired("noise") { ImageFacet::from_facet(&inputs.get("noise")).bytes() } else { 0 };
        // Isolated noise peaks above 3 sigma give one vertex per 150 pixels, a crowded field with its stars one per 12, at 64
        // bytes while pieces are joined.
        let contours = image.n_pixels() * (4 + 2 * self.levels_sigma.len() as u64);
        let threads = image.height.unwrap_or(0).div_ceil(DEFAULT_BAND_ROWS).max(1);
        let rows = image.width.unwrap_or(0) as u64 * 16 * 64;
        Demand { peak_bytes: image.bytes() + noise + contours + rows + (1 << 20), threads }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let image = cx.input(&Self::IMAGE)?;
        let noise = cx.optional(&Self::NOISE)?;
        let (width, height) = (image.width(), image.height());
        if let Some(noise) = &noise {
            require_shape("noise", noise, (width, height))?;
        }
        let options = ContourOptions {
            saddle: self.saddle,
            orientation: Orientation::Low,
            drop_holes: self.drop_holes,
            drop_open: self.drop_open,
            min_area: self.min_area_px2.unwrap_or(0.0),
        };
        let band_rows = cx.band_rows().map_or(DEFAULT_BAND_ROWS, std::num::NonZero::get);
        let progress = cx.progress("rows", height as u64);
        let fill = |y: usize, row: &mut [f64]| fill_signal_to_noise(&image, noise.as_deref(), y, 0, row);
        let advance = |rows: u64| {
            progress.advance(rows);
            !progress.is_cancelled()
        };
        let isophotes = cx.pool().install(|| {
            let levels = trace_levels(width, height, &self.levels_sigma, &options, band_rows, &fill, &advance)?;
            let parents = link_parents(width, height, &levels);
            Some((levels, parents))
        });
        let Some((levels, parents)) = isophotes else {
            return Err(StageError::cancelled());
        };
        let mut starts = vec![0];
        for level in &levels {
            starts.push(starts[starts.len() - 1] + level.len());
        }
        let mut contours = Vec::with_capacity(starts[levels.len()]);
        for ((level, parents), &level_sigma) in levels.into_iter().zip(parents).zip(&self.levels_sigma) {
            contours.extend(level.into_iter().zip(parents).map(|(contour, parent)| Isophote {
                level_sigma,
                parent: parent.map(|(level, index)| starts[level] + index),
                vertices: contour.vertices,
            }));
        }
        cx.metric("n_contours", contours.len() as f64);
        cx.set(&Self::ISOPHOTES, Isophotes { width, height, contours });
        Ok(())
    }
}

register_stage!(Trace, kind: "contour.trace", example: "(levels_sigma: [3.0])");
