//! `io.write_image`: an image becomes a FITS file.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use skyloom_data::facets::ImageFacet;
use skyloom_data::{Image, fits};
use skyloom_engine::{Context, Deliverable, Demand, Facets, In, Out, Problems, Signature, Stage, StageError};

/// Writes an image as a FITS file of 32-bit floats, with its world coordinates, facts and mask plane.
///
/// The pixels are the primary array, or an extension of a chosen name; the mask plane is the extension `MASK`, whose `MP_` cards give the bit number of
/// each kind of masked pixel. The same image always gives the same bytes: there is no DATE and no CHECKSUM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WriteImage {
    /// Whether the mask plane is written as the extension `MASK`; an image without masked pixels has none anyway.
    #[serde(default = "default_include_mask")]
    pub include_mask: bool,
    /// Name of an image extension for the pixels, after an empty primary HDU; by default they are the primary array.
    ///
    /// Programs that read tile-compressed files (`.fits.fz`) look for the image in the first extension; so does
    /// `astropy.io.fits.getdata(name, 1)`.
    #[serde(default)]
    pub extension: Option<String>,
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
        Self { include_mask: default_include_mask(), extension: None }
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

    fn check(&self, problems: &mut Problems) {
        if let Some(name) = &self.extension {
            // MASK is the mask plane's; a name must fit on one card.
            let is_plain = !name.is_empty() && name.len() <= 60 && name.bytes().all(|b| (b' '..=b'~').contains(&b));
            if !is_plain || name == "MASK" {
                problems.param("extension", format!("{name:?}"), "a name of at most 60 ASCII letters other than MASK");
            }
        }
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        // The image with its mask plane; the file is made while it is written.
        let image = ImageFacet::from_facet(&inputs.get(Self::IMAGE.name)).bytes();
        Demand { peak_bytes: image + (1 << 20), threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let image = cx.input(&Self::IMAGE)?;
        let file = fits::ImageFile::new(image, self.include_mask, self.extension.as_deref())?;
        cx.set(&Self::FILE, Deliverable::streamed("fits", Arc::new(file)));
        Ok(())
    }
}

skyloom_engine::register_stage!(WriteImage, kind: "io.write_image", example: "()");

#[cfg(test)]
#[path = "write_image_tests.rs"]
mod tests;
