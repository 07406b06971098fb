//! `io.write_psf`: the PSF over an image becomes a FITS file.

use serde::{Deserialize, Serialize};
use skyloom_data::{PsfField, PsfSet, fits};
use skyloom_engine::{
    Context, Deliverable, Demand, Facets, FacetsOut, Opt, Out, Problems, Signature, Stage, StageError,
};

/// Writes the PSF over an image as a FITS file of one table per model and a map of the FWHM.
///
/// The tables `FAINT_MOFFAT`, `FAINT_COMPOUND`, `BRIGHT_MOFFAT` and `BRIGHT_COMPOUND` have one row per cell: its place in the grid,
/// its centre, its stars, whether its values are borrowed, the FWHM, and median and scatter of each parameter. The image `FWHM`
/// has one pixel per cell. A PSF of one model is the table `PSF`. The same PSF always gives the same bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WritePsf {}

impl WritePsf {
    /// Four models.
    pub const SET: Opt<PsfSet> = Opt::new("set", "the PSF to write, from psf.field; this or psf");
    /// One model.
    pub const PSF: Opt<PsfField> = Opt::new("psf", "the PSF to write, of one model; this or set");
    /// The FITS file.
    pub const FILE: Out<Deliverable> = Out::new("file", "the FITS file");
}

#[typetag::serde(name = "io.write_psf")]
impl Stage for WritePsf {
    fn signature(&self) -> Signature {
        Signature::new().optional(&Self::SET).optional(&Self::PSF).output(&Self::FILE)
    }

    fn version(&self) -> u32 {
        1
    }

    fn infer(&self, inputs: &Facets, _: &mut FacetsOut, problems: &mut Problems) {
        if inputs.is_wired("set") == inputs.is_wired("psf") {
            let found = if inputs.is_wired("set") { "a second PSF" } else { "nothing" };
            problems.input("psf", found, "one of the ports set and psf wired");
        }
    }

    fn estimate(&self, _: &Facets) -> Demand {
        // A cell has about 300 bytes per model, in memory and in the file; a fine grid has thousands of cells.
        Demand { peak_bytes: 16 << 20, threads: 1 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let bytes = match (cx.optional(&Self::SET)?, cx.optional(&Self::PSF)?) {
            (Some(set), None) => fits::psf_set_to_fits_bytes(&set)?,
            (None, Some(field)) => fits::psf_field_to_fits_bytes(&field)?,
            (both, _) => {
                let found = if both.is_some() { "both set and psf are wired" } else { "nothing is wired" };
                return Err(StageError::config(found).with_help("wire one of the ports set and psf"));
            }
        };
        cx.set(&Self::FILE, Deliverable::new("fits", bytes));
        Ok(())
    }
}

skyloom_engine::register_stage!(WritePsf, kind: "io.write_psf", example: "()");

#[cfg(test)]
#[path = "write_psf_tests.rs"]
mod tests;
