//! `io.write_psf`: the PSF over an image becomes a FITS file.

use serde::{Deserialize, Serialize};
use skyloom_data::{PsfSet, fits};
use skyloom_engine::{Context, Deliverable, Demand, Facets, In, Out, Signature, Stage, StageError};

/// Writes the PSF over an image as a FITS file of one table per model and a map of the FWHM.
///
/// The tables `FAINT_MOFFAT`, `FAINT_COMPOUND`, `BRIGHT_MOFFAT` and `BRIGHT_COMPOUND` have one row per cell: its place in the grid,
/// its centre, its stars, whether its values are borrowed, the FWHM, and median and scatter of each parameter. The image `FWHM`
/// has one pixel per cell. The same PSF always gives the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WritePsf {}

impl WritePsf {
    /// The PSF.
    pub const SET: In<PsfSet> = In::new("set", "the PSF to write, from psf.field");
    /// The FITS file.
    pub const FILE: Out<Deliverable> = Out::new("file", "the FITS file");
}

#[typetag::serde(name = "io.write_psf")]
impl Stage for WritePsf {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::SET).output(&Self::FILE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // A cell has about 300 bytes per model, in memory and in the file; a fine grid has thousands of cells.
        Demand { peak_bytes: 16 << 20, threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let set = cx.input(&Self::SET)?;
        let bytes = fits::psf_set_to_fits_bytes(&set)?;
        cx.set(&Self::FILE, Deliverable::new("fits", bytes));
        Ok(())
    }
}

skyloom_engine::register_stage!(WritePsf, kind: "io.write_psf", example: "()");

#[cfg(test)]
#[path = "write_psf_tests.rs"]
mod tests;
