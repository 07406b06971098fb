//! `background.masked_mesh`: the adapter.

use ndarray::Zip;
use skyloom_data::Image;
use skyloom_data::facets::ImageFacet;
use skyloom_engine::{Context, Demand, Facets, FacetsOut, In, Opt, Out, Problems, Signature, Stage, StageError};

use crate::background::bad_count::{NO_GOOD_PIXEL_HELP, describe_bad};
use crate::background::mesh::MeshError;
use crate::measure::shape::{check_shape, require_shape};

use super::algorithm::masked_mesh;
use super::params::MaskedMeshBackground;

impl MaskedMeshBackground {
    /// The image.
    pub const IMAGE: In<Image> = In::new("image", "image to measure; bad pixels take no part");
    /// What was taken from it before.
    pub const SUBTRACTED: Opt<Image> = Opt::new(
        "subtracted",
        "a background that was subtracted from the image before: added again first, so that it is measured anew",
    );
    /// Where the background goes.
    pub const APPLY_TO: Opt<Image> = Opt::new(
        "apply_to",
        "image from which the background is subtracted instead of from `image`, such as the one with its stars; without what \
         `subtracted` holds, like `image`",
    );
    /// The subtracted image.
    pub const RESULT: Out<Image> = Out::new("image", "image minus background");
    /// The background.
    pub const BACKGROUND: Out<Image> =
        Out::new("background", "the background, defined everywhere; of the image with `subtracted` added");
    /// The noise.
    pub const NOISE: Out<Image> = Out::new("noise", "local scatter of the result where no object is (1.4826 MAD)");
}

#[typetag::serde(name = "background.masked_mesh")]
impl Stage for MaskedMeshBackground {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .optional(&Self::SUBTRACTED)
            .optional(&Self::APPLY_TO)
            .output(&Self::RESULT)
            .output(&Self::BACKGROUND)
            .output(&Self::NOISE)
    }

    fn version(&self) -> u32 {
        2
    }

    fn check(&self, problems: &mut Problems) {
        problems.require_range("box_px", self.box_px as f64, 4.0, 100_000.0);
        if self.filter.is_multiple_of(2) || self.filter > 99 {
            problems.param("filter", self.filter, "an odd number from 1 to 99");
        }
        problems.require_positive("clip_sigma", self.clip_sigma);
        problems.require_range("smooth_px", self.smooth_px, 0.0, 100.0);
        problems.require_positive("mask_sigma", self.mask_sigma);
        problems.require_range("grow_px", self.grow_px as f64, 0.0, 1000.0);
        problems.require_range("noise_box_px", self.noise_box_px as f64, 8.0, 100_000.0);
        problems.require_range("iterations", self.iterations as f64, 0.0, 100.0);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shape(inputs, Self::IMAGE.name, Self::SUBTRACTED.name, problems);
        check_shape(inputs, Self::IMAGE.name, Self::APPLY_TO.name, problems);
        let facet = inputs.get(Self::IMAGE.name);
        let map = ImageFacet { has_mask: Some(false), ..ImageFacet::from_facet(&facet) }.to_facet();
        outputs.set(Self::RESULT.name, facet);
        outputs.set(Self::BACKGROUND.name, map.clone());
        outputs.set(Self::NOISE.name, map);
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name));
        let n = image.n_pixels();
        // Inputs 18 and bad 1; sum, background, rest, filled, smoothed (twice), noise 4 each, masks 3; results and a mask 14.
        let threads = image.height.unwrap_or(0).div_ceil(self.box_px.max(1)).clamp(1, 16);
        let boxes = threads * self.noise_box_px.max(self.box_px).pow(2) * 16;
        Demand { peak_bytes: n * 62 + boxes as u64 + (4 << 20), threads }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let input = cx.input(&Self::IMAGE)?;
        let subtracted = cx.optional(&Self::SUBTRACTED)?;
        let apply_to = cx.optional(&Self::APPLY_TO)?;
        for (port, map) in [(&Self::SUBTRACTED, &subtracted), (&Self::APPLY_TO, &apply_to)] {
            if let Some(map) = map {
                require_shape(port.name, map, (input.width(), input.height()))?;
            }
        }
        let mut bad = input.bad_pixels();
        let summed = subtracted.as_ref().map(|map| {
            Zip::from(&mut bad).and(&map.pixels).for_each(|b, v| *b |= !v.is_finite());
            &input.pixels + &map.pixels
        });
        let pixels = summed.as_ref().unwrap_or(&input.pixels);
        let rows = (2 * self.iterations as u64 + 2) * input.height() as u64;
        let progress = cx.progress("rows", rows);
        let watch = |rows: u64| {
            progress.advance(rows);
            !progress.is_cancelled()
        };
        let maps = cx
            .pool()
            .install(|| masked_mesh(pixels.view(), bad.view(), self, &watch))
            .map_err(|e| explain(e, &input))?;
        let n_masked = maps.masked.iter().filter(|m| **m).count();
        cx.metric("masked_fraction", n_masked as f64 / maps.masked.len().max(1) as f64);
        let result = match &apply_to {
            None => input.with_pixels(maps.image),
            Some(target) => {
                let mut pixels = &target.pixels - &maps.background;
                if let Some(map) = &subtracted {
                    pixels += &map.pixels;
                }
                target.with_pixels(pixels)
            }
        };
        cx.set(&Self::RESULT, result);
        cx.set(&Self::BACKGROUND, input.with_map(maps.background));
        cx.set(&Self::NOISE, input.with_map(maps.noise));
        Ok(())
    }
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
            StageError::data(message).with_help("give a larger box_px or mask_sigma: objects fill all boxes")
        }
        MeshError::ZeroNoise { .. } => StageError::data(message).with_help(
            "the image is constant within every box: nothing stands out of a noise of zero; check the input",
        ),
    }
}

skyloom_engine::register_stage!(
    MaskedMeshBackground,
    kind: "background.masked_mesh",
    example: "(box_px: 32, mask_sigma: 2.0)"
);
