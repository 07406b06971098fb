//! Catalogues in CSV and ECSV files.

use std::io::Read;
use std::path::Path;

use rayon::prelude::*;
use skyloom_data::facets::ColumnKind;
use skyloom_data::{Table, TableBuilder};

use super::ecsv_header::{self, EcsvColumn};
use super::error::CatalogueError;
use super::file::{FileColumn, FileHeader};
use super::format;
use super::text_column::TextColumn;

/// Bytes that are looked at for names and kinds before a run.
const HEAD: u64 = 1 << 20;

/// How the lines are made up.
struct Layout {
    delimiter: u8,
    columns: Vec<EcsvColumn>,
}

fn layout(bytes: &[u8], is_ecsv: bool) -> Layout {
    let mut comments = Vec::new();
    let mut first = String::new();
    for line in bytes.split(|&b| b == b'\n') {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_start_matches('\u{feff}');
        if let Some(comment) = line.strip_prefix('#') {
            comments.push(comment.strip_prefix(' ').unwrap_or(comment).trim_end().to_owned());
        } else if !line.trim().is_empty() {
            first = line.to_owned();
            break;
        }
    }
    if is_ecsv {
        let delimiter = comments
            .iter()
            .find_map(|l| l.strip_prefix("delimiter:"))
            .and_then(|v| v.trim().trim_matches(['\'', '"']).bytes().next())
            .unwrap_or(b' ');
        return Layout { delimiter, columns: ecsv_header::columns(comments.iter().map(String::as_str)) };
    }
    // The most frequent of the usual ones in the line of names; on a tie the first.
    let count = |d: u8| first.bytes().filter(|&b| b == d).count();
    let mut delimiter = b',';
    for other in [b'\t', b';', b'|'] {
        if count(other) > count(delimiter) {
            delimiter = other;
        }
    }
    Layout { delimiter, columns: Vec::new() }
}

fn reader<'a>(bytes: &'a [u8], layout: &Layout) -> ::csv::Reader<&'a [u8]> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    ::csv::ReaderBuilder::new().delimiter(layout.delimiter).comment(Some(b'#')).from_reader(bytes)
}

fn damaged(error: ::csv::Error) -> CatalogueError {
    CatalogueError::malformed(error, "lines of as many values as there are names")
}

fn names(reader: &mut ::csv::Reader<&[u8]>) -> Result<Vec<String>, CatalogueError> {
    let record = reader.byte_headers().map_err(damaged)?;
    record
        .iter()
        .map(|name| match std::str::from_utf8(name) {
            Ok(name) => Ok(name.trim().to_owned()),
            Err(_) => Err(CatalogueError::malformed("a name of a column that is not UTF-8", "UTF-8 text")),
        })
        .collect()
}

fn declared(layout: &Layout, name: &str) -> Option<ColumnKind> {
    let column = layout.columns.iter().find(|c| c.name == name)?;
    match column.datatype.as_str() {
        "bool" => Some(ColumnKind::Bool),
        "string" => Some(ColumnKind::Text),
        t if t.starts_with("int") || t.starts_with("uint") => Some(ColumnKind::Int),
        t if t.starts_with("float") => Some(ColumnKind::Float),
        _ => None,
    }
}

fn unit(layout: &Layout, name: &str) -> String {
    layout.columns.iter().find(|c| c.name == name).and_then(|c| c.unit.clone()).unwrap_or_default()
}

/// The wanted columns as text.
fn cells(
    reader: &mut ::csv::Reader<&[u8]>,
    wanted: &[usize],
    is_part: bool,
) -> Result<Vec<TextColumn>, CatalogueError> {
    let mut columns: Vec<TextColumn> = wanted.iter().map(|_| TextColumn::default()).collect();
    let mut record = ::csv::ByteRecord::new();
    let mut n_rows = 0_usize;
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(columns),
            // The piece of a file may end inside a line.
            Err(_) if is_part => return Ok(columns),
            Err(error) => return Err(damaged(error)),
        }
        for (column, &i) in columns.iter_mut().zip(wanted) {
            let cell = std::str::from_utf8(&record[i])
                .map_err(|_| CatalogueError::malformed(format!("row {n_rows}, which is not UTF-8"), "UTF-8 text"))?;
            column.push(cell);
        }
        n_rows += 1;
    }
}

pub(super) fn header(path: &Path, is_ecsv: bool) -> Result<FileHeader, CatalogueError> {
    let mut bytes = Vec::new();
    format::open(path)?.take(HEAD).read_to_end(&mut bytes).map_err(|e| CatalogueError::from_read(&e))?;
    let is_part = bytes.len() as u64 == HEAD;
    if is_part {
        let end = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
        bytes.truncate(end);
    }
    let layout = layout(&bytes, is_ecsv);
    let mut reader = reader(&bytes, &layout);
    let names = names(&mut reader)?;
    let all: Vec<usize> = (0..names.len()).collect();
    let cells = cells(&mut reader, &all, is_part)?;
    let columns = names
        .into_iter()
        .zip(cells)
        .map(|(name, cells)| {
            let kind = declared(&layout, &name).unwrap_or_else(|| cells.kind());
            FileColumn { unit: unit(&layout, &name), kind: Some(kind), name }
        })
        .collect();
    // The file, and the wanted cells as text or bytes.
    Ok(FileHeader { columns, n_rows: None, memory_bytes: format::unpacked_bytes(path).saturating_mul(2) })
}

pub(super) fn columns(path: &Path, is_ecsv: bool, wanted: &[&str]) -> Result<Table, CatalogueError> {
    let bytes = format::read_all(path)?;
    let layout = layout(&bytes, is_ecsv);
    let mut reader = reader(&bytes, &layout);
    let names = names(&mut reader)?;
    let indices: Vec<usize> = (0..names.len()).filter(|&i| wanted.contains(&names[i].as_str())).collect();
    let cells = cells(&mut reader, &indices, false)?;
    let arrays: Vec<_> = indices
        .par_iter()
        .zip(cells)
        .map(|(&i, cells)| {
            let kind = declared(&layout, &names[i]).unwrap_or_else(|| cells.kind());
            cells.array(kind, None).map_err(|(row, cell)| {
                let found = format!("{cell:?} in row {row} of column {:?}", names[i]);
                CatalogueError::malformed(found, format!("a value of type {}", kind.name()))
            })
        })
        .collect();
    let mut builder = TableBuilder::new();
    for (&i, array) in indices.iter().zip(arrays) {
        builder = builder.array(&names[i], &unit(&layout, &names[i]), "", array?);
    }
    builder.build().map_err(|e| CatalogueError::malformed(e, "columns with different names"))
}
