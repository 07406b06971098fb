//! The mesh background as a stage.

use skyloom_data::Image;
use skyloom_data::facets::ImageFacet;
use skyloom_engine::{Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError};

use crate::background::bad_count::{NO_GOOD_PIXEL_HELP, describe_bad};

use super::algorithm::{MeshError, mesh_background, rows_of_work};
use super::params::MeshBackground;

impl MeshBackground {
    /// The image; pixels that are BAD, NO_DATA, SATURATED or not finite take no part.
    pub const IMAGE: In<Image> = In::new("image", "image to measure; bad pixels take no part");
    /// The subtracted image.
    pub const RESULT: Out<Image> = Out::new("image", "image minus background");
    /// The background.
    pub const BACKGROUND: Out<Image> = Out::new("background", "the background, defined everywhere");
    /// The noise.
    pub const NOISE: Out<Image> =
        Out::new("noise", "standard deviation of the sky per pixel, greater than 0 everywhere");
}

#[typetag::serde(name = "background.mesh")]
impl Stage for MeshBackground {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).output(&Self::RESULT).output(&Self::BACKGROUND).output(&Self::NOISE)
    }

    fn version(&self) -> u32 {
        2
    }

    fn check(&self, problems: &mut Problems) {
        problems.require_range("box_px", self.box_px as f64, 1.0, 100_000.0);
        if let Some(height) = self.box_y_px {
            problems.require_range("box_y_px", height as f64, 1.0, 100_000.0);
        }
        let odd = |problems: &mut Problems, name: &str, value: usize| {
            if value.is_multiple_of(2) || value > 999 {
                problems.param(name, value, "an odd number from 1 to 999");
            }
        };
        odd(problems, "filter", self.filter);
        if let Some(height) = self.filter_y {
            odd(problems, "filter_y", height);
        }
        if let Some(threshold) = self.filter_threshold
            && !threshold.is_finite()
        {
            problems.param("filter_threshold", threshold, "a finite number").help("leave it out to filter all boxes");
        }
        problems.require_positive("clip_sigma", self.clip_sigma);
        problems.require_range("clip_iterations", self.clip_iterations as f64, 0.0, 1000.0);
        problems.require_range("exclude_percentile", self.exclude_percentile, 0.0, 100.0);
        if let Some(sigma) = self.mask_sigma {
            problems.require_positive("mask_sigma", sigma);
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, _problems: &mut Problems) {
        let facet = inputs.get(Self::IMAGE.name);
        let map = ImageFacet { has_mask: Some(false), ..ImageFacet::from_facet(&facet) }.to_facet();
        outputs.set(Self::RESULT.name, facet);
        outputs.set(Self::BACKGROUND.name, map.clone());
        outputs.set(Self::NOISE.name, map);
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name));
        let (height, width) = (image.height.unwrap_or(0), image.width.unwrap_or(0));
        let [box_y, box_x] = self.box_size((height, width));
        let threads = height.div_ceil(box_y.max(1)).clamp(1, 16);
        // Input and bad pixels 7, three results and the mask of one 14; the values of one box per thread, twice for medians of
        // deviations; a record per box.
        let boxes = height.div_ceil(box_y.max(1)) * width.div_ceil(box_x.max(1));
        let scratch = threads * (box_y * box_x * 16 + (2 << 20)) + boxes * 64;
        Demand { peak_bytes: image.n_pixels() * 21 + scratch as u64 + (1 << 20), threads }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let input = cx.input(&Self::IMAGE)?;
        let bad = input.bad_pixels();
        let progress = cx.progress("rows", rows_of_work(input.pixels.dim()));
        let watch = |rows: u64| {
            progress.advance(rows);
            !progress.is_cancelled()
        };
        let maps = cx
            .pool()
            .install(|| mesh_background(input.pixels.view(), bad.view(), self, &watch))
            .map_err(|e| explain(e, &input))?;
        drop(bad);

        let n_boxes = maps.mesh.background.len();
        let n_excluded = maps.mesh.excluded.len();
        if 2 * n_excluded > n_boxes {
            cx.warn(format!(
                "{n_excluded} of {n_boxes} boxes have too few pixels and are filled from their neighbours; a larger \
                 exclude_percentile keeps more (now {})",
                self.exclude_percentile
            ));
        }
        if let Some((y, x)) = maps.mesh.without_noise.first() {
            cx.warn(format!(
                "the noise is zero in {} of {n_boxes} boxes, first in column {x}, row {y} of the mesh; it is filled \
                 from their neighbours",
                maps.mesh.without_noise.len()
            ));
        }
        cx.metric("n_boxes", n_boxes as f64);
        cx.metric("n_excluded", n_excluded as f64);
        cx.metric("background_median", median_of(maps.mesh.background.iter()));
        cx.metric("noise_median", median_of(maps.mesh.noise.iter()));
        cx.set(&Self::RESULT, input.with_pixels(maps.image));
        cx.set(&Self::BACKGROUND, input.with_map(maps.background));
        cx.set(&Self::NOISE, input.with_map(maps.noise));
        Ok(())
    }
}

/// Median of a mesh that has at least one cell.
fn median_of<'a>(values: impl Iterator<Item = &'a f64>) -> f64 {
    let mut values: Vec<f64> = values.copied().collect();
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    if n == 0 { f64::NAN } else { 0.5 * (values[(n - 1) / 2] + values[n / 2]) }
}

fn explain(error: MeshError, image: &Image) -> StageError {
    let message = format!("image of {} x {} px: {error}", image.width(), image.height());
    match error {
        MeshError::Stopped => StageError::cancelled(),
        MeshError::Empty | MeshError::Shape { .. } => StageError::data(message),
        MeshError::NoGoodPixel { .. } => {
            StageError::data(format!("{message} ({})", describe_bad(image))).with_help(NO_GOOD_PIXEL_HELP)
        }
        MeshError::AllExcluded { .. } => {
            StageError::data(message).with_help("give a larger exclude_percentile (50 to 90), or other box_px")
        }
        MeshError::ZeroNoise { .. } => StageError::data(message).with_help(
            "the image is constant within every box, so that nothing can be measured in units of its noise; check the \
             input, or box_px if the boxes are tiny",
        ),
    }
}

skyloom_engine::register_stage!(
    MeshBackground,
    kind: "background.mesh",
    example: "(box_px: 50, filter: 3, exclude_percentile: 50.0)"
);
