//! The kernel of DAOPHOT FIND: a Gaussian, lowered to sum zero, whose convolution is the amplitude of the best-fitting star.

/// FWHM of a Gaussian in units of its sigma.
const FWHM_PER_SIGMA: f64 = 2.354_820_045;

/// Radius of the footprint in units of sigma (Stetson 1987).
const RADIUS_SIGMA: f64 = 1.5;

/// Sums over a marginal that do not depend on the data: the unit Gaussian `g` and its derivative `d`, weighted by `w`.
#[derive(Debug, Clone)]
pub(super) struct Marginal {
    sigma: f64,
    g: Vec<f64>,
    w: Vec<f64>,
    sum_w: f64,
    sum_g: f64,
    sum_gg: f64,
    sum_d: f64,
    sum_gd: f64,
    sum_dd: f64,
}

/// The kernel and its footprint.
#[derive(Debug, Clone)]
pub(super) struct Kernel {
    /// Half width of the square stamp.
    pub(super) half: usize,
    /// Pixels of the footprint: offsets `(dx, dy)` and weights, in raster order.
    pub(super) footprint: Vec<(isize, isize, f64)>,
    /// Noise of the convolved image in units of the image's noise.
    pub(super) relative_error: f64,
    /// Marginal along x and along y.
    pub(super) marginals: [Marginal; 2],
}

impl Kernel {
    /// A kernel for stars of `fwhm` pixels along their major axis, which lies at `theta_deg` from +x towards +y; the
    /// minor axis is `ratio` times as long.
    pub(super) fn new(fwhm: f64, ratio: f64, theta_deg: f64) -> Self {
        let sigma = fwhm / FWHM_PER_SIGMA;
        let half = (RADIUS_SIGMA * sigma).floor().max(2.0) as usize;
        let reach = half as isize;
        let angle = theta_deg.to_radians();
        let (sin, cos) = (libm::sin(angle), libm::cos(angle));
        let gauss = |dx: isize, dy: isize| {
            let (x, y) = (dx as f64, dy as f64);
            let (u, v) = ((x * cos + y * sin) / sigma, (y * cos - x * sin) / (sigma * ratio));
            libm::exp(-0.5 * (u * u + v * v))
        };
        let radius2 = (RADIUS_SIGMA * sigma).powi(2).max(4.0);
        let square = || (-reach..=reach).flat_map(|dy| (-reach..=reach).map(move |dx| (dx, dy)));
        let disc: Vec<(isize, isize, f64)> = square()
            .filter(|&(dx, dy)| (dx * dx + dy * dy) as f64 <= radius2)
            .map(|(dx, dy)| (dx, dy, gauss(dx, dy)))
            .collect();
        let n = disc.len() as f64;
        let sum = disc.iter().fold(0.0, |s, p| s + p.2);
        let scatter = disc.iter().fold(0.0, |s, p| s + p.2 * p.2) - sum * sum / n;
        let footprint = disc.iter().map(|&(dx, dy, g)| (dx, dy, (g - sum / n) / scatter)).collect();

        let weight = |k: isize| (reach + 1 - k.abs()) as f64;
        let widths = [libm::hypot(sigma * cos, sigma * ratio * sin), libm::hypot(sigma * sin, sigma * ratio * cos)];
        let marginal = |axis: usize| {
            let g = (-reach..=reach)
                .map(|k| {
                    (-reach..=reach)
                        .map(|j| weight(j) * if axis == 0 { gauss(k, j) } else { gauss(j, k) })
                        .fold(0.0, |a, b| a + b)
                })
                .collect();
            Marginal::new(widths[axis], g, (-reach..=reach).map(weight).collect())
        };
        Self { half, footprint, relative_error: 1.0 / scatter.sqrt(), marginals: [marginal(0), marginal(1)] }
    }
}

impl Marginal {
    fn new(sigma: f64, g: Vec<f64>, w: Vec<f64>) -> Self {
        let sum = |f: &dyn Fn(usize) -> f64| (0..g.len()).map(|i| w[i] * f(i)).fold(0.0, |a, b| a + b);
        let d = |i: usize| -((i as f64) - (g.len() / 2) as f64) * g[i];
        let (sum_w, sum_g, sum_gg) = (sum(&|_| 1.0), sum(&|i| g[i]), sum(&|i| g[i] * g[i]));
        let (sum_d, sum_gd, sum_dd) = (sum(&d), sum(&|i| g[i] * d(i)), sum(&|i| d(i) * d(i)));
        Self { sigma, sum_w, sum_g, sum_gg, sum_d, sum_gd, sum_dd, g, w }
    }

    /// Weight of the row or column at index `i` of the stamp: a triangle about the middle.
    pub(super) fn weight(&self, i: usize) -> f64 {
        self.w[i]
    }

    /// Height of the best-fitting Gaussian in the marginal `data`, and its shift from the middle in pixels.
    pub(super) fn fit(&self, data: &[f64]) -> (f64, f64) {
        let middle = (self.g.len() / 2) as f64;
        let (mut s_d, mut s_dg, mut s_dd) = (0.0, 0.0, 0.0);
        for (i, &value) in data.iter().enumerate() {
            let derivative = -(i as f64 - middle) * self.g[i];
            s_d += self.w[i] * value;
            s_dg += self.w[i] * value * self.g[i];
            s_dd += self.w[i] * value * derivative;
        }
        let height = (s_dg - s_d * self.sum_g / self.sum_w) / (self.sum_gg - self.sum_g * self.sum_g / self.sum_w);
        let sky = (s_d - height * self.sum_g) / self.sum_w;
        let slope = height * self.sum_gd + sky * self.sum_d - s_dd;
        (height, self.sigma * self.sigma * slope / (height * self.sum_dd))
    }
}
