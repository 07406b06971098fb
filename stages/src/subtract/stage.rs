//! `subtract.stars` as a stage.

use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, PsfField, Table, TableBuilder};
use skyloom_engine::{Context, Demand, ErrorClass, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError};

use super::algorithm::{Schedule, SubtractError, subtract_stars};
use super::params::SubtractStars;
use super::record::{StarClass, StarFlags, StarModel, StarRecord};
use crate::psf::{check_same_shape, read_candidates, require_columns, require_same_shape};

impl SubtractStars {
    /// Background-subtracted image.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image");
    /// Standard deviation per pixel.
    pub const NOISE: In<Image> = In::new("noise", "standard deviation per pixel, same shape");
    /// Detections.
    pub const STARS: In<Table> = In::new("stars", "detections with x, y, flux and, if known, sharpness");
    /// The PSF over the image.
    pub const PSF: In<PsfField> = In::new("psf", "PSF field of the image");
    /// What is left.
    pub const RESIDUAL: Out<Image> =
        Out::new("image", "residual image; blanked cores are 0 and have the mask bit CORE");
    /// What happened to each star.
    pub const RECORDS: Out<Table> = Out::new("stars", "one row per star: fitted position, flux, model, flags");
}

const FLOATS: [&str; 10] = ["x", "y", "amplitude", "flux", "mag", "fwhm", "chi2", "misfit", "radius", "sharpness"];
const INTS: [&str; 4] = ["n_pixels", "iterations", "n_core", "flags"];

#[typetag::serde(name = "subtract.stars")]
impl Stage for SubtractStars {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .input(&Self::NOISE)
            .input(&Self::STARS)
            .input(&Self::PSF)
            .output(&Self::RESIDUAL)
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
        require_columns(inputs, "stars", &["x", "y", "flux"], problems);
        outputs.set("image", inputs.get("image"));
        let mut columns = vec![("id".to_owned(), ColumnKind::Int)];
        columns.extend(FLOATS.iter().map(|n| ((*n).to_owned(), ColumnKind::Float)));
        columns.extend(INTS.iter().map(|n| ((*n).to_owned(), ColumnKind::Int)));
        columns.extend(["class", "model"].map(|n| (n.to_owned(), ColumnKind::Text)));
        columns.push(("is_subtracted".to_owned(), ColumnKind::Bool));
        outputs.set("stars", TableFacet { columns: Some(columns) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image")).bytes();
        let noise = ImageFacet::from_facet(&inputs.get("noise")).bytes();
        // Per star a task, a record and its share of the grid and tables: about 1 kB, and at most one star per 100 px.
        let stars = (image / 6 / 100) * 1000;
        // The removals of one chunk: 16 bytes for each changed pixel of 512 large stamps.
        let side = 2.0 * self.max_radius_px + 1.0;
        let chunk = (512.0 * side * side * 24.0) as u64;
        Demand { peak_bytes: 2 * image + noise + stars + chunk.min(8 * image) + (8 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (image, noise) = (cx.input(&Self::IMAGE)?, cx.input(&Self::NOISE)?);
        let (table, psf) = (cx.input(&Self::STARS)?, cx.input(&Self::PSF)?);
        check_same_shape(&image, &noise)?;
        check_psf(&psf, &image)?;
        let detections = read_candidates(&table)?;
        let progress = cx.progress("stars", detections.len() as u64);
        let result = cx.pool().install(|| {
            subtract_stars(&image, &noise, &psf, &detections, self, Schedule::Levels, &|| {
                progress.advance(1);
                !progress.is_cancelled()
            })
        });
        let done = result.map_err(|error| match error {
            SubtractError::Stopped => StageError::cancelled(),
            SubtractError::TooManyFailed { .. } => StageError::data(error)
                .with_help("check that the PSF, the noise map and the background belong to this image"),
        })?;
        let count = |f: &dyn Fn(&StarRecord) -> bool| done.records.iter().filter(|r| f(r)).count() as f64;
        cx.metric("n_stars", done.records.len() as f64);
        cx.metric("n_subtracted", count(&|r| r.model != StarModel::None));
        cx.metric("n_bright", count(&|r| r.class == StarClass::Bright && r.model != StarModel::None));
        cx.metric("n_saturated", count(&|r| r.class == StarClass::Saturated && r.flags & StarFlags::MERGED == 0));
        cx.metric("n_extended", count(&|r| r.flags & StarFlags::EXTENDED != 0));
        cx.metric("n_failed", count(&|r| r.flags & StarFlags::NOT_CONVERGED != 0));
        cx.metric("n_levels", done.n_levels as f64);
        let sharpness = done.records.iter().map(|r| r.id.map_or(f64::NAN, |id| detections[id].sharpness)).collect();
        cx.set(&Self::RECORDS, record_table(&image, &done.records, sharpness)?);
        let mut residual = image.with_pixels(done.pixels);
        residual.mask = done.mask;
        cx.set(&Self::RESIDUAL, residual);
        Ok(())
    }
}

/// A PSF field that can serve this image.
fn check_psf(psf: &PsfField, image: &Image) -> Result<(), StageError> {
    let names = psf.model.shape_names();
    let complete = psf.cells.len() == psf.n_x * psf.n_y
        && !psf.cells.is_empty()
        && psf.width > 0
        && psf.height > 0
        && psf.cells.iter().all(|c| {
            c.median.len() == names.len()
                && c.scatter.len() == names.len()
                && c.fwhm > 0.0
                && c.median.iter().chain(&c.scatter).all(|v| v.is_finite())
        });
    if !complete {
        return Err(StageError::data(format!(
            "input \"psf\": a field of {} x {} cells with {} entries, some without the {} shape parameters of a {:?}",
            psf.n_x,
            psf.n_y,
            psf.cells.len(),
            names.len(),
            psf.model
        ))
        .with_help("wire the PSF of psf.fit here"));
    }
    if (psf.width, psf.height) != (image.width(), image.height()) {
        return Err(StageError::data(format!(
            "input \"psf\" was made for an image of {} x {} px, this one is {} x {} px",
            psf.width,
            psf.height,
            image.width(),
            image.height()
        ))
        .with_help("wire the PSF of the same image"));
    }
    Ok(())
}

/// One row per detection.
fn record_table(image: &Image, records: &[StarRecord], sharpness: Vec<f64>) -> Result<Table, StageError> {
    let unit = image.meta.unit.clone().unwrap_or_default();
    let floats = |f: fn(&StarRecord) -> f64| records.iter().map(f).collect::<Vec<_>>();
    let ints = |f: fn(&StarRecord) -> i64| records.iter().map(f).collect::<Vec<_>>();
    TableBuilder::new()
        .optional_int(
            "id",
            "",
            "row in the table of detections; null for a bright core that was not detected",
            records.iter().map(|r| r.id.map(|id| id as i64)).collect(),
        )
        .float("x", "px", "column of the centre, zero-based", floats(|r| r.x))
        .float("y", "px", "row of the centre, zero-based", floats(|r| r.y))
        .float("amplitude", &unit, "peak of the fitted model", floats(|r| r.amplitude))
        .float("flux", &unit, "flux of the fitted model", floats(|r| r.flux))
        .float("mag", "mag", "magnitude of that flux", records.iter().map(|r| image.magnitude(r.flux)).collect())
        .float("fwhm", "px", "sqrt(FWHM_x FWHM_y) of the fitted model", floats(|r| r.fwhm))
        .float("chi2", "", "weighted sum of squared residuals", floats(|r| r.chi2))
        .float("misfit", "", "misfit beyond the noise, fraction of the light", floats(|r| r.misfit))
        .float("radius", "px", "radius out to which the model was subtracted", floats(|r| r.radius))
        .float("sharpness", "", "sharpness of the detection", sharpness)
        .int("n_pixels", "", "pixels in the fit", ints(|r| r.n_pixels as i64))
        .int("iterations", "", "steps of the fit", ints(|r| r.iterations as i64))
        .int("n_core", "", "core pixels set to zero", ints(|r| r.n_core as i64))
        .int(
            "flags",
            "",
            "1 not converged, 2 too few pixels, 4 extended, 8 removed before, 16 part of a saturated star, 32 outside, \
             64 sharpness, 128 bright star fitted whole, 256 core only, 512 duplicate",
            ints(|r| r.flags),
        )
        .text("class", "saturated, bright, faint", records.iter().map(|r| r.class.name().to_owned()).collect())
        .text("model", "tailored, average, none", records.iter().map(|r| r.model.name().to_owned()).collect())
        .bool(
            "is_subtracted",
            "whether a model was subtracted",
            records.iter().map(|r| r.model != StarModel::None).collect(),
        )
        .build()
        .map_err(|e| StageError::new(ErrorClass::Panic, e))
}

skyloom_engine::register_stage!(SubtractStars, kind: "subtract.stars", example: "(core_level_sigma: 100.0)");
