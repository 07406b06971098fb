//! `psf.fit` as a stage.

use skyloom_data::facets::{ColumnKind, ImageFacet, TableFacet};
use skyloom_data::{Image, PsfField, Table, TableBuilder};
use skyloom_engine::{Context, Demand, Facets, FacetsOut, In, Out, Problems, Signature, Stage, StageError};

use super::field::{PsfFieldFit, PsfFitError, fit_psf_field};
use super::model::{Profile, n_params};
use super::params::PsfFit;
use super::select::Candidate;

impl PsfFit {
    /// Background-subtracted image.
    pub const IMAGE: In<Image> = In::new("image", "background-subtracted image");
    /// Standard deviation per pixel.
    pub const NOISE: In<Image> = In::new("noise", "standard deviation per pixel, same shape");
    /// Detections.
    pub const STARS: In<Table> = In::new("stars", "detections with x, y, flux and, if known, sharpness");
    /// The PSF over the image.
    pub const PSF: Out<PsfField> = Out::new("psf", "median and scatter of the PSF parameters per cell");
    /// The stars that were fitted.
    pub const FITTED: Out<Table> = Out::new("stars", "the fitted stars: parameters, errors, chi2, flags (0 = used)");
}

/// Names, units and descriptions of the fitted parameters, in the order of the parameter array.
fn parameter_columns(params: &PsfFit) -> Vec<(&'static str, &'static str, &'static str)> {
    let mut columns = vec![
        ("amplitude", "", "peak of the first component, in the unit of the image"),
        ("x", "px", "column of the centre"),
        ("y", "px", "row of the centre"),
    ];
    for name in params.model.model().shape_names() {
        columns.push(match *name {
            "theta_m" | "theta_g" => (*name, "rad", "direction of the major axis, from +x towards +y"),
            "alpha" => (*name, "", "wing slope of the Moffat"),
            "ratio_g" => ("amplitude_g", "", "peak of the Gaussian part, in the unit of the image"),
            _ => (*name, "px", "width along an axis, major axis first"),
        });
    }
    columns
}

/// Reads the detections; a table without sharpness has NaN there.
pub(crate) fn read_candidates(table: &Table) -> Result<Vec<Candidate>, StageError> {
    let column = |name: &str| {
        table.floats(name).map_err(|e| {
            StageError::config(format!("input \"stars\": {e}")).with_help("wire the table of detect.stars here")
        })
    };
    let (x, y, flux) = (column("x")?, column("y")?, column("flux")?);
    let sharpness = if table.column_names().iter().any(|n| n == "sharpness") {
        column("sharpness")?
    } else {
        vec![f64::NAN; x.len()]
    };
    Ok((0..x.len()).map(|id| Candidate { id, x: x[id], y: y[id], flux: flux[id], sharpness: sharpness[id] }).collect())
}

/// Reports columns that the table at `port` is known not to have.
pub(crate) fn require_columns(inputs: &Facets, port: &str, names: &[&str], problems: &mut Problems) {
    if let Some(columns) = TableFacet::from_facet(&inputs.get(port)).columns {
        for name in names {
            if !columns.iter().any(|(n, k)| n == name && matches!(k, ColumnKind::Float | ColumnKind::Int)) {
                problems
                    .input(port, format!("a table without a numeric column {name:?}"), "a table with x, y and flux")
                    .code("unknown-column")
                    .help("wire the table of detect.stars here");
            }
        }
    }
}

/// Reports an image and a noise map that are known to differ in shape.
pub(crate) fn require_same_shape(inputs: &Facets, problems: &mut Problems) {
    let (image, noise) = (ImageFacet::from_facet(&inputs.get("image")), ImageFacet::from_facet(&inputs.get("noise")));
    if let (Some(w), Some(h), Some(nw), Some(nh)) = (image.width, image.height, noise.width, noise.height)
        && (w, h) != (nw, nh)
    {
        problems.input("noise", format!("{nw} x {nh} px"), &format!("the shape of the image, {w} x {h} px"));
    }
}

/// The same test when the products are there.
pub(crate) fn check_same_shape(image: &Image, noise: &Image) -> Result<(), StageError> {
    if image.pixels.dim() == noise.pixels.dim() {
        return Ok(());
    }
    Err(StageError::data(format!(
        "input \"noise\" is {} x {} px, the image is {} x {} px",
        noise.width(),
        noise.height(),
        image.width(),
        image.height()
    ))
    .with_help("wire the noise map of the same image"))
}

#[typetag::serde(name = "psf.fit")]
impl Stage for PsfFit {
    fn signature(&self) -> Signature {
        Signature::new()
            .input(&Self::IMAGE)
            .input(&Self::NOISE)
            .input(&Self::STARS)
            .output(&Self::PSF)
            .output(&Self::FITTED)
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
        let mut columns = vec![("id".to_owned(), ColumnKind::Int)];
        for (name, _, _) in parameter_columns(self) {
            columns.push((name.to_owned(), ColumnKind::Float));
            columns.push((format!("{name}_err"), ColumnKind::Float));
        }
        for name in ["flux", "fwhm", "chi2", "misfit"] {
            columns.push((name.to_owned(), ColumnKind::Float));
        }
        for name in ["n_pixels", "iterations", "flags"] {
            columns.push((name.to_owned(), ColumnKind::Int));
        }
        outputs.set("stars", TableFacet { columns: Some(columns) }.to_facet());
    }

    fn estimate(&self, inputs: &Facets) -> Demand {
        let image = ImageFacet::from_facet(&inputs.get("image")).bytes();
        let noise = ImageFacet::from_facet(&inputs.get("noise")).bytes();
        // Detections, their grid, and the fits: about one per 100 px at most.
        let stars = (image / 6 / 100) * 2000;
        Demand { peak_bytes: image + noise + stars + (8 << 20), threads: 64 }
    }

    fn run(&self, cx: &mut Context<'_>) -> Result<(), StageError> {
        let (image, noise, table) = (cx.input(&Self::IMAGE)?, cx.input(&Self::NOISE)?, cx.input(&Self::STARS)?);
        check_same_shape(&image, &noise)?;
        let detections = read_candidates(&table)?;
        let progress = std::sync::OnceLock::new();
        let fitted = cx.pool().install(|| {
            fit_psf_field(
                &image,
                &noise,
                &detections,
                self,
                |n| {
                    progress.get_or_init(|| cx.progress("stars", n as u64));
                },
                &|| {
                    progress.get().is_none_or(|p: &skyloom_engine::Progress| {
                        p.advance(1);
                        !p.is_cancelled()
                    })
                },
            )
        });
        let fitted = fitted.map_err(|error| match error {
            PsfFitError::Stopped => StageError::cancelled(),
            PsfFitError::NoStars { .. } => StageError::data(error).with_help(
                "look at the image that the stars were searched in; if it has stars, lower the detection threshold, or \
                 check the FWHM and the noise map that the search was given",
            ),
            PsfFitError::TooFewStars { .. } => StageError::data(error).with_help(
                "look at the largest count: lower min_peak_sigma, raise saturation, or shorten isolation_px and \
                 stamp_radius_px for a crowded field",
            ),
            PsfFitError::TooManyFailed { .. } => StageError::data(error)
                .with_help("check the background and noise inputs, or choose a model with fewer parameters"),
        })?;
        let used = fitted.stars.iter().filter(|s| s.flags == 0).count();
        cx.metric("n_detections", detections.len() as f64);
        cx.metric("n_fitted", fitted.stars.len() as f64);
        cx.metric("n_stars", used as f64);
        cx.metric("n_failed", (fitted.stars.len() - used) as f64);
        cx.metric("n_borrowed_cells", fitted.field.cells.iter().filter(|c| c.is_borrowed).count() as f64);
        let fwhm = fitted.field.cells.iter().map(|c| c.fwhm).collect::<Vec<_>>();
        cx.metric("fwhm_px", super::robust::median(&fwhm));
        let table = star_table(self, &fitted)?;
        cx.set(&Self::FITTED, table);
        cx.set(&Self::PSF, fitted.field);
        Ok(())
    }
}

/// One row per fitted star.
fn star_table(params: &PsfFit, fitted: &PsfFieldFit) -> Result<Table, StageError> {
    let stars = &fitted.stars;
    let model = params.model.model();
    let ints = |f: fn(&super::fit_star::StarFit) -> i64| stars.iter().map(f).collect::<Vec<_>>();
    let mut table = TableBuilder::new().int("id", "", "row in the table of detections", ints(|s| s.id as i64));
    for (i, (name, unit, description)) in parameter_columns(params).into_iter().enumerate().take(n_params(model)) {
        table = table.float(name, unit, description, stars.iter().map(|s| s.fit.params[i]).collect());
        let errors = stars.iter().map(|s| s.fit.error(i)).collect();
        table = table.float(&format!("{name}_err"), unit, "standard error", errors);
    }
    let profiles: Vec<Profile> = stars.iter().map(|s| Profile::new(model, &s.fit.params)).collect();
    table
        .float("flux", "", "flux of the model, in the unit of the image", profiles.iter().map(Profile::flux).collect())
        .float("fwhm", "px", "sqrt(FWHM_x FWHM_y)", profiles.iter().map(Profile::mean_fwhm).collect())
        .float("chi2", "", "weighted sum of squared residuals", stars.iter().map(|s| s.fit.chi2).collect())
        .float("misfit", "", "misfit beyond the noise, fraction of the light", stars.iter().map(|s| s.misfit).collect())
        .int("n_pixels", "", "pixels in the fit", ints(|s| s.fit.n_pixels as i64))
        .int("iterations", "", "steps of the fit", ints(|s| s.fit.iterations as i64))
        .int("flags", "", "0 used, 1 not converged, 2 on a bound, 4 outlier", ints(|s| s.flags))
        .build()
        .map_err(|e| StageError::new(skyloom_engine::ErrorClass::Panic, e))
}

skyloom_engine::register_stage!(PsfFit, kind: "psf.fit", example: "(min_peak_sigma: 50.0)");
