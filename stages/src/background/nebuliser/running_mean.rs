//! Running means of sixteen lines at once.

use super::vector::{LANES, Row};

/// Means of stretches of lines, one after another.
pub(super) struct RunningMean {
    window: usize,
    /// In f64: a running f32 sum drifts over a line of 15,000 pixels.
    sum: [f64; LANES],
    is_begun: bool,
}

impl RunningMean {
    pub(super) fn new(window: usize) -> Self {
        Self { window, sum: [0.0; LANES], is_begun: false }
    }

    /// Means of `rows[i..i + window]`, lane by lane, in the place of `rows[i]`, for `i` below `n_out`.
    #[inline(always)]
    pub(super) fn run(&mut self, rows: &mut [Row], n_out: usize) {
        let mut sum = self.sum;
        if !self.is_begun {
            for row in &rows[..self.window - 1] {
                for (s, v) in sum.iter_mut().zip(row.floats()) {
                    *s += f64::from(v);
                }
            }
            self.is_begun = true;
        }
        let scale = 1.0 / self.window as f64;
        for i in 0..n_out {
            let (leaving, entering) = (rows[i].floats(), rows[i + self.window - 1].floats());
            let mut mean = [0.0; LANES];
            for lane in 0..LANES {
                sum[lane] += f64::from(entering[lane]);
                mean[lane] = (sum[lane] * scale) as f32;
                sum[lane] -= f64::from(leaving[lane]);
            }
            rows[i] = Row::from_floats(mean);
        }
        self.sum = sum;
    }
}
