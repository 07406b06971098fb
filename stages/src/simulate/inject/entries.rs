//! Bright planted stars in a star list.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, Int64Array, new_null_array};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use skyloom_data::{Table, TableBuilder, TableError, Wcs};

use crate::psf::PositionGrid;

use super::super::render::PointSource;

/// What hides a star from PSF photometry, or makes it unsure whether it is one star.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seeing {
    /// Largest light of others at the star's place, as a part of the star's own peak.
    pub crowding_limit: f64,
    /// Most stars nearby, each counted up to 1 by its flux over that of the star.
    pub company_limit: f64,
}

/// Neighbours farther than this, in FWHM, neither hide a star nor keep it company.
const REACH_FWHM: f64 = 4.0;
/// Width, in FWHM, of the Gaussian within which neighbours count as company: as in `simulate.field`.
const COMPANY_FWHM: f64 = 2.0;

/// Which stars brighter than `flux_limit` a catalogue holds: of those closer than one `fwhm` to each other the brightest, and
/// none that the crowd hides. `stars` are all members, down to the faintest. Numbers in order of brightness.
#[must_use]
pub fn catalogued(
    stars: &[PointSource],
    flux_limit: f64,
    seeing: Seeing,
    fwhm: impl Fn(f64, f64) -> f64,
) -> Vec<usize> {
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
        .take_while(|&i| stars[i].flux > flux_limit)
        .filter(|&i| {
            let star = &stars[i];
            let width = fwhm(star.x, star.y);
            let is_merged = grid.any_within(star.x, star.y, width, |j| rank[j] < rank[i] && is_kept[j]);
            is_kept[i] = !is_merged && is_seen(stars, i, seeing, width, &grid);
            is_kept[i]
        })
        .collect()
}

fn is_seen(stars: &[PointSource], i: usize, seeing: Seeing, fwhm: f64, grid: &PositionGrid) -> bool {
    let star = &stars[i];
    let (mut light, mut company) = (0.0, 0.0);
    grid.visit_within(star.x, star.y, REACH_FWHM * fwhm, |j, r| {
        if j != i {
            let (ratio, d2) = (stars[j].flux / star.flux, (r / fwhm).powi(2));
            // A Gaussian core: 4 ln 2 per squared FWHM.
            light += ratio * libm::exp(-2.772_588_722_239_781 * d2);
            company += ratio.min(1.0) * libm::exp(-0.5 * d2 / (COMPANY_FWHM * COMPANY_FWHM));
        }
        true
    });
    light <= seeing.crowding_limit && company <= seeing.company_limit
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
