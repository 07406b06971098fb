//! The PSF of the joint fit: Moffat plus Gaussian on one ellipse, of unit flux.
//!
//! ```text
//! q = a dx^2 + b dy^2 + 2 c dx dy,   [[a, c], [c, b]] = exp(-2 ln g) expm(-[[e1, e2], [e2, -e1]])
//! f = (1-w) (alpha-1)/pi  d  (1+q)^-alpha  +  w d/(2 pi r^2) exp(-q/(2 r^2)),   d = sqrt(ab - c^2) = exp(-2 ln g)
//! ```
//!
//! | symbol | meaning |
//! |---|---|
//! | `ln g` | logarithm of the mean width of the Moffat part, px |
//! | `e1`, `e2` | ellipticity: along the axes, along the diagonals |
//! | `w` | share of the flux in the Gaussian part |
//! | `r` | sigma of the Gaussian over the width of the Moffat part; `ln r` is fitted |
//! | `alpha` | slope of the Moffat part |
//!
//! Unlike the eleven free parameters of eq. 1 of Miller et al. 2024 these six can be interpolated over an image: none is an angle, none
//! degenerates for a round PSF.

use std::f64::consts::PI;

use super::power::{exp_minus, power_law};

/// Free parameters of a shape: `ln g, e1, e2, w, ln r`.
pub type Shape = [f64; 5];

/// A PSF ready for many pixels.
#[derive(Debug, Clone, Copy)]
pub struct Kernel {
    /// `a`, `b`, `c` of the quadratic form.
    form: [f64; 3],
    alpha: f64,
    w: f64,
    r2: f64,
    moffat: f64,
    gauss: f64,
}

/// `a, b, c` of the quadratic form.
fn form([lg, e1, e2, ..]: &Shape) -> [f64; 3] {
    let e = libm::hypot(*e1, *e2) + 1e-12;
    let (ch, sh) = (libm::cosh(e), libm::sinh(e) / e);
    let scale = libm::exp(-2.0 * lg);
    [scale * (ch - sh * e1), scale * (ch + sh * e1), -scale * sh * e2]
}

/// Beyond this exponent the Gaussian part is nothing.
const MAX_EXPONENT: f64 = 20.0;

impl Kernel {
    /// Prepares a PSF.
    #[must_use]
    pub fn new(shape: &Shape, alpha: f64) -> Self {
        let density = libm::exp(-2.0 * shape[0]);
        let (w, r2) = (shape[3], libm::exp(2.0 * shape[4]));
        Self { form: form(shape), alpha, w, r2, moffat: (alpha - 1.0) / PI * density, gauss: density / (2.0 * PI * r2) }
    }

    fn square(&self, dx: f64, dy: f64) -> f64 {
        let [a, b, c] = self.form;
        a * dx * dx + b * dy * dy + 2.0 * c * dx * dy
    }

    fn gauss_at(&self, q: f64) -> f64 {
        let exponent = 0.5 * q / self.r2;
        if exponent < MAX_EXPONENT { self.gauss * exp_minus(exponent) } else { 0.0 }
    }

    /// Share of the flux per pixel at an offset from the centre, in px.
    #[must_use]
    pub fn value(&self, dx: f64, dy: f64) -> f64 {
        let q = self.square(dx, dy);
        let moffat = self.moffat * power_law(q, self.alpha);
        (1.0 - self.w) * moffat + self.w * self.gauss_at(q)
    }

    /// Value, its derivatives by the centre, and by the five shape parameters.
    ///
    /// `tangents` come from [`Kernel::tangents`].
    pub fn value_and_gradient(
        &self,
        dx: f64,
        dy: f64,
        tangents: &[[f64; 3]; 2],
        centre: &mut [f64; 2],
        shape: &mut [f64; 5],
    ) -> f64 {
        let [a, b, c] = self.form;
        let q = self.square(dx, dy);
        let moffat = self.moffat * power_law(q, self.alpha);
        let gauss = self.gauss_at(q);
        let value = (1.0 - self.w) * moffat + self.w * gauss;
        let by_q = -(1.0 - self.w) * self.alpha * moffat / (1.0 + q) - self.w * gauss * 0.5 / self.r2;
        centre[0] = -2.0 * (a * dx + c * dy) * by_q;
        centre[1] = -2.0 * (b * dy + c * dx) * by_q;
        // Widths scale the form and the density alike.
        shape[0] = -2.0 * q * by_q - 2.0 * value;
        for (slot, [ta, tb, tc]) in shape[1..3].iter_mut().zip(tangents) {
            *slot = (ta * dx * dx + tb * dy * dy + 2.0 * tc * dx * dy) * by_q;
        }
        shape[3] = gauss - moffat;
        shape[4] = self.w * gauss * (q / self.r2 - 2.0);
        value
    }

    /// Derivatives of the quadratic form by `e1` and `e2`; the determinant does not depend on them.
    #[must_use]
    pub fn tangents(shape: &Shape) -> [[f64; 3]; 2] {
        const STEP: f64 = 1e-5;
        [1, 2].map(|k| {
            let (mut low, mut high) = (*shape, *shape);
            low[k] -= STEP;
            high[k] += STEP;
            let (low, high) = (form(&low), form(&high));
            [0, 1, 2].map(|i| (high[i] - low[i]) / (2.0 * STEP))
        })
    }

    /// `sqrt(FWHM_major FWHM_minor)` in px: the profile along the mean axis, by bisection.
    #[must_use]
    pub fn fwhm(&self) -> f64 {
        let half = 0.5 * ((1.0 - self.w) * self.moffat + self.w * self.gauss);
        let profile = |q: f64| (1.0 - self.w) * self.moffat * power_law(q, self.alpha) + self.w * self.gauss_at(q);
        let (mut low, mut high) = (0.0, 1.0);
        while profile(high) > half && high < 1e6 {
            low = high;
            high *= 2.0;
        }
        for _ in 0..50 {
            let middle = 0.5 * (low + high);
            if profile(middle) > half {
                low = middle;
            } else {
                high = middle;
            }
        }
        // q = (radius / g)^2 along the mean axis, and the density is 1/g^2.
        2.0 * (high * (self.alpha - 1.0) / (PI * self.moffat)).sqrt()
    }

    /// Radius at which a star of this flux falls to `level`, from the power law of the wings; in px.
    #[must_use]
    pub fn wing_radius(&self, flux: f64, level: f64) -> f64 {
        let g2 = (self.alpha - 1.0) / PI / self.moffat;
        let peak = flux * (1.0 - self.w) * self.moffat;
        if peak > level { (g2 * libm::pow(peak / level, 1.0 / self.alpha)).sqrt() } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = [0.97, 0.08, -0.05, 0.35, -0.9];
    const ALPHA: f64 = 2.8;

    #[test]
    fn the_flux_is_one_and_half_of_the_peak_is_at_half_the_width() {
        let kernel = Kernel::new(&SHAPE, ALPHA);
        let mut sum = 0.0;
        for y in -400..=400 {
            for x in -400..=400 {
                sum += kernel.value(f64::from(x), f64::from(y));
            }
        }
        // What is left is the wing outside of 400 px.
        assert!((sum - 1.0).abs() < 2e-4, "{sum}");
        let round = Kernel::new(&[0.97, 0.0, 0.0, 0.35, -0.9], ALPHA);
        let ratio = round.value(0.5 * round.fwhm(), 0.0) / round.value(0.0, 0.0);
        assert!((ratio - 0.5).abs() < 1e-9, "{ratio}");
    }

    #[test]
    fn derivatives_are_those_of_the_value() {
        let kernel = Kernel::new(&SHAPE, ALPHA);
        let tangents = Kernel::tangents(&SHAPE);
        let (dx, dy, h) = (1.3, -2.1, 1e-6);
        let (mut centre, mut shape) = ([0.0; 2], [0.0; 5]);
        let value = kernel.value_and_gradient(dx, dy, &tangents, &mut centre, &mut shape);
        assert!((value - kernel.value(dx, dy)).abs() < 1e-15);
        let by_x = (kernel.value(dx - h, dy) - kernel.value(dx + h, dy)) / (2.0 * h);
        let by_y = (kernel.value(dx, dy - h) - kernel.value(dx, dy + h)) / (2.0 * h);
        assert!((centre[0] - by_x).abs() < 1e-8 && (centre[1] - by_y).abs() < 1e-8);
        for k in 0..5 {
            let (mut low, mut high) = (SHAPE, SHAPE);
            low[k] -= h;
            high[k] += h;
            let by_k = (Kernel::new(&high, ALPHA).value(dx, dy) - Kernel::new(&low, ALPHA).value(dx, dy)) / (2.0 * h);
            assert!((shape[k] - by_k).abs() < 1e-8, "{k}: {} and {by_k}", shape[k]);
        }
    }

    #[test]
    fn the_wing_radius_is_where_the_wing_falls_to_the_level() {
        let kernel = Kernel::new(&[0.97, 0.0, 0.0, 0.35, -0.9], ALPHA);
        let radius = kernel.wing_radius(1e6, 0.07);
        let value = 1e6 * kernel.value(radius, 0.0);
        assert!((value / 0.07 - 1.0).abs() < 0.05, "{value}");
    }
}
