//! Tables as FITS binary tables.

use skyloom_engine::CodecError;

use crate::table::Table;

/// A FITS file with an empty primary HDU and the table as its one BINTABLE extension.
///
/// Placeholder: the writer replaces this file when it lands.
///
/// # Errors
/// Always, until then.
pub fn bintable_bytes(table: &Table) -> Result<Vec<u8>, CodecError> {
    Err(CodecError::format(format!("the FITS table writer has not landed ({} rows)", table.n_rows())))
}
