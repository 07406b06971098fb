//! Small text files that know whether they are complete and undamaged.
//!
//! The first line is JSON with the digest of the rest, which is JSON too: a program that reads JSON lines reads both.

use std::io::Read;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use crate::digest::Digest;

const BEFORE: &str = "{\"skyloom\":1,\"blake3\":\"";
const AFTER: &str = "\"}\n";

/// The text of a sealed file that holds `value`.
pub(crate) fn seal<T: Serialize>(value: &T, path: &Path) -> Result<Vec<u8>, StoreError> {
    let mut body = serde_json::to_vec(value).map_err(|e| StoreError::Io {
        doing: "writing as JSON",
        path: path.to_path_buf(),
        source: std::io::Error::other(e),
    })?;
    body.push(b'\n');
    let mut text = format!("{BEFORE}{}{AFTER}", Digest::of(&body)).into_bytes();
    text.extend(body);
    Ok(text)
}

/// What became of reading a sealed file.
#[derive(Debug)]
pub(crate) enum Unsealed<T> {
    /// The value, and the open file for its times.
    Value(T, std::fs::File),
    /// There is no such file.
    Absent,
    /// There is one, but its content is not what was written.
    Damaged,
    /// The system refused to read it: nothing is known about it.
    Unreadable(std::io::Error),
}

impl<T> Unsealed<T> {
    /// The value, if there is one. Damage is worth a warning and otherwise as good as absence.
    pub(crate) fn value(self, path: &Path) -> Option<(T, std::fs::File)> {
        match self {
            Self::Value(value, file) => Some((value, file)),
            Self::Absent => None,
            Self::Damaged => {
                tracing::warn!("{}: damaged, taken as absent", path.display());
                None
            }
            Self::Unreadable(e) => {
                tracing::warn!("{}: cannot be read ({e}), taken as absent", path.display());
                None
            }
        }
    }
}

/// Reads a sealed file.
pub(crate) fn unseal<T: DeserializeOwned>(path: &Path) -> Unsealed<T> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Unsealed::Absent;
        }
        Err(e) => return Unsealed::Unreadable(e),
    };
    let mut bytes = Vec::new();
    if let Err(e) = file.read_to_end(&mut bytes) {
        return Unsealed::Unreadable(e);
    }
    match checked_body(&bytes).and_then(|body| serde_json::from_slice(body).ok()) {
        Some(value) => Unsealed::Value(value, file),
        None => Unsealed::Damaged,
    }
}

fn checked_body(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(BEFORE.as_bytes())?;
    let (hex, rest) = rest.split_at_checked(64)?;
    let body = rest.strip_prefix(AFTER.as_bytes())?;
    let expected = Digest::from_hex(std::str::from_utf8(hex).ok()?)?;
    (Digest::of(body) == expected).then_some(body)
}
