//! Bright planted stars in a star list.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use skyloom_data::{Table, TableBuilder, TableError, Wcs};

use crate::psf::PositionGrid;

use super::super::render::PointSource;

/// Which stars a catalogue holds: of those closer than `fwhm` to each other the brightest. Numbers in order of brightness.
#[must_use]
pub fn catalogued(stars: &[PointSource], fwhm: impl Fn(f64, f64) -> f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..stars.len()).collect();
    order.sort_by(|&a, &b| stars[b].flux.total_cmp(&stars[a].flux).then(a.cmp(&b)));
    let grid = PositionGrid::new(stars.iter().map(|s| (s.x, s.y)), 8.0);
    let mut rank = vec![0; stars.len()];
    for (place, &i) in order.iter().enumerate() {
        rank[i] = place;
    }
    let mut is_kept = vec![false; stars.len()];
    order
        .into_iter()
        .filter(|&i| {
            let star = &stars[i];
            let is_hidden = grid.any_within(star.x, star.y, fwhm(star.x, star.y), |j| rank[j] < rank[i] && is_kept[j]);
            is_kept[i] = !is_hidden;
            !is_hidden
        })
        .collect()
}

/// A star list with more rows: `x`, `y`, the magnitude, `flux`, `id` (continued), `ra` and `dec` (by the WCS) where it has such
/// columns, empty values in the others. Without a list, one of `id, x, y, ra, dec`, magnitude and `flux`.
///
/// # Errors
/// When the list has no numeric columns `x` and `y`.
pub fn add_entries(
    list: Option<&Table>,
    stars: &[(PointSource, f64)],
    mag_column: &str,
    wcs: Option<&Wcs>,
) -> Result<Table, TableError> {
    let sky: Vec<(f64, f64)> = stars
        .iter()
        .map(|(s, _)| wcs.and_then(|w| w.pixel_to_icrs(s.x, s.y)).unwrap_or((f64::NAN, f64::NAN)))
        .collect();
    let numbers = |name: &str| -> Option<Vec<f64>> {
        let of = |f: &dyn Fn(usize) -> f64| Some((0..stars.len()).map(f).collect());
        match name {
            "x" => of(&|i| stars[i].0.x),
            "y" => of(&|i| stars[i].0.y),
            "ra" => of(&|i| sky[i].0),
            "dec" => of(&|i| sky[i].1),
            "flux" => of(&|i| stars[i].0.flux),
            name if name == mag_column => of(&|i| stars[i].1),
            _ => None,
        }
    };
    let Some(list) = list else {
        let mut builder = TableBuilder::new().int("id", "", "number of the star", (0..stars.len() as i64).collect());
        for (name, unit, text) in [
            ("x", "px", "column, zero-based"),
            ("y", "px", "row, zero-based"),
            ("ra", "deg", "right ascension (ICRS)"),
            ("dec", "deg", "declination (ICRS)"),
            (mag_column, "mag", "magnitude"),
            ("flux", "", "flux in pixel units"),
        ] {
            builder = builder.float(name, unit, text, numbers(name).unwrap_or_default());
        }
        return builder.build();
    };
    list.floats("x")?;
    list.floats("y")?;
    let first_id = match list.has_column("id") {
        true => list.floats("id")?.into_iter().filter(|v| v.is_finite()).fold(-1.0, f64::max) as i64 + 1,
        false => 0,
    };
    let mut builder = TableBuilder::new();
    let schema = list.batch().schema();
    for (field, column) in schema.fields().iter().zip(list.batch().columns()) {
        let is_float = *column.data_type() == DataType::Float64;
        let more: ArrayRef = match (field.name().as_str(), column.data_type()) {
            ("id", DataType::Int64) => {
                Arc::new(Int64Array::from_iter_values((0..stars.len() as i64).map(|i| first_id + i)))
            }
            (name, _) => match numbers(name).filter(|_| is_float) {
                Some(values) => Arc::new(Float64Array::from(values)),
                None => new_null_array(column.data_type(), stars.len()),
            },
        };
        let both =
            concat(&[column.as_ref() as &dyn Array, more.as_ref()]).map_err(|e| TableError::Shape(e.to_string()))?;
        let note = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        builder = builder.array(field.name(), &note("unit"), &note("description"), both);
    }
    builder.build()
}
