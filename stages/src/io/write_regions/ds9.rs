//! DS9 region files.

use std::fmt::Write;

use skyloom_data::{Isophotes, Table};
use skyloom_engine::CodecError;

use super::outlines::{label, outlines};

/// The rows of a table as DS9 polygons in image coordinates, which count from one.
///
/// Each polygon is labelled with the row's value of `label_column`.
///
/// # Errors
/// When an id of the table names no usable contour.
pub fn ds9_text(table: &Table, isophotes: &Isophotes, label_column: &str, colour: &str) -> Result<String, CodecError> {
    let outlines = outlines(table, isophotes)?;
    let mut text = format!(
        "# Region file format: DS9 version 4.1\n\
         # {} isophotes, labelled by {}; image coordinates: the centre of the first pixel is (1, 1)\n\
         global color={colour} width=1 font=\"helvetica 10 normal roman\" select=1 edit=1 move=1 delete=1 include=1\n\
         image\n",
        outlines.len(),
        one_line(label_column)
    );
    for (row, contour) in outlines.iter().enumerate() {
        text.push_str("polygon(");
        // The first vertex is repeated at the end of a contour; DS9 closes the line itself.
        for (i, [x, y]) in contour.vertices[..contour.vertices.len() - 1].iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            let _ = write!(text, "{comma}{},{}", x + 1.0, y + 1.0);
        }
        text.push(')');
        let label = label(table, label_column, row);
        if !label.is_empty() {
            let _ = write!(text, " # text={{{}}}", one_line(&label));
        }
        text.push('\n');
    }
    Ok(text)
}

/// A label that cannot end its braces or its line.
fn one_line(label: &str) -> String {
    label.replace('{', "(").replace('}', ")").replace(|c: char| c.is_control(), " ")
}
