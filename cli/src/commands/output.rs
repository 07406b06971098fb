//! Printing the answer: standard output carries nothing else.

use std::io::Write;

use serde::Serialize;

use crate::failure::CommandFailure;

/// Prints text.
pub fn text(text: &str) -> Result<(), CommandFailure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // `skyloom plan | head` closes the pipe: that is no failure.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|e| CommandFailure::io(format!("standard output: {e}"))),
    }
}

/// Prints a value as indented JSON.
pub fn json(value: &impl Serialize) -> Result<(), CommandFailure> {
    let json = serde_json::to_string_pretty(value).map_err(|e| CommandFailure::io(format!("JSON: {e}")))?;
    text(&format!("{json}\n"))
}

/// Rows as aligned columns, two blanks apart; the last column is not padded. Numbers are right-aligned where `right` says so.
#[must_use]
pub fn columns(header: &[&str], right: &[bool], rows: &[Vec<String>]) -> String {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::NOTHING);
    table.set_header(header.to_vec());
    for row in rows {
        table.add_row(row.clone());
    }
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if right.get(i) == Some(&true) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
