//! Estimators of level and scatter of clipped values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::boxes::Clipped;
use super::lanes::Value;

/// `1 / Phi^-1(3/4)`: the standard deviation of a Gaussian over its median absolute deviation.
const MAD_TO_SIGMA: f64 = 1.482_602_218_505_602;

/// How the background level of a box follows from its clipped values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackgroundEstimator {
    /// The median.
    #[default]
    Median,
    /// The mean.
    Mean,
    /// `2.5 median - 1.5 mean` where mean and median differ by less than 0.3 sigma, else the median (SExtractor).
    Sextractor,
    /// `3 median - 2 mean` (the mode estimate of DAOPHOT's MMM).
    Mmm,
    /// The same formula under the name that other programs give it.
    Mode,
    /// Biweight location with c = 6.
    BiweightLocation,
}

/// How the noise of a box follows from its clipped values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoiseEstimator {
    /// Standard deviation of the values (population).
    #[default]
    Std,
    /// 1.4826 times the median absolute deviation.
    MadStd,
    /// Biweight scale with c = 9.
    BiweightScale,
}

impl BackgroundEstimator {
    /// The level of clipped values; NaN when there are none.
    #[must_use]
    #[expect(private_bounds, reason = "pixels or numbers; nobody else needs another type")]
    pub fn level<T: Value>(self, clipped: &Clipped<'_, T>) -> f64 {
        let (mean, median) = (clipped.mean(), clipped.median());
        match self {
            Self::Median => median,
            Self::Mean => mean,
            Self::Sextractor => {
                let std = clipped.std();
                if std == 0.0 {
                    mean
                } else if (mean - median).abs() / std < 0.3 {
                    2.5 * median - 1.5 * mean
                } else {
                    median
                }
            }
            Self::Mmm | Self::Mode => 3.0 * median - 2.0 * mean,
            Self::BiweightLocation => biweight_location(&clipped.sorted(), median),
        }
    }
}

impl NoiseEstimator {
    /// The scatter of clipped values; NaN when there are none.
    #[must_use]
    #[expect(private_bounds, reason = "pixels or numbers; nobody else needs another type")]
    pub fn scatter<T: Value>(self, clipped: &Clipped<'_, T>) -> f64 {
        match self {
            Self::Std => clipped.std(),
            Self::MadStd => MAD_TO_SIGMA * median_deviation(clipped.kept(), clipped.median()),
            Self::BiweightScale => biweight_scale(&clipped.sorted(), clipped.median()),
        }
    }
}

/// Median absolute deviation of values from `centre`.
fn median_deviation(mut deviations: Vec<f64>, centre: f64) -> f64 {
    deviations.iter_mut().for_each(|v| *v = (*v - centre).abs());
    let n = deviations.len();
    if n == 0 {
        return f64::NAN;
    }
    let (below, &mut high, _) = deviations.select_nth_unstable_by(n / 2, f64::total_cmp);
    if n % 2 == 1 { high } else { 0.5 * (below.iter().copied().fold(f64::NEG_INFINITY, f64::max) + high) }
}

/// Biweight location (Beers, Flynn & Gebhardt 1990, eq. 5), c = 6.
fn biweight_location(sorted: &[f64], median: f64) -> f64 {
    let mad = median_deviation(sorted.to_vec(), median);
    if mad == 0.0 || mad.is_nan() {
        return median;
    }
    let (mut top, mut bottom) = (0.0, 0.0);
    for &x in sorted {
        let u = (x - median) / (6.0 * mad);
        if u.abs() < 1.0 {
            let weight = (1.0 - u * u) * (1.0 - u * u);
            top += (x - median) * weight;
            bottom += weight;
        }
    }
    median + top / bottom
}

/// Biweight scale (Beers, Flynn & Gebhardt 1990, eq. 9), c = 9, with the number of all values.
fn biweight_scale(sorted: &[f64], median: f64) -> f64 {
    let mad = median_deviation(sorted.to_vec(), median);
    if mad == 0.0 || mad.is_nan() {
        return mad;
    }
    let (mut top, mut bottom) = (0.0, 0.0);
    for &x in sorted {
        let d = x - median;
        let u2 = (d / (9.0 * mad)) * (d / (9.0 * mad));
        if u2 < 1.0 {
            top += d * d * (1.0 - u2).powi(4);
            bottom += (1.0 - u2) * (1.0 - 5.0 * u2);
        }
    }
    (sorted.len() as f64).sqrt() * top.sqrt() / bottom.abs()
}
