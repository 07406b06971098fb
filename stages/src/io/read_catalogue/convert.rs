//! From the columns of a file to a star catalogue.

use std::sync::Arc;

use arrow::array::Int64Array;
use rayon::prelude::*;
use skyloom_data::facets::ColumnKind;
use skyloom_data::{Table, TableBuilder, TableError, Wcs};

use super::angles::sexagesimal;
use super::error::CatalogueError;
use super::mapping::{Source, flux_of_error};
use super::units::{Conversion, Quantity};

/// What positions and fluxes mean.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConvertOptions<'a> {
    /// Coordinates of the centre of the image's first pixel in the file.
    pub(super) pixel_origin: [f64; 2],
    /// Zero point of fluxes, before the one of their unit.
    pub(super) flux_zero_point: Option<f64>,
    /// Size and world coordinates of the image.
    pub(super) frame: Option<(usize, usize)>,
    pub(super) wcs: Option<&'a Wcs>,
    /// Rows farther outside the image go.
    pub(super) margin_px: Option<f64>,
}

/// The catalogue and what happened to its rows.
#[derive(Debug, Clone)]
pub(super) struct Converted {
    pub(super) table: Table,
    /// Rows without a position.
    pub(super) n_dropped: usize,
    /// Rows outside the image.
    pub(super) n_outside: usize,
    pub(super) has_own_ids: bool,
}

/// 2.5 / ln 10.
const MAG_PER_RELATIVE: f64 = 1.085_736_204_758_129_6;

fn failed(error: TableError) -> CatalogueError {
    CatalogueError::malformed(error, "the columns that the header promises")
}

/// A column of the file as numbers in our unit.
fn values(table: &Table, source: &Source, zero_point: Option<f64>) -> Result<Vec<f64>, CatalogueError> {
    let sexagesimals = |factor: f64| -> Result<Vec<f64>, CatalogueError> {
        let texts = table.texts(&source.column).map_err(failed)?;
        Ok(texts.iter().map(|t| sexagesimal(t).map_or(f64::NAN, |v| v * factor)).collect())
    };
    match source.conversion {
        Conversion::Hours => sexagesimals(15.0),
        Conversion::DegreesMinutes => sexagesimals(1.0),
        Conversion::OneLess => {
            let mut values = table.floats(&source.column).map_err(failed)?;
            values.par_iter_mut().for_each(|v| *v = 1.0 - *v);
            Ok(values)
        }
        Conversion::Factor(factor) => {
            let mut values = table.floats(&source.column).map_err(failed)?;
            if factor != 1.0 {
                values.par_iter_mut().for_each(|v| *v *= factor);
            }
            Ok(values)
        }
        Conversion::Flux(own) => {
            let zero_point = zero_point.or(own).unwrap_or(f64::NAN);
            let mut values = table.floats(&source.column).map_err(failed)?;
            values.par_iter_mut().for_each(|v| {
                *v = if *v > 0.0 { zero_point - 2.5 * libm::log10(*v) } else { f64::NAN };
            });
            Ok(values)
        }
    }
}

/// Errors of magnitudes from fluxes and their errors.
fn flux_errors(table: &Table, error: &Source, flux: &Source) -> Result<Vec<f64>, CatalogueError> {
    let errors = table.floats(&error.column).map_err(failed)?;
    let fluxes = table.floats(&flux.column).map_err(failed)?;
    let relative = |(e, f): (f64, f64)| if f > 0.0 { MAG_PER_RELATIVE * e / f } else { f64::NAN };
    Ok(errors.into_iter().zip(fluxes).map(relative).collect())
}

/// Makes the catalogue. Rows keep their order; those without a position go.
///
/// # Errors
/// When a column does not hold what its header promised.
pub(super) fn convert(
    table: &Table,
    sources: &[Source],
    options: ConvertOptions<'_>,
) -> Result<Converted, CatalogueError> {
    let n = table.n_rows();
    let find = |name: &str| sources.iter().find(|s| s.ours == name);
    let numbers = |name: &str| find(name).map(|s| values(table, s, options.flux_zero_point)).transpose();
    let (x, y) = (numbers("x")?, numbers("y")?);
    let (ra, dec) = (numbers("ra")?, numbers("dec")?);
    let (mut pixel, mut sky) = (x.zip(y), ra.zip(dec));
    if let Some((x, y)) = &mut pixel {
        for (values, origin) in [x, y].into_iter().zip(options.pixel_origin) {
            values.iter_mut().for_each(|v| *v -= origin);
        }
    }
    if let (Some(sky), Some(wcs)) = (&sky, options.wcs) {
        let (x, y) = pixel.get_or_insert_with(|| (vec![f64::NAN; n], vec![f64::NAN; n]));
        x.par_iter_mut().zip(y).enumerate().for_each(|(i, (x, y))| {
            if !(x.is_finite() && y.is_finite()) {
                (*x, *y) = wcs.icrs_to_pixel(sky.0[i], sky.1[i]).unwrap_or((f64::NAN, f64::NAN));
            }
        });
    }
    if let (Some((x, y)), None, Some(wcs)) = (&pixel, &sky, options.wcs) {
        let found: Vec<(f64, f64)> =
            x.par_iter().zip(y).map(|(&x, &y)| wcs.pixel_to_icrs(x, y).unwrap_or((f64::NAN, f64::NAN))).collect();
        sky = Some(found.into_iter().unzip());
    }

    // The pixel position decides where there is one; a star that cannot be placed in the image cannot be used.
    let places = pixel.as_ref().or(sky.as_ref());
    let is_placed = |i: usize| places.is_some_and(|(a, b)| a[i].is_finite() && b[i].is_finite());
    let is_near = |i: usize| match (options.margin_px, options.frame, &pixel) {
        (Some(margin), Some((width, height)), Some((x, y))) => {
            let inside = |v: f64, size: usize| v >= -0.5 - margin && v <= size as f64 - 0.5 + margin;
            inside(x[i], width) && inside(y[i], height)
        }
        _ => true,
    };
    let placed: Vec<bool> = (0..n).map(is_placed).collect();
    let kept: Vec<bool> = (0..n).map(|i| placed[i] && is_near(i)).collect();
    let n_placed = placed.iter().filter(|p| **p).count();
    let n_kept = kept.iter().filter(|k| **k).count();

    let own_ids = match find("id") {
        Some(source) => match table.ints(&source.column) {
            Ok(ids) => Some(ids),
            Err(error) if source.is_written => return Err(failed(error)),
            Err(_) => None,
        },
        None => None,
    };
    let has_own_ids = own_ids.is_some();
    let mut builder = match own_ids {
        Some(ids) => builder_with_ids(ids, "identifier in the file"),
        None => builder_with_ids((0..n).map(|i| Some(i as i64)).collect(), "row in the file"),
    };
    if let Some((x, y)) = pixel {
        builder = builder.float("x", "pix", "column, zero-based", x).float("y", "pix", "row, zero-based", y);
    }
    if let Some((ra, dec)) = sky {
        builder = builder.float("ra", "deg", "right ascension", ra).float("dec", "deg", "declination", dec);
    }
    for source in sources.iter().filter(|s| !["id", "x", "y", "ra", "dec"].contains(&s.ours.as_str())) {
        let quantity = Quantity::of(&source.ours);
        let description = format!("{} in the file", source.column);
        let is_plain = quantity == Quantity::Plain && source.ours != "sharp";
        let flux = flux_of_error(&source.ours).and_then(|flux| find(&flux));
        if is_plain {
            let Some(array) = table.batch().column_by_name(&source.column) else { continue };
            builder = builder.array(&source.ours, &source.unit, &description, Arc::clone(array));
            continue;
        }
        let values = match (source.conversion, flux) {
            (Conversion::Flux(_), Some(flux)) => flux_errors(table, source, flux)?,
            _ => values(table, source, options.flux_zero_point)?,
        };
        let unit = if quantity == Quantity::Plain { source.unit.as_str() } else { quantity.unit() };
        builder = builder.float(&source.ours, unit, &description, values);
    }
    let mut catalogue = builder.build().map_err(failed)?;
    if n_kept < n {
        catalogue = catalogue.filter(&kept).map_err(failed)?;
    }
    Ok(Converted { table: catalogue, n_dropped: n - n_placed, n_outside: n_placed - n_kept, has_own_ids })
}

fn builder_with_ids(ids: Vec<Option<i64>>, description: &str) -> TableBuilder {
    TableBuilder::new().array("id", "", description, Arc::new(Int64Array::from(ids)))
}

/// Names and kinds of the columns that [`convert`] makes. `None` when that depends on the image.
pub(super) fn columns(
    sources: &[Source],
    is_image_wired: bool,
    has_wcs: Option<bool>,
) -> Option<Vec<(String, ColumnKind)>> {
    let has = |name: &str| sources.iter().any(|s| s.ours == name);
    let mut columns = vec![("id".to_owned(), ColumnKind::Int)];
    let mut add_floats = |names: [&str; 2]| columns.extend(names.map(|n| (n.to_owned(), ColumnKind::Float)));
    let is_uncertain = is_image_wired && has_wcs.is_none();
    let can_convert = is_image_wired && has_wcs != Some(false);
    for (names, other) in [(["x", "y"], "ra"), (["ra", "dec"], "x")] {
        if has(names[0]) || (can_convert && has(other)) {
            // Without world coordinates there are no ra, dec; without x, y the run fails.
            if !has(names[0]) && is_uncertain && names[0] == "ra" {
                return None;
            }
            add_floats(names);
        }
    }
    for source in sources.iter().filter(|s| !["id", "x", "y", "ra", "dec"].contains(&s.ours.as_str())) {
        let is_plain = Quantity::of(&source.ours) == Quantity::Plain && source.ours != "sharp";
        columns.push((source.ours.clone(), if is_plain { source.kind } else { ColumnKind::Float }));
    }
    Some(columns)
}
