//! What a fit is asked, and what it answers.

use skyloom_data::PsfModel;

use crate::psf::model::{MAX_PARAMS, Params};

/// One pixel of a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitPixel {
    /// Column.
    pub x: f64,
    /// Row.
    pub y: f64,
    /// Value.
    pub value: f64,
    /// Weight of the squared residual: `1/sigma^2`, or 1 for an unweighted fit.
    pub weight: f64,
}

/// Closed intervals for the parameters; equal ends fix a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// Lower ends.
    pub lower: Params,
    /// Upper ends.
    pub upper: Params,
}

impl Bounds {
    /// No bounds, except that widths stay above 0.01 px and alpha between 0.5 and 100, where the models exist.
    #[must_use]
    pub fn natural(model: PsfModel) -> Self {
        let mut bounds = Self { lower: [f64::NEG_INFINITY; MAX_PARAMS], upper: [f64::INFINITY; MAX_PARAMS] };
        bounds.lower[3] = 0.01;
        bounds.lower[4] = 0.01;
        if model != PsfModel::Gaussian {
            bounds.limit(6, 0.5, 100.0);
        }
        if model == PsfModel::Compound {
            bounds.lower[8] = 0.01;
            bounds.lower[9] = 0.01;
        }
        bounds
    }

    /// Keeps parameter `i` between two values.
    pub fn limit(&mut self, i: usize, low: f64, high: f64) {
        self.lower[i] = low;
        self.upper[i] = high;
    }

    /// Keeps parameter `i` at a value.
    pub fn fix(&mut self, i: usize, value: f64) {
        self.limit(i, value, value);
    }

    pub(super) fn clamp(&self, i: usize, value: f64) -> f64 {
        value.max(self.lower[i]).min(self.upper[i])
    }
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOptions {
    /// Steps at most.
    pub max_iterations: usize,
    /// Converged when steps lower chi2 by less than this fraction.
    pub tolerance: f64,
    /// Whether to work out the errors of the parameters.
    pub has_errors: bool,
    /// Whether to look for a lower minimum from other starts when the parts of a compound model are hard to tell apart.
    ///
    /// Such fits cost some ten times as much; the others cost the same.
    pub has_search: bool,
}

impl Default for FitOptions {
    /// 300 steps, 1e-9: chi2 is then good to far better than any parameter error. With errors and search.
    fn default() -> Self {
        Self { max_iterations: 300, tolerance: 1e-9, has_errors: true, has_search: true }
    }
}

/// How a fit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitStatus {
    /// At a minimum within the bounds.
    Converged,
    /// The allowed steps were used up.
    MaxIterations,
    /// No more pixels with weight than free parameters.
    TooFewPixels,
    /// Start values or pixels are not finite, or the model does not exist there.
    NotFinite,
}

/// The result of a fit, in canonical form (major axis first, angle in `(-pi/2, pi/2]`).
#[derive(Debug, Clone, Copy)]
pub struct Fit {
    /// The model.
    pub model: PsfModel,
    /// Best parameters.
    pub params: Params,
    /// Standard errors, the roots of the diagonal of `(J'WJ)^-1`, not multiplied by chi2 per degree of freedom; NaN for parameters
    /// that are fixed, at a bound, or undetermined, and when nobody asked for them.
    pub errors: Params,
    /// Weighted sum of squared residuals.
    pub chi2: f64,
    /// Pixels with positive weight.
    pub n_pixels: usize,
    /// Free parameters at the end.
    pub n_free: usize,
    /// Steps taken from the given start; those of a search do not count.
    pub iterations: usize,
    /// How it ended.
    pub status: FitStatus,
}

impl Fit {
    /// Whether the fit found a minimum.
    #[must_use]
    pub fn is_converged(&self) -> bool {
        self.status == FitStatus::Converged
    }

    /// Standard error of parameter `i`; NaN when it was fixed, at a bound, undetermined, or not asked for.
    #[must_use]
    pub fn error(&self, i: usize) -> f64 {
        self.errors[i]
    }

    /// chi2 per degree of freedom; NaN without any.
    #[must_use]
    pub fn reduced_chi2(&self) -> f64 {
        if self.n_pixels > self.n_free { self.chi2 / (self.n_pixels - self.n_free) as f64 } else { f64::NAN }
    }
}
