//! Which kind of file it is, by its content.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use skyloom_engine::ErrorClass;

use super::error::CatalogueError;

/// Format of a catalogue file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatalogueFormat {
    /// FITS binary table.
    Fits,
    /// Apache Parquet.
    Parquet,
    /// VOTable with TABLEDATA, BINARY or BINARY2.
    Votable,
    /// Separated values with a line of names: comma, semicolon, tab or bar.
    Csv,
    /// Enhanced CSV: with units and types in its header.
    Ecsv,
}

/// Bytes that tell one format from another.
const START: usize = 4096;

/// The format of a file by its first bytes, unpacked where they are gzipped; by the extension for plain text.
///
/// # Errors
/// When the file cannot be read, is empty, or is none of the formats.
pub fn detect(path: &Path) -> Result<CatalogueFormat, CatalogueError> {
    let mut start = Vec::new();
    open(path)?.take(START as u64).read_to_end(&mut start).map_err(|e| CatalogueError::from_read(&e))?;
    if start.is_empty() {
        return Err(CatalogueError::new(ErrorClass::Data, "empty-file", "an empty file", "a catalogue"));
    }
    if start.starts_with(b"SIMPLE  =") {
        return Ok(CatalogueFormat::Fits);
    }
    if start.starts_with(b"PAR1") {
        return Ok(CatalogueFormat::Parquet);
    }
    let text = String::from_utf8_lossy(&start);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    if text.starts_with("# %ECSV") {
        return Ok(CatalogueFormat::Ecsv);
    }
    if text.starts_with('<') {
        return if text.contains("VOTABLE") {
            Ok(CatalogueFormat::Votable)
        } else {
            let found = format!("a file that begins with {:?}", text.chars().take(24).collect::<String>());
            Err(unknown(&found).help("if this is a web page, it may be the answer to a failed download"))
        };
    }
    if start.iter().any(|&b| b < b' ' && !matches!(b, b'\t' | b'\n' | b'\r')) {
        let shown: String =
            start.iter().take(16).flat_map(|&b| std::ascii::escape_default(b)).map(char::from).collect();
        return Err(unknown(&format!("a file that begins with \"{shown}\"")));
    }
    Ok(CatalogueFormat::Csv)
}

fn unknown(found: &str) -> CatalogueError {
    let expected = "FITS, Parquet, VOTable, CSV or ECSV, gzipped or not";
    CatalogueError::new(ErrorClass::Data, "unknown-format", found, expected)
}

/// Opens a file for reading from its beginning; gzip is unpacked on the way.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, CatalogueError> {
    let failed = |e: std::io::Error| CatalogueError::from_read(&e);
    if std::fs::metadata(path).map_err(failed)?.is_dir() {
        return Err(CatalogueError::new(ErrorClass::Io, "not-a-file", "a folder", "a catalogue"));
    }
    let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(failed)?);
    let is_packed = file.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
    Ok(if is_packed { Box::new(BufReader::with_capacity(1 << 18, MultiGzDecoder::new(file))) } else { Box::new(file) })
}

/// Length of the file when it is unpacked: exact for plain files, for gzipped ones about four times as long as packed.
pub(super) fn unpacked_bytes(path: &Path) -> u64 {
    let len = std::fs::metadata(path).map_or(0, |m| m.len());
    let mut start = [0; 2];
    let is_packed = File::open(path).and_then(|mut f| f.read_exact(&mut start)).is_ok() && start == [0x1f, 0x8b];
    if is_packed { len.saturating_mul(4) } else { len }
}

/// The whole file, unpacked.
pub(super) fn read_all(path: &Path) -> Result<Vec<u8>, CatalogueError> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map_err(|e| match e.kind() {
        std::io::ErrorKind::OutOfMemory => {
            CatalogueError::new(ErrorClass::Resources, "too-large", "a file too large", "one that fits in memory")
        }
        _ => CatalogueError::from_read(&e),
    })?;
    Ok(bytes)
}
