//! The rows of VOTable's BINARY and BINARY2 streams (VOTable 1.4, section 6).

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};

use super::error::CatalogueError;
use super::votable::VoField;

/// How many values a cell holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ArraySize {
    #[default]
    One,
    Fixed(usize),
    /// The stream gives the number before the values.
    Variable,
}

impl ArraySize {
    /// `""`, `8`, `*`, `8*`, `2x3`, `2x*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() {
            return Some(Self::One);
        }
        if text.ends_with('*') {
            return Some(Self::Variable);
        }
        let n = text.split('x').try_fold(1_usize, |n, part| n.checked_mul(part.trim().parse().ok()?))?;
        Some(if n == 1 && !text.contains('x') { Self::One } else { Self::Fixed(n) })
    }
}

enum Cells {
    Skipped,
    Float(Vec<f64>),
    Int(Vec<Option<i64>>),
    Bool(Vec<Option<bool>>),
    Text(Vec<Option<String>>),
}

fn value_bytes(datatype: &str) -> Option<usize> {
    Some(match datatype {
        "boolean" | "bit" | "unsignedByte" | "char" => 1,
        "short" | "unicodeChar" => 2,
        "int" | "float" => 4,
        "long" | "double" | "floatComplex" => 8,
        "doubleComplex" => 16,
        _ => return None,
    })
}

/// The wanted columns as arrays.
pub(super) fn arrays(
    bytes: &[u8],
    fields: &[VoField],
    wanted: &[usize],
    has_null_bits: bool,
) -> Result<Vec<ArrayRef>, CatalogueError> {
    let mut columns = Vec::with_capacity(fields.len());
    for (i, field) in fields.iter().enumerate() {
        let size = value_bytes(&field.datatype).ok_or_else(|| {
            CatalogueError::malformed(
                format!("datatype {:?} of {:?}", field.datatype, field.name),
                "a VOTable datatype",
            )
        })?;
        let cells = match field.datatype.as_str() {
            _ if !wanted.contains(&i) => Cells::Skipped,
            "boolean" => Cells::Bool(Vec::new()),
            "char" | "unicodeChar" => Cells::Text(Vec::new()),
            "float" | "double" => Cells::Float(Vec::new()),
            _ => Cells::Int(Vec::new()),
        };
        let null = field.null.as_deref().and_then(|n| n.trim().parse::<i64>().ok());
        columns.push((field, size, null, cells));
    }
    let mut rest = bytes;
    let mut row = 0_usize;
    let flag_bytes = if has_null_bits { fields.len().div_ceil(8) } else { 0 };
    while !rest.is_empty() && !fields.is_empty() {
        let flags = take(&mut rest, flag_bytes, row)?;
        for (i, (field, size, null, cells)) in columns.iter_mut().enumerate() {
            let is_null = flags.get(i / 8).is_some_and(|byte| byte & (0x80 >> (i % 8)) != 0);
            let n = match field.size {
                ArraySize::One => 1,
                ArraySize::Fixed(n) => n,
                ArraySize::Variable => {
                    let count = take(&mut rest, 4, row)?;
                    u32::from_be_bytes([count[0], count[1], count[2], count[3]]) as usize
                }
            };
            let n_bytes = if field.datatype == "bit" { Some(n.div_ceil(8)) } else { n.checked_mul(*size) };
            let cell = take(&mut rest, n_bytes.unwrap_or(usize::MAX), row)?;
            push(cells, cell, &field.datatype, is_null, *null);
        }
        row += 1;
    }
    Ok(wanted
        .iter()
        .filter_map(|&i| match std::mem::replace(&mut columns[i].3, Cells::Skipped) {
            Cells::Skipped => None,
            Cells::Float(v) => Some(Arc::new(Float64Array::from(v)) as ArrayRef),
            Cells::Int(v) => Some(Arc::new(Int64Array::from(v)) as ArrayRef),
            Cells::Bool(v) => Some(Arc::new(BooleanArray::from(v)) as ArrayRef),
            Cells::Text(v) => Some(Arc::new(StringArray::from(v)) as ArrayRef),
        })
        .collect())
}

fn take<'a>(rest: &mut &'a [u8], n: usize, row: usize) -> Result<&'a [u8], CatalogueError> {
    match rest.split_at_checked(n) {
        Some((head, tail)) => {
            *rest = tail;
            Ok(head)
        }
        None => Err(CatalogueError::malformed(format!("a stream that ends inside row {row}"), "complete rows")
            .help("fetch the file again")),
    }
}

/// Adds one cell; its length fits the data type.
fn push(cells: &mut Cells, cell: &[u8], datatype: &str, is_null: bool, null: Option<i64>) {
    match cells {
        Cells::Skipped => {}
        Cells::Float(values) => values.push(match *cell {
            _ if is_null => f64::NAN,
            [a, b, c, d] => f64::from(f32::from_be_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => f64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => f64::NAN,
        }),
        Cells::Int(values) => {
            let value = match *cell {
                [a] => Some(i64::from(a)),
                [a, b] => Some(i64::from(i16::from_be_bytes([a, b]))),
                [a, b, c, d] => Some(i64::from(i32::from_be_bytes([a, b, c, d]))),
                [a, b, c, d, e, f, g, h] => Some(i64::from_be_bytes([a, b, c, d, e, f, g, h])),
                _ => None,
            };
            values.push(value.filter(|v| !is_null && Some(*v) != null));
        }
        Cells::Bool(values) => values.push(match cell.first() {
            Some(b'T' | b't' | b'1') if !is_null => Some(true),
            Some(b'F' | b'f' | b'0') if !is_null => Some(false),
            _ => None,
        }),
        Cells::Text(values) => {
            let text = if datatype == "unicodeChar" {
                let units: Vec<u16> = cell.as_chunks::<2>().0.iter().map(|&u| u16::from_be_bytes(u)).collect();
                String::from_utf16_lossy(&units)
            } else {
                String::from_utf8_lossy(cell).into_owned()
            };
            // A fixed length is filled up with zeros or blanks.
            let text = text.split('\0').next().unwrap_or_default().trim_end();
            values.push((!is_null && !text.is_empty()).then(|| text.to_owned()));
        }
    }
}
