//! `psf.fit_bright` as a stage.

use rayon::prelude::*;
use skyloom_data::facets::{ImageFacet, TableFacet};
use skyloom_data::{Image, PsfSet, Table};
use skyloom_engine::{Context, Demand, ErrorClass, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError};

use super::algorithm::{MODELS, fit_bright_star};
use super::params::FitBright;
use crate::psf::fitted_star::{FitFlags, FittedStar, fit_columns, fits_to_table, report};
use crate::psf::star_columns::{read_positions, require_star_columns};
use crate::psf::{check_same_shape, require_same_shape};

impl FitBright {
    /// Background-subtracted image.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image");
    /// Standard deviation per pixel.
    pub const NOISE: In<Image> = In::new("noise", "standard deviation per pixel, same shape");
    /// Isolated stars.
    pub const STARS: In<Table> = In::new("stars", "isolated stars of the bright group, with id, x, y");
    /// Where the fits start.
    pub const SET: In<PsfSet> = In::new("set", "the PSF of the faint group, from psf.field");
    /// The fits.
    pub const TABLE: Out<Table> = Out::new("table", "one row per star: parameters of both models, chi2, flags");
}

#[typetag::serde(name = "psf.fit_bright")]
impl Stage for FitBright {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .input(&Self::NOISE)
            .input(&Self::STARS)
            .input(&Self::SET)
            .output(&Self::TABLE)
    }

    fn version(&self) -> u32 {
        4
    }

    fn check(&self, problems: &mut Problems) {
        self.check_params(problems);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        require_same_shape(inputs, problems);
        require_star_columns(inputs, "stars", &["x", "y"], problems);
        outputs.set("table", TableFacet { columns: Some(fit_columns(&MODELS)) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image")).bytes();
        let noise = ImageFacet::from_facet(&inputs.get("noise")).bytes();
        // 18,000 stars on the paper's tile of 197 Mpx; a fitted star and its row come to about 1 kB.
        let stars = image / 6 / 1000 * 1000;
        // Values, noise, threshold, labels, levels and queue of the deblending, fit pixels: per thread.
        let stamps = 64 * (self.stamp_px * self.stamp_px * 160) as u64;
        Demand { peak_bytes: image + noise + stars + stamps + (8 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (image, noise, table) = (cx.input(&Self::IMAGE)?, cx.input(&Self::NOISE)?, cx.input(&Self::STARS)?);
        let cells = cx.input(&Self::SET)?;
        check_same_shape(&image, &noise)?;
        let core_level = self.core_level(&image)?;
        cx.metric("core_level", core_level);
        let options = self.options(core_level);
        let stars = read_positions(&table)?;
        let progress = cx.progress("stars", stars.len() as u64);
        let fitted: Option<Vec<FittedStar>> = cx.pool().install(|| {
            stars
                .par_iter()
                .map(|&star| {
                    let fitted = fit_bright_star(&image, &noise, star, &cells, &options);
                    progress.advance(1);
                    (!progress.is_cancelled()).then_some(fitted)
                })
                .collect()
        });
        let fitted = fitted.ok_or_else(StageError::cancelled)?;
        report(cx, &fitted, self.max_failed_fraction).map_err(|e| {
            e.with_help("many with too few pixels: raise core_counts or lower threshold_sigma; many not converged: check the inputs")
        })?;
        let without = fitted.iter().filter(|s| s.flags & FitFlags::NO_SEGMENT != 0).count();
        cx.metric("n_no_segment", without as f64);
        let table = fits_to_table(&fitted, &MODELS).map_err(|e| StageError::new(ErrorClass::Panic, e))?;
        cx.set(&Self::TABLE, table);
        Ok(())
    }
}

skyloom_engine::register_stage!(FitBright, kind: "psf.fit_bright", example: "(stamp_px: 101, core_counts: 143.3)");
