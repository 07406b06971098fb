//! `subtract.catalogue` as a stage.

use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{CardValue, Image, PsfField, PsfSet, Table, TableBuilder};
use skyloom_engine::{Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError};

use super::algorithm::{CatalogueSubtraction, SubtractCatalogueError, subtract_catalogue};
use super::params::SubtractCatalogue;
use super::record::{CatalogueFlags, CatalogueRecord, Treatment};
use crate::psf::CatalogueStar;
use crate::psf::{check_same_shape, require_columns, require_same_shape};
use crate::subtract::Schedule;

impl SubtractCatalogue {
    /// Background-subtracted image.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image");
    /// Standard deviation per pixel.
    pub const NOISE: In<Image> = In::new("noise", "standard deviation per pixel, same shape");
    /// The catalogue.
    pub const STARS: In<Table> =
        In::new("stars", "star catalogue with x, y, mag and, where known, id, prob, sharp, parallax, parallax_error");
    /// The PSF over the image.
    pub const PSF: In<PsfSet> = In::new("psf", "faint and bright PSF fields of the image");
    /// What is left.
    pub const RESIDUAL: Out<Image> =
        Out::new("image", "residual image; zeroed cores and saturated stars have the mask bit CORE");
    /// What is left without the foreground alone.
    pub const FOREGROUND: Out<Image> = Out::new("foreground", "the image with only the foreground stars removed");
    /// What happened to each star.
    pub const RECORDS: Out<Table> =
        Out::new("stars", "one row per catalogue star: class, model, position, flux, flags");

    /// The core level in counts.
    fn core_level(&self, image: &Image) -> Result<f64, StageError> {
        if let Some(counts) = self.core_counts {
            return Ok(counts);
        }
        let key = self.integration_key.as_str();
        let seconds = image.meta.cards.iter().rev().find(|c| c.key == key).and_then(|c| match c.value {
            CardValue::Float(v) => Some(v),
            CardValue::Int(v) => Some(v as f64),
            _ => None,
        });
        match seconds {
            Some(seconds) if seconds > 0.0 && seconds.is_finite() => Ok(seconds / self.core_divisor_s),
            // Nothing has a core: no level is needed.
            _ if !self.classes.iter().any(|row| row.has_core) => Ok(f64::INFINITY),
            _ => Err(StageError::config(format!(
                "no core level: the image carries no card {key} with a time in seconds"
            ))
            .with_help(format!("set core_counts, or add \"{key}\" to keep_cards of the reader"))),
        }
    }
}

const FLOATS: [(&str, &str, &str); 7] = [
    ("x", "px", "fitted centre, column; the catalogue's where nothing was fitted"),
    ("y", "px", "fitted centre, row"),
    ("flux", "", "flux of the subtracted model, integrated to infinity; NaN where that does not exist (alpha up to 1)"),
    ("mag", "mag", "magnitude of that flux"),
    ("peak", "", "peak of the subtracted model"),
    ("fwhm", "px", "sqrt(FWHM_x FWHM_y) of the subtracted model"),
    ("chi2", "", "sum of squared residuals where the models were compared"),
];

const INTS: [(&str, &str); 7] = [
    ("class", "row of classes (of saturated, for treatment saturated), from 0; -1 for none"),
    ("n_tried", "models tried"),
    ("n_pixels", "pixels fitted"),
    ("iterations", "steps of all fits"),
    ("n_zeroed", "pixels set to 0"),
    ("row", "row of the catalogue"),
    (
        "flags",
        "1 no model converged, 2 too few pixels, 4 duplicate, 8 nothing left there, 16 outside or unknown, 32 probability cut, \
         64 sharpness cut, 128 fainter than all classes, 256 no segment, 512 faint route, 1024 disc, 2048 foreground",
    ),
];

#[typetag::serde(name = "subtract.catalogue")]
impl Stage for SubtractCatalogue {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .input(&Self::NOISE)
            .input(&Self::STARS)
            .input(&Self::PSF)
            .output(&Self::RESIDUAL)
            .output(&Self::FOREGROUND)
            .output(&Self::RECORDS)
    }

    fn version(&self) -> u32 {
        4
    }

    fn check(&self, problems: &mut Problems) {
        self.check_params(problems);
    }

    fn infer(&self, inputs: &Facets, outputs: &mut FacetsOut, problems: &mut Problems) {
        require_same_shape(inputs, problems);
        require_columns(inputs, "stars", &["x", "y", "mag"], problems);
        outputs.set("image", inputs.get("image"));
        outputs.set("foreground", inputs.get("image"));
        let mut columns = vec![("id".to_owned(), ColumnKind::Int)];
        columns.extend(FLOATS.iter().map(|(n, ..)| ((*n).to_owned(), ColumnKind::Float)));
        columns.extend(["catalogue_x", "catalogue_y", "catalogue_mag"].map(|n| (n.to_owned(), ColumnKind::Float)));
        columns.extend(INTS.iter().map(|(n, _)| ((*n).to_owned(), ColumnKind::Int)));
        columns.extend(["treatment", "model"].map(|n| (n.to_owned(), ColumnKind::Text)));
        columns.push(("is_removed".to_owned(), ColumnKind::Bool));
        outputs.set("stars", TableFacet { columns: Some(columns) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image")).bytes();
        let noise = ImageFacet::from_facet(&inputs.get("noise")).bytes();
        // Per star its row, task and record: about 750 bytes; a crowded catalogue has a star per 150 px.
        let stars = (image / 6 / 150) * 750;
        // Image, residual and foreground; the removals of one chunk are small against a whole image.
        Demand { peak_bytes: 3 * image + noise + stars + (64 << 20).min(8 * image) + (8 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (image, noise) = (cx.input(&Self::IMAGE)?, cx.input(&Self::NOISE)?);
        let (table, psf) = (cx.input(&Self::STARS)?, cx.input(&Self::PSF)?);
        check_same_shape(&image, &noise)?;
        for (name, field) in psf.fields() {
            check_field(name, field, &image)?;
        }
        let core_counts = self.core_level(&image)?;
        let params = self.shifted();
        let stars = CatalogueStar::from_table(&table).map_err(StageError::data)?;
        let progress = cx.progress("stars", stars.len() as u64);
        let tick = || {
            progress.advance(1);
            !progress.is_cancelled()
        };
        let result = cx.pool().install(|| {
            subtract_catalogue(&image, &noise, &psf, &stars, core_counts, &params, Schedule::Levels, &tick)
        });
        let done = result.map_err(|error| match error {
            SubtractCatalogueError::Stopped => StageError::cancelled(),
            SubtractCatalogueError::TooManyFailed { .. } => StageError::data(error)
                .with_help("check that the PSF, the noise map and the catalogue belong to this image"),
        })?;
        report(cx, &done, core_counts);
        cx.set(&Self::RECORDS, record_table(&image, &stars, &done.records)?);
        // Not `with_pixels`, which would copy a mask that is not wanted.
        let put = |pixels, mask| Image { pixels, mask, wcs: image.wcs.clone(), meta: image.meta.clone() };
        cx.set(&Self::RESIDUAL, put(done.pixels, done.mask));
        cx.set(&Self::FOREGROUND, put(done.foreground_pixels, done.foreground_mask));
        Ok(())
    }
}

fn report(cx: &mut Context<'_>, done: &CatalogueSubtraction, core_counts: f64) {
    let count = |f: &dyn Fn(&CatalogueRecord) -> bool| done.records.iter().filter(|r| f(r)).count() as f64;
    cx.metric("core_counts", core_counts);
    cx.metric("n_stars", done.records.len() as f64);
    cx.metric("n_removed", count(&|r| r.is_removed()));
    cx.metric("n_saturated", count(&|r| r.treatment == Treatment::Saturated));
    cx.metric("n_core", count(&|r| r.treatment == Treatment::Core));
    cx.metric("n_foreground", count(&|r| r.is_removed() && r.flags & CatalogueFlags::FOREGROUND != 0));
    cx.metric("n_cut", count(&|r| r.flags & (CatalogueFlags::PROBABILITY | CatalogueFlags::SHARPNESS) != 0));
    cx.metric("n_duplicates", count(&|r| r.flags & CatalogueFlags::DUPLICATE != 0));
    cx.metric("n_gone", count(&|r| r.flags & CatalogueFlags::REMOVED_BEFORE != 0));
    cx.metric("n_failed", count(&|r| r.flags & CatalogueFlags::NOT_CONVERGED != 0));
    cx.metric("n_levels", done.n_levels as f64);
}

/// A PSF field that can serve this image.
fn check_field(name: &str, psf: &PsfField, image: &Image) -> Result<(), StageError> {
    let n = psf.model.shape_names().len();
    let is_whole = psf.cells.len() == psf.n_x * psf.n_y
        && !psf.cells.is_empty()
        && psf.cells.iter().all(|c| c.median.len() == n && c.scatter.len() == n)
        && psf.cells.iter().all(|c| c.median.iter().chain(&c.scatter).all(|v| v.is_finite()));
    if !is_whole {
        return Err(StageError::data(format!("the PSF field {name} is incomplete: {} cells", psf.cells.len())));
    }
    if (psf.width, psf.height) != (image.width(), image.height()) {
        return Err(StageError::data(format!(
            "the PSF field {name} is for {} x {} px, the image has {} x {} px",
            psf.width,
            psf.height,
            image.width(),
            image.height()
        )));
    }
    Ok(())
}

fn record_table(image: &Image, stars: &[CatalogueStar], records: &[CatalogueRecord]) -> Result<Table, StageError> {
    let float = |name: &str, r: &CatalogueRecord| match name {
        "x" => r.x,
        "y" => r.y,
        "flux" => r.flux,
        "mag" => image.magnitude(r.flux),
        "peak" => r.peak,
        "fwhm" => r.fwhm,
        _ => r.chi2,
    };
    let int = |name: &str, row: usize, r: &CatalogueRecord| match name {
        "class" => r.class,
        "n_tried" => r.n_tried,
        "n_pixels" => r.n_pixels,
        "iterations" => r.iterations,
        "n_zeroed" => r.n_zeroed,
        "row" => row as i64,
        _ => r.flags,
    };
    let unit_of = |name: &str, unit: &str| match name {
        "flux" | "peak" => image.meta.unit.clone().unwrap_or_default(),
        _ => unit.to_owned(),
    };
    let mut builder =
        TableBuilder::new().int("id", "", "number in the catalogue", stars.iter().map(|s| s.id).collect());
    for (name, unit, description) in FLOATS {
        builder =
            builder.float(name, &unit_of(name, unit), description, records.iter().map(|r| float(name, r)).collect());
    }
    builder = builder
        .float("catalogue_x", "px", "position in the catalogue, column", stars.iter().map(|s| s.x).collect())
        .float("catalogue_y", "px", "position in the catalogue, row", stars.iter().map(|s| s.y).collect())
        .float("catalogue_mag", "mag", "magnitude in the catalogue", stars.iter().map(|s| s.mag).collect());
    for (name, description) in INTS {
        let values = records.iter().enumerate().map(|(row, r)| int(name, row, r)).collect();
        builder = builder.int(name, "", description, values);
    }
    builder
        .text(
            "treatment",
            "none, saturated, core or whole",
            records.iter().map(|r| r.treatment.name().to_owned()).collect(),
        )
        .text(
            "model",
            "the model that was subtracted; empty for none",
            records.iter().map(|r| r.model.map_or("", |m| m.name()).to_owned()).collect(),
        )
        .bool(
            "is_removed",
            "whether the star left the image",
            records.iter().map(CatalogueRecord::is_removed).collect(),
        )
        .build()
        .map_err(StageError::data)
}

skyloom_engine::register_stage!(
    SubtractCatalogue,
    kind: "subtract.catalogue",
    example: "(min_prob: 0.33, max_sharp: 0.5, saturated_below_sigma: -50.0, core_counts: 143.3)"
);
