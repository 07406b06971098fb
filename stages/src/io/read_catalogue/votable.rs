//! Catalogues in VOTable files: the XML around the rows.
//!
//! The crate `votable` would read them too, but brings an XML reader and a YAML parser that are no longer maintained.

use std::io::BufRead;
use std::path::Path;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use rayon::prelude::*;
use skyloom_data::facets::ColumnKind;
use skyloom_data::{Table, TableBuilder};

use super::error::CatalogueError;
use super::file::{FileColumn, FileHeader};
use super::format;
use super::text_column::TextColumn;
use super::votable_stream::{self, ArraySize};

/// A FIELD.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct VoField {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) datatype: String,
    pub(super) size: ArraySize,
    /// The number that stands for a missing value.
    pub(super) null: Option<String>,
}

impl VoField {
    pub(super) fn kind(&self) -> Option<ColumnKind> {
        match (self.datatype.as_str(), self.size) {
            ("char" | "unicodeChar", _) => Some(ColumnKind::Text),
            ("boolean", ArraySize::One) => Some(ColumnKind::Bool),
            ("unsignedByte" | "short" | "int" | "long", ArraySize::One) => Some(ColumnKind::Int),
            ("float" | "double", ArraySize::One) => Some(ColumnKind::Float),
            _ => None,
        }
    }
}

/// How the rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rows {
    TableData,
    Binary,
    Binary2,
}

struct Document {
    xml: Reader<Box<dyn BufRead>>,
    buffer: Vec<u8>,
}

fn malformed(error: impl std::fmt::Display) -> CatalogueError {
    CatalogueError::malformed(error, "a VOTable")
}

fn ended() -> CatalogueError {
    malformed("a document that ends early").help("fetch the file again")
}

impl Document {
    fn open(path: &Path) -> Result<Self, CatalogueError> {
        Ok(Self { xml: Reader::from_reader(format::open(path)?), buffer: Vec::new() })
    }

    /// The fields of the first table with data, and how its rows are written.
    fn head(&mut self) -> Result<(Vec<VoField>, Rows), CatalogueError> {
        let mut fields: Vec<VoField> = Vec::new();
        let mut is_in_field = false;
        loop {
            self.buffer.clear();
            let event = self.xml.read_event_into(&mut self.buffer).map_err(malformed)?;
            let (start, is_empty) = match &event {
                Event::Start(start) => (start, false),
                Event::Empty(start) => (start, true),
                Event::End(end) => {
                    is_in_field &= end.local_name().as_ref() != "FIELD";
                    continue;
                }
                Event::Eof => {
                    return Err(malformed("no table with rows").help("an empty answer of a service has none"));
                }
                _ => continue,
            };
            match start.local_name().as_ref() {
                "TABLE" => fields.clear(),
                "FIELD" => {
                    fields.push(field(start)?);
                    is_in_field = !is_empty;
                }
                "VALUES" if is_in_field => {
                    if let (Some(field), Some(null)) = (fields.last_mut(), attribute(start, "null")?) {
                        field.null = Some(null);
                    }
                }
                "INFO" if attribute(start, "name")?.as_deref() == Some("QUERY_STATUS") => {
                    let status = attribute(start, "value")?.unwrap_or_default();
                    if status == "ERROR" {
                        return Err(malformed("the answer of a service to a query that failed")
                            .help("the file's QUERY_STATUS element says why"));
                    }
                }
                "TABLEDATA" => return Ok((fields, Rows::TableData)),
                "BINARY" => return Ok((fields, Rows::Binary)),
                "BINARY2" => return Ok((fields, Rows::Binary2)),
                "FITS" => {
                    return Err(CatalogueError::malformed(
                        "a VOTable around a FITS file",
                        "TABLEDATA, BINARY or BINARY2",
                    )
                    .help("read the FITS file itself"));
                }
                _ => {}
            }
        }
    }

    /// The cells of the wanted columns.
    fn table_data(&mut self, n_fields: usize, wanted: &[usize]) -> Result<Vec<TextColumn>, CatalogueError> {
        let mut slots = vec![None; n_fields];
        for (k, &i) in wanted.iter().enumerate() {
            slots[i] = Some(k);
        }
        let mut columns: Vec<TextColumn> = wanted.iter().map(|_| TextColumn::default()).collect();
        let mut cell = String::new();
        let (mut row, mut i, mut is_in_cell) = (0_usize, 0_usize, false);
        loop {
            self.buffer.clear();
            let mut ends_cell = false;
            match self.xml.read_event_into(&mut self.buffer).map_err(malformed)? {
                Event::Start(start) => match start.local_name().as_ref() {
                    "TR" => i = 0,
                    "TD" => {
                        is_in_cell = true;
                        cell.clear();
                    }
                    _ => {}
                },
                Event::Empty(start) if start.local_name().as_ref() == "TD" => {
                    cell.clear();
                    ends_cell = true;
                }
                Event::End(end) => match end.local_name().as_ref() {
                    "TD" => ends_cell = true,
                    "TR" => {
                        if i != n_fields {
                            let found = format!("{i} cells in row {row}");
                            return Err(CatalogueError::malformed(found, format!("{n_fields}, one per FIELD")));
                        }
                        row += 1;
                    }
                    "TABLEDATA" => return Ok(columns),
                    _ => {}
                },
                Event::Text(text) if is_in_cell => cell.push_str(&text),
                Event::CData(text) if is_in_cell => cell.push_str(&text),
                Event::GeneralRef(reference) if is_in_cell => {
                    let known = match &*reference {
                        "lt" => Some('<'),
                        "gt" => Some('>'),
                        "amp" => Some('&'),
                        "quot" => Some('"'),
                        "apos" => Some('\''),
                        _ => reference.resolve_char_ref().map_err(malformed)?,
                    };
                    cell.push(known.ok_or_else(|| malformed(format!("the entity {:?} in row {row}", &*reference)))?);
                }
                Event::Eof => return Err(ended()),
                _ => {}
            }
            if ends_cell {
                is_in_cell = false;
                if let Some(Some(k)) = slots.get(i) {
                    columns[*k].push(&cell);
                }
                i += 1;
            }
        }
    }

    /// The bytes of the STREAM.
    fn stream(&mut self) -> Result<Vec<u8>, CatalogueError> {
        let mut text = Vec::new();
        let mut is_in_stream = false;
        loop {
            self.buffer.clear();
            match self.xml.read_event_into(&mut self.buffer).map_err(malformed)? {
                Event::Start(start) | Event::Empty(start) if start.local_name().as_ref() == "STREAM" => {
                    if let Some(href) = attribute(&start, "href")? {
                        return Err(CatalogueError::malformed(
                            format!("rows in another place ({href})"),
                            "rows in the file itself",
                        )
                        .help("save the table with its data, for instance in TOPCAT"));
                    }
                    let encoding = attribute(&start, "encoding")?.unwrap_or_default();
                    if encoding != "base64" {
                        let found = format!("a STREAM with encoding {encoding:?}");
                        return Err(CatalogueError::malformed(found, "base64"));
                    }
                    is_in_stream = true;
                }
                Event::Text(part) if is_in_stream => text.extend(part.bytes().filter(|b| !b.is_ascii_whitespace())),
                Event::CData(part) if is_in_stream => text.extend(part.bytes().filter(|b| !b.is_ascii_whitespace())),
                Event::End(end) if matches!(end.local_name().as_ref(), "BINARY" | "BINARY2") => break,
                Event::Eof => return Err(ended()),
                _ => {}
            }
        }
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, &text)
            .map_err(|e| malformed(format!("damaged base64 ({e})")))
    }
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Result<Option<String>, CatalogueError> {
    match start.try_get_attribute(name).map_err(malformed)? {
        Some(a) => {
            let value = a.normalized_value(quick_xml::XmlVersion::Implicit1_0).map_err(malformed)?;
            Ok(Some(value.into_owned()))
        }
        None => Ok(None),
    }
}

fn field(start: &BytesStart<'_>) -> Result<VoField, CatalogueError> {
    let get = |name: &str| attribute(start, name);
    let name = match get("name")? {
        Some(name) => name,
        None => get("ID")?.unwrap_or_default(),
    };
    let size = get("arraysize")?.unwrap_or_default();
    let size = ArraySize::parse(&size).ok_or_else(|| malformed(format!("arraysize {size:?} of {name:?}")))?;
    Ok(VoField {
        name,
        unit: get("unit")?.unwrap_or_default(),
        datatype: get("datatype")?.unwrap_or_default(),
        size,
        null: None,
    })
}

pub(super) fn header(path: &Path) -> Result<FileHeader, CatalogueError> {
    let (fields, _) = Document::open(path)?.head()?;
    let columns = fields.into_iter().map(|f| FileColumn { kind: f.kind(), name: f.name, unit: f.unit }).collect();
    // The file, and the wanted cells as text or bytes.
    Ok(FileHeader { columns, n_rows: None, memory_bytes: format::unpacked_bytes(path).saturating_mul(2) })
}

pub(super) fn columns(path: &Path, names: &[&str]) -> Result<Table, CatalogueError> {
    let mut document = Document::open(path)?;
    let (fields, rows) = document.head()?;
    let wanted: Vec<usize> =
        (0..fields.len()).filter(|&i| names.contains(&fields[i].name.as_str()) && fields[i].kind().is_some()).collect();
    let arrays = if rows == Rows::TableData {
        let cells = document.table_data(fields.len(), &wanted)?;
        wanted
            .par_iter()
            .zip(cells)
            .map(|(&i, cells)| {
                let field = &fields[i];
                let kind = field.kind().unwrap_or(ColumnKind::Text);
                cells.array(kind, field.null.as_deref()).map_err(|(row, cell)| {
                    let found = format!("{cell:?} in row {row} of column {:?}", field.name);
                    CatalogueError::malformed(found, format!("a value of type {}", field.datatype))
                })
            })
            .collect::<Result<Vec<_>, _>>()?
    } else {
        let bytes = document.stream()?;
        votable_stream::arrays(&bytes, &fields, &wanted, rows == Rows::Binary2)?
    };
    let mut builder = TableBuilder::new();
    for (&i, array) in wanted.iter().zip(arrays) {
        builder = builder.array(&fields[i].name, &fields[i].unit, "", array);
    }
    builder.build().map_err(|e| CatalogueError::malformed(e, "columns with different names"))
}
