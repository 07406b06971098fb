//! A [`PsfSet`] as a FITS file: one binary table per model, and a map of the local FWHM.

use super::bintable_write::{empty_primary, table_hdu};
use super::error::FitsError;
use super::writer::{HeaderRecords, write_numbers};
use crate::header::{Card, CardValue};
use crate::psf_field::{PsfField, PsfSet};
use crate::table::{Table, TableBuilder};

/// The FITS file of the four fields of a set. Equal sets make equal bytes.
///
/// Extensions: `FAINT_MOFFAT`, `FAINT_COMPOUND`, `BRIGHT_MOFFAT`, `BRIGHT_COMPOUND`, one row per cell, and `FWHM`, an image of
/// `n_y` rows and `n_x` columns with the local FWHM in pixels. Coordinates in the tables are zero-based.
///
/// # Errors
/// When a field has not the cells or parameters that its grid and model ask for.
pub fn psf_set_to_fits_bytes(set: &PsfSet) -> Result<Vec<u8>, FitsError> {
    fields_to_bytes(&set.fields(), &set.faint_moffat)
}

/// The FITS file of one field: the extensions `PSF` and `FWHM`, as of [`psf_set_to_fits_bytes`].
///
/// # Errors
/// When the field has not the cells or parameters that its grid and model ask for.
pub fn psf_field_to_fits_bytes(field: &PsfField) -> Result<Vec<u8>, FitsError> {
    fields_to_bytes(&[("psf", field)], field)
}

fn fields_to_bytes(fields: &[(&str, &PsfField)], field: &PsfField) -> Result<Vec<u8>, FitsError> {
    let mut out = empty_primary("tables and a map follow")?;
    for (name, field) in fields {
        let cards = [
            ("MODEL", CardValue::Text(format!("{:?}", field.model).to_lowercase()), "PSF model of all rows"),
            ("WIDTH", length(field.width)?, "[pixel] columns of the image"),
            ("HEIGHT", length(field.height)?, "[pixel] rows of the image"),
            ("CELLS_X", length(field.n_x)?, "cells along x"),
            ("CELLS_Y", length(field.n_y)?, "cells along y"),
        ]
        .map(|(key, value, comment)| Card { key: key.to_owned(), value, comment: comment.to_owned() });
        out.extend(table_hdu(&cell_table(field)?, Some(&name.to_uppercase()), &cards)?);
    }
    out.extend(fwhm_header(field)?);
    let bytes = |v: f64| if v.is_nan() { f64::NAN } else { v }.to_be_bytes();
    // A Vec never fails to take more bytes.
    write_numbers(&mut out, field.cells.iter().map(|c| c.fwhm), bytes)
        .map_err(|e| FitsError::unwritable(e, "room in memory"))?;
    Ok(out)
}

fn length(value: usize) -> Result<CardValue, FitsError> {
    i64::try_from(value).map(CardValue::Int).map_err(|_| FitsError::unwritable(value, "a length below 2^63"))
}

/// Header of the map. Its linear coordinates are those of the image's pixels, counted from 1 as FITS does.
fn fwhm_header(field: &PsfField) -> Result<Vec<u8>, FitsError> {
    let mut header = HeaderRecords::new();
    header.text("XTENSION", "IMAGE", "")?;
    header.int("BITPIX", -64, "64-bit floats")?;
    header.int("NAXIS", 2, "")?;
    header.length("NAXIS1", field.n_x, "cells along x")?;
    header.length("NAXIS2", field.n_y, "cells along y")?;
    header.int("PCOUNT", 0, "")?;
    header.int("GCOUNT", 1, "")?;
    header.text("EXTNAME", "FWHM", "local FWHM of the faint Moffat")?;
    header.text("BUNIT", "pixel", "")?;
    for (axis, size, n) in [(1, field.width, field.n_x), (2, field.height, field.n_y)] {
        // The cells reach from 0.5 to size + 0.5, and so do those of the map in its own pixels.
        header.add(&format!("CRPIX{axis}"), CardValue::Float(0.5), "lower edge of the first cell")?;
        header.add(&format!("CRVAL{axis}"), CardValue::Float(0.5), "the same in pixels of the image, from 1")?;
        header.add(
            &format!("CDELT{axis}"),
            CardValue::Float(size as f64 / n.max(1) as f64),
            "[pixel] side of a cell",
        )?;
    }
    Ok(header.finish())
}

/// One row per cell in raster order.
fn cell_table(field: &PsfField) -> Result<Table, FitsError> {
    let names = field.model.shape_names();
    let n = field.n_x * field.n_y;
    let is_whole = field.cells.len() == n
        && field.cells.iter().all(|c| c.median.len() == names.len() && c.scatter.len() == names.len());
    if !is_whole {
        return Err(FitsError::unwritable(
            format!("a PSF field of {} cells", field.cells.len()),
            format!("{n} cells of {} parameters", names.len()),
        ));
    }
    let side = |size: usize, n: usize| size as f64 / n as f64;
    let (dx, dy) = (side(field.width, field.n_x), side(field.height, field.n_y));
    let place = |i: usize| (i % field.n_x, i / field.n_x);
    let centre = |k: usize, d: f64| (k as f64 + 0.5) * d - 0.5;
    let mut table = TableBuilder::new()
        .int("ix", "", "column of the grid", (0..n).map(|i| place(i).0 as i64).collect())
        .int("iy", "", "row of the grid", (0..n).map(|i| place(i).1 as i64).collect())
        .float("x", "px", "centre of the cell, zero-based", (0..n).map(|i| centre(place(i).0, dx)).collect())
        .float("y", "px", "centre of the cell, zero-based", (0..n).map(|i| centre(place(i).1, dy)).collect())
        .int("n_stars", "", "stars in the cell", field.cells.iter().map(|c| c.n_stars as i64).collect())
        .bool(
            "is_borrowed",
            "whether the values are not the cell's own",
            field.cells.iter().map(|c| c.is_borrowed).collect(),
        )
        .float("fwhm", "px", "median of sqrt(FWHM_x FWHM_y)", field.cells.iter().map(|c| c.fwhm).collect());
    for (k, name) in names.iter().enumerate() {
        let unit = match *name {
            "alpha" | "ratio_g" => "",
            angle if angle.starts_with("theta") => "rad",
            _ => "px",
        };
        let medians = field.cells.iter().map(|c| c.median[k]).collect();
        let scatters = field.cells.iter().map(|c| c.scatter[k]).collect();
        table = table.float(&format!("{name}_median"), unit, "median over the stars", medians).float(
            &format!("{name}_scatter"),
            unit,
            "spread over the stars, as a standard deviation",
            scatters,
        );
    }
    table.build().map_err(|e| FitsError::unwritable(e, "columns of one length"))
}
