//! Median and scatter of the shapes of some stars.

use skyloom_data::{PsfCell, PsfModel};

use super::params::Scatter;
use crate::psf::model::{Params, Profile, fold_angle, shape_from_params};
use crate::psf::robust::{axial_median, mad_sigma, median};

/// Population standard deviation; NaN for no values.
fn standard_deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().fold(0.0, |s, v| s + v) / n;
    (values.iter().fold(0.0, |s, v| s + (v - mean) * (v - mean)) / n).sqrt()
}

/// The cell that some stars make. Parameters must be finite and in canonical form.
pub(super) fn summarise(model: PsfModel, stars: &[Params], scatter: Scatter) -> PsfCell {
    let shapes: Vec<Vec<f64>> = stars.iter().map(|p| shape_from_params(model, p)).collect();
    let widths: Vec<f64> = stars.iter().map(|p| Profile::new(model, p).mean_fwhm()).collect();
    let mut cell = PsfCell {
        n_stars: stars.len(),
        median: Vec::new(),
        scatter: Vec::new(),
        fwhm: median(&widths),
        is_borrowed: false,
    };
    for (k, name) in model.shape_names().iter().enumerate() {
        let values: Vec<f64> = shapes.iter().map(|s| s[k]).collect();
        let is_angle = name.starts_with("theta");
        let (centre, robust) = if is_angle {
            axial_median(&values)
        } else {
            let centre = median(&values);
            (centre, mad_sigma(&values, centre))
        };
        cell.median.push(centre);
        cell.scatter.push(match scatter {
            Scatter::Robust => robust,
            // Angles about their median: 89 and -89 degrees are close.
            Scatter::Std if is_angle => {
                standard_deviation(&values.iter().map(|a| fold_angle(a - centre)).collect::<Vec<_>>())
            }
            Scatter::Std => standard_deviation(&values),
        });
    }
    cell
}
