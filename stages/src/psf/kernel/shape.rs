//! The components of a model, prepared for many pixels; their values and derivatives at a group of them.

use skyloom_data::PsfModel;

use super::pixels::Group;
use super::{GROUP, N_ROWS, Row};
use crate::psf::model::Params;
use crate::psf::smooth::{exp, ln_above_one};

/// Sine and cosine of an angle and inverse widths of one elliptical component.
#[derive(Clone, Copy)]
struct Ellipse {
    amplitude: f64,
    cos: f64,
    sin: f64,
    inverse_x: f64,
    inverse_y: f64,
    /// `w_y / w_x - w_x / w_y`.
    stretch: f64,
}

impl Ellipse {
    fn new(amplitude: f64, width_x: f64, width_y: f64, theta: f64) -> Self {
        let (sin, cos) = libm::sincos(theta);
        Self {
            amplitude,
            cos,
            sin,
            inverse_x: 1.0 / width_x,
            inverse_y: 1.0 / width_y,
            stretch: width_y / width_x - width_x / width_y,
        }
    }
}

/// The components of a model.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    x0: f64,
    y0: f64,
    alpha: f64,
    moffat: Ellipse,
    gauss: Ellipse,
}

impl Shape {
    pub fn new(model: PsfModel, p: &Params) -> Self {
        let none = Ellipse { amplitude: 0.0, cos: 1.0, sin: 0.0, inverse_x: 1.0, inverse_y: 1.0, stretch: 0.0 };
        let first = Ellipse::new(p[0], p[3], p[4], p[5]);
        let (moffat, alpha, gauss) = match model {
            PsfModel::Gaussian => (none, 1.0, first),
            PsfModel::Moffat => (first, p[6], none),
            PsfModel::Compound => (first, p[6], Ellipse::new(p[7], p[8], p[9], p[10])),
        };
        Self { x0: p[1], y0: p[2], alpha, moffat, gauss }
    }

    #[inline(always)]
    pub fn value<const MOFFAT: bool, const GAUSS: bool>(&self, x: f64, y: f64) -> f64 {
        let (dx, dy) = (x - self.x0, y - self.y0);
        let mut value = 0.0;
        if MOFFAT {
            let m = &self.moffat;
            let (p, q) = ((dx * m.cos + dy * m.sin) * m.inverse_x, (dy * m.cos - dx * m.sin) * m.inverse_y);
            value += m.amplitude * exp(-self.alpha * ln_above_one(1.0 + (p * p + q * q)));
        }
        if GAUSS {
            let g = &self.gauss;
            let (p, q) = ((dx * g.cos + dy * g.sin) * g.inverse_x, (dy * g.cos - dx * g.sin) * g.inverse_y);
            value += g.amplitude * exp(-0.5 * (p * p + q * q));
        }
        value
    }
}

#[inline(always)]
pub(super) fn fill_rows<const MOFFAT: bool, const GAUSS: bool>(
    shape: &Shape,
    at: usize,
    group: &Group,
    rows: &mut [Row; N_ROWS],
) {
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, residual] = rows;
    for k in 0..GROUP {
        let (dx, dy) = (group.x[k] - shape.x0, group.y[k] - shape.y0);
        let (mut value, mut to_x, mut to_y) = (0.0, 0.0, 0.0);
        if MOFFAT {
            let m = &shape.moffat;
            let (p, q) = ((dx * m.cos + dy * m.sin) * m.inverse_x, (dy * m.cos - dx * m.sin) * m.inverse_y);
            let square = p * p + q * q;
            let base = 1.0 + square;
            let log = ln_above_one(base);
            let unit = exp(-shape.alpha * log);
            let part = m.amplitude * unit;
            let outer = -shape.alpha * part / base;
            let (a, b) = (2.0 * p * m.inverse_x, 2.0 * q * m.inverse_y);
            r0[at][k] = unit;
            to_x += outer * (b * m.sin - a * m.cos);
            to_y += outer * (-a * m.sin - b * m.cos);
            r3[at][k] = outer * (-a * p);
            r4[at][k] = outer * (-b * q);
            r5[at][k] = outer * (2.0 * p * q * m.stretch);
            r6[at][k] = -log * part;
            value += part;
        }
        if GAUSS {
            let g = &shape.gauss;
            let (p, q) = ((dx * g.cos + dy * g.sin) * g.inverse_x, (dy * g.cos - dx * g.sin) * g.inverse_y);
            let unit = exp(-0.5 * (p * p + q * q));
            let part = g.amplitude * unit;
            let outer = -0.5 * part;
            let (a, b) = (2.0 * p * g.inverse_x, 2.0 * q * g.inverse_y);
            to_x += outer * (b * g.sin - a * g.cos);
            to_y += outer * (-a * g.sin - b * g.cos);
            let (wide, tall, turn) = (outer * (-a * p), outer * (-b * q), outer * (2.0 * p * q * g.stretch));
            if MOFFAT {
                r7[at][k] = unit;
                r8[at][k] = wide;
                r9[at][k] = tall;
                r10[at][k] = turn;
            } else {
                r0[at][k] = unit;
                r3[at][k] = wide;
                r4[at][k] = tall;
                r5[at][k] = turn;
            }
            value += part;
        }
        r1[at][k] = to_x;
        r2[at][k] = to_y;
        residual[at][k] = value - group.value[k];
    }
}
