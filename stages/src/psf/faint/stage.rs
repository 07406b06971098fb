//! `psf.fit_faint` as a stage.

use rayon::prelude::*;
use skyloom_data::facets::{ImageFacet, TableFacet};
use skyloom_data::{Image, Table};
use skyloom_engine::{Context, Demand, ErrorClass, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError};

use super::algorithm::{MODELS, fit_faint_star};
use super::params::FitFaint;
use crate::psf::fitted_star::{FitFlags, FittedStar, fit_columns, fits_to_table};
use crate::psf::star_columns::{read_positions, require_star_columns};
use crate::psf::{check_same_shape, require_same_shape};

impl FitFaint {
    /// Background-subtracted image.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image");
    /// Standard deviation per pixel.
    pub const NOISE: In<Image> = In::new("noise", "standard deviation per pixel, same shape");
    /// Isolated stars.
    pub const STARS: In<Table> = In::new("stars", "isolated stars of the faint group, with id, x, y");
    /// The fits.
    pub const TABLE: Out<Table> = Out::new("table", "one row per star: parameters of the three models, chi2, flags");
}

#[typetag::serde(name = "psf.fit_faint")]
impl Stage for FitFaint {
    fn signature(&self) -> Signature {
        Signature::new().input(&Self::IMAGE).input(&Self::NOISE).input(&Self::STARS).output(&Self::TABLE)
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
        // 55,000 stars on the paper's tile of 197 Mpx; a fitted star and its row come to about 1 kB. A hundred times as many
        // would still fit into this.
        let stars = image / 6 / 1000 * 1000;
        let stamps = 64 * (self.stamp_px * self.stamp_px * 64) as u64;
        Demand { peak_bytes: image + noise + stars + stamps + (8 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (image, noise, table) = (cx.input(&Self::IMAGE)?, cx.input(&Self::NOISE)?, cx.input(&Self::STARS)?);
        check_same_shape(&image, &noise)?;
        let stars = read_positions(&table)?;
        let progress = cx.progress("stars", stars.len() as u64);
        let fitted: Option<Vec<FittedStar>> = cx.pool().install(|| {
            stars
                .par_iter()
                .map(|&star| {
                    let fitted = fit_faint_star(&image, &noise, star, self);
                    progress.advance(1);
                    (!progress.is_cancelled()).then_some(fitted)
                })
                .collect()
        });
        let fitted = fitted.ok_or_else(StageError::cancelled)?;
        crate::psf::fitted_star::report(cx, &fitted, self.max_failed_fraction).map_err(|e| {
            e.with_help(
                "many without outline: lower contour_sigma, or make faint_max_mag of psf.select_isolated brighter; many not \
                 converged: check the background and noise inputs",
            )
        })?;
        let without = fitted.iter().filter(|s| s.flags & FitFlags::NO_OUTLINE != 0).count();
        cx.metric("n_no_outline", without as f64);
        let table = fits_to_table(&fitted, &MODELS).map_err(|e| StageError::new(ErrorClass::Panic, e))?;
        cx.set(&Self::TABLE, table);
        Ok(())
    }
}

skyloom_engine::register_stage!(FitFaint, kind: "psf.fit_faint", example: "(stamp_px: 31, contour_sigma: 25.0)");
