//! Histogram in equal steps of the logarithm, and the maximum-likelihood slope above a limit.

/// Counts in bins of equal width in log10.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Edges, one more than counts; edge `k` is `10^((first + k) / bins_per_dex)`.
    pub edges: Vec<f64>,
    /// Values per bin: `edges[k] <= value < edges[k + 1]`.
    pub counts: Vec<usize>,
}

/// A fitted power law `dN/dx ~ x^-slope` above `x_min`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PowerLaw {
    /// Lower limit of the fit.
    pub x_min: f64,
    /// Values at or above it.
    pub n: usize,
    /// Exponent of the number per interval of x.
    pub slope: f64,
    /// Its standard error, `(slope - 1) / sqrt(n)`.
    pub slope_err: f64,
    /// Largest distance between the cumulative distributions of data and law (Kolmogorov-Smirnov).
    pub ks: f64,
}

/// The histogram of all positive finite values; empty without any. Bins are aligned to powers of ten, so that two samples
/// have the same edges.
#[must_use]
pub fn log_histogram(values: &[f64], bins_per_dex: usize) -> Histogram {
    // A value that spans more than this many dex from another is no size.
    const MOST_BINS: i64 = 100_000;
    let per = bins_per_dex as f64;
    let edge = |k: i64| libm::pow(10.0, k as f64 / per);
    let bin = |v: f64| {
        let k = (libm::log10(v) * per).floor() as i64;
        // The logarithm may round a value across an edge; the edges decide.
        if v < edge(k) {
            k - 1
        } else if v >= edge(k + 1) {
            k + 1
        } else {
            k
        }
    };
    let bins: Vec<i64> = values.iter().filter(|v| **v > 0.0 && v.is_finite()).map(|&v| bin(v)).collect();
    let (Some(&first), Some(&last)) = (bins.iter().min(), bins.iter().max()) else {
        return Histogram { edges: Vec::new(), counts: Vec::new() };
    };
    let last = last.min(first + MOST_BINS);
    let mut counts = vec![0; (last - first + 1) as usize];
    for k in bins {
        counts[(k.min(last) - first) as usize] += 1;
    }
    Histogram { edges: (first..=last + 1).map(edge).collect(), counts }
}

impl Histogram {
    /// The middle (in the logarithm) of the fullest bin, the first one of equals; `None` when there is none.
    #[must_use]
    pub fn peak(&self) -> Option<f64> {
        let most = *self.counts.iter().max()?;
        let k = self.counts.iter().position(|&n| n == most)?;
        Some((self.edges[k] * self.edges[k + 1]).sqrt())
    }
}

/// Maximum-likelihood slope of the values at or above `x_min`: `1 + n / sum(ln(x / x_min))` (Hill 1975; Clauset et al. 2009,
/// eq. 3.1). NaN for fewer than two values, or when all are equal to the limit.
#[must_use]
pub fn fit_power_law(values: &[f64], x_min: f64) -> PowerLaw {
    let mut above: Vec<f64> = values.iter().copied().filter(|v| v.is_finite() && *v >= x_min && *v > 0.0).collect();
    above.sort_unstable_by(f64::total_cmp);
    let n = above.len();
    let sum = above.iter().map(|v| libm::log(v / x_min)).fold(0.0, |a, b| a + b);
    if n < 2 || !(sum > 0.0 && x_min > 0.0) {
        return PowerLaw { x_min, n, slope: f64::NAN, slope_err: f64::NAN, ks: f64::NAN };
    }
    let index = n as f64 / sum;
    let ks = above.iter().enumerate().fold(0.0_f64, |worst, (i, v)| {
        let law = 1.0 - libm::pow(v / x_min, -index);
        let (below, with) = (i as f64 / n as f64, (i + 1) as f64 / n as f64);
        worst.max((law - below).abs()).max((with - law).abs())
    });
    PowerLaw { x_min, n, slope: 1.0 + index, slope_err: index / (n as f64).sqrt(), ks }
}
