//! A star with the models that were fitted to it, and the table of such stars.

use skyloom_data::facets::ColumnKind;
use skyloom_data::{PsfModel, Table, TableBuilder, TableError};
use skyloom_engine::{Context, StageError};

use super::levenberg::{Bounds, Fit};
use super::model::{Params, Profile, n_params};
use super::star_columns::StarPosition;

/// Flags of a fitted star.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitFlags;

impl FitFlags {
    /// No closed contour around the position, or no ellipse through it: nothing was fitted.
    pub const NO_OUTLINE: i64 = 1;
    /// No segment at the position: nothing was fitted.
    pub const NO_SEGMENT: i64 = 1 << 1;
    /// Too few pixels for the models: nothing was fitted.
    pub const TOO_FEW_PIXELS: i64 = 1 << 2;
    /// The Gaussian did not converge.
    pub const GAUSSIAN_FAILED: i64 = 1 << 3;
    /// The Moffat did not converge, or could not be started.
    pub const MOFFAT_FAILED: i64 = 1 << 4;
    /// The compound model did not converge, or could not be started.
    pub const COMPOUND_FAILED: i64 = 1 << 5;
    /// A parameter of the Moffat ended on its bound.
    pub const MOFFAT_AT_BOUND: i64 = 1 << 6;
    /// A parameter of the compound model ended on its bound.
    pub const COMPOUND_AT_BOUND: i64 = 1 << 7;

    /// One line for tables.
    pub(super) const DOC: &'static str = "0 good; 1 no outline, 2 no segment, 4 too few pixels; 8, 16, 32 Gaussian, Moffat, compound not converged; \
         64, 128 Moffat, compound on a bound";

    fn failed(model: PsfModel) -> i64 {
        match model {
            PsfModel::Gaussian => Self::GAUSSIAN_FAILED,
            PsfModel::Moffat => Self::MOFFAT_FAILED,
            PsfModel::Compound => Self::COMPOUND_FAILED,
        }
    }

    fn at_bound(model: PsfModel) -> i64 {
        match model {
            // The start of the other two; where it ends does not matter.
            PsfModel::Gaussian => 0,
            PsfModel::Moffat => Self::MOFFAT_AT_BOUND,
            PsfModel::Compound => Self::COMPOUND_AT_BOUND,
        }
    }

    /// The flags that keep a model out of the PSF field.
    #[must_use]
    pub fn spoils(model: PsfModel) -> i64 {
        Self::NO_OUTLINE | Self::NO_SEGMENT | Self::TOO_FEW_PIXELS | Self::failed(model) | Self::at_bound(model)
    }
}

/// One fitted model, in canonical form (major axis first).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelFit {
    /// The model.
    pub model: PsfModel,
    /// Best parameters.
    pub params: Params,
    /// Sum of squared residuals, weighted as the fit was.
    pub chi2: f64,
    /// Steps of the fit.
    pub iterations: usize,
    /// Whether the fit found a minimum.
    pub is_converged: bool,
}

/// A star and its models.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedStar {
    /// Identifier and position in the catalogue.
    pub star: StarPosition,
    /// Pixels in the fit.
    pub n_pixels: usize,
    /// The fits, in the order in which they were made; fewer when one could not be started.
    pub fits: Vec<ModelFit>,
    /// See [`FitFlags`].
    pub flags: i64,
}

impl FittedStar {
    /// A star without any fit.
    #[must_use]
    pub fn unfitted(star: StarPosition, n_pixels: usize, flags: i64) -> Self {
        Self { star, n_pixels, fits: Vec::new(), flags }
    }

    /// Adds a fit and its flags; returns whether it converged.
    pub(super) fn push(&mut self, fit: &Fit, bounds: &Bounds) -> bool {
        let n = n_params(fit.model);
        let is_on_bound = |i: usize| fit.params[i] <= bounds.lower[i] || fit.params[i] >= bounds.upper[i];
        if !fit.is_converged() {
            self.flags |= FitFlags::failed(fit.model);
        } else if (0..n).any(is_on_bound) {
            self.flags |= FitFlags::at_bound(fit.model);
        }
        self.fits.push(ModelFit {
            model: fit.model,
            params: fit.params,
            chi2: fit.chi2,
            iterations: fit.iterations,
            is_converged: fit.is_converged(),
        });
        fit.is_converged()
    }

    /// Flags the models of `models` that were not fitted because the one before them failed.
    pub(super) fn close(&mut self, models: &[PsfModel]) {
        for &model in models {
            if self.fit(model).is_none() {
                self.flags |= FitFlags::failed(model);
            }
        }
    }

    /// Moves all centres, from coordinates of a cut-out to those of the image.
    pub(super) fn move_by(&mut self, dx: f64, dy: f64) {
        for fit in &mut self.fits {
            fit.params[1] += dx;
            fit.params[2] += dy;
        }
    }

    /// The fit of a model.
    #[must_use]
    pub fn fit(&self, model: PsfModel) -> Option<&ModelFit> {
        self.fits.iter().find(|f| f.model == model)
    }
}

/// What stands before the parameters of a model in column names.
fn prefix(model: PsfModel) -> &'static str {
    match model {
        PsfModel::Gaussian => "gaussian",
        PsfModel::Moffat => "moffat",
        PsfModel::Compound => "compound",
    }
}

/// Names, units and descriptions of the parameters of a model, in the order of the parameter array.
fn parameter_columns(model: PsfModel) -> Vec<(String, &'static str, &'static str)> {
    let own = |name: &str| format!("{}_{name}", prefix(model));
    let mut columns = vec![
        (own("amplitude"), "", "peak of the first component, in the unit of the image"),
        (own("x"), "px", "column of the centre"),
        (own("y"), "px", "row of the centre"),
    ];
    columns.extend(model.shape_names().iter().map(|name| match *name {
        "theta_m" | "theta_g" => (own(name), "rad", "direction of the major axis, from +x towards +y"),
        "alpha" => (own(name), "", "wing slope of the Moffat"),
        "ratio_g" => (own("amplitude_g"), "", "peak of the Gaussian part, in the unit of the image"),
        _ => (own(name), "px", "width along an axis, major axis first"),
    }));
    columns
}

/// Names and kinds of the columns of [`fits_to_table`].
pub(super) fn fit_columns(models: &[PsfModel]) -> Vec<(String, ColumnKind)> {
    let mut columns = vec![("id".to_owned(), ColumnKind::Int)];
    columns.extend(["x", "y"].map(|n| (n.to_owned(), ColumnKind::Float)));
    columns.push(("n_pixels".to_owned(), ColumnKind::Int));
    for &model in models {
        columns.extend(parameter_columns(model).into_iter().map(|(name, _, _)| (name, ColumnKind::Float)));
        columns.push((format!("{}_fwhm", prefix(model)), ColumnKind::Float));
        columns.push((format!("{}_chi2", prefix(model)), ColumnKind::Float));
        columns.push((format!("{}_iterations", prefix(model)), ColumnKind::Int));
        columns.push((format!("{}_is_converged", prefix(model)), ColumnKind::Bool));
    }
    columns.push(("flags".to_owned(), ColumnKind::Int));
    columns
}

/// One row per star, with NaN for models that were not fitted.
///
/// # Errors
/// Never, unless a name is used twice.
pub fn fits_to_table(stars: &[FittedStar], models: &[PsfModel]) -> Result<Table, TableError> {
    let mut table = TableBuilder::new()
        .int("id", "", "identifier in the catalogue", stars.iter().map(|s| s.star.id).collect())
        .float("x", "px", "column in the catalogue", stars.iter().map(|s| s.star.x).collect())
        .float("y", "px", "row in the catalogue", stars.iter().map(|s| s.star.y).collect())
        .int("n_pixels", "", "pixels in the fit", stars.iter().map(|s| s.n_pixels as i64).collect());
    for &model in models {
        let of =
            |f: &dyn Fn(&ModelFit) -> f64| stars.iter().map(|s| s.fit(model).map_or(f64::NAN, f)).collect::<Vec<f64>>();
        for (i, (name, unit, description)) in parameter_columns(model).into_iter().enumerate() {
            table = table.float(&name, unit, description, of(&|fit| fit.params[i]));
        }
        let name = |what: &str| format!("{}_{what}", prefix(model));
        let fwhm = |fit: &ModelFit| Profile::new(model, &fit.params).mean_fwhm();
        let steps = stars.iter().map(|s| s.fit(model).map_or(0, |f| f.iterations as i64)).collect();
        let converged = stars.iter().map(|s| s.fit(model).is_some_and(|f| f.is_converged)).collect();
        table = table
            .float(&name("fwhm"), "px", "sqrt(FWHM_x FWHM_y)", of(&fwhm))
            .float(&name("chi2"), "", "sum of squared residuals, weighted as the fit was", of(&|fit| fit.chi2))
            .int(&name("iterations"), "", "steps of the fit", steps)
            .bool(&name("is_converged"), "whether the fit found a minimum", converged);
    }
    table.int("flags", "", FitFlags::DOC, stars.iter().map(|s| s.flags).collect()).build()
}

/// Reads the parameters of a model from a table of [`fits_to_table`]: those of the stars that the model's flags do not spoil.
///
/// # Errors
/// When a column is missing or holds no numbers.
pub fn usable_fits(table: &Table, model: PsfModel) -> Result<Vec<Params>, TableError> {
    let flags = table.ints("flags")?;
    let columns: Vec<Vec<f64>> =
        parameter_columns(model).iter().map(|(name, _, _)| table.floats(name)).collect::<Result<_, _>>()?;
    let spoils = FitFlags::spoils(model);
    Ok((0..table.n_rows())
        .filter(|&row| flags[row].is_some_and(|f| f & spoils == 0))
        .map(|row| {
            let mut params = [0.0; super::model::MAX_PARAMS];
            for (slot, column) in params.iter_mut().zip(&columns) {
                *slot = column[row];
            }
            params
        })
        .filter(|p| p.iter().all(|v| v.is_finite()))
        .collect())
}

/// Notes how the fits went; fails when too large a fraction of the stars has no Moffat, to which everything else refers.
pub(super) fn report(cx: &Context<'_>, stars: &[FittedStar], max_failed_fraction: f64) -> Result<(), StageError> {
    let count = |bits: i64| stars.iter().filter(|s| s.flags & bits != 0).count();
    let failed = count(FitFlags::spoils(PsfModel::Moffat));
    cx.metric("n_stars", stars.len() as f64);
    cx.metric("n_moffat", (stars.len() - failed) as f64);
    cx.metric("n_compound", (stars.len() - count(FitFlags::spoils(PsfModel::Compound))) as f64);
    cx.metric("n_too_few_pixels", count(FitFlags::TOO_FEW_PIXELS) as f64);
    if failed as f64 > max_failed_fraction * stars.len() as f64 {
        return Err(StageError::data(format!(
            "{failed} of {} stars have no usable Moffat fit, {max_failed_fraction} is the largest fraction allowed: {} without \
             outline, {} without segment, {} with too few pixels, {} not converged, {} on a bound",
            stars.len(),
            count(FitFlags::NO_OUTLINE),
            count(FitFlags::NO_SEGMENT),
            count(FitFlags::TOO_FEW_PIXELS),
            count(FitFlags::MOFFAT_FAILED),
            count(FitFlags::MOFFAT_AT_BOUND),
        )));
    }
    Ok(())
}

/// The columns that [`usable_fits`] reads.
pub(super) fn needed_columns(model: PsfModel) -> Vec<String> {
    let mut names: Vec<String> = parameter_columns(model).into_iter().map(|(name, _, _)| name).collect();
    names.push("flags".to_owned());
    names
}
