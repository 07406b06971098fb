//! The stage `segment.detect`.

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ImageFacet, TableFacet};
use skyloom_data::{Image, ImageMeta, MaskBits, Table};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Opt, Out, Place, Problems, Signature, Stage, StageError, register_stage,
};

use super::detect::label_components;
use super::labels::{Connectivity, Labels};
use super::table::{measure_segments, segment_columns, segment_table};
use crate::measure::shape::{check_shape, require_shape};

/// Finds segments: groups of connected pixels above a threshold.
///
/// A pixel belongs when its value is above the threshold, not equal to it (photutils semantics; Bertin & Arnouts 1996). Labels run
/// from 1 in raster order of the segments' first pixels; 0 is background. Pixels that are not finite, bad or without data never belong, saturated ones
/// do: the segment of a saturated star is what the star removal sets to zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Threshold in units of the noise at the pixel; needs a noise map. Either this or `threshold` must be given.
    ///
    /// 3 is typical; at 2 neighbours join in crowded fields and noise passes unless `n_pixels` is raised.
    #[serde(default)]
    #[schemars(range(min = 0.0), extend("x-unit" = "sigma"))]
    pub threshold_sigma: Option<f64>,
    /// Threshold in units of the pixels, the same everywhere.
    #[serde(default)]
    #[schemars(extend("x-unit" = "pixel value"))]
    pub threshold: Option<f64>,
    /// Least number of connected pixels, at least 1.
    ///
    /// 5 to 10 at 3 sigma. Small values let noise peaks pass, large ones lose faint stars.
    #[schemars(range(min = 1), extend("x-unit" = "px"))]
    pub n_pixels: usize,
    /// Which pixels are neighbours: `eight` over edges and corners, `four` over edges alone, which cuts thin bridges.
    #[serde(default)]
    pub connectivity: Connectivity,
}

impl Detect {
    /// The image.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image");
    /// The noise.
    pub const NOISE: Opt<Image> = Opt::new("noise", "noise map; required by threshold_sigma");
    /// The label image.
    pub const LABELS: Out<Image> = Out::new("labels", "label of each pixel, 0 for background");
    /// The segments.
    pub const TABLE: Out<Table> = Out::new("table", "one row per segment, in order of labels");
}

#[typetag::serde(name = "segment.detect")]
impl Stage for Detect {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).optional(&Self::NOISE).output(&Self::LABELS).output(&Self::TABLE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        if self.n_pixels == 0 {
            problems.param("n_pixels", 0, "at least 1");
        }
        match (self.threshold_sigma, self.threshold) {
            (Some(sigma), None) => problems.require_positive("threshold_sigma", sigma),
            (None, Some(value)) if value.is_finite() => {}
            (None, Some(value)) => {
                problems.param("threshold", value, "a finite number");
            }
            (found, _) => {
                let found = if found.is_some() { "both threshold_sigma and threshold" } else { "neither" };
                problems
                    .param("threshold_sigma", found, "either threshold_sigma or threshold")
                    .help("threshold_sigma: 3.0 is typical where there is a noise map");
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
        let image = ImageFacet::from_facet(&inputs.get("image"));
        outputs.set("labels", ImageFacet { unit: None, ..image }.to_facet());
        outputs.set("table", TableFacet { columns: Some(segment_columns(false)) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        let maps = if inputs.is_wired("noise") { 3 } else { 2 };
        // The labels as integers, and the pixels of the largest segment or some 140 bytes per small one.
        let peak_bytes = maps * image.bytes() + image.n_pixels() * 4 + image.n_pixels() * 16 + (1 << 20);
        Demand { peak_bytes, threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let image = cx.input(&Self::IMAGE)?;
        let noise = cx.optional(&Self::NOISE)?;
        let frame = (image.width(), image.height());
        if let Some(noise) = &noise {
            require_shape("noise", noise, frame)?;
        }
        let level: Box<dyn Fn(usize, usize) -> f64> = match (self.threshold_sigma, self.threshold, &noise) {
            (Some(k), _, Some(noise)) => Box::new(move |x, y| {
                let sigma = f64::from(noise.pixels[[y, x]]);
                if sigma > 0.0 { k * sigma } else { f64::NAN }
            }),
            (None, Some(value), _) => Box::new(move |_, _| value),
            _ => {
                return Err(StageError::config("no threshold: threshold_sigma needs a noise map")
                    .with_help("wire a noise map, or set threshold in units of the pixels"));
            }
        };
        let belongs = |x: usize, y: usize| {
            let value = image.pixels[[y, x]];
            value.is_finite()
                && f64::from(value) > level(x, y)
                && image.is_good(x, y, MaskBits::BAD | MaskBits::NO_DATA)
        };
        let progress = cx.progress("rows", frame.1 as u64);
        let go_on = || {
            progress.advance(1);
            !progress.is_cancelled()
        };
        let labels = label_components(frame, belongs, self.n_pixels, self.connectivity, go_on)
            .ok_or_else(StageError::cancelled)?;
        cx.metric("n_segments", f64::from(labels.n));
        let measures = measure_segments(image.pixels.view(), &labels);
        let unit = image.meta.unit.as_deref().unwrap_or_default();
        cx.set(&Self::TABLE, segment_table(&measures, None, unit).map_err(StageError::data)?);
        cx.set(&Self::LABELS, label_image(&labels, &image)?);
        Ok(())
    }
}

/// Greatest label that `f32` holds exactly, with all lesser ones.
const LABEL_LIMIT: u32 = 1 << 24;

/// Labels as an image in the frame of `image`.
pub(super) fn label_image(labels: &Labels, image: &Image) -> Result<Image, StageError> {
    if labels.n > LABEL_LIMIT {
        return Err(StageError::data(format!("{} segments; a label image holds at most {LABEL_LIMIT}", labels.n))
            .with_help("raise the threshold or n_pixels: so many segments are noise"));
    }
    let pixels = labels.labels.mapv(|l| l as f32);
    let meta = ImageMeta { unit: None, ..image.meta.clone() };
    Ok(Image { pixels, mask: None, wcs: image.wcs.clone(), meta })
}

/// The labels that [`label_image`] wrote.
pub(super) fn labels_of(image: &Image) -> Result<Labels, StageError> {
    let is_label = |v: f32| v >= 0.0 && v <= LABEL_LIMIT as f32 && v.fract() == 0.0;
    if let Some(found) = image.pixels.iter().find(|&&v| !is_label(v)) {
        return Err(StageError::data(format!("input \"labels\" has the value {found}, expected whole numbers from 0"))
            .with_help("wire the labels of a segment.detect or segment.deblend"));
    }
    let labels: Array2<u32> = image.pixels.mapv(|v| v as u32);
    let n = labels.iter().copied().max().unwrap_or(0);
    Ok(Labels { labels, n })
}

register_stage!(Detect, kind: "segment.detect", example: "(threshold_sigma: 3.0, n_pixels: 10)");
