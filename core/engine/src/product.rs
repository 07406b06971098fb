//! What travels along an edge: a product, its type name and its file format.

use std::any::Any;
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// A value that a stage makes and another reads. The engine knows only its type's name and how it becomes a file.
///
/// Equal products must encode to equal bytes: the digest of the file is the identity of the product.
pub trait Product: Any + fmt::Debug + Send + Sync {
    /// The type's name, as ports and messages show it (`image`, `table`).
    fn type_name(&self) -> &'static str;
    /// Extension of the artefact's file, without the dot (`fits`, `parquet`).
    fn extension(&self) -> &str;
    /// Bytes that the product occupies in memory.
    fn resident_bytes(&self) -> u64;
    /// Writes the product as one complete file at `path`, which does not exist yet.
    ///
    /// # Errors
    /// When the file cannot be written.
    fn encode(&self, path: &Path) -> Result<(), CodecError>;
    /// Writes the same bytes to `out` and returns `true`, for formats that are written from front to end: the store then
    /// digests them on their way and reads nothing again. `false`, with nothing written, when only [`Product::encode`] can.
    ///
    /// # Errors
    /// When they cannot be written.
    fn encode_to(&self, out: &mut dyn Write) -> Result<bool, CodecError> {
        let _ = out;
        Ok(false)
    }
}

/// A concrete product type: what a typed port names.
pub trait ProductType: Product + Sized {
    /// The type's name; equal to [`Product::type_name`].
    const TYPE: &'static str;
    /// Reads what [`Product::encode`] wrote.
    ///
    /// # Errors
    /// When the file is not what `encode` writes.
    fn decode(path: &Path) -> Result<Self, CodecError>;
}

/// An artefact could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The operating system refused.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The file's content is not what was expected.
    #[error("{0}")]
    Format(String),
}

impl CodecError {
    /// A format error from anything that can be printed.
    pub fn format(message: impl fmt::Display) -> Self {
        Self::Format(message.to_string())
    }
}

/// A product type as a value: its name and decoder. Ports carry it, so the engine needs no table of types.
#[derive(Clone, Copy)]
pub struct ProductKind {
    /// The type's name.
    pub name: &'static str,
    /// Reads an artefact of this type.
    pub decode: fn(&Path) -> Result<Arc<dyn Product>, CodecError>,
}

impl ProductKind {
    /// The kind of a concrete type.
    #[must_use]
    pub fn of<T: ProductType>() -> Self {
        Self { name: T::TYPE, decode: |path| Ok(Arc::new(T::decode(path)?)) }
    }
}

impl fmt::Debug for ProductKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for ProductKind {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}
impl Eq for ProductKind {}

/// Bytes of a file that the graph delivers: a picture, a catalogue in a user's format.
///
/// The stage makes the bytes; the engine places them under the name that `outputs` gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deliverable {
    extension: String,
    bytes: Vec<u8>,
}

impl Deliverable {
    /// Bytes of a file with this extension (no dot).
    #[must_use]
    pub fn new(extension: &str, bytes: Vec<u8>) -> Self {
        Self { extension: extension.to_owned(), bytes }
    }

    /// The file's content.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Product for Deliverable {
    fn type_name(&self) -> &'static str {
        Self::TYPE
    }
    fn extension(&self) -> &str {
        &self.extension
    }
    fn resident_bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
    fn encode(&self, path: &Path) -> Result<(), CodecError> {
        std::fs::write(path, &self.bytes)?;
        Ok(())
    }
    fn encode_to(&self, out: &mut dyn Write) -> Result<bool, CodecError> {
        out.write_all(&self.bytes)?;
        Ok(true)
    }
}

impl ProductType for Deliverable {
    const TYPE: &'static str = "file";
    fn decode(path: &Path) -> Result<Self, CodecError> {
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default().to_owned();
        Ok(Self { extension, bytes: std::fs::read(path)? })
    }
}
