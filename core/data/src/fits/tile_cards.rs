//! The cards of a tile-compressed image that are divided by while it is unpacked.

use std::path::Path;

use super::error::{FitsError, FitsErrorKind};
use super::hdu::Hdu;

/// Refuses what ends the process inside cfitsio, which divides by these numbers without a look at them: tiles without
/// pixels, and block sizes and pixel sizes of the Rice method that do not exist (FITS standard 4.0, sections 10.1 and 10.4.1).
///
/// # Errors
/// When a card is out of its range.
pub(super) fn check_tile_cards(path: &Path, hdu: &Hdu) -> Result<(), FitsError> {
    let malformed = |key: &str, expected: &str| {
        let found = match hdu.header.get(key) {
            Some(value) => format!("{key} = {value:?} in {}", hdu.label()),
            None => format!("no {key} in {}", hdu.label()),
        };
        FitsError::new(FitsErrorKind::Malformed, path, found, expected)
            .help("the header is damaged: fetch the file again")
    };
    for axis in 1..=hdu.shape.len() {
        let key = format!("ZTILE{axis}");
        // Without the card a tile is one row.
        if hdu.header.get(&key).is_some() && hdu.header.int(&key).is_none_or(|n| n < 1) {
            return Err(malformed(&key, "a length of 1 or more"));
        }
    }
    let names = (1..).map_while(|n| Some((n, hdu.header.text(&format!("ZNAME{n}"))?)));
    for (n, name) in names {
        let (allowed, expected): (&[i64], _) = match name.trim() {
            "BLOCKSIZE" => (&[16, 32], "16 or 32"),
            "BYTEPIX" => (&[1, 2, 4, 8], "1, 2, 4 or 8"),
            _ => continue,
        };
        let key = format!("ZVAL{n}");
        if !hdu.header.int(&key).is_some_and(|v| allowed.contains(&v)) {
            return Err(malformed(&key, expected));
        }
    }
    Ok(())
}
