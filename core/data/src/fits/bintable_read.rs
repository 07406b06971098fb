//! A FITS binary table as a [`Table`].

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};

use super::choice::{HduChoice, find_table, is_meant};
use super::error::{FitsError, FitsErrorKind};
use super::hdu::{Hdu, HduKind, scan, scan_until};
use super::source::Source;
use super::unit;
use crate::facets::ColumnKind;
use crate::header::Header;
use crate::table::{Table, TableBuilder};

/// A table and the columns that could not be read.
#[derive(Debug, Clone, PartialEq)]
pub struct TableRead {
    /// The table.
    pub table: Table,
    /// Columns that hold more than one value per row, or values of another kind, as `NAME (TFORM)`.
    pub skipped: Vec<String>,
}

/// One column of a binary table, as its header describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BintableColumn {
    /// Name; `col<n>` where the header gives none.
    pub name: String,
    /// Unit; empty when there is none.
    pub unit: String,
    /// What it holds as a column of a [`Table`]; `None` for what a table has no column type for.
    pub kind: Option<ColumnKind>,
}

/// What a file says of one of its binary tables, without the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BintableHeader {
    /// The columns in order, those that cannot be read included.
    pub columns: Vec<BintableColumn>,
    /// Rows.
    pub n_rows: u64,
    /// Bytes of all rows, and those that the unpacked file occupies while it is read.
    pub memory_bytes: u64,
}

/// Reads the header of a binary table; without a choice the first one. A gzip file is unpacked no further than this header.
///
/// # Errors
/// When the file is not a FITS file or has no such table.
pub fn read_bintable_header(path: &Path, hdu: Option<&HduChoice>) -> Result<BintableHeader, FitsError> {
    let mut source = Source::open(path)?;
    let hdus = scan_until(&mut source, &|h| match hdu {
        None => h.kind == HduKind::Table,
        choice => is_meant(h, choice),
    })?;
    let hdu = find_table(path, &hdus, hdu)?;
    let (_, n_rows, fields) = layout(path, hdu)?;
    let columns = fields
        .iter()
        .map(|f| BintableColumn { name: f.name.clone(), unit: f.unit.clone(), kind: f.format.kind(&hdu.header, f.n) })
        .collect();
    let memory_bytes = hdu.shape.iter().product::<u64>().saturating_add(source.memory_bytes());
    Ok(BintableHeader { columns, n_rows: n_rows as u64, memory_bytes })
}

/// Reads a binary table; without a choice the first one. Integers with scaling and all floats become floats, other
/// integers (unsigned ones too, up to 63 bits) integers; strings lose trailing blanks. A column without `TUNITn` takes its
/// unit from brackets at the beginning of `TCOMMn`.
///
/// # Errors
/// When the file is not a complete FITS file or has no such table.
pub fn read_bintable(path: &Path, hdu: Option<&HduChoice>) -> Result<TableRead, FitsError> {
    read_bintable_columns(path, hdu, &|_| true)
}

/// The same for the columns whose names are wanted; the others cost nothing.
///
/// # Errors
/// As [`read_bintable`].
pub fn read_bintable_columns(
    path: &Path,
    hdu: Option<&HduChoice>,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<TableRead, FitsError> {
    let mut source = Source::open(path)?;
    let hdus = scan(&mut source)?;
    let hdu = find_table(path, &hdus, hdu)?;
    let (row_bytes, n_rows, fields) = layout(path, hdu)?;
    let mut bytes: Vec<u8> = Vec::new();
    // `layout` knows that the product fits.
    let len = row_bytes * n_rows;
    if bytes.try_reserve_exact(len).is_err() {
        return Err(FitsError::new(FitsErrorKind::TooLarge, path, hdu.describe(), "a table that fits in memory"));
    }
    bytes.resize(len, 0);
    source.read_at(hdu.data_start, &mut bytes)?;
    drop(source);

    let mut builder = TableBuilder::new();
    let mut skipped = Vec::new();
    for info in fields.iter().filter(|f| is_wanted(&f.name)) {
        let field = Field { bytes: &bytes, row_bytes, n_rows, start: info.start, format: info.format };
        match field.array(&hdu.header, info.n) {
            Some(array) => builder = builder.array(&info.name, &info.unit, &info.description, array),
            None => skipped.push(format!("{} ({})", info.name, info.form)),
        }
    }
    let table = builder.build().map_err(|e| malformed(path, hdu, e.to_string(), "columns with different names"))?;
    Ok(TableRead { table: keep_rows(table, n_rows, hdu)?, skipped })
}

/// Where and what one column is.
pub(super) struct FieldInfo {
    n: i64,
    pub(super) name: String,
    unit: String,
    description: String,
    pub(super) form: String,
    pub(super) start: usize,
    format: Format,
}

fn malformed(path: &Path, hdu: &Hdu, found: String, expected: &str) -> FitsError {
    FitsError::new(FitsErrorKind::Malformed, path, format!("{found} in {}", hdu.label()), expected)
}

/// Bytes per row, rows, and the columns of a table.
pub(super) fn layout(path: &Path, hdu: &Hdu) -> Result<(usize, usize, Vec<FieldInfo>), FitsError> {
    let [row_bytes, n_rows] = hdu.shape[..] else {
        return Err(malformed(path, hdu, format!("{} axes", hdu.shape.len()), "the 2 axes of a table"));
    };
    let too_large = || FitsError::new(FitsErrorKind::TooLarge, path, hdu.describe(), "a table that fits in memory");
    row_bytes.checked_mul(n_rows).and_then(|n| usize::try_from(n).ok()).ok_or_else(too_large)?;
    let row_bytes = usize::try_from(row_bytes).map_err(|_| too_large())?;
    let n_rows = usize::try_from(n_rows).map_err(|_| too_large())?;
    let mut fields = Vec::new();
    let mut offset = 0_usize;
    for n in 1..=hdu.header.int("TFIELDS").unwrap_or(0) {
        let form = hdu.header.text(&format!("TFORM{n}")).unwrap_or_default().to_owned();
        let format = Format::parse(&form)
            .ok_or_else(|| malformed(path, hdu, format!("TFORM{n} = {form:?}"), "a column format"))?;
        let start = offset;
        offset =
            format.bytes().and_then(|b| start.checked_add(b)).filter(|&end| end <= row_bytes).ok_or_else(|| {
                let found = format!("column {n} behind the end of the row");
                malformed(path, hdu, found, "columns that fit the row length NAXIS1")
            })?;
        let name = hdu.header.text(&format!("TTYPE{n}")).map_or_else(|| format!("col{n}"), str::to_owned);
        let about = |stem: &str| hdu.header.text(&format!("{stem}{n}")).unwrap_or_default();
        // A unit of the standard has its own card; any other one is the beginning of the description.
        let (unit, description) = match (about("TUNIT"), unit::split(about("TCOMM"))) {
            ("", found) => found,
            (unit, ("", description)) => (unit, description),
            (unit, _) => (unit, about("TCOMM")),
        };
        let (unit, description) = (unit.to_owned(), description.to_owned());
        fields.push(FieldInfo { n, name, unit, description, form, start, format });
    }
    Ok((row_bytes, n_rows, fields))
}

/// A table without columns keeps its number of rows.
fn keep_rows(table: Table, n_rows: usize, hdu: &Hdu) -> Result<Table, FitsError> {
    if table.n_rows() == n_rows {
        return Ok(table);
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(n_rows));
    arrow::array::RecordBatch::try_new_with_options(table.batch().schema(), Vec::new(), &options)
        .map(Table::from_batch)
        .map_err(|e| FitsError::unwritable(format!("{} ({e})", hdu.label()), "a table"))
}

#[derive(Debug, Clone, Copy)]
struct Format {
    repeat: usize,
    code: u8,
}

impl Format {
    fn parse(form: &str) -> Option<Self> {
        let digits = form.bytes().take_while(u8::is_ascii_digit).count();
        let repeat = if digits == 0 { 1 } else { form[..digits].parse().ok()? };
        let code = *form.as_bytes().get(digits)?;
        b"LXBIJKAEDCMPQ".contains(&code).then_some(Self { repeat, code })
    }

    /// What [`Field::array`] makes of it.
    fn kind(self, header: &Header, n: i64) -> Option<ColumnKind> {
        match self.code {
            b'A' => Some(ColumnKind::Text),
            _ if self.repeat != 1 => None,
            b'L' => Some(ColumnKind::Bool),
            b'B' | b'I' | b'J' | b'K' if is_integer(scaling(header, n)) => Some(ColumnKind::Int),
            b'B' | b'I' | b'J' | b'K' | b'E' | b'D' => Some(ColumnKind::Float),
            _ => None,
        }
    }

    fn bytes(self) -> Option<usize> {
        let size = match self.code {
            b'X' => return Some(self.repeat.div_ceil(8)),
            b'L' | b'B' | b'A' => 1,
            b'I' => 2,
            b'J' | b'E' => 4,
            b'M' | b'Q' => 16,
            _ => 8,
        };
        self.repeat.checked_mul(size)
    }
}

struct Field<'a> {
    bytes: &'a [u8],
    row_bytes: usize,
    n_rows: usize,
    start: usize,
    format: Format,
}

impl Field<'_> {
    fn cells<const N: usize>(&self) -> impl Iterator<Item = [u8; N]> {
        (0..self.n_rows).map(|row| {
            let at = row * self.row_bytes + self.start;
            let mut cell = [0; N];
            cell.copy_from_slice(&self.bytes[at..at + N]);
            cell
        })
    }

    /// `None` for what a [`Table`] has no column type for.
    fn array(&self, header: &Header, n: i64) -> Option<ArrayRef> {
        if self.format.code == b'A' {
            return Some(Arc::new(self.strings()));
        }
        if self.format.repeat != 1 {
            return None;
        }
        Some(match self.format.code {
            b'L' => Arc::new(
                self.cells::<1>()
                    .map(|[b]| match b {
                        b'T' => Some(true),
                        b'F' => Some(false),
                        _ => None,
                    })
                    .collect::<BooleanArray>(),
            ),
            b'B' => integers(self.cells::<1>().map(|[b]| i64::from(b)), header, n),
            b'I' => integers(self.cells().map(|b| i64::from(i16::from_be_bytes(b))), header, n),
            b'J' => integers(self.cells().map(|b| i64::from(i32::from_be_bytes(b))), header, n),
            b'K' => integers(self.cells().map(i64::from_be_bytes), header, n),
            b'E' => floats(self.cells().map(|b| f64::from(f32::from_be_bytes(b))), header, n),
            b'D' => floats(self.cells().map(f64::from_be_bytes), header, n),
            _ => return None,
        })
    }

    fn strings(&self) -> StringArray {
        let width = self.format.repeat;
        (0..self.n_rows)
            .map(|row| {
                let at = row * self.row_bytes + self.start;
                let cell = &self.bytes[at..at + width];
                // A string ends at a zero byte; one that begins with it is null.
                let end = cell.iter().position(|&b| b == 0).unwrap_or(width);
                let text: String = cell[..end].iter().map(|&b| char::from(b)).collect();
                (width == 0 || cell[0] != 0).then(|| text.trim_end_matches(' ').to_owned())
            })
            .collect()
    }
}

fn scaling(header: &Header, n: i64) -> (f64, f64) {
    (header.float(&format!("TSCAL{n}")).unwrap_or(1.0), header.float(&format!("TZERO{n}")).unwrap_or(0.0))
}

/// Whether scaled integers are still integers.
fn is_integer((scale, zero): (f64, f64)) -> bool {
    scale == 1.0 && zero.fract() == 0.0 && zero.abs() <= 9_223_372_036_854_775_808.0
}

fn integers(values: impl Iterator<Item = i64>, header: &Header, n: i64) -> ArrayRef {
    let null = header.int(&format!("TNULL{n}"));
    let (scale, zero) = scaling(header, n);
    if is_integer((scale, zero)) {
        let zero = zero as i128;
        // An unsigned integer above 2^63 has no place in a table of signed ones: it becomes null.
        let value = |v: i64| if Some(v) == null { None } else { i64::try_from(i128::from(v) + zero).ok() };
        Arc::new(values.map(value).collect::<Int64Array>())
    } else {
        let value = |v: i64| if Some(v) == null { f64::NAN } else { zero + scale * v as f64 };
        Arc::new(Float64Array::from_iter_values(values.map(value)))
    }
}

fn floats(values: impl Iterator<Item = f64>, header: &Header, n: i64) -> ArrayRef {
    let (scale, zero) = scaling(header, n);
    if scale == 1.0 && zero == 0.0 {
        Arc::new(Float64Array::from_iter_values(values))
    } else {
        Arc::new(Float64Array::from_iter_values(values.map(|v| zero + scale * v)))
    }
}
