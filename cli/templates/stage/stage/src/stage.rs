//! The stage: its parameters, its ports, and what the engine asks before it lets it run.

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use skyloom_data::facets::ImageFacet;
use skyloom_data::{Image, MaskBits};
use skyloom_engine::{Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError};

use super::algorithm::unsharp_mask;

/// Sharpens an image by an unsharp mask: adds to it what a Gaussian smooths away.
///
/// `out = v + amount (v - blur)`, with `blur` the mean of the good pixels around, weighted by a Gaussian that is cut off at 4
/// sigma. Pixels that are not finite, BAD or NO_DATA count nowhere and keep their value. Mask, world coordinates and facts are
/// passed on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct {{type}} {
    /// Standard deviation of the Gaussian: detail that is smaller is brought out.
    ///
    /// Well below a pixel nothing changes; beyond the size of the objects all of their light counts as detail.
    #[serde(default = "default_sigma_px")]
    #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0, "x-unit" = "px"))]
    pub sigma_px: f64,
    /// How much of the detail is added: 0 changes nothing, 1 doubles it, and more brings out the noise.
    #[serde(default = "default_amount")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub amount: f64,
}

fn default_sigma_px() -> f64 {
    2.0
}
fn default_amount() -> f64 {
    1.0
}

impl {{type}} {
    /// The image to sharpen.
    pub const IMAGE: In<Image> = In::new("image", "image to sharpen");
    /// The sharpened image.
    pub const SHARP: Out<Image> = Out::new("image", "sharpened image");
}

#[typetag::serde(name = "{{kind}}")]
impl Stage for {{type}} {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).output(&Self::SHARP)
    }

    // Goes up by one whenever the same inputs give another result: that is what makes the engine run the stage again.
    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        problems.require_positive("sigma_px", self.sigma_px);
        problems.require_range("sigma_px", self.sigma_px, 0.0, 100.0);
        problems.require_range("amount", self.amount, 0.0, 100.0);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, _: &mut Problems) {
        outputs.set("image", inputs.get("image"));
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        // The image, the sharpened one, and per pixel two sums in f64 and a flag.
        Demand { peak_bytes: 2 * image.bytes() + 17 * image.n_pixels() + (1 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let image = cx.input(&Self::IMAGE)?;
        let bits = MaskBits::BAD | MaskBits::NO_DATA;
        let good = Array2::from_shape_fn(image.pixels.dim(), |(y, x)| image.is_good(x, y, bits));
        cx.metric("n_good", good.iter().filter(|is_good| **is_good).count() as f64);
        // The pool of the run: the threads are those that the stage was given.
        let sharp = cx.pool().install(|| unsharp_mask(image.pixels.view(), good.view(), self.sigma_px, self.amount));
        cx.set(&Self::SHARP, image.with_pixels(sharp));
        Ok(())
    }
}

skyloom_engine::register_stage!({{type}}, kind: "{{kind}}", example: "(sigma_px: 2.0, amount: 1.0)");
