//! The columns of the evidence.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array};
use skyloom_data::facets::ColumnKind;
use skyloom_data::{Image, Table, TableError};

use super::judge::Evidence;

/// Name, unit and description of the columns, in order.
const COLUMNS: [(&str, &str, &str); 11] = [
    ("concentration", "", "r_geo / r_light"),
    ("psf_misfit", "", "share of the light about the peak that two PSFs do not explain"),
    ("smooth_chi2", "", "mean squared residual of a smooth elliptical model"),
    ("star_light_ratio", "", "light of subtracted stars inside over the light that is left"),
    ("n_catalogue", "", "catalogue entries inside"),
    ("extended_fraction", "", "flux of the brightest entry inside that is no star, over flux_left"),
    ("extended_colour", "mag", "colour of that entry"),
    ("overdensity_sigma", "", "excess of catalogue entries"),
    ("n_bad_near_peak", "", "bad pixels around the peak"),
    ("flux_left", "", "light inside"),
    ("mag_left", "mag", "magnitude of the light inside"),
];

fn is_count(name: &str) -> bool {
    matches!(name, "n_catalogue" | "n_bad_near_peak")
}

/// Names and kinds of the columns.
pub(super) fn evidence_columns() -> Vec<(String, ColumnKind)> {
    let kind = |name| if is_count(name) { ColumnKind::Int } else { ColumnKind::Float };
    COLUMNS.iter().map(|(name, ..)| ((*name).to_owned(), kind(name))).collect()
}

/// The table with the columns.
pub(super) fn with_evidence(table: &Table, evidence: &[Evidence], image: &Image) -> Result<Table, TableError> {
    let (r_geo, r_light) = (table.floats("r_geo")?, table.floats("r_light")?);
    let concentration: Vec<f64> = r_geo.iter().zip(&r_light).map(|(a, b)| a / b).collect();
    let floats =
        |f: &dyn Fn(&Evidence) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(evidence.iter().map(f))) };
    let counts =
        |f: &dyn Fn(&Evidence) -> Option<i64>| -> ArrayRef { Arc::new(evidence.iter().map(f).collect::<Int64Array>()) };
    let mut result = table.clone();
    for (name, unit, description) in COLUMNS {
        let values: ArrayRef = match name {
            "concentration" => Arc::new(Float64Array::from(concentration.clone())),
            "psf_misfit" => floats(&|e| e.psf_misfit),
            "smooth_chi2" => floats(&|e| e.smooth_chi2),
            "star_light_ratio" => floats(&|e| e.star_light_ratio),
            "n_catalogue" => counts(&|e| e.n_catalogue),
            "extended_fraction" => floats(&|e| e.extended_fraction),
            "extended_colour" => floats(&|e| e.extended_colour),
            "overdensity_sigma" => floats(&|e| e.overdensity_sigma),
            "n_bad_near_peak" => counts(&|e| e.n_bad_near_peak),
            "flux_left" => floats(&|e| e.flux_left),
            _ => floats(&|e| image.magnitude(e.flux_left)),
        };
        let unit = if name == "flux_left" { image.meta.unit.as_deref().unwrap_or("") } else { unit };
        result = result.with_column(name, unit, description, values)?;
    }
    Ok(result)
}
