//! The four models of a star and the choice between them.

use skyloom_data::{PsfCell, PsfField, PsfModel};

use super::record::CatalogueModel;
use crate::psf::{Bounds, Fit, FitOptions, FitPixels, Params, Profile, fit_pixels, model_values, params_from_shape};

/// Relative gain that ends a fit: what is left moves a residual by some hundredths of the noise.
const TOLERANCE: f64 = 1e-5;

/// What a fit may use.
pub(super) struct ModelFit<'a> {
    /// Moffat medians and scatters.
    pub moffat: &'a PsfField,
    /// Compound ones; `None` when only Moffats are tried.
    pub compound: Option<&'a PsfField>,
    /// Start position.
    pub x: f64,
    pub y: f64,
    pub centre_px: f64,
    /// Absent: free shapes.
    pub bound_sd: Option<f64>,
    pub min_alpha: f64,
    pub max_iterations: usize,
}

/// A model that converged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fitted {
    pub kind: CatalogueModel,
    pub fit: Fit,
    pub profile: Profile,
}

/// All models that converged with positive light, the steps that all took, and how many were tried.
pub(super) struct Attempts {
    pub fitted: Vec<Fitted>,
    pub iterations: usize,
    pub n_tried: usize,
}

impl ModelFit<'_> {
    /// Fits all models of the class; the tailored ones start from the average ones.
    pub fn run(&self, pixels: &FitPixels) -> Attempts {
        let mut all = Attempts { fitted: Vec::with_capacity(4), iterations: 0, n_tried: 0 };
        let options = FitOptions {
            max_iterations: self.max_iterations,
            tolerance: TOLERANCE,
            has_errors: false,
            has_search: false,
        };
        let fields = [
            (Some(self.moffat), CatalogueModel::AverageMoffat, CatalogueModel::TailoredMoffat),
            (self.compound, CatalogueModel::AverageCompound, CatalogueModel::TailoredCompound),
        ];
        for (field, average_kind, tailored_kind) in fields {
            let Some(field) = field else { continue };
            let model = field.model;
            let cell = field.cell_at(self.x, self.y);
            let (average, tailored) = self.bounds(model, cell);
            let mut start = self.start(model, cell, pixels);
            for (kind, bounds) in [(average_kind, &average), (tailored_kind, &tailored)] {
                all.n_tried += 1;
                let result = fit_pixels(model, pixels, &start, bounds, &options);
                all.iterations += result.iterations;
                let profile = Profile::new(model, &result.params);
                // A flux that is not finite (alpha at or below 1) is no reason against a model: only the cut-out is subtracted.
                if result.is_converged() && profile.peak() > 0.0 && result.params.iter().all(|v| v.is_finite()) {
                    start = result.params;
                    all.fitted.push(Fitted { kind, fit: result, profile });
                }
            }
        }
        all
    }

    /// The cell's shape with the amplitude that fits best; that amplitude is linear.
    fn start(&self, model: PsfModel, cell: &PsfCell, pixels: &FitPixels) -> Params {
        let unit = params_from_shape(model, &cell.median, 1.0, self.x, self.y);
        let values = model_values(model, &unit, pixels.iter().map(|p| (p.x, p.y)));
        let (top, bottom, peak) = pixels.iter().zip(values).fold((0.0, 0.0, 0.0_f64), |(t, b, m), (p, u)| {
            (t + p.weight * u * p.value, b + p.weight * u * u, m.max(p.value))
        });
        let amplitude = if top > 0.0 && bottom > 0.0 { top / bottom } else { peak.max(f64::MIN_POSITIVE) };
        params_from_shape(model, &cell.median, amplitude, self.x, self.y)
    }

    /// Bounds of the average model (shape fixed, angles and amplitudes free) and of the tailored one (`bound_sd` scatters about
    /// the median; amplitudes free).
    fn bounds(&self, model: PsfModel, cell: &PsfCell) -> (Bounds, Bounds) {
        let mut average = Bounds::natural(model);
        for i in [1, 2] {
            let at = if i == 1 { self.x } else { self.y };
            average.limit(i, at - self.centre_px, at + self.centre_px);
        }
        average.lower[0] = 0.0;
        if model == PsfModel::Compound {
            average.lower[7] = 0.0;
        }
        if model != PsfModel::Gaussian {
            average.lower[6] = average.lower[6].max(self.min_alpha);
        }
        let mut tailored = average;
        for (k, name) in model.shape_names().iter().enumerate() {
            let i = k + 3;
            if *name == "ratio_g" {
                continue;
            }
            let median = cell.median[k];
            if !name.starts_with("theta") {
                average.fix(i, median);
            }
            let Some(sd) = self.bound_sd else { continue };
            let reach = sd * cell.scatter[k];
            if !name.starts_with("theta") {
                let low = (median - reach).max(tailored.lower[i]);
                tailored.limit(i, low, (median + reach).min(tailored.upper[i]).max(low));
            } else if reach < std::f64::consts::FRAC_PI_2 {
                // A wider interval holds every direction.
                tailored.limit(i, median - reach, median + reach);
            }
        }
        (average, tailored)
    }
}
