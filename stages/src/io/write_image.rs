//! `io.write_image`: an image becomes a FITS file.

use serde::{Deserialize, Serialize};
use skyloom_data::facets::ImageFacet;
use skyloom_data::{Image, fits};
use skyloom_engine::{Context, Deliverable, Demand, Facets, In, Out, Signature, Stage, StageError};

/// Writes an image as a FITS file of 32-bit floats, with its world coordinates, facts and mask plane.
///
/// The pixels are the primary array; the mask plane is the extension `MASK`, whose `MP_` cards give the bit number of
/// each kind of masked pixel. The same image always gives the same bytes: there is no DATE and no CHECKSUM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteImage {
    /// Whether the mask plane is written as the extension `MASK`; an image without masked pixels has none anyway.
    #[serde(default = "default_include_mask")]
    pub include_mask: bool,
}

fn default_include_mask() -> bool {
    true
}

impl WriteImage {
    /// The image to write.
    pub const IMAGE: In<Image> = In::new("image", "the image to write");
    /// The FITS file.
    pub const FILE: Out<Deliverable> = Out::new("file", "the FITS file");
}

impl Default for WriteImage {
    fn default() -> Self {
        Self { include_mask: default_include_mask() }
    }
}

#[typetag::serde(name = "io.write_image")]
impl Stage for WriteImage {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).output(&Self::FILE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        // The image and the file, both with a mask plane.
        let image = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name)).bytes();
        Demand { peak_bytes: 2 * image + (1 << 20), threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let image = cx.input(&Self::IMAGE)?;
        let bytes = fits::image_to_fits_bytes(&image, self.include_mask)?;
        cx.set(&Self::FILE, Deliverable::new("fits", bytes));
        Ok(())
    }
}

skyloom_engine::register_stage!(WriteImage, kind: "io.write_image", example: "()");

#[cfg(test)]
#[path = "write_image_tests.rs"]
mod tests;
