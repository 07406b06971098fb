//! VOTable 1.4 with a BINARY2 stream.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use skyloom_data::Table;
use skyloom_engine::CodecError;

use super::columns::{Cell, Column, Values, columns};
use super::units;

/// Namespace of VOTable 1.3 and later.
const NAMESPACE: &str = "http://www.ivoa.net/xml/VOTable/v1.3";
/// Characters of base64 in a line: the MIME limit.
const LINE: usize = 76;

/// The table as a VOTable 1.4 document.
///
/// The rows are a BINARY2 stream: bits for null, and every float and every blank in a text exactly as it is, which
/// TABLEDATA cannot promise. Text columns are `char` when all their text is ASCII, else `unicodeChar` (UTF-16).
///
/// # Errors
/// When a column has a type that tables do not have, or its name, unit or description a character that XML cannot hold.
pub fn votable_bytes(table: &Table) -> Result<Vec<u8>, CodecError> {
    let columns = columns(table)?;
    let encodings: Vec<Encoding> = columns.iter().map(encoding).collect();
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 1);
    let n_rows = table.n_rows().to_string();
    put(&mut xml, Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let open = ["VOTABLE", "RESOURCE", "TABLE"];
    let root = [("version", "1.4"), ("xmlns", NAMESPACE)];
    put(&mut xml, Event::Start(BytesStart::new(open[0]).with_attributes(root)))?;
    put(&mut xml, Event::Start(BytesStart::new(open[1]).with_attributes([("type", "results")])))?;
    put(&mut xml, Event::Start(BytesStart::new(open[2]).with_attributes([("nrows", n_rows.as_str())])))?;
    for (column, encoding) in columns.iter().zip(&encodings) {
        field(&mut xml, column, *encoding)?;
    }
    if !columns.is_empty() {
        for name in ["DATA", "BINARY2"] {
            put(&mut xml, Event::Start(BytesStart::new(name)))?;
        }
        let stream = format!("\n{}\n", in_lines(&STANDARD.encode(rows(table, &columns, &encodings))));
        put(&mut xml, Event::Start(BytesStart::new("STREAM").with_attributes([("encoding", "base64")])))?;
        put(&mut xml, Event::Text(BytesText::from_escaped(stream)))?;
        for name in ["STREAM", "BINARY2", "DATA"] {
            put(&mut xml, Event::End(BytesEnd::new(name)))?;
        }
    }
    for name in open.iter().rev() {
        put(&mut xml, Event::End(BytesEnd::new(*name)))?;
    }
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    Double,
    Long,
    Boolean,
    Char,
    UnicodeChar,
}

fn encoding(column: &Column<'_>) -> Encoding {
    match &column.values {
        Values::Float(_) => Encoding::Double,
        Values::Int(_) => Encoding::Long,
        Values::Bool(_) => Encoding::Boolean,
        Values::Text(texts) if texts.iter().flatten().all(str::is_ascii) => Encoding::Char,
        Values::Text(_) => Encoding::UnicodeChar,
    }
}

fn put(xml: &mut Writer<Vec<u8>>, event: Event<'_>) -> Result<(), CodecError> {
    Ok(xml.write_event(event)?)
}

fn field(xml: &mut Writer<Vec<u8>>, column: &Column<'_>, encoding: Encoding) -> Result<(), CodecError> {
    for (what, text) in [("name", Some(column.name)), ("unit", column.unit), ("description", column.description)] {
        // XML 1.0 has no way to write these, not even escaped.
        let bad = |c: char| (c < ' ' && !matches!(c, '\t' | '\n' | '\r')) || matches!(c, '\u{fffe}' | '\u{ffff}');
        if let Some(c) = text.and_then(|t| t.chars().find(|c| bad(*c))) {
            let message = format!("the {what} of column {:?} holds {c:?}, which XML cannot hold", column.name);
            return Err(CodecError::format(message));
        }
    }
    let datatype = match encoding {
        Encoding::Double => "double",
        Encoding::Long => "long",
        Encoding::Boolean => "boolean",
        Encoding::Char => "char",
        Encoding::UnicodeChar => "unicodeChar",
    };
    let mut start = BytesStart::new("FIELD").with_attributes([("name", column.name), ("datatype", datatype)]);
    if matches!(encoding, Encoding::Char | Encoding::UnicodeChar) {
        start.push_attribute(("arraysize", "*"));
    }
    if let Some(unit) = column.unit {
        start.push_attribute(("unit", units::vounit(unit).as_str()));
    }
    let Some(description) = column.description else {
        return put(xml, Event::Empty(start));
    };
    put(xml, Event::Start(start))?;
    put(xml, Event::Start(BytesStart::new("DESCRIPTION")))?;
    put(xml, Event::Text(BytesText::new(description)))?;
    put(xml, Event::End(BytesEnd::new("DESCRIPTION")))?;
    put(xml, Event::End(BytesEnd::new("FIELD")))
}

/// The BINARY2 stream: per row one bit per column that is set for null (first column in the highest bit), then the
/// values, big-endian; a null still takes its place.
fn rows(table: &Table, columns: &[Column<'_>], encodings: &[Encoding]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in 0..table.n_rows() {
        let flags = bytes.len();
        bytes.resize(flags + columns.len().div_ceil(8), 0);
        for (i, (column, encoding)) in columns.iter().zip(encodings).enumerate() {
            match (column.values.cell(row), encoding) {
                (Some(Cell::Float(v)), _) => bytes.extend(v.to_be_bytes()),
                (Some(Cell::Int(v)), _) => bytes.extend(v.to_be_bytes()),
                (Some(Cell::Bool(v)), _) => bytes.push(if v { b'T' } else { b'F' }),
                (Some(Cell::Text(t)), Encoding::UnicodeChar) => {
                    let units: Vec<u16> = t.encode_utf16().collect();
                    bytes.extend((units.len() as u32).to_be_bytes());
                    bytes.extend(units.iter().flat_map(|u| u.to_be_bytes()));
                }
                (Some(Cell::Text(t)), _) => {
                    bytes.extend((t.len() as u32).to_be_bytes());
                    bytes.extend(t.as_bytes());
                }
                (None, encoding) => {
                    bytes[flags + i / 8] |= 0x80 >> (i % 8);
                    match encoding {
                        Encoding::Double => bytes.extend(f64::NAN.to_be_bytes()),
                        Encoding::Long => bytes.extend([0; 8]),
                        Encoding::Boolean => bytes.push(b'?'),
                        Encoding::Char | Encoding::UnicodeChar => bytes.extend([0; 4]),
                    }
                }
            }
        }
    }
    bytes
}

fn in_lines(text: &str) -> String {
    let lines: Vec<&str> = (0..text.len()).step_by(LINE).map(|i| &text[i..text.len().min(i + LINE)]).collect();
    lines.join("\n")
}
