//! `mask.copy`: the adapter of a bitwise or.

use serde::{Deserialize, Serialize};
use skyloom_data::facets::ImageFacet;
use skyloom_data::{Image, MaskBits};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError, register_stage,
};

use crate::measure::shape::{check_shape, require_shape};

/// Adds the mask bits of one image to another of the same frame.
///
/// Pixels, world coordinates and facts are those of `image`, and bits that it has stay. For masks that come as an image of their own
/// (another reader, a program, an image of another band), and for bits that some nodes shall see and others not. To hide saturated
/// pixels from the fits of stars alone, `interpolated` of `io.read_exposure` is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyMask {
    /// Which bits are copied: BAD, NODATA, SATUR, CORE, CLIPPED, INTRP.
    #[serde(default = "default_bits")]
    pub bits: Vec<String>,
}

fn default_bits() -> Vec<String> {
    ["BAD", "NODATA", "SATUR"].map(str::to_owned).to_vec()
}

impl Default for CopyMask {
    fn default() -> Self {
        Self { bits: default_bits() }
    }
}

impl CopyMask {
    /// The image that gets the bits.
    pub const IMAGE: In<Image> = In::new("image", "image that gets the bits");
    /// The image that has them.
    pub const MASK: In<Image> = In::new("mask", "image whose mask bits are copied, of the same shape");
    /// The result.
    pub const RESULT: Out<Image> = Out::new("image", "the image with the bits added");

    fn bits(&self) -> u16 {
        let wanted = MaskBits::NAMES.iter().filter(|(name, _)| self.bits.iter().any(|b| b == name));
        wanted.fold(0, |bits, (_, bit)| bits | bit)
    }
}

#[typetag::serde(name = "mask.copy")]
impl Stage for CopyMask {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).input(&Self::MASK).output(&Self::RESULT)
    }

    fn version(&self) -> u32 {
        1
    }

    fn check(&self, problems: &mut Problems) {
        for (i, name) in self.bits.iter().enumerate() {
            if !MaskBits::NAMES.iter().any(|(known, _)| known == name) {
                let known = MaskBits::NAMES.map(|(name, _)| name).join(", ");
                problems.param(&format!("bits.{i}"), format!("{name:?}"), &format!("one of {known}"));
            }
        }
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shape(inputs, Self::IMAGE.name, Self::MASK.name, problems);
        let facet = ImageFacet { has_mask: None, ..ImageFacet::from_facet(&inputs.get(Self::IMAGE.name)) };
        outputs.set(Self::RESULT.name, facet.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name)).bytes();
        Demand { peak_bytes: 3 * image + (1 << 20), threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (image, other) = (cx.input(&Self::IMAGE)?, cx.input(&Self::MASK)?);
        require_shape(Self::MASK.name, &other, (image.width(), image.height()))?;
        let wanted = self.bits();
        let mut mask = image.mask.clone();
        if let Some(from) = &other.mask {
            let to = mask.get_or_insert_with(|| ndarray::Array2::zeros(from.dim()));
            to.zip_mut_with(from, |to, &from| *to |= from & wanted);
        }
        let n_masked = mask.iter().flatten().filter(|&&bits| bits & wanted != 0).count();
        cx.metric("n_masked", n_masked as f64);
        // No mask plane where nothing is marked: that is how images say it.
        let mask = mask.filter(|mask| mask.iter().any(|&bits| bits != 0));
        let (pixels, wcs, meta) = (image.pixels.clone(), image.wcs.clone(), image.meta.clone());
        cx.set(&Self::RESULT, Image { pixels, mask, wcs, meta });
        Ok(())
    }
}

register_stage!(CopyMask, kind: "mask.copy", example: "(bits: [\"SATUR\"])");

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use skyloom_testkit::{Harness, determinism_test, golden_test};

    use super::*;

    fn image(value: f32, mask: Option<Array2<u16>>) -> Image {
        Image { mask, ..Image::from_pixels(Array2::from_elem((2, 3), value)) }
    }

    fn harness() -> Harness {
        let from = array![[0, MaskBits::SATURATED, MaskBits::BAD], [MaskBits::CORE, 0, 0]];
        let to = array![[MaskBits::CLIPPED, MaskBits::CLIPPED, 0], [0, 0, 0]];
        Harness::new(CopyMask::default())
            .input("image", image(1.0, Some(to)))
            .input("mask", image(f32::NAN, Some(from)))
    }

    #[test]
    fn wanted_bits_are_added_and_nothing_else_changes() {
        let outcome = harness().run().unwrap();
        let result = outcome.get::<Image>("image");
        let expected = array![[MaskBits::CLIPPED, MaskBits::CLIPPED | MaskBits::SATURATED, MaskBits::BAD], [0, 0, 0]];
        assert_eq!(result.mask, Some(expected));
        assert!(result.pixels.iter().all(|&v| v == 1.0));
        assert_eq!(outcome.metrics, [("n_masked".to_owned(), 2.0)]);
    }

    #[test]
    fn without_a_mask_or_without_wanted_bits_there_is_none() {
        let run = |bits: &[&str], mask| {
            let stage = CopyMask { bits: bits.iter().map(|b| (*b).to_owned()).collect() };
            let harness = Harness::new(stage).input("image", image(1.0, None)).input("mask", image(1.0, mask));
            harness.run().unwrap().get::<Image>("image").mask.clone()
        };
        assert_eq!(run(&["BAD"], None), None);
        assert_eq!(run(&["BAD"], Some(Array2::from_elem((2, 3), MaskBits::SATURATED))), None);
        assert!(run(&["SATUR"], Some(Array2::from_elem((2, 3), MaskBits::SATURATED))).is_some());
    }

    #[test]
    fn another_shape_and_an_unknown_bit_are_refused() {
        let small = Image::from_pixels(Array2::zeros((1, 1)));
        let run = Harness::new(CopyMask::default()).input("image", image(1.0, None)).input("mask", small).run();
        assert!(run.unwrap_err().message.contains("1 x 1"));
        let mut problems = Problems::new();
        CopyMask { bits: vec!["SAT".into()] }.check(&mut problems);
        assert_eq!(problems.list().len(), 1);
    }

    determinism_test!(copying_a_mask_is_deterministic, harness());
    golden_test!(copying_a_mask_is_frozen, harness(), version: 1, digest: "88e9c3bf756f");
}
