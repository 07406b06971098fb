//! The nebuliser as a stage.

use skyloom_data::Image;
use skyloom_data::facets::ImageFacet;
use skyloom_engine::{Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError};

use crate::background::bad_count::{NO_GOOD_PIXEL_HELP, describe_bad};

use super::algorithm::{NebuliseError, lines_of_work, nebulise};
use super::line_block::LINES;
use super::params::{Nebulise, Statistics};

/// A share of values outside the histogram that deserves a warning.
const WARN_OUTSIDE: f64 = 0.01;

impl Nebulise {
    /// The image; pixels that are BAD, NO_DATA, SATURATED or not finite take no part.
    pub const IMAGE: In<Image> = In::new("image", "image to filter; bad pixels are left out and bridged");
    /// The filtered image.
    pub const RESULT: Out<Image> = Out::new("image", "image minus background plus sky (or divided by it with `norm`)");
    /// The background.
    pub const BACKGROUND: Out<Image> = Out::new("background", "the background; NaN on lines without a good pixel");

    /// Why an image of this shape cannot be filtered, if so.
    fn complain_about_shape(&self, height: usize, width: usize) -> Option<String> {
        // Lines shorter than the window are left as they are: the image would be its own background.
        (!self.twod && self.median_px > height.max(width))
            .then(|| format!("an image of {width} x {height} px, and median_px is {}", self.median_px))
    }
}

const SHAPE_EXPECTED: &str = "an image with at least median_px columns or rows";
const SHAPE_HELP: &str = "lines with fewer good pixels than median_px are not filtered: give a smaller median_px";

#[typetag::serde(name = "background.nebulise")]
impl Stage for Nebulise {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).output(&Self::RESULT).output(&Self::BACKGROUND)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        problems.require_range("median_px", self.median_px as f64, 1.0, 100_000.0);
        problems.require_range("linear_px", self.linear_px as f64, 1.0, 100_000.0);
        problems.require_range("iterations", self.iterations as f64, 1.0, 100.0);
        problems.require_positive("clip_low_sigma", self.clip_low_sigma);
        problems.require_positive("clip_high_sigma", self.clip_high_sigma);
        if self.norm && self.takeout_sky {
            problems
                .param("takeout_sky", "true together with norm: true", "one of the two")
                .help("a divided image has no sky level to take out");
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        let facet = inputs.get(Self::IMAGE.name);
        let image = ImageFacet::from_facet(&facet);
        if let (Some(height), Some(width)) = (image.height, image.width)
            && let Some(found) = self.complain_about_shape(height, width)
        {
            problems.input(Self::IMAGE.name, found, SHAPE_EXPECTED).help(SHAPE_HELP);
        }
        let mut result = image.clone();
        if self.norm {
            // A ratio has no unit.
            result.unit = None;
        }
        outputs.set(Self::RESULT.name, result.to_facet());
        outputs.set(Self::BACKGROUND.name, facet);
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name));
        let (height, width) = (image.height.unwrap_or(0), image.width.unwrap_or(0));
        let n = image.n_pixels();
        // Input with its mask 6, background 4, result (before that the smoothed image) 4; while it iterates bad pixels
        // and flags 2, at the end the masks of both outputs 4. The square filter never works in place.
        let planes = n * if self.twod { 20 } else { 18 };
        let threads = (height.max(width) / LINES).clamp(1, 16);
        let per_thread = if self.twod {
            // A tile with its surroundings: value, place, rank and sorted value.
            let side = (self.median_px.max(96) + 2 * self.median_px).min(height.max(width)) as u64;
            side * side * 16
        } else {
            // A block of lines with a bit per pixel; the stretch that is filtered, and the wires of a large window.
            let window = self.median_px.min(height.max(width)) as u64;
            let longest = height.max(width) as u64 + 2 * window;
            LINES as u64 * longest * 33 / 8 + 6 * window * 64
        };
        // A histogram per thread too.
        let scratch = threads as u64 * (per_thread + (1 << 20));
        Demand { peak_bytes: planes + scratch + (1 << 20), threads }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let input = cx.input(&Self::IMAGE)?;
        if let Some(found) = self.complain_about_shape(input.height(), input.width())
            && !input.pixels.is_empty()
        {
            return Err(StageError::data(format!("found {found}; expected {SHAPE_EXPECTED}")).with_help(SHAPE_HELP));
        }
        let bad = input.bad_pixels();
        let progress = cx.progress("lines", lines_of_work(input.pixels.dim(), self));
        let watch = |lines: u64| {
            progress.advance(lines);
            !progress.is_cancelled()
        };
        let done = cx
            .pool()
            .install(|| nebulise(input.pixels.view(), bad.view(), self, &watch))
            .map_err(|e| explain(e, &input))?;
        drop(bad);

        let n_good = input.pixels.len() as f64;
        if self.stats == Statistics::Histogram && done.n_outside as f64 > WARN_OUTSIDE * n_good {
            cx.warn(format!(
                "{} of {} pixels lie outside -1000..65535 and took no part in the sky level; set stats: exact",
                done.n_outside,
                input.pixels.len()
            ));
        }
        cx.metric("sky", f64::from(done.sky));
        cx.metric("n_clipped", done.n_clipped as f64);
        let mut result = input.with_pixels(done.image);
        if self.norm {
            result.meta.unit = None;
        }
        cx.set(&Self::RESULT, result);
        cx.set(&Self::BACKGROUND, input.with_pixels(done.background));
        Ok(())
    }
}

fn explain(error: NebuliseError, image: &Image) -> StageError {
    let message = format!("image of {} x {} px: {error}", image.width(), image.height());
    match error {
        NebuliseError::Stopped => StageError::cancelled(),
        NebuliseError::Empty | NebuliseError::Shape { .. } => StageError::data(message),
        NebuliseError::NoGoodPixel { .. } => {
            StageError::data(format!("{message} ({})", describe_bad(image))).with_help(NO_GOOD_PIXEL_HELP)
        }
        NebuliseError::OutsideHistogram { .. } => {
            StageError::data(message).with_help("set stats: exact, which takes values of any size")
        }
    }
}

skyloom_engine::register_stage!(Nebulise, kind: "background.nebulise", example: "(median_px: 90, linear_px: 30)");
