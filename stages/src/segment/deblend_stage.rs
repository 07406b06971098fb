//! The stage `segment.deblend`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::{ImageFacet, TableFacet};
use skyloom_data::{Image, Table};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::deblend::{DeblendMode, DeblendOptions, deblend_with};
use super::detect_stage::{label_image, labels_of};
use super::labels::Connectivity;
use super::table::{measure_segments, segment_columns, segment_table};
use crate::measure::shape::{check_shape, require_shape};

/// Divides segments into the sources that touch in them.
///
/// Between the least and the greatest value of a segment lie `n_levels` levels. Peaks that stay apart above a level, with `n_pixels`
/// pixels each, become sources of their own when each has at least `contrast` of the segment's light; a watershed shares the
/// pixels between them (photutils semantics; Bertin & Arnouts 1996, section 6). Every pixel of the segment is kept.
///
/// Labels are consecutive: segments that stay whole first, in their order, then the parts of the others. `parent_id` of
/// the table is the label before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deblend {
    /// Least number of pixels of a peak, at least 1; segments of fewer than twice as many stay whole.
    ///
    /// 1 divides at every local maximum, noise included; at 50 only large neighbours part.
    #[schemars(range(min = 1), extend("x-unit" = "px"))]
    pub n_pixels: usize,
    /// Number of levels. More levels part closer peaks; beyond 1,000 nothing changes.
    #[serde(default = "default_levels")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub n_levels: usize,
    /// Least share of the segment's light that a source must have, 0 to 1: 0 keeps all peaks, 1 divides nothing.
    ///
    /// 0.001 parts a star from one 7.5 mag fainter. Star clusters fall apart at small values.
    #[serde(default = "default_contrast")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub contrast: f64,
    /// How the levels lie: `exponential` is densest at low values, `linear` even, `sinh` between.
    #[serde(default)]
    pub mode: DeblendMode,
    /// Which pixels are neighbours: as in the detection.
    #[serde(default)]
    pub connectivity: Connectivity,
}

fn default_levels() -> usize {
    DeblendOptions::default().n_levels
}

fn default_contrast() -> f64 {
    DeblendOptions::default().contrast
}

impl Deblend {
    /// The image.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image");
    /// The segments.
    pub const SEGMENTS: In<Image> = In::new("labels", "label of each pixel, as segment.detect makes it");
    /// The divided segments.
    pub const LABELS: Out<Image> = Out::new("labels", "label of each pixel, 0 for background");
    /// One row per source.
    pub const TABLE: Out<Table> = Out::new("table", "one row per source, in order of labels");
}

#[typetag::serde(name = "segment.deblend")]
impl Stage for Deblend {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).input(&Self::SEGMENTS).output(&Self::LABELS).output(&Self::TABLE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        if self.n_pixels == 0 {
            problems.param("n_pixels", 0, "at least 1");
        }
        if self.n_levels == 0 || self.n_levels > 1_000_000 {
            problems.param("n_levels", self.n_levels, "from 1 to 1,000,000");
        }
        problems.require_range("contrast", self.contrast, 0.0, 1.0);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shape(inputs, "image", "labels", problems);
        let image = ImageFacet::from_facet(&inputs.get("image"));
        outputs.set("labels", ImageFacet { unit: None, ..image }.to_facet());
        outputs.set("table", TableFacet { columns: Some(segment_columns(true)) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        // Two label arrays of integers; work space of some 80 bytes per pixel of the segments in work, which is the
        // whole image if one segment covers it.
        let peak_bytes = 3 * image.bytes() + image.n_pixels() * (8 + 80) + (1 << 20);
        Demand { peak_bytes, threads: image.height.unwrap_or(0).div_ceil(64).max(1) }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let image = cx.input(&Self::IMAGE)?;
        let segments = cx.input(&Self::SEGMENTS)?;
        require_shape("labels", &segments, (image.width(), image.height()))?;
        let segments = labels_of(&segments)?;
        let options = DeblendOptions {
            n_pixels: self.n_pixels,
            n_levels: self.n_levels,
            contrast: self.contrast,
            mode: self.mode,
            connectivity: self.connectivity,
        };
        let progress = cx.progress("segments", u64::from(segments.n));
        let go_on = || {
            progress.advance(1);
            !progress.is_cancelled()
        };
        let divided = cx
            .pool()
            .install(|| deblend_with(image.pixels.view(), &segments, &options, &go_on))
            .ok_or_else(StageError::cancelled)?;
        if divided.n_linear > 0 {
            cx.warn(format!(
                "{} segments hold values that are not above zero: they were divided at linear levels, not exponential ones",
                divided.n_linear
            ));
        }
        if divided.n_in_pieces > 0 {
            cx.warn(format!(
                "{} segments are in pieces that do not touch: they stay whole; set the connectivity of the detection",
                divided.n_in_pieces
            ));
        }
        cx.metric("n_segments", f64::from(segments.n));
        cx.metric("n_sources", f64::from(divided.labels.n));
        let measures = measure_segments(image.pixels.view(), &divided.labels);
        let unit = image.meta.unit.as_deref().unwrap_or_default();
        let table = segment_table(&measures, Some(&divided.parents), unit).map_err(StageError::data)?;
        cx.set(&Self::TABLE, table);
        cx.set(&Self::LABELS, label_image(&divided.labels, &image)?);
        Ok(())
    }
}

register_stage!(Deblend, kind: "segment.deblend", example: "(n_pixels: 10, n_levels: 32, contrast: 0.001)");
