//! `photometry.psf`: the adapter.

use std::sync::Arc;

use arrow::array::Int64Array;
use rayon::prelude::*;
use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, PsfField, Table, TableBuilder, TableError};
use skyloom_engine::{
    Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError, register_stage,
};

use super::algorithm::{StarFlux, StarFluxFlags, measure_stars};
use super::params::PsfPhotometry;
use crate::measure::shape::{check_shapes, require_shape};

impl PsfPhotometry {
    /// The image.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image");
    /// The noise.
    pub const NOISE: In<Image> = In::new("noise", "standard deviation per pixel, same shape");
    /// The list.
    pub const STARS: In<Table> = In::new("stars", "stars with x, y; id is taken over where there is one");
    /// The PSF.
    pub const PSF: In<PsfField> = In::new("psf", "the PSF over the image");
    /// The catalogue.
    pub const CATALOGUE: Out<Table> = Out::new("stars", "star catalogue: one row per star of the list, in its order");

    const COLUMNS: [(&str, ColumnKind); 15] = [
        ("id", ColumnKind::Int),
        ("x", ColumnKind::Float),
        ("y", ColumnKind::Float),
        ("ra", ColumnKind::Float),
        ("dec", ColumnKind::Float),
        ("mag", ColumnKind::Float),
        ("mag_err", ColumnKind::Float),
        ("prob", ColumnKind::Float),
        ("sharp", ColumnKind::Float),
        ("flux", ColumnKind::Float),
        ("flux_err", ColumnKind::Float),
        ("background", ColumnKind::Float),
        ("chi2", ColumnKind::Float),
        ("n_pixels", ColumnKind::Int),
        ("flags", ColumnKind::Int),
    ];
}

/// 2.5 / ln 10.
const MAG_PER_RELATIVE: f64 = 1.085_736_204_758_129_6;

#[typetag::serde(name = "photometry.psf")]
impl Stage for PsfPhotometry {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .input(&Self::NOISE)
            .input(&Self::STARS)
            .input(&Self::PSF)
            .output(&Self::CATALOGUE)
    }

    fn version(&self) -> u32 {
        3
    }

    fn check(&self, problems: &mut Problems) {
        self.check_params(problems);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        check_shapes(inputs, &["image", "noise"], problems);
        if let Some(columns) = TableFacet::from_facet(&inputs.get("stars")).columns {
            for needed in ["x", "y"] {
                if !columns.iter().any(|(name, _)| name == needed) {
                    let expected = "a list of stars, for instance of detect.stars";
                    problems.input("stars", format!("no column {needed:?}"), expected).code("unknown-column");
                }
            }
        }
        let columns = Self::COLUMNS.map(|(name, kind)| (name.to_owned(), kind)).to_vec();
        outputs.set("stars", TableFacet { columns: Some(columns) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image"));
        // Image, noise, the image without stars; a state per star, at most one per 50 px.
        let peak_bytes = 2 * image.bytes() + image.n_pixels() * 4 + image.n_pixels() / 50 * 600 + (8 << 20);
        Demand { peak_bytes, threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (image, noise) = (cx.input(&Self::IMAGE)?, cx.input(&Self::NOISE)?);
        let (list, psf) = (cx.input(&Self::STARS)?, cx.input(&Self::PSF)?);
        require_shape("noise", &noise, (image.width(), image.height()))?;
        if psf.cells.is_empty() || psf.cells.len() != psf.n_x * psf.n_y {
            return Err(
                StageError::data("the PSF field has no cells").with_help("wire the field of psf.fit or psf.field")
            );
        }
        let column = |name: &str| {
            list.floats(name).map_err(|e| {
                StageError::config(format!("input \"stars\": {e}")).with_help("wire a list of stars with x and y")
            })
        };
        let positions: Vec<[f64; 2]> = column("x")?.into_iter().zip(column("y")?).map(|(x, y)| [x, y]).collect();
        let progress = cx.progress("stars", (positions.len() * self.passes) as u64);
        let watch = |n: u64| {
            if n > 0 {
                progress.advance(n);
            }
            !progress.is_cancelled()
        };
        let stars = cx
            .pool()
            .install(|| measure_stars(&image, noise.pixels.view(), &psf, &positions, self, &watch))
            .ok_or_else(StageError::cancelled)?;
        let count = |flag: i64| stars.iter().filter(|s| s.flags & flag != 0).count();
        cx.metric("n_stars", stars.len() as f64);
        for (name, flag) in [
            ("n_without_pixels", StarFluxFlags::NO_PIXELS),
            ("n_saturated", StarFluxFlags::SATURATED),
            ("n_not_positive", StarFluxFlags::NOT_POSITIVE),
        ] {
            cx.metric(name, count(flag) as f64);
        }
        if image.meta.zero_point.is_none() {
            let zero_point = self.instrumental_zero_point;
            cx.warn(format!(
                "the image has no zero point: magnitudes are instrumental, {zero_point} - 2.5 log10(flux / exposure)"
            ));
        }
        let ids = if list.has_column("id") { list.ints("id").ok() } else { None };
        let table = cx
            .pool()
            .install(|| catalogue(&image, &stars, ids, self.instrumental_zero_point))
            .map_err(StageError::data)?;
        cx.set(&Self::CATALOGUE, table);
        Ok(())
    }
}

fn catalogue(
    image: &Image,
    stars: &[StarFlux],
    ids: Option<Vec<Option<i64>>>,
    instrumental: f64,
) -> Result<Table, TableError> {
    let exposure = image.meta.exposure_s.unwrap_or(1.0);
    let zero_point = image.meta.zero_point.unwrap_or(instrumental);
    let magnitude = |flux: f64| if flux > 0.0 { zero_point - 2.5 * libm::log10(flux / exposure) } else { f64::NAN };
    let error = |s: &StarFlux| if s.flux > 0.0 { MAG_PER_RELATIVE * s.flux_err / s.flux } else { f64::NAN };
    let floats = |f: &(dyn Fn(&StarFlux) -> f64 + Sync)| stars.iter().map(f).collect::<Vec<f64>>();
    let sky: Vec<(f64, f64)> = stars
        .par_iter()
        .map(|s| image.wcs.as_ref().and_then(|w| w.pixel_to_icrs(s.x, s.y)).unwrap_or((f64::NAN, f64::NAN)))
        .collect();
    let ids = ids.unwrap_or_else(|| (0..stars.len() as i64).map(Some).collect());
    let unit = image.meta.unit.as_deref().unwrap_or_default();
    TableBuilder::new()
        .array("id", "", "identifier in the list, or its row", Arc::new(Int64Array::from(ids)))
        .float("x", "pix", "column of the centre, zero-based", floats(&|s| s.x))
        .float("y", "pix", "row of the centre, zero-based", floats(&|s| s.y))
        .float("ra", "deg", "ICRS right ascension", sky.iter().map(|s| s.0).collect())
        .float("dec", "deg", "ICRS declination", sky.iter().map(|s| s.1).collect())
        .float("mag", "mag", "magnitude of the fitted PSF", floats(&|s| magnitude(s.flux)))
        .float("mag_err", "mag", "its standard error", floats(&error))
        .float("prob", "", "probability of being a star, from the width", floats(&|s| s.prob))
        .float("sharp", "", "excess of the squared width over the PSF's, 0 = point-like", floats(&|s| s.sharp))
        .float("flux", unit, "flux of the fitted PSF", floats(&|s| s.flux))
        .float("flux_err", unit, "its standard error from the noise map", floats(&|s| s.flux_err))
        .float("background", unit, "local background per pixel", floats(&|s| s.background))
        .float("chi2", "", "squared residuals per degree of freedom", floats(&|s| s.chi2))
        .int("n_pixels", "", "pixels in the fit", stars.iter().map(|s| s.n_pixels as i64).collect())
        .int(
            "flags",
            "",
            "1 no pixels, 2 saturated, 4 centre put back, 8 not positive, 16 incomplete",
            stars.iter().map(|s| s.flags).collect(),
        )
        .build()
}

register_stage!(PsfPhotometry, kind: "photometry.psf", example: "(passes: 3)");
