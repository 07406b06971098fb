//! The analytic PSF models of Miller et al. 2024, eq. 1: values, derivatives, widths, fluxes, canonical form.
//!
//! ```text
//! u =  (x-x0) cos th + (y-y0) sin th        v = -(x-x0) sin th + (y-y0) cos th
//! f = A_M [1 + (u/g_x)^2 + (v/g_y)^2]^(-alpha)  +  A_G exp[-u^2/(2 s_x^2) - v^2/(2 s_y^2)]
//! ```
//!
//! Parameters lie in one fixed array, in this order (the rest of the array is unused and zero):
//!
//! | model | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 |
//! |---|---|---|---|---|---|---|---|---|---|---|---|
//! | Gaussian | A_G | x0 | y0 | s_x | s_y | th_G | | | | | |
//! | Moffat | A_M | x0 | y0 | g_x | g_y | th_M | alpha | | | | |
//! | compound | A_M | x0 | y0 | g_x | g_y | th_M | alpha | A_G | s_x | s_y | th_G |
//!
//! Widths are in pixels, angles in radians from +x towards +y. Models are evaluated at pixel centres, not integrated.

use std::f64::consts::{FRAC_PI_2, LN_2, PI};

use skyloom_data::PsfModel;

use super::smooth::{exp, ln_above_one};

/// Length of a parameter array: the compound model needs all of it.
pub const MAX_PARAMS: usize = 11;

/// Parameters of any model; see the module's table for their order.
pub type Params = [f64; MAX_PARAMS];

/// Number of parameters that a model uses.
#[must_use]
pub const fn n_params(model: PsfModel) -> usize {
    match model {
        PsfModel::Gaussian => 6,
        PsfModel::Moffat => 7,
        PsfModel::Compound => 11,
    }
}

/// Sine and cosine of an angle, widths and amplitude of one elliptical component, ready for many pixels.
#[derive(Debug, Clone, Copy)]
struct Component {
    amplitude: f64,
    cos: f64,
    sin: f64,
    width_x: f64,
    width_y: f64,
}

impl Component {
    fn new(amplitude: f64, width_x: f64, width_y: f64, theta: f64) -> Self {
        Self { amplitude, cos: libm::cos(theta), sin: libm::sin(theta), width_x, width_y }
    }

    /// `(u / width_x, v / width_y)`.
    fn scaled(&self, dx: f64, dy: f64) -> (f64, f64) {
        ((dx * self.cos + dy * self.sin) / self.width_x, (dy * self.cos - dx * self.sin) / self.width_y)
    }

    /// Derivatives of `(u/w_x)^2 + (v/w_y)^2` by x0, y0, w_x, w_y, theta.
    fn square_gradient(&self, p: f64, q: f64) -> [f64; 5] {
        let (a, b) = (2.0 * p / self.width_x, 2.0 * q / self.width_y);
        // du/dtheta = v, dv/dtheta = -u.
        let turn = 2.0 * p * q * (self.width_y / self.width_x - self.width_x / self.width_y);
        [b * self.sin - a * self.cos, -a * self.sin - b * self.cos, -a * p, -b * q, turn]
    }
}

/// A model with its parameters, prepared for evaluation at many pixels.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    model: PsfModel,
    x0: f64,
    y0: f64,
    moffat: Component,
    alpha: f64,
    gauss: Component,
}

impl Profile {
    /// Prepares a model. Widths must not be zero.
    #[must_use]
    pub fn new(model: PsfModel, p: &Params) -> Self {
        let none = Component { amplitude: 0.0, cos: 1.0, sin: 0.0, width_x: 1.0, width_y: 1.0 };
        let (moffat, alpha, gauss) = match model {
            PsfModel::Gaussian => (none, 1.0, Component::new(p[0], p[3], p[4], p[5])),
            PsfModel::Moffat => (Component::new(p[0], p[3], p[4], p[5]), p[6], none),
            PsfModel::Compound => {
                (Component::new(p[0], p[3], p[4], p[5]), p[6], Component::new(p[7], p[8], p[9], p[10]))
            }
        };
        Self { model, x0: p[1], y0: p[2], moffat, alpha, gauss }
    }

    /// Value at a position.
    #[must_use]
    pub fn value(&self, x: f64, y: f64) -> f64 {
        let (dx, dy) = (x - self.x0, y - self.y0);
        let mut value = 0.0;
        if self.model != PsfModel::Gaussian {
            let (p, q) = self.moffat.scaled(dx, dy);
            value += self.moffat.amplitude * exp(-self.alpha * ln_above_one(1.0 + (p * p + q * q)));
        }
        if self.model != PsfModel::Moffat {
            let (p, q) = self.gauss.scaled(dx, dy);
            value += self.gauss.amplitude * exp(-0.5 * (p * p + q * q));
        }
        value
    }

    /// Value at a position, and its derivatives by the model's parameters.
    pub fn value_and_gradient(&self, x: f64, y: f64, gradient: &mut Params) -> f64 {
        let (dx, dy) = (x - self.x0, y - self.y0);
        let mut value = 0.0;
        if self.model != PsfModel::Gaussian {
            let (p, q) = self.moffat.scaled(dx, dy);
            let square = p * p + q * q;
            let log = ln_above_one(1.0 + square);
            let unit = exp(-self.alpha * log);
            let part = self.moffat.amplitude * unit;
            let outer = -self.alpha * part / (1.0 + square);
            let inner = self.moffat.square_gradient(p, q);
            gradient[0] = unit;
            for (slot, d) in gradient[1..6].iter_mut().zip(inner) {
                *slot = outer * d;
            }
            gradient[6] = -log * part;
            value += part;
        }
        if self.model != PsfModel::Moffat {
            let (p, q) = self.gauss.scaled(dx, dy);
            let unit = exp(-0.5 * (p * p + q * q));
            let part = self.gauss.amplitude * unit;
            let inner = self.gauss.square_gradient(p, q);
            let outer = -0.5 * part;
            if self.model == PsfModel::Gaussian {
                gradient[0] = unit;
                for (slot, d) in gradient[1..6].iter_mut().zip(inner) {
                    *slot = outer * d;
                }
            } else {
                // Both components share the centre.
                gradient[1] += outer * inner[0];
                gradient[2] += outer * inner[1];
                gradient[7] = unit;
                for (slot, d) in gradient[8..11].iter_mut().zip(&inner[2..]) {
                    *slot = outer * d;
                }
            }
            value += part;
        }
        value
    }

    /// Flux of the Moffat part, `pi A g_x g_y / (alpha - 1)`; infinite for `alpha <= 1`, 0 where there is none.
    #[must_use]
    pub fn moffat_flux(&self) -> f64 {
        let m = &self.moffat;
        if m.amplitude == 0.0 {
            0.0
        } else if self.alpha > 1.0 {
            PI * m.amplitude * m.width_x * m.width_y / (self.alpha - 1.0)
        } else {
            f64::INFINITY
        }
    }

    /// Flux of the Gaussian part, `2 pi A s_x s_y`; 0 where there is none.
    #[must_use]
    pub fn gauss_flux(&self) -> f64 {
        2.0 * PI * self.gauss.amplitude * self.gauss.width_x * self.gauss.width_y
    }

    /// Flux of the whole model, integrated to infinity.
    #[must_use]
    pub fn flux(&self) -> f64 {
        self.moffat_flux() + self.gauss_flux()
    }

    /// Value at the centre.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.moffat.amplitude + self.gauss.amplitude
    }

    /// Full widths at half maximum along the component's own x and y axes, in pixels.
    ///
    /// Moffat: `2 g sqrt(2^(1/alpha) - 1)`; Gaussian: `2 s sqrt(2 ln 2)`. For the compound model: twice the distances at
    /// which the sum falls to half of its peak, along the axes of the Moffat part.
    #[must_use]
    pub fn fwhm(&self) -> (f64, f64) {
        match self.model {
            PsfModel::Gaussian => {
                let k = 2.0 * (2.0 * LN_2).sqrt();
                (k * self.gauss.width_x.abs(), k * self.gauss.width_y.abs())
            }
            PsfModel::Moffat => {
                let k = 2.0 * libm::expm1(LN_2 / self.alpha).sqrt();
                (k * self.moffat.width_x.abs(), k * self.moffat.width_y.abs())
            }
            PsfModel::Compound => {
                let (c, s) = (self.moffat.cos, self.moffat.sin);
                (2.0 * self.falls_to(0.5, c, s), 2.0 * self.falls_to(0.5, -s, c))
            }
        }
    }

    /// `sqrt(FWHM_x FWHM_y)` in pixels.
    #[must_use]
    pub fn mean_fwhm(&self) -> f64 {
        let (x, y) = self.fwhm();
        (x * y).sqrt()
    }

    /// Distance from the centre at which the profile along the 45 degree line between its axes falls to `fraction` of
    /// the peak: a mean radius, in pixels. 0 when the fraction is not below 1; at most 10,000.
    #[must_use]
    pub fn radius_at(&self, fraction: f64) -> f64 {
        let axis = if self.model == PsfModel::Gaussian { &self.gauss } else { &self.moffat };
        let h = std::f64::consts::FRAC_1_SQRT_2;
        self.falls_to(fraction, h * (axis.cos - axis.sin), h * (axis.sin + axis.cos))
    }

    /// Distance along the unit vector `(cx, cy)` at which the profile falls to `fraction` of its peak.
    fn falls_to(&self, fraction: f64, cx: f64, cy: f64) -> f64 {
        const FARTHEST: f64 = 1e4;
        let target = fraction * self.peak();
        // NaN and amplitudes that are not positive end here too.
        if !(fraction < 1.0 && target > 0.0) {
            return if fraction < 1.0 { FARTHEST } else { 0.0 };
        }
        let above = |r: f64| self.value(self.x0 + r * cx, self.y0 + r * cy) > target;
        let (mut low, mut high) = (0.0, 1.0);
        while above(high) {
            if high >= FARTHEST {
                return FARTHEST;
            }
            low = high;
            high *= 2.0;
        }
        for _ in 0..40 {
            let middle = 0.5 * (low + high);
            if above(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }
}

/// Index pairs of one component: the position of its `width_x`, `width_y`, `theta`.
pub(super) const fn components(model: PsfModel) -> &'static [[usize; 3]] {
    match model {
        PsfModel::Gaussian | PsfModel::Moffat => &[[3, 4, 5]],
        PsfModel::Compound => &[[3, 4, 5], [8, 9, 10]],
    }
}

/// Folds an axis direction to `(-pi/2, pi/2]`.
#[must_use]
pub(crate) fn fold_angle(theta: f64) -> f64 {
    let folded = theta - PI * (theta / PI).round();
    // -pi/2 and pi/2 are the same direction; the range is open below.
    if folded <= -FRAC_PI_2 { folded + PI } else { folded }
}

/// Brings parameters to canonical form: widths positive, major axis first, angle in `(-pi/2, pi/2]`.
///
/// Swapping the axes and turning by 90 degrees is the same model. `swapped` is told of each pair that changes places,
/// so that errors can follow.
pub(crate) fn make_canonical(model: PsfModel, p: &mut Params, mut swapped: impl FnMut(usize, usize)) {
    for &[wx, wy, th] in components(model) {
        p[wx] = p[wx].abs();
        p[wy] = p[wy].abs();
        if p[wx] < p[wy] {
            p.swap(wx, wy);
            swapped(wx, wy);
            p[th] += FRAC_PI_2;
        }
        p[th] = fold_angle(p[th]);
    }
}

/// The shape parameters of [`PsfModel::shape_names`] from fitted parameters; the Gaussian amplitude of the compound
/// model becomes the ratio `A_G / A_M`.
#[must_use]
pub fn shape_from_params(model: PsfModel, p: &Params) -> Vec<f64> {
    let mut shape = p[3..n_params(model)].to_vec();
    if model == PsfModel::Compound {
        shape[4] = p[7] / p[0];
    }
    shape
}

/// Parameters of a star of a given shape: peak amplitude (of the Moffat part, where there is one) and centre.
#[must_use]
pub fn params_from_shape(model: PsfModel, shape: &[f64], amplitude: f64, x0: f64, y0: f64) -> Params {
    let mut p = [0.0; MAX_PARAMS];
    p[..3].copy_from_slice(&[amplitude, x0, y0]);
    for (slot, value) in p[3..n_params(model)].iter_mut().zip(shape) {
        *slot = *value;
    }
    if model == PsfModel::Compound {
        p[7] *= amplitude;
    }
    p
}

/// Peak of the whole model per unit of `p[0]`: 1, or `1 + A_G/A_M` for the compound model.
#[must_use]
pub fn shape_scale(model: PsfModel, shape: &[f64]) -> f64 {
    match model {
        PsfModel::Compound => 1.0 + shape.get(4).copied().unwrap_or(0.0),
        PsfModel::Gaussian | PsfModel::Moffat => 1.0,
    }
}
